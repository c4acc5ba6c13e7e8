"""Folds: nobody stands on both sides who must not, and every clip is tested."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from conftest import names_file_and_remedy

from lrar.clips import Clip, ClipSet, DataError
from lrar.protocols import PROTOCOLS, folds


def clip_set(*, groups: int = 4, takes: int = 5, classes: int = 3, cameras: int | None = 2) -> ClipSet:
    clips = [
        Clip(name=f"{group}-{take}-{label}-{camera}", label=label, group=f"actor{group:02d}", camera=camera, take=take)
        for group in range(groups)
        for take in range(takes)
        for label in range(classes)
        for camera in (range(cameras) if cameras else [None])
    ]
    names = tuple(f"class{label}" for label in range(classes))
    return ClipSet(dataset="made-up", classes=names, clips=tuple(clips), grey=True)


def groups_of(clips: ClipSet, indices: np.ndarray) -> set[str]:
    return {clips.clips[i].group for i in indices}


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name not in ("inner", "official")])
def test_train_and_test_share_no_clip_and_are_the_whole(protocol):
    clips = clip_set()
    for fold in folds(clips, protocol):
        assert sorted([*fold.train, *fold.test]) == list(range(len(clips.clips)))
        assert min(len(fold.train), len(fold.test)) > 0
        assert fold.name


@pytest.mark.parametrize(("groups", "count"), [(2, 2), (10, 10), (23, 10)])
def test_no_actor_on_both_sides(groups, count):
    clips = clip_set(groups=groups, takes=1)
    divided = folds(clips, "actor")
    assert len(divided) == count
    for fold in divided:
        assert not groups_of(clips, fold.train) & groups_of(clips, fold.test)
        assert fold.name == "+".join(sorted(groups_of(clips, fold.test)))
    tested = Counter(i for fold in divided for i in fold.test.tolist())
    assert tested == dict.fromkeys(range(len(clips.clips)), 1)
    sizes = [len(groups_of(clips, fold.test)) for fold in divided]
    assert max(sizes) - min(sizes) <= 1


def test_random_takes_a_tenth_of_each_class_five_times():
    clips = clip_set(groups=6)  # 60 clips a class
    divided = folds(clips, "random")
    assert len(divided) == 5
    for fold in divided:
        assert Counter(clips.clips[i].label for i in fold.test) == {0: 6, 1: 6, 2: 6}
    assert len({tuple(fold.test) for fold in divided}) == 5
    # That is its weakness: actors, even performances, stand on both sides.
    assert groups_of(clips, divided[0].train) & groups_of(clips, divided[0].test)


def test_random_leaves_a_class_something_to_learn_from():
    clips = clip_set(groups=1, takes=1, classes=3, cameras=None)
    few = replace(clips, clips=(*clips.clips, replace(clips.clips[0], name="another")))  # 2, 1 and 1 clips
    for fold in folds(few, "random"):
        assert [few.clips[i].label for i in fold.test] == [0]


def test_random_is_the_same_everywhere():
    """The committed records rest on these draws."""
    divided = folds(clip_set(groups=10, takes=2, cameras=None), "random")
    assert [fold.test.tolist() for fold in divided] == [
        [2, 5, 16, 19, 36, 48],
        [1, 24, 30, 47, 55, 56],
        [5, 15, 16, 25, 26, 45],
        [3, 10, 13, 35, 45, 50],
        [5, 28, 39, 54, 55, 56],
    ]


def test_camera_holds_out_one_view():
    clips = clip_set(cameras=3)
    divided = folds(clips, "camera")
    assert [fold.name for fold in divided] == ["camera 0", "camera 1", "camera 2"]
    for number, fold in enumerate(divided):
        assert {clips.clips[i].camera for i in fold.test} == {number}
        assert number not in {clips.clips[i].camera for i in fold.train}


@pytest.mark.parametrize("groups", [4, 10, 23])
def test_inner_never_touches_the_first_test_actor(groups):
    clips = clip_set(groups=groups, takes=1)
    outer = folds(clips, "actor")[0]
    divided = folds(clips, "inner")
    assert len(divided) == 3
    for fold in divided:
        assert not groups_of(clips, fold.train) & groups_of(clips, fold.test)
        assert not groups_of(clips, outer.test) & groups_of(clips, [*fold.train, *fold.test])
        assert sorted([*fold.train, *fold.test]) == outer.train.tolist()
    tested = Counter(i for fold in divided for i in fold.test.tolist())
    assert tested == dict.fromkeys(outer.train.tolist(), 1)


def test_errors():
    with pytest.raises(DataError) as error:
        folds(clip_set(), "magic")
    assert names_file_and_remedy(error, "magic: no such protocol", "Known: actor, random, camera, official, inner")
    with pytest.raises(DataError) as error:
        folds(clip_set(cameras=None), "camera")
    assert names_file_and_remedy(error, "made-up", "no camera numbers", "Use the protocol")
    with pytest.raises(DataError) as error:
        folds(clip_set(groups=1), "actor")
    assert names_file_and_remedy(error, "made-up", "one group only")


@pytest.mark.parametrize(("protocol", "few"), [("camera", {"cameras": 1}), ("inner", {"groups": 3})])
def test_no_fold_is_empty(protocol, few):
    """One camera cannot be left out; of three actors, two are left, and two make no three inner folds."""
    with pytest.raises(DataError) as error:
        folds(clip_set(**few), protocol)
    assert names_file_and_remedy(error, "made-up")
