"""Training: that a teacher sees the same, that the loss is its formula, and that a tiny network can learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from eight_clips import TINY, draw_of, eight_clips, stream_of

from lrar import training
from lrar.clips import DataError
from lrar.distillation import attention_transfer_loss, feature_loss, logit_loss
from lrar.draws import cut, training_draws
from lrar.experiment import Distillation
from lrar.flow import optical_flow
from lrar.recognizer import Recognition, Recognizer
from lrar.streams import Stream
from lrar.training import evaluate, fit


def make_model(
    *, stream: str = "rgb", in_channels: int = 1, attention: str = "mean", dropout: float = 0.0
) -> Recognizer:
    torch.manual_seed(0)
    return Recognizer(
        stream=stream, classes=2, clip=(4, 32, 24), in_channels=in_channels, attention=attention, dropout=dropout
    )


class Colourful(torch.nn.Module):
    """Stands for a recognizer: class 0 by the left half's brightness, class 1 by the right half's."""

    def __init__(self):
        super().__init__()
        self.place = torch.nn.Parameter(torch.zeros(1))  # says where it computes

    def forward(self, frames: torch.Tensor) -> Recognition:
        left, right = frames[..., :12].mean(dim=(1, 2, 3, 4)), frames[..., 12:].mean(dim=(1, 2, 3, 4))
        return Recognition(logits=torch.stack([9 * left, 3 * right], dim=1), pooled=left, features=frames, maps=None)


def test_evaluation_averages_a_clip_and_its_mirror_image():
    stream, _ = eight_clips()
    recipe = replace(TINY, batch=3)
    clips = np.array([1, 4, 5, 7])
    model = Colourful().train()
    probabilities = evaluate(model, stream, clips, recipe=recipe)
    assert probabilities.shape == (4, 2)
    assert probabilities.dtype == np.float32
    assert not model.training
    for i, row in zip(clips, probabilities, strict=True):
        views = [cut(stream, draw_of([i], [[1, 3, 6, 8]], flips=[flip])) for flip in (False, True)]
        expected = sum(model(view).logits.softmax(dim=1)[0] for view in views) / 2
        np.testing.assert_allclose(row, expected.numpy(), atol=1e-6)


def test_a_tiny_network_overfits_eight_clips(one_thread):
    stream, labels = eight_clips()
    recipe = replace(TINY, epochs=40, batch=8, bfloat16=True, shift=0)
    model = make_model()
    losses = fit(model, stream, labels, np.arange(8), recipe=recipe, seed=0)
    assert len(losses) == 40
    assert losses[-1] < 0.5 * losses[0]
    probabilities = evaluate(model, stream, np.arange(8), recipe=recipe)
    assert (probabilities.argmax(axis=1) == labels).all()


@pytest.mark.parametrize("epochs", range(1, 9))
def test_few_steps_are_enough(epochs):
    """One step an epoch, as of a small folder of one's own in the quick profile."""
    stream, labels = eight_clips()
    losses = fit(make_model(), stream, labels, np.arange(8), recipe=replace(TINY, epochs=epochs, batch=8), seed=0)
    assert len(losses) == epochs and np.isfinite(losses).all()


def train(seed: int) -> tuple[list[float], np.ndarray]:
    stream, labels = eight_clips()
    model = make_model(dropout=0.5)
    torch.seed()  # whatever was drawn before, dropout goes by the seed
    losses = fit(model, stream, labels, np.arange(6), recipe=TINY, seed=seed)
    return losses, evaluate(model, stream, np.arange(6, 8), recipe=TINY)


def test_same_seed_same_bits_other_seed_others(one_thread):
    (first, first_probabilities), (again, again_probabilities), (other, _) = train(0), train(0), train(1)
    assert first == again
    assert np.array_equal(first_probabilities, again_probabilities)
    assert other != first


WEIGHTS = Distillation(logit=0.5, temperature=4.0, feature=1.0, attention_transfer=1.0)


def test_teacher_and_student_see_the_same_draw_of_training_clips_alone(monkeypatch):
    stream, labels = eight_clips()
    teacher_stream = Stream(frames=255 - stream.frames, starts=stream.starts, lengths=stream.lengths)
    seen = []
    monkeypatch.setattr(training, "cut", lambda given, draw: seen.append((given, draw)) or cut(given, draw))
    teacher = make_model()
    fit(
        make_model(),
        stream,
        labels,
        np.array([0, 1, 4, 5, 6]),
        recipe=replace(TINY, batch=3, epochs=2),
        seed=0,
        teacher=teacher,
        teacher_stream=teacher_stream,
        weights=WEIGHTS,
    )
    assert len(seen) == 8  # 2 epochs of 2 steps, for both
    for (first, draw), (second, same_draw) in zip(seen[::2], seen[1::2], strict=True):
        assert draw is same_draw
        assert {id(first), id(second)} == {id(stream), id(teacher_stream)}
        assert set(draw.clips) <= {0, 1, 4, 5, 6}


