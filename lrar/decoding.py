"""From a video file to frames, upright and cropped: one way for training and for prediction."""

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from lrar.clips import DataError

COPY_AGAIN = "Copy it again from its source, or remove it."
LONG_ENOUGH = 0.9  # share of a file's length that its video fills; sound may last longer


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
        DataError: missing, empty, truncated, no video, or fewer than two frames. A format that announces neither frames
            nor length (MPEG-TS, MPEG-PS, a cut WMV) does not show where it was cut.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file. Check the path.")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty. {COPY_AGAIN}")
    shown = hidden = 0
    ends = 0.0  # s
    try:
        with av.open(str(path)) as container:
            # FFmpeg draws text files as video of a terminal.
            if not container.streams.video or container.format.name == "tty":
                raise DataError(f"{path}: no video in this file. Give a video, or remove it from the folder.")
            stream = container.streams.video[0]
            if parallel:
                stream.thread_type = "AUTO"
            announced, rate = stream.frames, float(stream.average_rate or 0)
            length = (container.duration or 0) / av.time_base
            numbered = container.format.name == "avi"
            expected = 0  # number of the next packet, where packets are numbered
            for packet in container.demux(stream):
                hidden += packet.is_discard  # an edit list trims a video and leaves what it cuts away in the file
                if numbered and packet.dts is not None:
                    hidden += max(packet.dts - expected, 0)  # frames that the camera dropped count, and hold nothing
                    expected = packet.dts + 1
                for frame in packet.decode():
                    shown += 1
                    ends = frame.time or ends
                    yield frame, rate
            ends += (1 / rate if rate else 0) - (container.start_time or 0) / av.time_base
    except (av.error.FFmpegError, ValueError, EOFError) as error:
        reason = str(error).split(":")[0].split("]")[-1].strip() or type(error).__name__
        raise DataError(
            f"{path}: cannot be decoded as a video ({reason}, after {shown} frames). {COPY_AGAIN}"
        ) from error
    if shown + hidden < whole * announced:
        raise DataError(f"{path}: truncated, {shown + hidden} of {announced} frames. {COPY_AGAIN}")
    if not announced and shown and ends < LONG_ENOUGH * whole * length:
        raise DataError(f"{path}: truncated, its video ends after {ends:.1f} of {length:.1f} s. {COPY_AGAIN}")
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
