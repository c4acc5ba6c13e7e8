"""A labelled clip, and a set of clips before any is decoded."""

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


class DataError(Exception):
    """The data is not as it should be. The message names the file and the remedy, on one line."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One labelled video.

    Attributes:
        name: unique within its set; the key of every stored prediction.
        label: index into the set's classes.
        group: actor or source video. Clips of one group never stand on both sides of a split.
        camera: camera number, or None where the set has no cameras.
        take: take number, or None.
        path: the video file, or None for rendered clips.
    """

    name: str
    label: int
    group: str
    camera: int | None = None
    take: int | None = None
    path: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Split:
    """An official division of a data set, by names of clips.

    Attributes:
        name: for people.
        train: names of the training clips.
        test: names of the test clips.
    """

    name: str
    train: frozenset[str]
    test: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class ClipSet:
    """Clips with one class list, before decoding.

    Attributes:
        dataset: the name used in records: `synthetic`, `ixmas6`, `ixmas`, `hmdb21`, `hmdb51`, `folder-<name>`.
        classes: class names, in label order.
        clips: the clips, sorted by name.
        grey: whether frames are kept as one channel.
        size: `(H, W)` that every frame is cropped and shrunk to when it is decoded; None keeps the files' own size.
        render: for sets without files, the function that makes a clip's frames, uint8 `(T, H, W, C)`.
        version: for sets without files, what stands for their content in the fingerprint.
        splits: the official divisions, where the set has any. They may name clips that are not here.
    """

    dataset: str
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    grey: bool
    size: tuple[int, int] | None = None
    render: Callable[[Clip], np.ndarray] | None = None
    version: str = ""
    splits: tuple[Split, ...] = ()

    def thinned(self, every: int) -> "ClipSet":
        """Keep each `every`-th clip of every class and group: a smaller set for a quick look."""
        if every == 1:
            return self
        seen: dict[tuple[int, str], int] = {}
        kept = []
        for clip in self.clips:
            position = seen.get((clip.label, clip.group), 0)
            seen[clip.label, clip.group] = position + 1
            if position % every == 0:
                kept.append(clip)
        return dataclasses.replace(self, clips=tuple(kept))

    def fingerprint(self) -> str:
        """Sixteen hex digits over every name, label, group and byte of content.

        Raises:
            DataError: a file cannot be read.
        """
        digest = hashlib.sha256(repr((self.dataset, self.classes, self.grey, self.size, self.version)).encode())
        for split in self.splits:
            digest.update(repr((split.name, sorted(split.train), sorted(split.test))).encode())
        for clip in self.clips:
            digest.update(repr((clip.name, clip.label, clip.group, clip.camera, clip.take)).encode())
            if clip.path is None:
                continue
            try:
                with open(clip.path, "rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise DataError(f"{clip.path}: cannot be read ({error.strerror}). Check the path.") from error
        return digest.hexdigest()[:16]