def test_distillation_trains_the_student_alone():
    stream, labels = eight_clips()
    student, teacher = make_model(attention="joint"), make_model()
    with torch.no_grad():
        teacher.head.weight.mul_(3)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    initial = student.head.weight.clone()
    options = {"teacher": teacher, "teacher_stream": stream, "weights": WEIGHTS}
    fit(student, stream, labels, np.arange(8), recipe=TINY, seed=0, **options)
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items()), "batch norm too"
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert not torch.equal(student.head.weight, initial)


def test_a_teacher_of_no_weight_changes_nothing(one_thread):
    stream, labels = eight_clips()
    options = {"teacher": make_model(attention="joint"), "teacher_stream": stream, "weights": Distillation()}
    alone, undistilled = (
        fit(make_model(), stream, labels, np.arange(8), recipe=TINY, seed=0, **given) for given in (options, {})
    )
    assert alone == pytest.approx(undistilled, abs=1e-6)


def test_flow_stream_trains():
    stream, labels = eight_clips()
    flow = stream_of(*(optical_flow(stream[i]) for i in range(8)))
    model = make_model(stream="flow", in_channels=2)
    assert np.isfinite(fit(model, flow, labels, np.arange(8), recipe=TINY, seed=0)).all()
    assert np.isfinite(evaluate(model, flow, np.arange(8), recipe=TINY)).all()


def test_the_loss_is_its_formula(one_thread):
    stream, labels = eight_clips()
    bright = Stream(frames=255 - stream.frames, starts=stream.starts, lengths=stream.lengths)
    recipe = replace(TINY, batch=8, learning_rate=0.0, label_smoothing=0.2)
    weights = Distillation(logit=0.25, temperature=2.0, feature=2.0, attention_transfer=3.0, mean_feature=4.0)
    own, taught_by = make_model(attention="joint"), make_model(attention="joint")
    with torch.no_grad():
        taught_by.head.bias.copy_(torch.tensor([2.0, -2.0]))
    options = {"teacher": taught_by, "teacher_stream": bright, "weights": weights}
    (loss,) = fit(own, stream, labels, np.arange(8), recipe=recipe, seed=0, **options)
    (draw,) = training_draws(stream, np.arange(8), recipe=recipe, generator=np.random.default_rng(0))
    with torch.no_grad():
        seen, taught = own.train()(cut(stream, draw)), taught_by.eval()(cut(bright, draw))
    expected = (
        0.75 * F.cross_entropy(seen.logits, torch.from_numpy(labels[draw.clips]), label_smoothing=0.2)
        + 0.25 * logit_loss(seen.logits, taught.logits, temperature=2.0)
        + 2 * feature_loss(seen.pooled, taught.pooled)
        + 3 * attention_transfer_loss(seen.features, taught.features)
        + 4 * feature_loss(seen.features.mean(dim=(2, 3, 4)), taught.features.mean(dim=(2, 3, 4)))
    )
    assert loss == pytest.approx(expected.item(), abs=1e-5)


def test_steps_are_those_of_adamw_on_one_cycle(one_thread):
    stream, labels = eight_clips()
    recipe = replace(TINY, epochs=4, batch=8, weight_decay=0.5, label_smoothing=0.2)
    model, by_hand = make_model(), make_model()
    fit(model, stream, labels, np.arange(8), recipe=recipe, seed=0)
    generator = np.random.default_rng(0)
    optimiser = torch.optim.AdamW(by_hand.parameters(), lr=recipe.learning_rate, weight_decay=0.5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=recipe.learning_rate, total_steps=4, pct_start=0.2)
    for _ in range(4):
        (draw,) = training_draws(stream, np.arange(8), recipe=recipe, generator=generator)
        optimiser.zero_grad()
        logits = by_hand.train()(cut(stream, draw)).logits
        F.cross_entropy(logits, torch.from_numpy(labels[draw.clips]), label_smoothing=0.2).backward()
        optimiser.step()
        schedule.step()
    torch.testing.assert_close(model.head.weight, by_hand.head.weight, rtol=0, atol=1e-5)


def test_too_few_clips_are_a_line(monkeypatch):
    stream, labels = eight_clips()
    with pytest.raises(DataError, match="1 training clips: a step wants 2"):
        fit(make_model(), stream, labels, np.array([3]), recipe=TINY, seed=0)
    monkeypatch.setattr(training.distributed, "count", lambda: 4)
    with pytest.raises(DataError, match="3 test clips for 4 processes"):
        evaluate(make_model(), stream, np.arange(3), recipe=TINY)
