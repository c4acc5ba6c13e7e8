"""Training: what a batch is cut from, that a teacher sees the same, and that a tiny network can learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import render

from lrar import training
from lrar.distillation import attention_transfer_loss, feature_loss, logit_loss
from lrar.flow import optical_flow
from lrar.recognizer import Recognition, Recognizer
from lrar.streams import Stream
from lrar.training import Distillation, Draw, Recipe, cut, evaluate, fit, mirror, segment_times, training_draws

TINY = Recipe(epochs=1, batch=4, frames=4, shift=2, dropout=0.0, bfloat16=False)


def stream_of(*videos: np.ndarray) -> Stream:
    lengths = np.array([len(video) for video in videos])
    return Stream(frames=np.concatenate(videos), starts=np.cumsum([0, *lengths[:-1]]), lengths=lengths)


def eight_clips() -> tuple[Stream, np.ndarray]:
    """Two movements, four looks each."""
    videos = [render(action=action, actor=actor, view=2 * actor)[..., None] for action in (0, 1) for actor in range(4)]
    return stream_of(*videos), np.repeat([0, 1], 4)


def numbered() -> Stream:
    """Two clips of 6 and 4 frames of 5x3 px, in which each pixel tells its clip and time, row and column."""
    clip, row, column = np.repeat([0, 1], [6, 4]), np.arange(5), np.arange(3)
    time = np.concatenate([np.arange(6), np.arange(4)])
    frames = 100 * clip[:, None, None] + 15 * time[:, None, None] + 3 * row[:, None] + column
    return Stream(frames=frames.astype(np.uint8)[..., None], starts=np.array([0, 6]), lengths=np.array([6, 4]))


def draw_of(clips, times, *, shifts=None, flips=None) -> Draw:
    count = len(clips)
    shifts = np.zeros((count, 2), int) if shifts is None else np.array(shifts)
    flips = np.zeros(count, bool) if flips is None else np.array(flips)
    return Draw(clips=np.array(clips), times=np.array(times), shifts=shifts, flips=flips)


def make_model(*, stream: str = "rgb", in_channels: int = 1, attention: str = "mean") -> Recognizer:
    torch.manual_seed(0)
    return Recognizer(
        stream=stream, classes=2, clip=(4, 32, 24), in_channels=in_channels, attention=attention, dropout=0.0
    )


def test_flip_negates_u_and_mirrors():
    flow = torch.arange(2.0 * 2 * 1 * 2 * 3).view(2, 2, 1, 2, 3)  # (B, C, T, H, W)
    mirrored = mirror(flow, flow=True)
    assert torch.equal(mirrored[:, 0], -flow[:, 0].flip(-1))
    assert torch.equal(mirrored[:, 1], flow[:, 1].flip(-1))
    assert torch.equal(mirror(mirrored, flow=True), flow)
    assert torch.equal(mirror(flow, flow=False), flow.flip(-1))


def test_flipped_flow_is_the_flow_of_the_flipped_video():
    video = render(action=0, actor=1)[..., None]
    flow = torch.from_numpy(optical_flow(video)).permute(3, 0, 1, 2).float()  # (C, T, H, W)
    of_flipped = torch.from_numpy(optical_flow(video[:, :, ::-1].copy())).permute(3, 0, 1, 2).float()
    mirrored = mirror(flow, flow=True)
    assert (mirrored - of_flipped).abs().mean() < 0.25 * (mirrored + of_flipped).abs().mean()
    assert mirrored[0].mean() < -0.02 < 0.02 < flow[0].mean()


@pytest.mark.parametrize(
    ("length", "count", "expected"),
    [(16, 4, [2, 6, 10, 14]), (4, 4, [0, 1, 2, 3]), (10, 4, [1, 3, 6, 8]), (2, 4, [0, 0, 1, 1]), (3, 1, [1])],
)
def test_test_frames_are_segment_centres(length, count, expected):
    assert segment_times(length, count=count).tolist() == expected


@pytest.mark.parametrize("length", [2, 7, 16, 90])
def test_training_frames_lie_one_in_each_segment(length):
    generator = np.random.default_rng(0)
    drawn = np.stack([segment_times(length, count=8, generator=generator) for _ in range(400)])
    edges = np.arange(9) * length / 8
    assert (drawn >= np.floor(edges[:-1])).all()
    assert (drawn < np.maximum(np.ceil(edges[1:]), 1)).all()
    assert len(np.unique(drawn)) == length  # no frame is out of reach


def test_cut_takes_the_frames_of_the_draw():
    stream = numbered()
    batch = cut(stream, draw_of([1, 0], [[0, 3], [5, 5]]))
    assert batch.shape == (2, 1, 2, 5, 3)
    assert batch.dtype == torch.float32
    expected = np.stack([stream[1][[0, 3]], stream[0][[5, 5]]]).transpose(0, 4, 1, 2, 3)
    assert np.array_equal((batch * 255).round().numpy(), expected)


def test_shift_repeats_the_edges():
    stream = numbered()
    still = (cut(stream, draw_of([0, 1], [[2], [1]])) * 255).round()
    moved = (cut(stream, draw_of([0, 1], [[2], [1]], shifts=[[2, 0], [-1, 1]])) * 255).round()
    assert torch.equal(moved[0, 0, 0], still[0, 0, 0, [2, 3, 4, 4, 4]])
    assert torch.equal(moved[1, 0, 0], still[1, 0, 0, [0, 0, 1, 2, 3]][:, [1, 2, 2]])


def test_only_what_is_drawn_is_flipped():
    stream = numbered()
    draw = draw_of([0, 0], [[1], [1]], flips=[False, True])
    batch = cut(stream, draw)
    assert torch.equal(batch[1], batch[0].flip(-1))
    assert not torch.equal(batch[1], batch[0])


@pytest.mark.parametrize(("channels", "sign"), [(2, -1), (1, 1)])
def test_mirroring_negates_flow_but_not_differences(channels, sign):
    frames = np.random.default_rng(0).normal(size=(3, 4, 4, channels)).astype(np.float16)
    stream = Stream(frames=frames, starts=np.array([0]), lengths=np.array([3]))
    plain, mirrored = cut(stream, draw_of([0, 0], [[1], [1]], flips=[False, True]))
    assert torch.equal(mirrored[0], sign * plain[0].flip(-1))
    assert torch.equal(plain[0, 0], torch.from_numpy(frames[1, :, :, 0]).float())


def test_training_draws_cover_the_training_clips_once():
    stream, _ = eight_clips()
    clips = np.array([0, 2, 3, 5, 6, 7])
    generator = np.random.default_rng(0)
    epochs = [list(training_draws(stream, clips, recipe=TINY, generator=generator)) for _ in range(20)]
    for draws in epochs:
        assert [len(draw.clips) for draw in draws] == [4, 2]
        assert sorted(np.concatenate([draw.clips for draw in draws])) == clips.tolist()
    assert len({tuple(draws[0].clips) for draws in epochs}) > 10
    draws = [draw for drawn in epochs for draw in drawn]
    shifts = np.concatenate([draw.shifts for draw in draws])
    assert set(np.unique(shifts)) == {-2, -1, 0, 1, 2}
    assert 0.35 < np.concatenate([draw.flips for draw in draws]).mean() < 0.65


def test_a_last_clip_alone_is_left_out():
    stream, _ = eight_clips()
    draws = list(training_draws(stream, np.arange(5), recipe=TINY, generator=np.random.default_rng(0)))
    assert [len(draw.clips) for draw in draws] == [4]


def test_test_draws_are_in_order_and_still():
    stream, _ = eight_clips()
    draws = list(training.test_draws(stream, np.arange(2, 8), frames=4, batch=4, flip=True))
    assert [draw.clips.tolist() for draw in draws] == [[2, 3, 4, 5], [6, 7]]
    assert all(draw.flips.all() and not draw.shifts.any() for draw in draws)
    assert draws[1].times.tolist() == [[1, 3, 6, 8]] * 2


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
    model = make_model()
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


def test_terms_of_the_loss_add_up(one_thread):
    """Each term alone, less the cross entropy, by its weight: the sum is the loss of all of them."""
    stream, labels = eight_clips()
    teacher = make_model(attention="joint")

    def loss(**weights) -> float:
        recipe = replace(TINY, batch=8, learning_rate=0.0)
        options = {"teacher": teacher, "teacher_stream": stream, "weights": Distillation(**weights)}
        return fit(make_model(), stream, labels, np.arange(8), recipe=recipe, seed=0, **options)[0]

    alone = loss()
    undistilled = fit(make_model(), stream, labels, np.arange(8), recipe=replace(TINY, batch=8), seed=0)[0]
    assert alone == pytest.approx(undistilled, abs=1e-6)
    feature, attention_transfer, logit = loss(feature=1.0), loss(attention_transfer=1.0), loss(logit=1.0)
    assert min(feature - alone, attention_transfer - alone, logit) > 1e-4
    mixed = loss(logit=0.25, feature=2.0, attention_transfer=3.0)
    expected = 0.75 * alone + 0.25 * logit + 2 * (feature - alone) + 3 * (attention_transfer - alone)
    assert mixed == pytest.approx(expected, abs=1e-4)


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
    weights = Distillation(logit=0.25, temperature=2.0, feature=2.0, attention_transfer=3.0)
    own, taught_by = make_model(attention="joint"), make_model()
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
