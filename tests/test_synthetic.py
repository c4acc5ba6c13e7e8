"""The rendered set: what it lists, that it is the same everywhere, and that its clips differ where they should."""

import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lrar.datasets.performer import ACTIONS, PARTS, make_actor, perform, place_joints
from lrar.datasets.synthetic import CAMERAS, load_synthetic, render_clip
from lrar.videos import load_videos

CLIP_SET = load_synthetic()
CLIPS = {clip.name: clip for clip in CLIP_SET.clips}
IXMAS_ORDER = ["check-watch", "cross-arms", "scratch-head", "sit-down", "get-up", "turn-around"]
IXMAS_ORDER += ["walk", "wave", "punch", "kick", "point", "pick-up"]


def find(*, actor: int = 0, take: int = 1, action: str = "wave", camera: int = 0):
    return CLIPS[f"actor{actor}-{take}_{IXMAS_ORDER.index(action) + 1:02d}_{action}_cam{camera}"]


def mean_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Mean absolute grey difference of two clips at 16 corresponding moments."""
    moments = (np.arange(16) + 0.5) / 16
    first, second = (video[(moments * len(video)).astype(int)].astype(float) for video in (first, second))
    return float(np.abs(first - second).mean())


def test_set_lists_every_clip_once():
    assert CLIP_SET.dataset == "synthetic"
    assert CLIP_SET.grey
    assert CLIP_SET.version
    assert list(CLIP_SET.classes) == IXMAS_ORDER
    assert len(CLIP_SET.clips) == len(CLIPS) == 12 * 10 * 3 * 5
    assert [clip.name for clip in CLIP_SET.clips] == sorted(CLIPS)
    assert "actor0-1_01_check-watch_cam0" in CLIPS
    for attribute, values, share in (("label", range(12), 150), ("camera", range(5), 360), ("take", (1, 2, 3), 600)):
        counts = Counter(getattr(clip, attribute) for clip in CLIP_SET.clips)
        assert counts == dict.fromkeys(values, share), attribute
    assert Counter(clip.group for clip in CLIP_SET.clips) == {f"actor{number}": 180 for number in range(10)}
    assert all(clip.path is None for clip in CLIP_SET.clips)


def test_names_agree_with_labels():
    for clip in CLIP_SET.clips:
        person, number, action, camera = clip.name.split("_")
        assert (person, camera) == (f"{clip.group}-{clip.take}", f"cam{clip.camera}")
        assert (int(number), action) == (clip.label + 1, CLIP_SET.classes[clip.label])


@pytest.mark.parametrize("action", IXMAS_ORDER)
def test_every_action_renders_a_moving_figure(action):
    label = IXMAS_ORDER.index(action)
    clip = find(actor=label % 10, take=1 + label % 3, action=action, camera=label % 5)
    video = render_clip(clip)
    assert video.dtype == np.uint8
    assert video.shape[1:] == (64, 48, 1)
    assert 40 <= len(video) <= 70
    # The sensor's noise alone changes a pixel by 2.3 on average; the figure must change some by much more.
    change = np.abs(np.diff(video[::4].astype(float), axis=0))
    assert 1.5 < np.median(change) < 4
    assert (change > 20).mean() > 0.002
    assert len(np.unique(video)) > 60


def test_lengths_of_all_performances():
    lengths = [
        len(perform(actor=actor, take=take, action=action))
        for actor in range(10)
        for take in (1, 3)
        for action in ACTIONS
    ]
    assert min(lengths) >= 40
    assert max(lengths) <= 70
    assert len(set(lengths)) > 15


def test_same_clip_twice_gives_the_same_bytes():
    clip = find(actor=3, take=2, action="kick", camera=4)
    assert np.array_equal(render_clip(clip), render_clip(replace(clip)))


@pytest.mark.parametrize(
    ("actor", "take", "action", "camera", "frames", "grey"),
    [
        (0, 1, "check-watch", 0, 47, 95.53),
        (4, 2, "sit-down", 3, 51, 88.74),
        (9, 3, "walk", 4, 49, 85.12),
    ],
)
def test_rendering_is_the_one_that_records_were_made_with(actor, take, action, camera, frames, grey):
    """If this fails on purpose, raise VERSION in the module."""
    video = render_clip(find(actor=actor, take=take, action=action, camera=camera))
    assert len(video) == frames
    assert video.mean() == pytest.approx(grey, abs=0.5)


def test_actors_takes_cameras_and_actions_differ():
    reference = render_clip(find())
    others = [find(actor=1), find(take=2), find(camera=1), find(action="point")]
    for clip in others:
        assert mean_difference(reference, render_clip(clip)) > 2.6, clip.name  # 2.26 is two clips' noise
    assert len({make_actor(number).height for number in range(10)}) == 10
    assert {make_actor(number).left_handed for number in range(10)} == {True, False}
    assert {make_actor(number).greys["torso"] > 100 for number in range(10)} == {True, False}


def test_cameras_see_the_same_performance():
    lengths = {len(render_clip(find(actor=5, action="punch", camera=camera))) for camera in range(len(CAMERAS))}
    assert len(lengths) == 1


@pytest.mark.parametrize("action", IXMAS_ORDER)
def test_trajectories_are_smooth_and_stay_on_the_floor(action):
    who = make_actor(6)
    poses = perform(actor=6, take=3, action=action)
    assert poses.shape[1:] == (len(PARTS), 2)
    joints = place_joints(poses, who)
    stacked = np.stack(list(joints.values()))  # (joints, T, 3)
    assert np.isfinite(stacked).all()
    assert np.linalg.norm(np.diff(stacked, axis=1), axis=-1).max() < 0.4  # metres a frame; a kick is fastest
    lowest = np.min([joints[name][:, 2] for name in joints if name.endswith(("ankle", "toes", "knee"))], axis=0)
    assert lowest.min() > 0
    thigh = np.linalg.norm(joints["left_hip"] - joints["left_knee"], axis=-1)
    assert thigh == pytest.approx(0.43 * who.legs * who.height)


def test_sitting_ends_low_and_getting_up_ends_high():
    for action, low, high in (("sit-down", -1, 0), ("get-up", 0, -1)):
        height = place_joints(perform(actor=2, take=1, action=action), make_actor(2))["pelvis"][:, 2]
        assert height[low] < 0.3, action
        assert height[high] > 0.7, action


def test_set_goes_through_the_cache(tmp_path):
    clip_set = replace(CLIP_SET, clips=CLIP_SET.clips[::450])
    videos = load_videos(clip_set, cache=tmp_path)
    assert len(videos) == 4
    assert np.array_equal(videos[2], render_clip(clip_set.clips[2]))


def test_rendering_is_quick():
    start = time.process_time()
    render_clip(find(actor=7, take=2, action="pick-up", camera=2))
    assert time.process_time() - start < 2  # about 0.02 on one core; this only notices a blunder
