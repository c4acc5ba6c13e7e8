"""Training and evaluation of one stream.

Sixteen frames stand for a clip: one from each of sixteen equal segments, drawn at random in training and from the
segment's centre in testing, where the clip and its mirror image are averaged. The number of epochs is fixed and the
last epoch counts: nothing is ever chosen by looking at test clips.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from lrar import distributed
from lrar.distillation import attention_transfer_loss, feature_loss, logit_loss
from lrar.recognizer import Recognition, Recognizer
from lrar.streams import StoredViews, Stream


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a recognizer is trained.

    Attributes:
        epochs: passes over the training clips.
        batch: clips a step.
        learning_rate: peak of the one-cycle schedule of AdamW.
        weight_decay: of AdamW.
        frames: frames that stand for a clip.
        shift: largest random shift in px, up, down and sideways; edges are repeated.
        label_smoothing: of the cross entropy with the labels.
        dropout: before the head.
        bfloat16: run the network in bfloat16.
        frozen: the endpoint of I3D up to which its blocks stay as Kinetics-400 left them; None trains the whole network.
        views: where blocks are frozen, stored training views of each clip; see `lrar.views`.
        zoom: the smallest part of a picture's sides that such a view shows; None is all of it.
        parts: of a batch, one after the other where memory is short; batch norm sees one at a time. None is one.
    """

    epochs: int = 20
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    frames: int = 16
    shift: int = 4
    label_smoothing: float = 0.1
    dropout: float = 0.5
    bfloat16: bool = True
    frozen: str | None = None
    views: int | None = None
    zoom: float | None = None
    parts: int | None = None


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """Weights of the terms of the loss; see `lrar.distillation`.

    Attributes:
        logit: a, share of the softened-softmax term; cross entropy keeps 1 - a.
        temperature: T.
        feature: b.
        attention_transfer: c.
    """

    logit: float = 0.0
    temperature: float = 4.0
    feature: float = 0.0
    attention_transfer: float = 0.0


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


def train_one_epoch(
    model: Recognizer,
    stream: Stream,
    labels: np.ndarray,
    draws: Iterator[Draw],
    *,
    step: Callable[[Draw, Callable[[Draw], torch.Tensor]], float],
    recipe: Recipe,
) -> float:
    """One pass with labels alone; mean loss over its batches.

    Args:
        step: makes one step from a batch and the loss of any part of it, and gives the batch's mean loss.
    """

    def loss_of(draw: Draw) -> torch.Tensor:
        seen = recognise(model, stream, draw, recipe=recipe)
        return label_loss(seen, labels[draw.clips], recipe=recipe)

    return float(np.mean([step(draw, loss_of) for draw in draws]))


def distill_one_epoch(
    model: Recognizer,
    teacher: Recognizer,
    stream: Stream,
    teacher_stream: Stream,
    labels: np.ndarray,
    draws: Iterator[Draw],
    *,
    step: Callable[[Draw, Callable[[Draw], torch.Tensor]], float],
    recipe: Recipe,
    weights: Distillation,
) -> float:
    """One pass with labels and a teacher that sees HR: same frames, same shift, same flip; mean loss over its batches."""

    def loss_of(draw: Draw) -> torch.Tensor:
        with torch.no_grad():
            taught = recognise(teacher, teacher_stream, draw, recipe=recipe)
        seen = recognise(model, stream, draw, recipe=recipe)
        loss = (1 - weights.logit) * label_loss(seen, labels[draw.clips], recipe=recipe)
        if weights.logit:
            loss = loss + weights.logit * logit_loss(
                seen.logits.float(), taught.logits.float(), temperature=weights.temperature
            )
        if weights.feature:
            loss = loss + weights.feature * feature_loss(seen.pooled.float(), taught.pooled.float())
        if weights.attention_transfer:
            loss = loss + weights.attention_transfer * attention_transfer_loss(
                seen.features.float(), taught.features.float()
            )
        return loss

    return float(np.mean([step(draw, loss_of) for draw in draws]))


