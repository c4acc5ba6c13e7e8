"""A student as an ONNX file, for ONNX Runtime on any machine and in a browser."""

import dataclasses
import io
import json
import logging
import warnings
from pathlib import Path

import torch

from lrar.cache import atomic_write
from lrar.clips import DataError
from lrar.small import SEGMENTS, WINDOW, Card, SmallStudent

OPSET = 18  # what ONNX Runtime reads since 2023
OUTPUTS = ("probabilities", "attention", "frames")


def export_student(model: SmallStudent, card: Card, folder: Path) -> tuple[Path, Path]:
    """Write a student as ONNX, and beside it what one has to know to use it.

    The graph takes `low`, float32 `(1, 16, 4, C, h, w)` in [0, 1], and gives `probabilities` `(1, classes)`, `attention`
    `(1, T', H', W')` and the super-resolved `frames` `(1, 16, C, 4 h, 4 w)`; see `lrar.small`. The JSON holds the
    student's card.

    Args:
        model: the student.
        card: what its file says of it.
        folder: gets `<dataset>.onnx` and `<dataset>.json`.

    Raises:
        DataError: the packages that write ONNX are not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise DataError(f"{error.name} is not installed. Install it: pip install 'lrar[export]'.") from error
    low = torch.zeros(1, SEGMENTS, WINDOW, card.channels, *card.size)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        program = torch.onnx.export(
            model,
            (low,),
            input_names=["low"],
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    content = io.BytesIO()
    program.save(content)
    written = folder / f"{card.dataset}.onnx", folder / f"{card.dataset}.json"
    atomic_write(written[0], content.getvalue())
    atomic_write(written[1], (json.dumps(dataclasses.asdict(card), indent=1) + "\n").encode())
    return written
