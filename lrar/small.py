"""The student that comes with the repository: small enough to be shipped, and to run in a browser.

LR goes in, and everything else lies inside one graph: super resolution, an RGB stream, a stream of differences (the
light motion stream, for where optical flow costs too much), attention in both, and their fusion. How it is trained
stands in `lrar.small_study`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from lrar.clips import DataError
from lrar.degrade import quantize
from lrar.draws import segment_times
from lrar.experiment import Experiment, SuperResolution, from_dict
from lrar.recognizer import Recognizer, fuse
from lrar.streams import SCALE
from lrar.super_resolution import VideoSuperResolution

FOLDER = Path(__file__).parent / "students"
SHIPPED = ("ixmas6", "synthetic")  # each named after the data set it was trained on
SEGMENTS = 16
WINDOW = 4  # LR frames around a segment's centre: two neighbours are compared, each is restored from its own three


class Answer(NamedTuple):
    """What the student says of a batch.

    Attributes:
        probabilities: `(B, classes)`.
        maps: attention received by each position, mean over heads and streams, `(B, T', H', W')`; sums to 1.
        frames: what it sees, a super-resolved frame a segment, `(B, 16, C, H, W)` in [0, 1].
    """

    probabilities: torch.Tensor
    maps: torch.Tensor
    frames: torch.Tensor


class SmallStudent(nn.Module):
    """Super resolution, two streams and their fusion in one graph."""

    def __init__(
        self,
        *,
        network: SuperResolution,
        streams: dict[str, Experiment],
        classes: int,
        channels: int,
        size: tuple[int, int],
    ):
        """Make an untrained student.

        Args:
            network: its super resolution.
            streams: the experiments of `rgb` and `difference`.
            classes: number of classes.
            channels: C of the frames: 1 for grey, 3 for RGB.
            size: `(h, w)` of LR.
        """
        super().__init__()
        self.network = VideoSuperResolution(
            channels=channels, window=network.window, width=network.width, blocks=network.blocks, scale=SCALE
        )
        self.streams = nn.ModuleDict(
            {
                name: Recognizer(
                    stream=name,
                    classes=classes,
                    clip=(SEGMENTS, size[0] * SCALE, size[1] * SCALE),
                    in_channels=channels,
                    backbone=experiment.backbone,
                    attention=experiment.attention,
                    heads=experiment.heads,
                )
                for name, experiment in streams.items()
            }
        )
        self.eval()

    def forward(self, low: torch.Tensor) -> Answer:
        """Recognise clips.

        Args:
            low: `(B, 16, 4, C, h, w)` in [0, 1]; for the centre t of each of 16 segments the LR frames t-1 to t+2.
        """
        batch, segments, frames, channels, rows, columns = low.shape
        assert (segments, frames) == (SEGMENTS, WINDOW), low.shape
        windows = torch.stack((low[:, :, 0:3], low[:, :, 1:4]), dim=2)  # (B, 16, 2, 3, C, h, w)
        high = self.network(windows.reshape(-1, 3, channels, rows, columns))
        # Rounded to 8 bits, as the streams were that the recognizers were trained on.
        high = quantize(high).reshape(batch, SEGMENTS, 2, channels, rows * SCALE, columns * SCALE)
        now, after = high[:, :, 0], high[:, :, 1]  # (B, 16, C, H, W)
        rgb = self.streams["rgb"](now.transpose(1, 2), return_maps=True)
        difference = self.streams["difference"]((after - now).transpose(1, 2), return_maps=True)
        return Answer(
            probabilities=fuse(rgb.logits.softmax(dim=1), difference.logits.softmax(dim=1)),
            maps=fuse(rgb.maps.mean(dim=1), difference.maps.mean(dim=1)),  # (B, T', H', W')
            frames=now,
        )


def moments(length: int) -> np.ndarray:
    """The frames that a student reads of a clip, `(16, 4)`: t-1 to t+2 around each segment's centre t.

    A clip of T frames has T - 1 pairs, and both streams read the pair at the centre; ends are repeated.
    """
    centres = segment_times(length - 1, count=SEGMENTS)
    return (centres[:, None] + np.arange(-1, WINDOW - 1)).clip(0, length - 1)


def read(low: np.ndarray) -> torch.Tensor:
    """What a student reads of an LR clip: uint8 `(T, h, w, C)` to `(1, 16, 4, C, h, w)` in [0, 1]."""
    chosen = torch.from_numpy(low[moments(len(low))])  # (16, 4, h, w, C)
    return chosen.permute(0, 1, 4, 2, 3)[None].float() / 255


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a student's file says of it.

    Attributes:
        dataset: what it was trained on.
        classes: class names.
        channels: C of its frames.
        size: `[h, w]` of LR.
        experiments: of its streams, as `lrar.experiment.to_dict` gives them.
        records: the records of its parts, by part.
        held_out: whom training never saw.
        clips: how many clips of theirs there are.
        correct: how many of these the student recognises, with the weights as they lie in the file.
    """

    dataset: str
    classes: list[str]
    channels: int
    size: list[int]
    experiments: dict[str, dict]
    records: dict[str, str]
    held_out: str
    clips: int = 0
    correct: int = 0


def build(card: Card) -> SmallStudent:
    """An untrained student as its card describes it."""
    streams = {name: from_dict(values) for name, values in card.experiments.items()}
    return SmallStudent(
        network=streams["rgb"].super_resolution,
        streams=streams,
        classes=len(card.classes),
        channels=card.channels,
        size=tuple(card.size),
    )


def load_student(name: str) -> tuple[SmallStudent, Card]:
    """A shipped student by the name of its data set, or one from a file.

    Raises:
        DataError: no such student, or the file holds none.
    """
    path = FOLDER / f"{name}.safetensors" if name in SHIPPED else Path(name)
    if not path.is_file():
        raise DataError(f"{name}: no such student. Known: {', '.join(SHIPPED)}, or the path of a student's file.")
    try:
        with safe_open(path, "pt") as file:
            card = Card(**json.loads((file.metadata() or {})["student"]))
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, it is no dictionary
        model = build(card)
        model.load_state_dict(weights)  # from 16 bits to 32
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{path}: holds no student. Make one with `lrar export --retrain`.") from error
    return model, card
