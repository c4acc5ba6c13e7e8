"""IXMAS regions of interest (Weinland et al. 2006): 12 actions, 10 actors, 3 takes, 5 cameras.

The release names its files `<actor><take>_<kk>_<action>_cam<c>_frames_<first>_<last>.avi`. A folder with any part of
it is read: with six actions or fewer the set is called `ixmas6`, else `ixmas`.
"""

import re
from pathlib import Path

from lrar.clips import Clip, ClipSet, DataError

NAME = re.compile(
    r"(?P<actor>[a-z]+)(?P<take>\d+)_(?P<number>\d+)_(?P<action>[a-z-]+)_cam(?P<camera>\d)_frames_\d+_\d+\.avi"
)


def load_ixmas(root: Path) -> ClipSet:
    """List the clips of an IXMAS folder.

    Args:
        root: the folder that holds the release's AVI files.

    Raises:
        DataError: the folder is missing, or holds no file with the release's names.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder. Put the IXMAS clips there, or set LRAR_DATA to the folder above it.")
    parsed = [(path, NAME.fullmatch(path.name)) for path in sorted(root.glob("*.avi"))]
    parsed = [(path, match) for path, match in parsed if match]
    if not parsed:
        raise DataError(
            f"{root}: no file named like the IXMAS release (alba1_01_check-watch_cam0_frames_0053_0097.avi). "
            "Put the release's clips there under their own names."
        )
    # The release numbers its actions; the number, not the alphabet, orders the classes.
    classes = tuple(action for _, action in sorted({(int(match["number"]), match["action"]) for _, match in parsed}))
    clips = tuple(
        Clip(
            name=path.stem,
            label=classes.index(match["action"]),
            group=match["actor"],
            camera=int(match["camera"]),
            take=int(match["take"]),
            path=path,
        )
        for path, match in parsed
    )
    return ClipSet(dataset="ixmas6" if len(classes) <= 6 else "ixmas", classes=classes, clips=clips, grey=True)
