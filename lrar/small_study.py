"""How the shipped students are trained: ordinary experiments, with records in study `small`, joined in one file each.

The first actor is held out of everything: super resolution, teachers and students.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from lrar.cache import atomic_write
from lrar.experiment import Data, Experiment, Recipe, SuperResolution, identity, to_dict
from lrar.records import Store
from lrar.running import fold_of, run, trained_recognizer, trained_super_resolution
from lrar.small import FOLDER, Card, SmallStudent, build, read
from lrar.streams import SCALE, low_resolution, to_video
from lrar.studies import DISTILLATIONS
from lrar.videos import Videos

STUDY = "small"
STREAMS = ("rgb", "difference")
RECIPE = Recipe()
# Every second rendered clip is enough.
DATA = {"ixmas6": Data(dataset="ixmas6"), "synthetic": Data(dataset="synthetic", every=2)}


def network(data: Data) -> SuperResolution:
    """The student's super resolution: half the width of the main study's."""
    return SuperResolution(data=data, width=24, blocks=2)


def teacher(data: Data, stream: str, *, recipe: Recipe = RECIPE) -> Experiment:
    """The same network on HR. As both are equally wide, it can teach features too."""
    return Experiment(data=data, stream=stream, source="hr", backbone="tiny", attention="joint", recipe=recipe)


def student(data: Data, stream: str, *, recipe: Recipe = RECIPE) -> Experiment:
    """One stream of the student."""
    return Experiment(
        data=data,
        stream=stream,
        source="sr",
        super_resolution=network(data),
        backbone="tiny",
        attention="joint",
        teacher=teacher(data, stream, recipe=recipe),
        distillation=DISTILLATIONS["all"],
        recipe=recipe,
    )


def make_student(
    data: Data,
    *,
    store: Store,
    recipe: Recipe = RECIPE,
    folder: Path = FOLDER,
    progress: Callable = iter,
    say: Callable[[str], None] = print,
) -> Path:
    """Train what has no weights yet, join the parts and write the student's file.

    Args:
        data: what it is trained on, and which fold is held out.
        store: gets the records.
        recipe: how its recognizers are trained.
        folder: gets the file.
        progress: wraps the iterators over epochs and steps.
        say: takes one plain line a part.

    Raises:
        DataError: the data is missing or broken.
    """
    restorer = network(data)
    streams = {stream: student(data, stream, recipe=recipe) for stream in STREAMS}
    parts = [("small-network", restorer)]
    for stream in STREAMS:
        parts += [("small-teacher", streams[stream].teacher), ("small", streams[stream])]
    for row, experiment in parts:
        record = run(experiment, store=store, study=STUDY, row=row, need_weights=True, progress=progress)
        right = f"{int(record.correct.sum())} of {len(record.labels)} held-out clips, " if record.labels else ""
        say(f"{data.dataset} {row} {record.stream}: {right}trained in {record.train_seconds:.0f} s")

    videos, fold = fold_of(data)
    _, rows, columns, channels = videos.shapes[0]
    card = Card(
        dataset=data.dataset,
        classes=list(videos.clip_set.classes),
        channels=channels,
        size=[rows // SCALE, columns // SCALE],
        experiments={stream: to_dict(experiment) for stream, experiment in streams.items()},
        records={"network": identity(restorer)} | {name: identity(value) for name, value in streams.items()},
        held_out=fold.name,
    )
    model = build(card)
    model.network.load_state_dict(trained_super_resolution(restorer, store=store).state_dict())
    for stream, experiment in streams.items():
        model.streams[stream].load_state_dict(trained_recognizer(experiment, store=store)[0].state_dict())
    weights = {name: _rounded(tensor) for name, tensor in model.state_dict().items()}
    model.load_state_dict(weights)  # back to 32 bits, rounded: what is measured is what is shipped
    correct = int((answers(model, videos, fold.test).argmax(axis=1) == videos.labels[fold.test]).sum())
    card = dataclasses.replace(card, clips=len(fold.test), correct=correct)
    path = Path(folder) / f"{data.dataset}.safetensors"
    atomic_write(path, save(weights, metadata={"student": json.dumps(dataclasses.asdict(card))}))
    say(f"{path}: {correct} of {len(fold.test)} held-out clips, {path.stat().st_size / 1e6:.1f} MB")
    return path


def _rounded(tensor: torch.Tensor) -> torch.Tensor:
    """Half as many bits a number."""
    return (tensor.half() if tensor.is_floating_point() else tensor).contiguous()


@torch.no_grad()
def answers(model: SmallStudent, videos: Videos, clips: np.ndarray) -> np.ndarray:
    """The student's class probabilities for some clips of a set, `(N, classes)`."""
    return np.concatenate([model(read(to_video(low_resolution(videos[clip])))).probabilities for clip in clips])
