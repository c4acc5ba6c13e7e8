"""Any folder of class folders: `root/<class>/<video>`.

Which clips belong together (one actor, one source video) is read from `root/groups.csv` where there is one, with a
line `<class>/<video>,<group>` for each clip; else the group is the file name up to its first `_`, so that
`anna_wave_01.mp4` and `anna_wave_02.mp4` never stand on both sides of a split.
"""

import csv
import os
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

from lrar.clips import Clip, ClipSet, DataError
from lrar.protocols import leave_one_actor_out

SIZE = (48, 64)  # rows x columns of HR, whatever the videos have; LR is then the paper's 12x16
VIDEO_SUFFIXES = frozenset(
    ".3gp .asf .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob .webm .wmv".split()
)
# What may lie beside videos; any other file is named, lest a video be left out in silence.
OTHER_SUFFIXES = frozenset(".csv .db .ini .jpeg .jpg .json .md .pdf .png .srt .txt .xml .zip".split())


def load_folder(root: Path) -> ClipSet:
    """List the clips of a folder of class folders.

    Raises:
        DataError: no such folder, a link to a file that is not here, a name that is not UTF-8, no class folders, a class without clips, a video outside the class folders or deeper than
            in one, a file that is neither a video nor known to be none, a group file that cannot be read, names an absent
            clip or leaves one out, groups that differ in case alone, fewer than two groups, in all or in a class, or a fold that tests a class which it does not train on.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Give a folder that holds one folder of videos a class.")
    files = files_below(root)
    if lost := sorted(path for path in files if not path.exists()):
        raise DataError(
            f"{lost[0]}: a link to a file that is not here ({len(lost)} such). Fetch the file, or remove the link."
        )
    if garbled := sorted(as_text(path) for path in files if as_text(path) != str(path)):
        raise DataError(f"{garbled[0]}: its name is not UTF-8 ({len(garbled)} such). Rename it.")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(folders) < 2:
        raise DataError(f"{root}: {len(folders)} class folder(s); at least 2 are needed, each named after its class.")
    depths = {path: len(path.relative_to(root).parts) for path in files if path.suffix.lower() in VIDEO_SUFFIXES}
    if elsewhere := sorted(path for path, depth in depths.items() if depth != 2):
        raise DataError(
            f"{elsewhere[0]}: a video that lies in no class folder, or in a folder within one ({len(elsewhere)} such). "
            "Move it into the folder of its class."
        )
    videos = []
    for label, folder in enumerate(folders):
        inside = sorted(path for path in files if path.parent == folder)
        found = [path for path in inside if path.suffix.lower() in VIDEO_SUFFIXES]
        if unknown := [path for path in inside if path.suffix.lower() not in VIDEO_SUFFIXES | OTHER_SUFFIXES]:
            raise DataError(
                f"{unknown[0]}: not known as a video ({len(unknown)} such). Convert or rename it "
                f"({', '.join(sorted(VIDEO_SUFFIXES))}), or take it out of the folder."
            )
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
    typed = sorted({clip.group for clip in clips}, key=lambda group: (group.casefold(), group))
    if alike := [pair for pair in pairwise(typed) if pair[0].casefold() == pair[1].casefold()]:
        raise DataError(
            f"{root}: groups {' and '.join(alike[0])} differ in case alone ({len(alike)} such); one person or film must have one "
            "name. Rename the files, or add groups.csv."
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
    clip_set = ClipSet(
        dataset=f"folder-{root.resolve().name}",
        classes=tuple(folder.name for folder in folders),
        clips=tuple(sorted(clips, key=lambda clip: clip.name)),
        grey=False,
        size=SIZE,
    )
    for fold in leave_one_actor_out(clip_set):  # where there are many groups, a fold holds out several
        tested, trained = ({clip_set.clips[i].label for i in side} for side in (fold.test, fold.train))
        if unseen := sorted(tested - trained):
            raise DataError(
                f"{folders[unseen[0]]}: all its clips belong to groups that one fold holds out together ({fold.name}), so "
                "that this fold has nothing to learn the class from. Add clips of another group, or leave the class out."
            )
    return clip_set


def as_text(path: Path) -> str:
    """A path as it can be written, also where its name is not UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def files_below(root: Path) -> list[Path]:
    """All files below a folder, but for hidden ones and those in hidden folders; links to folders are followed.

    A link to a file that is not here is among them: it may be meant for a video.
    """
    files, seen = [], set()
    for folder, inside, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        inside[:] = [] if real in seen else [name for name in inside if not name.startswith(".")]
        if real not in seen:  # else a link that leads back
            files += [Path(folder) / name for name in names if not name.startswith(".")]
        seen.add(real)
    return files


def _read_groups(root: Path, names: set[str]) -> dict[str, str] | None:
    path = root / "groups.csv"
    if not path.exists():
        return None
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not in UTF-8. Save it again as CSV in UTF-8.") from error
    if any(len(row) != 2 or not all(row) for row in rows):
        raise DataError(f"{path}: each line must read <class>/<video>,<group>. Correct the lines that do not.")
    # A name from a Mac may hold an accent as a character of its own: the same name to a reader.
    spelt = {unicodedata.normalize("NFC", name): name for name in names}
    rows = [(spelt.get(unicodedata.normalize("NFC", name), name), group) for name, group in rows]
    groups = dict(rows)
    if twice := sorted(name for name, count in Counter(name for name, _ in rows).items() if count > 1):
        raise DataError(f"{path}: names {twice[0]} more than once ({len(twice)} such). Leave one line for it.")
    if absent := sorted(set(groups) - names):
        raise DataError(
            f"{path}: names {absent[0]}, which is not in the folder ({len(absent)} such). Correct the line."
        )
    if missing := sorted(names - set(groups)):
        raise DataError(f"{path}: says nothing of {missing[0]} ({len(missing)} such). Add a line for it.")
    return groups
