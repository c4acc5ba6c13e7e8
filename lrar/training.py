"""Training and evaluation of one stream.

The number of epochs is fixed and the last epoch counts: nothing is ever chosen by looking at test clips. In testing, a
clip and its mirror image are averaged.
"""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F

from lrar import distributed
from lrar.clips import DataError
from lrar.distillation import attention_transfer_loss, feature_loss, logit_loss
from lrar.draws import Draw, cut, smallest_batch, test_draws, training_draws
from lrar.experiment import Distillation, Recipe
from lrar.precision import in_bfloat16
from lrar.recognizer import Recognition, Recognizer
from lrar.streams import Stream


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
        if weights.mean_feature:
            means = (its.features.float().mean(dim=(2, 3, 4)) for its in (seen, taught))  # (B, D)
            loss = loss + weights.mean_feature * feature_loss(*means)
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
    with in_bfloat16(where, wanted=recipe.bfloat16):
        return model(frames)


def label_loss(seen: Recognition, labels: np.ndarray, *, recipe: Recipe) -> torch.Tensor:
    """Cross entropy with the labels."""
    target = torch.from_numpy(labels).to(seen.logits.device)
    return F.cross_entropy(seen.logits.float(), target, label_smoothing=recipe.label_smoothing)


@torch.no_grad()
def evaluate(model: Recognizer, stream: Stream, clips: np.ndarray, *, recipe: Recipe) -> np.ndarray:
    """Class probabilities, `(N, classes)` float32: the mean over each clip and its mirror image.

    Raises:
        DataError: fewer clips than processes.
    """
    if len(clips) < distributed.count():
        raise DataError(f"{len(clips)} test clips for {distributed.count()} processes. Use as many processes at most.")
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

    Raises:
        DataError: too few training clips for one step.
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
    if total == 0:
        raise DataError(
            f"{len(clips)} training clips: a step wants {smallest_batch(recipe)}. Give more clips, or fewer parts or processes."
        )
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
