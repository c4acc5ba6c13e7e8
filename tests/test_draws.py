"""Draws: what a batch is cut from, in training and in testing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import render
from eight_clips import TINY, draw_of, eight_clips

from lrar import distributed, training
from lrar.draws import cut, mirror, segment_times, smallest_batch, training_draws
from lrar.flow import optical_flow
from lrar.streams import Stream


def numbered() -> Stream:
    """Two clips of 6 and 4 frames of 5x3 px, in which each pixel tells its clip and time, row and column."""
    clip, row, column = np.repeat([0, 1], [6, 4]), np.arange(5), np.arange(3)
    time = np.concatenate([np.arange(6), np.arange(4)])
    frames = 100 * clip[:, None, None] + 15 * time[:, None, None] + 3 * row[:, None] + column
    return Stream(frames=frames.astype(np.uint8)[..., None], starts=np.array([0, 6]), lengths=np.array([6, 4]))


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


def test_the_smallest_batch_has_two_clips_a_part(monkeypatch):
    assert smallest_batch(TINY) == 2
    assert smallest_batch(replace(TINY, parts=3)) == 6
    monkeypatch.setattr(distributed, "count", lambda: 4)
    assert smallest_batch(replace(TINY, parts=3)) == 12
