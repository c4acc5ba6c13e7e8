"""Which frames of which clips make a batch.

Sixteen frames stand for a clip: one from each of sixteen equal segments, drawn at random in training and from the
segment's centre in testing.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from lrar import distributed
from lrar.experiment import Recipe
from lrar.streams import StoredViews, Stream


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How a batch is cut from its clips; the same draw serves student and teacher.

    Attributes:
        clips: indices of clips, `(B,)`.
        times: frame numbers within each clip, `(B, T)`.
        shifts: rows and columns by which each clip is shifted, `(B, 2)`.
        flips: which clips are mirrored, `(B,)`.
        views: which stored view stands for each clip, `(B,)`, where views are stored. Times, shifts and mirroring are
            then the view's own.
    """

    clips: np.ndarray
    times: np.ndarray
    shifts: np.ndarray
    flips: np.ndarray
    views: np.ndarray | None = None

    def only(self, places: np.ndarray) -> "Draw":
        """Some of its clips."""
        held = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return Draw(**{name: None if values is None else values[places] for name, values in held.items()})


def segment_times(length: int, *, count: int, generator: np.random.Generator | None = None) -> np.ndarray:
    """One frame number from each of `count` equal segments of a clip: at random, or the centre. `(count,)`."""
    offsets = generator.random(count) if generator else np.full(count, 0.5)
    return ((np.arange(count) + offsets) * length / count).astype(np.int64)


def mirror(frames: torch.Tensor, *, flow: bool) -> torch.Tensor:
    """Mirror `(..., C, T, H, W)` left to right. Mirrored motion goes the other way: flow's u changes its sign."""
    frames = frames.flip(-1)
    if flow:
        frames = frames * torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)
    return frames


def shifted(frames: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Frames `(T, H, W, C)` that begin so many rows and columns further on; edges are repeated."""
    _, height, width, _ = frames.shape
    # Padding and slicing copies whole rows: three times as fast as gathering by index.
    around = ((0, 0), (max(-rows, 0), max(rows, 0)), (max(-columns, 0), max(columns, 0)), (0, 0))
    padded = np.pad(frames, around, mode="edge")
    return padded[:, max(rows, 0) : max(rows, 0) + height, max(columns, 0) : max(columns, 0) + width]


def cut(stream: Stream | StoredViews, draw: Draw) -> torch.Tensor:
    """The batch that a draw describes, `(B, C, T, H, W)`: grey or RGB in [0, 1], flow in px, differences in [-1, 1].

    Of stored views it is their maps, `(B, D, T', H', W')`.
    """
    if draw.views is not None:
        return stream.chosen(draw.clips, draw.views)
    frames = stream.frames[stream.starts[draw.clips][:, None] + draw.times]  # (B, T, H, W, C)
    if draw.shifts.any():
        frames = np.stack([shifted(clip, *shift) for clip, shift in zip(frames, draw.shifts, strict=True)])
    batch = torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float()  # (B, C, T, H, W)
    if stream.frames.dtype == np.uint8:
        batch = batch / 255
    if draw.flips.any():
        flips = torch.from_numpy(draw.flips)
        batch[flips] = mirror(batch[flips], flow=stream.is_flow)
    return batch


def training_draws(
    stream: Stream, clips: np.ndarray, *, recipe: Recipe, generator: np.random.Generator
) -> Iterator[Draw]:
    """One epoch of random draws. A last batch that is too small for batch norm is left out."""
    order = generator.permutation(clips)
    for start in range(0, len(order), recipe.batch):
        chosen = order[start : start + recipe.batch]
        if len(chosen) < smallest_batch(recipe):
            return
        yield Draw(
            clips=chosen,
            times=np.stack(
                [segment_times(stream.lengths[i], count=recipe.frames, generator=generator) for i in chosen]
            ),
            shifts=generator.integers(-recipe.shift, recipe.shift + 1, (len(chosen), 2)),
            flips=generator.random(len(chosen)) < 0.5,
            views=generator.integers(stream.views, size=len(chosen)) if isinstance(stream, StoredViews) else None,
        )


def test_draws(stream: Stream, clips: np.ndarray, *, frames: int, batch: int, flip: bool) -> Iterator[Draw]:
    """Segment centres of every clip in order, unshifted."""
    for start in range(0, len(clips), batch):
        chosen = clips[start : start + batch]
        yield Draw(
            clips=chosen,
            times=np.stack([segment_times(stream.lengths[i], count=frames) for i in chosen]),
            shifts=np.zeros((len(chosen), 2), np.int64),
            flips=np.full(len(chosen), flip),
            views=np.full(len(chosen), stream.views + flip) if isinstance(stream, StoredViews) else None,
        )


def smallest_batch(recipe: Recipe) -> int:
    """Clips that a batch must have: batch norm wants two, and of each part each process must have some."""
    return (recipe.parts or 1) * max(2, distributed.count())


test_draws.__test__ = False  # its name is for people, not for pytest
