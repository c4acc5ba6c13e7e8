"""What is someone doing in a video of your own? The answers of `lrar predict`, as text or JSON."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lrar.clips import DataError
from lrar.datasets.folder import VIDEO_SUFFIXES, as_text, files_below
from lrar.small import Answer, Card, SmallStudent, read
from lrar.watch import WHOLE, Region, Window, windows


def find_videos(path: Path) -> list[Path]:
    """A file itself, or every video in a folder and below.

    Raises:
        DataError: a folder without videos.
    """
    if not path.is_dir():
        return [path]
    # Without hidden files: some systems put one, no video, beside each video.
    inside = sorted(file for file in files_below(path) if file.suffix.lower() in VIDEO_SUFFIXES)
    if not inside:
        raise DataError(f"{path}: no videos in this folder ({', '.join(sorted(VIDEO_SUFFIXES))}). Add some.")
    return inside


@torch.inference_mode()
def predict(
    model: SmallStudent,
    card: Card,
    path: Path,
    *,
    region: Region | None = None,
    by_window: bool = False,
    show: Callable[[Window, Answer], None] | None = None,
) -> dict[str, Any]:
    """The answer to one video: the mean over its windows, and each of them.

    Args:
        model: the student.
        card: what its file says of it.
        path: the video, read once from front to back.
        region: see `lrar.watch.windows`.
        by_window: read a short video in windows too.
        show: is given each window with its answer as soon as there is one.

    Returns:
        `video`, `student`, `label`, `probabilities` by class, `frames` that were read, at most 25 a second, and
        `windows`, each with `start`, `end` (seconds), `label` and `probabilities`.

    Raises:
        DataError: the file is no video that can be used.
    """
    found, every, frames = [], [], 0
    for window in windows(path, card, region=region, whole=0 if by_window else WHOLE):
        answer = model(read(window.low))
        probabilities = answer.probabilities[0].double().numpy()
        every.append(probabilities)
        found.append({"start": round(window.start, 3), "end": round(window.end, 3), **_named(probabilities, card)})
        frames += len(range(*window.own.indices(len(window.low))))
        if show is not None:
            show(window, answer)
    whole = _named(np.mean(every, axis=0), card)
    return {"video": as_text(path), "student": card.dataset, **whole, "frames": frames, "windows": found}


def table(answer: dict[str, Any], *, by_window: bool) -> list[str]:
    """One line, or one a window: label, probability, the video, and what comes next."""
    lines = []
    for part in answer["windows"] if by_window else [answer]:
        ranked = sorted(part["probabilities"].items(), key=lambda item: -item[1])
        others = ", ".join(f"{name} {p:.2f}" for name, p in ranked[1:3])
        when = f"{part['start']:6.1f} to {part['end']:5.1f} s  " if by_window else ""
        lines.append(f"{ranked[0][0]:<14} {ranked[0][1]:.2f}  {when}{answer['video']}  (next: {others})")
    return lines


def _named(probabilities: np.ndarray, card: Card) -> dict[str, Any]:
    named = {name: round(float(p), 5) for name, p in zip(card.classes, probabilities, strict=True)}
    return {"label": card.classes[int(np.argmax(probabilities))], "probabilities": named}
