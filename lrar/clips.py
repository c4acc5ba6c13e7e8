"""A labelled clip, a set of clips, and the cache in which every video is decoded once.

Videos are decoded with PyAV into one flat file of bytes that is memory-mapped ever after: training never
touches a codec, and a data set larger than memory costs no more memory than a small one. The cache is keyed
by the content of the files and by the code that reads them, so a changed, added or removed video gives another cache.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from filelock import FileLock

COPY_AGAIN = "Copy it again from its source, or remove it."


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


def fit(frame: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """Crop a frame `(H, W, ...)` to the shape of `size` around its centre, then shrink it by area averaging."""
    height, width = frame.shape[:2]
    rows, columns = size
    crop_height = min(height, round(width * rows / columns))
    crop_width = min(width, round(height * columns / rows))
    top, left = (height - crop_height) // 2, (width - crop_width) // 2
    cropped = frame[top : top + crop_height, left : left + crop_width]
    return cv2.resize(cropped, (columns, rows), interpolation=cv2.INTER_AREA)


def frames(path: Path, *, parallel: bool = False, whole: float = 1) -> Iterator[tuple[av.VideoFrame, float]]:
    """The frames of a video file, one at a time, each with the frames a second that the file states (0 if it does not).

    Args:
        path: any file that FFmpeg reads.
        parallel: decode several frames at once; a broken file then need not fail at the same frame each time.
        whole: the share of the announced frames that must be there, or be cut away by an edit list.

    Raises:
        DataError: missing, empty, truncated, no video, or fewer than two frames.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file. Check the path.")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty. {COPY_AGAIN}")
    shown = hidden = 0
    try:
        with av.open(str(path)) as container:
            # FFmpeg draws text files as video of a terminal.
            if not container.streams.video or container.format.name == "tty":
                raise DataError(f"{path}: no video in this file. Give a video, or remove it from the folder.")
            stream = container.streams.video[0]
            if parallel:
                stream.thread_type = "AUTO"
            announced, rate = stream.frames, float(stream.average_rate or 0)
            for packet in container.demux(stream):
                hidden += packet.is_discard  # an edit list trims a video and leaves what it cuts away in the file
                for frame in packet.decode():
                    shown += 1
                    yield frame, rate
    except (av.error.FFmpegError, ValueError, EOFError) as error:
        reason = str(error).split(":")[0].split("]")[-1].strip() or type(error).__name__
        raise DataError(
            f"{path}: cannot be decoded as a video ({reason}, after {shown} frames). {COPY_AGAIN}"
        ) from error
    if shown + hidden < whole * announced:
        raise DataError(f"{path}: truncated, {shown + hidden} of {announced} frames. {COPY_AGAIN}")
    if shown < 2:
        raise DataError(f"{path}: {shown} frame(s); motion needs at least 2. Remove it, or give a longer video.")


def upright(frame: av.VideoFrame, *, grey: bool) -> np.ndarray:
    """A frame as a person sees it, uint8 `(H, W)`, one channel (BT.601 luma), or `(H, W, 3)`, RGB."""
    image = frame.to_ndarray(format="gray" if grey else "rgb24")
    # A telephone held upright films lying down, and notes how to turn it.
    return np.ascontiguousarray(np.rot90(image, frame.rotation // 90)) if frame.rotation else image


def decode(path: Path, *, grey: bool, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode a video file, upright.

    Args:
        path: any file that FFmpeg reads.
        grey: give one channel (BT.601 luma) instead of three.
        size: `(H, W)` to which each frame is cropped and shrunk as it comes; None keeps it.

    Returns:
        uint8 `(T, H, W, C)` with C = 1 or 3 (RGB).

    Raises:
        DataError: see `frames`; and where the frame size changes inside the file.
    """
    path = Path(path)
    images = (upright(frame, grey=grey) for frame, _ in frames(path))
    kept = [image if size is None else fit(image, size=size) for image in images]
    if len({image.shape for image in kept}) > 1:
        raise DataError(f"{path}: the frame size changes inside the file. Encode it again with one size.")
    video = np.stack(kept)
    return video[..., None] if grey else video  # (T, H, W, C)


@dataclass(frozen=True, kw_only=True)
class Videos:
    """The decoded clips of a set: one flat memory-mapped array and where each clip lies in it.

    Attributes:
        clip_set: the clips these are.
        fingerprint: of the clip set, as it was decoded.
        flat: uint8, all clips' bytes one after the other.
        shapes: `(T, H, W, C)` of each clip.
        starts: first byte of each clip.
    """

    clip_set: ClipSet
    fingerprint: str
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


def cache_folder() -> Path:
    """Where decoded videos, flow and weights are kept: `LRAR_CACHE`, else `cache/` in the repository."""
    return Path(os.environ.get("LRAR_CACHE") or Path(__file__).parents[1] / "cache")


def atomic_write(path: Path, content: bytes) -> None:
    """Write a file so that it is there in whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
    from lrar.provenance import code_digest  # which needs this module

    fingerprint = clip_set.fingerprint()
    folder = (cache or cache_folder()) / "videos" / f"{clip_set.dataset}-{fingerprint}-{code_digest()['clips']}"
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
