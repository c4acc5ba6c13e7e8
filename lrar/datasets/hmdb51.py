"""HMDB-51 (Kuehne et al. 2011): 51 actions, cut from films and web videos, with three official splits::

    <root>/videos/<class>/<source video>_<class>_<properties>_<number>.avi
    <root>/testTrainMulti_7030_splits/<class>_test_split<1, 2 or 3>.txt

A folder with fewer classes is read as well and is called by its number of classes: 21 of them give `hmdb21`, whose
numbers are never those of HMDB-51.
"""

import re
from itertools import pairwise
from pathlib import Path

from lrar.clips import Clip, ClipSet, DataError, Split

SPLITS = "testTrainMulti_7030_splits"
OFFICIAL_SPLITS = (1, 2, 3)
CLASSES = 51
# The release's frames have 240 rows and mostly 320 columns; wider ones lose their sides.
SIZE = (240, 320)
TRAIN, TEST = 1, 2  # 0 is a clip that a split leaves out


def load_hmdb51(root: Path) -> ClipSet:
    """List the clips of an HMDB-51 folder.

    Args:
        root: the folder that holds `videos/` and the official splits, under the release's own names.

    Raises:
        DataError: a folder or a split is missing, or a video and the splits do not know each other.
    """
    root = Path(root)
    videos = root / "videos"
    for folder in (root, videos, root / SPLITS):
        if not folder.is_dir():
            raise DataError(
                f"{folder}: no such folder. Put the release there with `lrar data prepare hmdb51 --archive "
                "hmdb51_org.rar --archive test_train_splits.rar`, or set LRAR_DATA to the folder above hmdb51."
            )
    classes = tuple(sorted(folder.name for folder in videos.iterdir() if any(folder.glob("*.avi"))))
    if not classes:
        raise DataError(f"{videos}: no class folder with AVI files. Put the release's class folders there.")
    sides = {f"split {number}": _read_split(root / SPLITS, classes, number) for number in OFFICIAL_SPLITS}
    splits = tuple(
        Split(
            name=name,
            train=frozenset(clip for clip, side in chosen.items() if side == TRAIN),
            test=frozenset(clip for clip, side in chosen.items() if side == TEST),
        )
        for name, chosen in sides.items()
    )
    clips = tuple(
        Clip(name=path.stem, label=label, group=source_video(path.stem, action=action), path=path)
        for label, action in enumerate(classes)
        for path in sorted((videos / action).glob("*.avi"))
    )
    _check(clips, splits, listed=frozenset().union(*sides.values()), root=root, complete=len(classes) == CLASSES)
    return ClipSet(
        dataset=f"hmdb{len(classes)}",
        classes=classes,
        clips=tuple(sorted(clips, key=lambda clip: clip.name)),
        grey=False,
        size=SIZE,
        splits=splits,
    )


def source_video(name: str, *, action: str) -> str:
    """The video from which a clip was cut: `April_09` of `April_09_brush_hair_u_nm_np1_ba_goo_0`.

    One source gives up to twenty clips of one class, which look alike. What stands before the class is not always
    unique across classes (`1`, `prelinger`), so the class belongs to it.
    """
    source, found, _ = name.rpartition(f"_{action}_")
    return f"{action}/{source if found else name}"


def _read_split(folder: Path, classes: tuple[str, ...], number: int) -> dict[str, int]:
    """The side of every clip that a split lists."""
    sides = {}
    for action in classes:
        path = folder / f"{action}_test_split{number}.txt"
        if not path.is_file():
            raise DataError(f"{path}: no such split. Put the release's {SPLITS} there, all of its files.")
        for line in path.read_text().splitlines():
            if not line.strip():
                continue
            match = re.fullmatch(r"(.+)\.avi ([012])\s*", line)
            if match is None:
                raise DataError(f"{path}: {line.strip()!r} is no line of a split. Take the release's file again.")
            sides[match[1]] = int(match[2])
    return sides


def _check(
    clips: tuple[Clip, ...], splits: tuple[Split, ...], *, listed: frozenset[str], root: Path, complete: bool
) -> None:
    names = {clip.name for clip in clips}
    if len(names) < len(clips):
        name = next(first for first, second in pairwise(sorted(clip.name for clip in clips)) if first == second)
        raise DataError(f"{root}: two classes hold a clip named {name}. Take the release's folders again.")
    # Of a part of the release, the splits name clips that are not there; of the whole, they must not.
    if complete and (absent := sorted(listed - names)):
        raise DataError(
            f"{root}: the splits name {len(absent)} clips that are not there, first {absent[0]}. "
            "Take them from the release's archive."
        )
    for split in splits:
        for side, chosen in (("training", split.train), ("test", split.test)):
            if not chosen & names:
                raise DataError(f"{root}: no {side} clip of {split.name} is there. Take the release's videos again.")
    if unknown := sorted(names - listed):
        raise DataError(
            f"{root}: no split knows {len(unknown)} clips, first {unknown[0]}. Use the release's own file names."
        )
