"""How clips are divided into training and test."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lrar.clips import ClipSet, DataError

MOST_FOLDS = 10


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One division of a clip set.

    Attributes:
        name: what is held out, for people.
        train: indices of training clips.
        test: indices of test clips.
    """

    name: str
    train: np.ndarray
    test: np.ndarray


def _held_out(held_out: np.ndarray, name: str) -> Fold:
    return Fold(name=name, train=np.flatnonzero(~held_out), test=np.flatnonzero(held_out))


def leave_one_actor_out(clip_set: ClipSet) -> list[Fold]:
    """Each fold holds out one actor (Chen et al. 2017).

    A set with more than ten groups (source videos, say) has its groups dealt into ten folds, so that a group is
    never on both sides.
    """
    groups = np.array([clip.group for clip in clip_set.clips])
    names = sorted(set(groups))
    if len(names) < 2:
        raise DataError(f"{clip_set.dataset}: one group only, so none can be left out. Name the groups of the clips.")
    count = min(len(names), MOST_FOLDS)
    return [_held_out(np.isin(groups, names[i::count]), "+".join(names[i::count])) for i in range(count)]


def random_clips(clip_set: ClipSet) -> list[Fold]:
    """A tenth of each class at random, five times: actors and performances stand on both sides."""
    labels = np.array([clip.label for clip in clip_set.clips])
    folds = []
    for draw in range(5):
        generator = np.random.default_rng(draw)
        held_out = np.zeros(len(labels), bool)
        for label in range(len(clip_set.classes)):
            members = np.flatnonzero(labels == label)
            # A class with a single clip keeps it for training.
            count = min(max(1, round(len(members) / 10)), len(members) - 1)
            held_out[generator.choice(members, count, replace=False)] = True
        folds.append(_held_out(held_out, f"draw {draw}"))
    return folds


def leave_one_camera_out(clip_set: ClipSet) -> list[Fold]:
    """Each fold holds out one camera: views that training has not seen."""
    cameras = [clip.camera for clip in clip_set.clips]
    if None in cameras:
        raise DataError(f"{clip_set.dataset}: its clips have no camera numbers. Use the protocol actor or random.")
    if len(set(cameras)) < 2:
        raise DataError(
            f"{clip_set.dataset}: one camera only, so none can be left out. Use the protocol actor or random."
        )
    cameras = np.array(cameras)
    return [_held_out(cameras == camera, f"camera {camera}") for camera in sorted(set(cameras))]


def official_splits(clip_set: ClipSet) -> list[Fold]:
    """The divisions that the data set came with (HMDB-51: three). A clip that a split leaves out is on neither side."""
    if not clip_set.splits:
        raise DataError(f"{clip_set.dataset}: has no official splits. Use the protocol actor or random.")
    names = [clip.name for clip in clip_set.clips]
    return [
        Fold(
            name=split.name,
            train=np.flatnonzero([name in split.train for name in names]),
            test=np.flatnonzero([name in split.test for name in names]),
        )
        for split in clip_set.splits
    ]


def inner_actors(clip_set: ClipSet) -> list[Fold]:
    """Three folds over the training actors of the first actor fold, whose test actor is in neither part.

    This is where recipes are chosen: the actor that the first fold tests has no say in them. The other folds' test
    actors do have one, as in every leave-one-out protocol with one recipe for all folds.
    """
    outer = leave_one_actor_out(clip_set)[0]
    groups = np.array([clip.group for clip in clip_set.clips])
    names = sorted(set(groups[outer.train]))
    if len(names) < 3:
        raise DataError(f"{clip_set.dataset}: {len(names)} training groups, too few to choose a recipe on. Add clips.")
    inner = np.isin(np.arange(len(groups)), outer.train)
    divided = []
    for part in np.array_split(names, 3):
        held_out = np.isin(groups, part)
        divided.append(
            Fold(name="+".join(part), train=np.flatnonzero(inner & ~held_out), test=np.flatnonzero(held_out))
        )
    return divided


PROTOCOLS: dict[str, Callable[[ClipSet], list[Fold]]] = {
    "actor": leave_one_actor_out,
    "random": random_clips,
    "camera": leave_one_camera_out,
    "official": official_splits,
    "inner": inner_actors,
}


def folds(clip_set: ClipSet, protocol: str) -> list[Fold]:
    """All folds of a protocol.

    Raises:
        DataError: unknown protocol, or the set lacks what it needs.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"{protocol}: no such protocol. Known: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[protocol](clip_set)
