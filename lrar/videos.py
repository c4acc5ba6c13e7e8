"""The cache in which every video of a set is decoded once.

Videos are decoded with PyAV into one flat file of bytes that is memory-mapped ever after: training never
touches a codec, and a data set larger than memory costs no more memory than a small one. The cache is keyed
by the content of the files and by the code that reads them, so a changed, added or removed video gives another cache.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from lrar.cache import cache_folder
from lrar.clips import ClipSet, DataError
from lrar.decoding import decode
from lrar.provenance import decided_by

RENDERERS = ("datasets/synthetic", "datasets/performer")


@dataclass(frozen=True, kw_only=True)
class Videos:
    """The decoded clips of a set: one flat memory-mapped array and where each clip lies in it.

    Attributes:
        clip_set: the clips these are.
        fingerprint: of the clip set, as it was decoded.
        key: what identifies the cache that holds them: the clips, and what has decoded or rendered them.
        flat: uint8, all clips' bytes one after the other.
        shapes: `(T, H, W, C)` of each clip.
        starts: first byte of each clip.
    """

    clip_set: ClipSet
    fingerprint: str
    key: str
    flat: np.ndarray
    shapes: tuple[tuple[int, int, int, int], ...]
    starts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> np.ndarray:
        """Clip `index`, uint8 `(T, H, W, C)`, a view of the cache."""
        shape, start = self.shapes[index], self.starts[index]
        return self.flat[start : start + int(np.prod(shape))].reshape(shape)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    @property
    def labels(self) -> np.ndarray:
        return np.array([clip.label for clip in self.clip_set.clips])


def load_videos(
    clip_set: ClipSet, *, progress: Callable[[Iterator], Iterator] = iter, cache: Path | None = None
) -> Videos:
    """Decode a set once, then memory-map it.

    Args:
        clip_set: what to decode.
        progress: wraps the iterator over clips, for instance `tqdm`.
        cache: the cache folder; by default `cache_folder()`.

    Raises:
        DataError: on the first clip that cannot be used. Nothing half-written remains.
    """
    fingerprint = clip_set.fingerprint()
    renderer = RENDERERS if clip_set.render is not None else ()
    made_by = decided_by("decoding", "videos", *renderer)
    key = hashlib.sha256(json.dumps([fingerprint, *made_by]).encode()).hexdigest()[:16]
    folder = (cache or cache_folder()) / "videos" / f"{clip_set.dataset}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        with FileLock(folder.with_suffix(".lock")):
            if not folder.is_dir():
                _decode_all(clip_set, folder, progress)
    shapes = tuple(tuple(shape) for shape in json.loads((folder / "shapes.json").read_text()))
    sizes = [int(np.prod(shape)) for shape in shapes]
    return Videos(
        clip_set=clip_set,
        fingerprint=fingerprint,
        key=key,
        flat=np.memmap(folder / "frames.u8", dtype=np.uint8, mode="r"),
        shapes=shapes,
        starts=tuple(int(start) for start in np.cumsum([0, *sizes[:-1]])),
    )


def _decode_all(clip_set: ClipSet, folder: Path, progress: Callable[[Iterator], Iterator]) -> None:
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    shapes = []
    try:
        with open(part / "frames.u8", "wb") as file:
            for clip in progress(clip_set.clips):
                if clip_set.render is not None:
                    video = clip_set.render(clip)
                else:
                    video = decode(clip.path, grey=clip_set.grey, size=clip_set.size)
                assert video.dtype == np.uint8 and video.ndim == 4, (video.dtype, video.shape)
                if shapes and video.shape[1:] != shapes[0][1:]:
                    raise DataError(
                        f"{clip.path}: frames of {video.shape[1]}x{video.shape[2]} among clips of "
                        f"{shapes[0][1]}x{shapes[0][2]}. Resize the video."
                    )
                if video.shape[1] % 4 or video.shape[2] % 4:
                    raise DataError(
                        f"{clip.path}: {video.shape[1]}x{video.shape[2]} frames do not divide by 4. "
                        "Resize or crop the video."
                    )
                shapes.append(video.shape)
                file.write(np.ascontiguousarray(video))
        (part / "shapes.json").write_text(json.dumps(shapes))
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
