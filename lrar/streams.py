"""What a stream may see of every clip: HR, or LR brought back up; as frames or as their flow. Made once, then mapped.

This is the one place where HR and LR part. A source other than `hr` is computed from LR frames only: `low_resolution`
is the only function here that touches HR for a student, and what it returns holds no more than LR has.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from lrar.cache import cache_folder
from lrar.degrade import UPSCALERS, downsample, shrink_to, upscale
from lrar.flow import optical_flow
from lrar.provenance import decided_by
from lrar.super_resolution import (
    VideoSuperResolution,
    enlarge_with_luma_network,
    espcn,
    fsrcnn,
    super_resolve,
)
from lrar.videos import Videos
from lrar.weights import known_sha256, weights_file

PUBLISHED = {"espcn": espcn, "fsrcnn": fsrcnn}
SCALE = 4


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The frames of every clip as one stream sees them, in one memory-mapped array.

    Attributes:
        frames: `(ΣT, H, W, C)`: uint8 grey or RGB, or float16: flow in px (C = 2) or differences of frames in [-1, 1].
            All clips have one size.
        starts: first frame of each clip.
        lengths: frames of each clip.
        key: what decides the frames, in sixteen hex digits; empty where they were not made by `make_stream`.
    """

    frames: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    key: str = ""

    @property
    def size(self) -> tuple[int, int]:
        return self.frames.shape[1:3]

    @property
    def channels(self) -> int:
        return self.frames.shape[3]

    @property
    def is_flow(self) -> bool:
        return self.channels == 2  # frames and their differences have one channel or three

    def __getitem__(self, clip: int) -> np.ndarray:
        return self.frames[self.starts[clip] : self.starts[clip] + self.lengths[clip]]


@dataclass(frozen=True, kw_only=True)
class StoredViews:
    """What a network above frozen blocks sees of every clip.

    Attributes:
        stream: the frames that the maps were made from.
        maps: float16 `(clips, views + 2, D, T', H', W')`; the last two are the whole clip and its mirror image, for
            testing. Those that no fold has asked for yet are zero.
        views: training views of each clip.
    """

    stream: Stream
    maps: np.ndarray
    views: int

    @property
    def frames(self) -> np.ndarray:
        return self.stream.frames

    @property
    def lengths(self) -> np.ndarray:
        return self.stream.lengths

    @property
    def is_flow(self) -> bool:
        return self.stream.is_flow

    @property
    def channels(self) -> int:
        return self.maps.shape[2]

    def __getitem__(self, clip: int) -> np.ndarray:
        return self.stream[clip]

    def chosen(self, clips: np.ndarray, numbers: np.ndarray) -> torch.Tensor:
        """The maps of one view of each of these clips, `(B, D, T', H', W')`."""
        return torch.from_numpy(self.maps[clips, numbers]).float()


def to_tensor(video: np.ndarray) -> torch.Tensor:
    """uint8 `(T, H, W, C)` to `(T, C, H, W)` in [0, 1]."""
    return torch.from_numpy(np.array(video)).permute(0, 3, 1, 2).float() / 255


