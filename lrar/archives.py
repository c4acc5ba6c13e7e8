"""HMDB-51 from the archives that its authors publish: a RAR that holds a RAR a class, and a RAR of the official splits.

Nothing is written before every member of an archive was found to stay in its place, and the folders appear whole or
not at all.
"""

import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

import rarfile

from lrar.clips import DataError
from lrar.datasets.hmdb51 import SPLITS

TOOLS = "no tool for RAR's compression is on this machine. Install unar, 7zip or libarchive-tools (bsdtar)."


def unpack_hmdb51(archives: Iterable[Path], root: Path, *, progress: Callable = iter) -> int:
    """Unpack `hmdb51_org.rar`, `test_train_splits.rar`, or both.

    Args:
        archives: the files.
        root: the folder that gets `videos/` and the splits.
        progress: wraps the iterator over an archive's members.

    Returns:
        how many files were unpacked.

    Raises:
        DataError: no archive, a broken one, a member that points outside, no tool, or the folders exist already.
    """
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    count = 0
    with tempfile.TemporaryDirectory(dir=root, prefix=".unpacking-") as folder:
        for archive in archives:
            found = 0
            for place, content in _files(Path(archive), progress):
                path = Path(folder) / place
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                found += 1
            if not found:
                raise DataError(
                    f"{archive}: holds neither videos nor splits of HMDB-51. Take hmdb51_org.rar as published."
                )
            count += found
        parts = sorted(Path(folder).iterdir())
        for part in parts:
            if (root / part.name).exists():
                raise DataError(f"{root / part.name}: exists already. Move it away to unpack it anew.")
        for part in parts:
            os.replace(part, root / part.name)
    return count


def _files(archive: Path, progress: Callable) -> Iterator[tuple[Path, bytes]]:
    """Where each file of an archive belongs, and its content."""
    if not archive.is_file():
        raise DataError(f"{archive}: no such file. Check the path.")
    with _opened(archive, archive) as outer:
        for member in progress(_members(outer, archive)):
            name = PurePosixPath(member.filename)
            if name.suffix.lower() == ".txt":
                yield Path(SPLITS) / name.name, _read(outer, member, archive)
            elif name.suffix.lower() == ".avi" and name.parent.name:
                yield Path("videos") / name.parent.name / name.name, _read(outer, member, archive)
            elif name.suffix.lower() == ".rar":
                inside = f"{archive}/{name}"
                with _opened(io.BytesIO(_read(outer, member, archive)), inside) as inner:
                    for video in _members(inner, inside):
                        path = PurePosixPath(video.filename)
                        if path.suffix.lower() == ".avi":
                            action = path.parent.name or name.stem
                            yield Path("videos") / action / path.name, _read(inner, video, inside)


def _opened(file: Path | io.BytesIO, name: object) -> rarfile.RarFile:
    try:
        return rarfile.RarFile(file)
    except (rarfile.Error, OSError) as error:
        raise DataError(f"{name}: cannot be read as a RAR archive ({error}). Download it again.") from error


def _members(archive: rarfile.RarFile, name: object) -> list[rarfile.RarInfo]:
    """The files of an archive, all of which stay inside the folder that they are unpacked to.

    What `rarfile` cleans on its own (backslashes, drives) is looked at as it was stored.
    """
    for member in archive.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or member.is_symlink():
            raise DataError(f"{name}: {member.filename} would land outside its folder. Do not use this archive.")
    return [member for member in archive.infolist() if member.is_file()]


def _read(archive: rarfile.RarFile, member: rarfile.RarInfo, name: object) -> bytes:
    try:
        return archive.read(member)
    except rarfile.RarCannotExec as error:
        raise DataError(f"{name}: {TOOLS}") from error
    except (rarfile.Error, OSError) as error:
        raise DataError(f"{name}: {member.filename} is broken ({error}). Download the archive again.") from error
