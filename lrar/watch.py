"""Any video file as a student sees it: windows of LR frames, one after the other, in bounded memory.

Frames are made as those of the data sets were: grey where the student is, cropped to its shape, shrunk by area averaging
to HR and from there to LR by `lrar.degrade`. Only LR frames are kept, of the last few seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from lrar.clips import DataError
from lrar.decoding import fit, frames, upright
from lrar.small import Card
from lrar.streams import SCALE, low_resolution, to_video

RATE = 25  # frames a second of the clips that students are trained on; what comes faster is thinned
WHOLE = 12  # seconds: the longest of those clips; up to here a video is read as one, as they were
WHOLE_ENOUGH = 0.9  # share of its frames that a video to look at must have; data sets want all of them
SECONDS, STEP = 3, 1  # of a window: their usual length; and how much later the next one begins


@dataclass(frozen=True, kw_only=True)
class Region:
    """A part of the frame.

    Attributes:
        top: first row.
        left: first column.
        rows: its height in px.
        columns: its width in px.
    """

    top: int
    left: int
    rows: int
    columns: int


@dataclass(frozen=True, kw_only=True)
class Window:
    """Some seconds of a video.

    Attributes:
        start: time of its first frame in seconds.
        end: time of its last frame.
        low: uint8 `(T, h, w, C)`.
        own: which of its frames lie nearer to its middle than to that of its neighbours: its answer stands for these.
        rate: frames a second.
    """

    start: float
    end: float
    low: np.ndarray
    own: slice
    rate: float


def windows(path: Path, card: Card, *, region: Region | None = None, whole: float = WHOLE) -> Iterator[Window]:
    """The windows of a video: three seconds, each a second later than the one before; a short video is one window.

    Args:
        path: any file that FFmpeg reads.
        card: of the student that will see them.
        region: the part of the frame to look at; by default all of it. Its middle is cropped to the student's shape.
        whole: up to how many seconds a video is one window; below four it always is.

    Raises:
        DataError: missing, empty, truncated, no video, or fewer than two frames.
    """
    low_frames = _low_frames(Path(path), card, region)
    rate = next(low_frames)
    step = max(round(STEP * rate), 1)
    length = max(round(SECONDS * rate), step + 2)
    margin = (length - step) // 2  # frames before those that are a window's own, at least 1
    waiting: list[tuple[float, np.ndarray]] = []
    own, enough = 0, max(length + step, round(whole * rate) + 1)

    def window(part: list[tuple[float, np.ndarray]], own: slice) -> Window:
        low = np.stack([frame for _, frame in part])
        return Window(start=part[0][0], end=part[-1][0], low=low, own=own, rate=rate)

    for frame in low_frames:
        waiting.append(frame)
        if len(waiting) < enough:
            continue
        enough = length + step
        while len(waiting) >= enough:  # the window that begins here is not the last
            yield window(waiting[:length], slice(own, margin + step))
            del waiting[:step]
            own = margin
    if own:
        yield window(waiting[-length:], slice(own - (len(waiting) - length), length))
    else:
        yield window(waiting, slice(0, len(waiting)))


def _low_frames(path: Path, card: Card, region: Region | None) -> Iterator:
    """First the number of frames a second, then each frame with its time, uint8 `(h, w, C)`."""
    due = last = None
    shift = 0.0
    # Absolute: FFmpeg takes what stands before a colon in a bare file name for a protocol.
    for count, (frame, stated) in enumerate(frames(path.absolute(), parallel=True, whole=WHOLE_ENOUGH)):
        rate = stated or RATE
        if not count:
            yield min(rate, RATE)
        time = shift + (frame.time if frame.time is not None else count / rate)
        if last is not None and time < last:  # files that were joined: their times begin anew, ours go on
            shift += last + 1 / rate - time
            time = last + 1 / rate
        last = time
        if due is None:
            due = time
        if time + 1e-3 < due:
            continue
        due = max(due + 1 / RATE, time)
        yield time, _to_low(frame, path, card, region)


def _to_low(frame: av.VideoFrame, path: Path, card: Card, region: Region | None) -> np.ndarray:
    """One frame as the student sees it, uint8 `(h, w, C)`."""
    image = upright(frame, grey=card.channels == 1)
    if region is not None:
        height, width = image.shape[:2]
        if region.top + region.rows > height or region.left + region.columns > width:
            raise DataError(
                f"{path}: --crop reaches beyond its frames of {height}x{width} (rows x columns). Give a smaller region."
            )
        image = image[region.top : region.top + region.rows, region.left : region.left + region.columns]
    high = fit(image, size=(card.size[0] * SCALE, card.size[1] * SCALE))
    return to_video(low_resolution(high.reshape(1, *high.shape[:2], card.channels)))[0]