def to_video(frames: torch.Tensor) -> np.ndarray:
    """`(T, C, H, W)` in [0, 1] to uint8 `(T, H, W, C)`."""
    return (frames * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def low_resolution(video: np.ndarray, *, kernel: str = "bicubic", scale: int = SCALE) -> torch.Tensor:
    """HR uint8 `(T, H, W, C)` to LR `(T, C, H / scale, W / scale)` in [0, 1]."""
    return downsample(to_tensor(video), scale=scale, kernel=kernel)


def restorer(
    source: str, network: VideoSuperResolution | None = None, *, enlarge: int = SCALE
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The way from LR `(T, C, h, w)` back to `(T, C, 4h, 4w)`, or to what `enlarge` says.

    Args:
        source: `nearest`, `area`, `bicubic`, `espcn`, `fsrcnn`, or `sr` with our trained network.
        network: the trained network where source is `sr`; it enlarges as it was trained to.
        enlarge: rows that a plain upscaler makes of one LR row.

    Raises:
        ValueError: an unknown source.
        DataError: the published weights of ESPCN or FSRCNN are not here.
    """
    if source in UPSCALERS:
        return lambda low: upscale(low, scale=enlarge, method=source)
    if source in PUBLISHED:
        published = PUBLISHED[source](weights_file(f"{source}_x4.safetensors"))
        return lambda low: enlarge_with_luma_network(published, low)
    if source == "sr":
        assert network is not None, "our super resolution needs its trained network"
        return lambda low: super_resolve(network, low)
    raise ValueError(f"{source!r} is no source of frames; known: hr, {', '.join([*UPSCALERS, *PUBLISHED])}, sr.")


def seen_frames(
    video: np.ndarray,
    *,
    source: str,
    kernel: str = "bicubic",
    shrink: int = SCALE,
    rows: int | None = None,
    restore: Callable | None = None,
) -> np.ndarray:
    """The frames that a network may see of one clip, uint8 `(T, H, W, C)`.

    Args:
        video: HR, uint8 `(T, H, W, C)`.
        source: `hr` for a teacher; else what `restorer` knows.
        kernel: how LR is made.
        shrink: HR rows per LR row.
        rows: of HR, to which its frames are shrunk; None keeps them.
        restore: from `restorer(source)`, when many clips are to be done.
    """
    if source == "hr":
        return video if rows is None else to_video(shrink_to(to_tensor(video), size=_of_rows(video, rows)))
    restore = restore or restorer(source)
    return to_video(restore(low_resolution(video, kernel=kernel, scale=shrink)))


def _of_rows(video: np.ndarray, rows: int) -> tuple[int, int]:
    """Rows and columns of the same shape."""
    _, height, width, _ = video.shape
    return rows, round(width * rows / height)


def make_stream(
    videos: Videos,
    *,
    source: str,
    stream: str,
    kernel: str = "bicubic",
    shrink: int | None = None,
    rows: int | None = None,
    flow_method: str | None = None,
    enlarge: int | None = None,
    network: VideoSuperResolution | None = None,
    network_key: str = "",
    cache: Path | None = None,
) -> Stream:
    """All clips as one stream sees them, from the cache or made now.

    Args:
        videos: decoded HR clips, all of one frame size.
        source: `hr`, `nearest`, `area`, `bicubic`, `espcn`, `fsrcnn` or `sr`.
        stream: `rgb`, `flow`, or `difference`: each frame taken from the next, for where flow costs too much.
        kernel: how LR is made.
        shrink: HR rows per LR row; None is 4.
        rows: to which HR frames are shrunk; None keeps them.
        flow_method: see `lrar.flow.optical_flow`; given for the flow stream, None for rgb.
        enlarge: rows that a plain upscaler makes of one LR row; None is 4.
        network: the trained network where source is `sr`.
        network_key: what identifies that network, the code that trained it too.
        cache: the cache folder; by default `lrar.cache.cache_folder()`.

    Raises:
        ValueError: an unknown stream, source, kernel or method.
        DataError: published weights that are not here.
    """
    if stream not in ("rgb", "flow", "difference"):
        raise ValueError(f"{stream!r} is no stream; known: rgb, flow, difference.")
    assert (stream == "flow") == (flow_method is not None), (stream, flow_method)
    # What other code made is not taken for what this code makes.
    code = decided_by("degrade", "flow", "streams", "super_resolution")
    if source in PUBLISHED:
        network_key = known_sha256(f"{source}_x4.safetensors")
    sizes = [size for size in (("shrink", shrink), ("rows", rows), ("enlarge", enlarge)) if size[1] is not None]
    decides = json.dumps([videos.key, source, stream, kernel, flow_method, network_key, code, *sizes])
    key = hashlib.sha256(decides.encode()).hexdigest()[:16]
    path = (cache or cache_folder()) / "streams" / f"{source}-{stream}-{key}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths = np.array([shape[0] - (stream != "rgb") for shape in videos.shapes])
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    if not path.exists():
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                see = partial(
                    seen_frames,
                    source=source,
                    kernel=kernel,
                    shrink=shrink or SCALE,
                    rows=rows,
                    restore=None if source == "hr" else restorer(source, network, enlarge=enlarge or SCALE),
                )
                _write(videos, path, int(lengths.sum()), stream, see, flow_method)
    return Stream(frames=np.load(path, mmap_mode="r"), starts=starts, lengths=lengths, key=key)


def _write(
    videos: Videos,
    path: Path,
    total: int,
    stream: str,
    see: Callable[[np.ndarray], np.ndarray],
    flow_method: str | None,
) -> None:
    sizes = {shape[1:] for shape in videos.shapes}
    assert len(sizes) == 1, f"clips of several sizes: {sorted(sizes)}"
    _, height, width, channels = see(videos[0][:1]).shape
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    array = np.lib.format.open_memmap(
        part,
        mode="w+",
        dtype=np.uint8 if stream == "rgb" else np.float16,
        shape=(total, height, width, 2 if stream == "flow" else channels),
    )
    position = 0
    try:
        for video in videos:
            frames = see(video)
            if stream == "flow":
                frames = optical_flow(frames, method=flow_method)
            elif stream == "difference":
                frames = np.diff(frames.astype(np.float32), axis=0) / 255
            array[position : position + len(frames)] = frames
            position += len(frames)
        assert position == total, (position, total)
        array.flush()
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
