"""Any folder of class folders: `root/<class>/<video>`.

Which clips belong together (one actor, one source video) is read from `root/groups.csv` where there is one, with a
line `<class>/<video>,<group>` for each clip; else the group is the file name up to its first `_`, so that
`anna_wave_01.mp4` and `anna_wave_02.mp4` never stand on both sides of a split.
"""

import csv
from pathlib import Path

from lrar.clips import Clip, ClipSet, DataError

SIZE = (48, 64)  # rows x columns of HR, whatever the videos have; LR is then the paper's 12x16
VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".mpeg", ".webm", ".wmv"}


def load_folder(root: Path) -> ClipSet:
    """List the clips of a folder of class folders.

    Raises:
        DataError: no such folder, no class folders, a class without clips, a group file that names an absent clip
            or leaves one out, or fewer than two groups, in all or in a class.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Give a folder that holds one folder of videos a class.")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(folders) < 2:
        raise DataError(f"{root}: {len(folders)} class folder(s); at least 2 are needed, each named after its class.")
    videos = []
    for label, folder in enumerate(folders):
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
        if not found:
            raise DataError(
                f"{folder}: a class without videos. Add some ({', '.join(sorted(VIDEO_SUFFIXES))}) or remove it."
            )
        videos += [(label, path) for path in found]
    groups = _read_groups(root, {f"{path.parent.name}/{path.name}" for _, path in videos})
    clips = tuple(
        Clip(
            name=(name := f"{path.parent.name}/{path.name}"),
            label=label,
            group=groups[name] if groups else path.stem.split("_")[0],
            path=path,
        )
        for label, path in videos
    )
    if len({clip.group for clip in clips}) < 2:
        raise DataError(
            f"{root}: all clips belong to one group, so no split can keep groups apart. "
            "Start file names with the actor or source (anna_01.mp4), or add groups.csv."
        )
    # A fold holds a group out: a class with one group would be tested by networks that have never seen it.
    for label, folder in enumerate(folders):
        if len({clip.group for clip in clips if clip.label == label}) < 2:
            raise DataError(
                f"{folder}: all its clips belong to one group, {next(c.group for c in clips if c.label == label)}, so that a "
                "fold without this group has nothing to learn the class from. Start file names with the actor or source "
                "(anna_01.mp4), or add groups.csv."
            )
    return ClipSet(
        dataset=f"folder-{root.resolve().name}",
        classes=tuple(folder.name for folder in folders),
        clips=tuple(sorted(clips, key=lambda clip: clip.name)),
        grey=False,
        size=SIZE,
    )


def _read_groups(root: Path, names: set[str]) -> dict[str, str] | None:
    path = root / "groups.csv"
    if not path.exists():
        return None
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    if any(len(row) != 2 for row in rows):
        raise DataError(f"{path}: each line must read <class>/<video>,<group>.")
    groups = dict(rows)
    if absent := sorted(set(groups) - names):
        raise DataError(
            f"{path}: names {absent[0]}, which is not in the folder ({len(absent)} such). Correct the line."
        )
    if missing := sorted(names - set(groups)):
        raise DataError(f"{path}: says nothing of {missing[0]} ({len(missing)} such). Add a line for it.")
    return groups