def recognise(model: Recognizer, stream: Stream, draw: Draw, *, recipe: Recipe) -> Recognition:
    """What a network says of a batch, where its weights are; in the memory layout in which 3-D convolutions run fastest."""
    where = next(model.parameters()).device
    frames = cut(stream, draw).to(where, memory_format=torch.channels_last_3d)
    with torch.autocast(where.type, dtype=torch.bfloat16, enabled=recipe.bfloat16):
        return model(frames)


def label_loss(seen: Recognition, labels: np.ndarray, *, recipe: Recipe) -> torch.Tensor:
    """Cross entropy with the labels."""
    target = torch.from_numpy(labels).to(seen.logits.device)
    return F.cross_entropy(seen.logits.float(), target, label_smoothing=recipe.label_smoothing)


@torch.no_grad()
def evaluate(model: Recognizer, stream: Stream, clips: np.ndarray, *, recipe: Recipe) -> np.ndarray:
    """Class probabilities, `(N, classes)` float32: the mean over each clip and its mirror image."""
    model.eval()
    mine = clips[distributed.share(len(clips))]
    views = []
    for flip in (False, True):
        probabilities = []
        for draw in test_draws(stream, mine, frames=recipe.frames, batch=recipe.batch, flip=flip):
            probabilities.append(recognise(model, stream, draw, recipe=recipe).logits.float().softmax(dim=1).cpu())
        views.append(torch.cat(probabilities))
    return distributed.joined(((views[0] + views[1]) / 2).numpy())


def fit(
    model: Recognizer,
    stream: Stream,
    labels: np.ndarray,
    clips: np.ndarray,
    *,
    recipe: Recipe,
    seed: int,
    teacher: Recognizer | None = None,
    teacher_stream: Stream | None = None,
    weights: Distillation | None = None,
    progress: Callable = iter,
) -> list[float]:
    """Train a recognizer in place.

    Args:
        model: the recognizer.
        stream: what it sees of all clips.
        labels: of all clips, int64.
        clips: indices of the training clips.
        recipe: how.
        seed: of the draws and of dropout; the caller seeds the initial weights.
        teacher: a trained recognizer of the same stream, or None.
        teacher_stream: what the teacher sees of the same clips.
        weights: of the distillation terms.
        progress: wraps the iterator over epochs.

    Returns:
        mean training loss of each epoch.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    where = distributed.device()
    model.to(where, memory_format=torch.channels_last_3d)
    network = distributed.spread(model)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    sizes = [min(recipe.batch, len(clips) - start) for start in range(0, len(clips), recipe.batch)]
    steps = sum(size >= smallest_batch(recipe) for size in sizes)
    total = steps * recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=recipe.learning_rate,
        total_steps=total,
        pct_start=0.2 if total != 5 else 0.4,  # a first phase of one step would be divided by its length, 0
    )

    def step(draw: Draw, loss_of: Callable[[Draw], torch.Tensor]) -> float:
        optimiser.zero_grad(set_to_none=True)
        total = 0.0
        parts = np.array_split(np.arange(len(draw.clips)), recipe.parts or 1)
        for part in parts:
            mine = part[distributed.share(len(part))]
            last = part is parts[-1]
            with contextlib.nullcontext() if last else distributed.gradients_kept(network):
                loss = loss_of(draw.only(mine)) * (len(mine) / len(draw.clips))
                (loss * distributed.count()).backward()  # averaged over processes, which is to be their sum
            total += loss.item()
        optimiser.step()
        schedule.step()
        return distributed.summed(total)

    if teacher is not None:
        teacher.eval().to(where, memory_format=torch.channels_last_3d)
    losses = []
    for _ in progress(range(recipe.epochs)):
        model.train()
        draws = training_draws(stream, clips, recipe=recipe, generator=generator)
        if teacher is None:
            losses.append(train_one_epoch(network, stream, labels, draws, step=step, recipe=recipe))
        else:
            losses.append(
                distill_one_epoch(
                    network,
                    teacher,
                    stream,
                    teacher_stream,
                    labels,
                    draws,
                    step=step,
                    recipe=recipe,
                    weights=weights,
                )
            )
    return losses
