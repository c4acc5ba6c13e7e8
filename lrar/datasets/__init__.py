"""The data sets by name.

`LRAR_DATA` names a folder that holds `ixmas/` and `hmdb51/`; else `../shared/data`, else `data/` in the repository
(where the library was installed without it, in the working folder).
"""

import os
import re
from pathlib import Path

from lrar import places
from lrar.clips import ClipSet, DataError
from lrar.datasets.folder import load_folder
from lrar.datasets.hmdb51 import load_hmdb51
from lrar.datasets.ixmas import load_ixmas
from lrar.datasets.synthetic import load_synthetic

NAMES = r"synthetic|ixmas6?|hmdb\d+|folder-[^/\\]+"  # what a data set may be called in records


def data_folder() -> Path:
    """The folder that holds the real data sets; it need not exist."""
    if chosen := os.environ.get("LRAR_DATA"):
        return Path(chosen)
    beside = places.ROOT.parent / "shared" / "data"
    return beside if beside.is_dir() else places.ROOT / "data"


def one_name(dataset: str) -> str:
    """The one name of a data set in experiments.

    A folder in `data_folder()` is `folder-<name>`, any other its whole path; `hmdb` is HMDB with as many classes as are here.

    Raises:
        DataError: `hmdb`, and its clips are missing.
    """
    if dataset == "hmdb":
        return load_hmdb51(data_folder() / "hmdb51").dataset
    if os.sep not in dataset:
        return dataset
    path = Path(os.path.abspath(dataset))
    if path.parent.resolve() == data_folder().resolve():
        return f"folder-{path.name}"
    return str(path.resolve())


def load_clip_set(dataset: str) -> ClipSet:
    """Find a data set by its name in records.

    Args:
        dataset: `synthetic`, `ixmas6`, `ixmas`, `hmdb51`, `hmdb21` (21 of its classes), `hmdb` (as many as are here), or a path to a folder of class folders (anything with a `/`),
            or `folder-<name>`, which is looked up as `<LRAR_DATA>/<name>`.

    Raises:
        DataError: unknown name, or the data is missing or not what its name says.
    """
    if dataset == "synthetic":
        return load_synthetic()
    if dataset in ("ixmas", "ixmas6"):
        return _named(load_ixmas(data_folder() / "ixmas"), dataset, data_folder() / "ixmas")
    if dataset == "hmdb":
        return load_hmdb51(data_folder() / "hmdb51")
    if re.fullmatch(r"hmdb\d+", dataset):
        return _named(load_hmdb51(data_folder() / "hmdb51"), dataset, data_folder() / "hmdb51")
    if os.sep in dataset:
        return load_folder(Path(dataset).absolute())  # FFmpeg takes a colon in a relative path for a protocol
    if dataset.startswith("folder-"):
        return load_folder(data_folder() / dataset.removeprefix("folder-"))
    if Path(dataset).is_dir():
        raise DataError(f"{dataset}: a folder is given as a path with a {os.sep} in it. Write .{os.sep}{dataset}.")
    raise DataError(
        f"{dataset}: no such data set. Known: synthetic, ixmas6, ixmas, hmdb51, hmdb21, hmdb, or the path of a folder of class folders."
    )


def _named(clip_set: ClipSet, dataset: str, folder: Path) -> ClipSet:
    """A part of a data set has a name of its own; it is never taken for the whole."""
    if clip_set.dataset != dataset:
        raise DataError(
            f"{folder}: holds {len(clip_set.classes)} actions, which is {clip_set.dataset}, not {dataset}. "
            f"Ask for {clip_set.dataset}."
        )
    return clip_set


def available(dataset: str) -> bool:
    """Whether a data set's files are on this machine."""
    try:
        load_clip_set(dataset)
    except DataError:
        return False
    return True
