"""A video's annotated copy: what came in, what was made of it, where the student looks, and what it takes it for."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

from lrar.clips import DataError
from lrar.small import Answer, Card, SmallStudent
from lrar.super_resolution import super_resolve
from lrar.watch import Window

HEIGHT, WIDTH = 480, 1280
PANEL = (384, 288)  # largest rows x columns of a picture
GAP, TOP = 16, 64
PAPER, INK, QUIET, BAR, BEST = "#ffffff", "#1a1a1a", "#595959", "#9ecae9", "#0072b2"
VEIL = 0.5  # how much of the frame attention's colour hides
TITLES = ("what came in", "super-resolved", "attention")


class Overlay:
    """Writes an annotated MP4 (H.264), window by window; it is there in whole or not at all.

    From the left: the LR frame, its pixels as squares; super-resolved; the same under the attention received; and
    the class probabilities of the window.
    """

    def __init__(self, path: Path, model: SmallStudent, card: Card):
        """Begin a file.

        Args:
            path: where it goes.
            model: the student.
            card: what its file says of it.

        Raises:
            DataError: the place cannot be written to.
        """
        self.path, self.model, self.card = Path(path), model, card
        self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        if self.path.is_dir():
            raise DataError(f"{path}: is a folder. Name a file in it.")
        try:
            self._part.touch()  # FFmpeg itself complains of a bad place only when the first frame comes
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror}). Choose a folder that is there.") from error
        self._file = av.open(f"file:{self._part}", "w", format="mp4")  # a colon in its name is no protocol
        self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        try:
            if kind is None and self._stream is not None:
                self._file.mux(self._stream.encode(None))
            self._file.close()
            if kind is None and self._stream is not None:
                os.replace(self._part, self.path)
        finally:
            self._part.unlink(missing_ok=True)

    def add(self, window: Window, answer: Answer) -> None:
        """Write the frames for which an answer stands.

        Args:
            window: of the video.
            answer: to it, a batch of one.
        """
        if self._stream is None:
            rate = Fraction(window.rate).limit_denominator(1001)
            self._stream = self._file.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
            self._stream.width, self._stream.height, self._stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        page = self._page(window, answer)
        low = torch.from_numpy(window.low).permute(0, 3, 1, 2).float() / 255  # (T, C, h, w)
        high = super_resolve(self.model.network, low)  # (T, C, H, W)
        size = (len(low), *high.shape[2:])
        maps = F.interpolate(answer.maps[None], size=size, mode="trilinear", align_corners=False)[0, 0]  # (T, H, W)
        strength = (maps / answer.maps.max()).clamp(0, 1).numpy()
        rows, columns = self._panel()
        for moment in range(*window.own.indices(len(low))):
            seen = _rgb(high[moment])
            colour = np.asarray(colormaps["cividis"](strength[moment]))[..., :3] * 255
            veiled = ((1 - VEIL) * seen + VEIL * colour).round().astype(np.uint8)
            pictures = (_rgb(low[moment]), seen, veiled)
            image = page.copy()
            for number, picture in enumerate(pictures):
                left = _left(number)
                shown = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_NEAREST)
                image[TOP : TOP + rows, left : left + columns] = shown
            self._file.mux(self._stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))

    def _panel(self) -> tuple[int, int]:
        """Rows and columns of a picture: whole squares for LR pixels."""
        rows, columns = self.card.size
        square = min(PANEL[0] // rows, PANEL[1] // columns)
        return rows * square, columns * square

    def _page(self, window: Window, answer: Answer) -> np.ndarray:
        """What is the same for all frames of a window, uint8 `(HEIGHT, WIDTH, 3)`."""
        page = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
        draw = ImageDraw.Draw(page)
        small, large = ImageFont.load_default(18), ImageFont.load_default(26)
        for number, title in enumerate(TITLES):
            draw.text((_left(number), TOP - 30), title, INK, small)
        probabilities = answer.probabilities[0].tolist()
        best = int(np.argmax(probabilities))
        left, right = _left(len(TITLES)), WIDTH - GAP
        draw.text((left, TOP - 38), f"{self.card.classes[best]} {probabilities[best]:.2f}", INK, large)
        line = PANEL[0] / len(probabilities)
        for number, (name, p) in enumerate(zip(self.card.classes, probabilities, strict=True)):
            top = TOP + number * line
            box = (left, top + line * 0.1, left + max(p, 0.004) * (right - left), top + line * 0.9)
            draw.rectangle(box, BEST if number == best else BAR)
            # Dark letters on a light bar, light ones on a dark bar: the name stands beside the bar where it fits.
            at = (left + 6, top + line / 2)
            draw.text(at, f"{name} {p:.2f}", PAPER if number == best and p > 0.5 else INK, small, anchor="lm")
        colour = "grey" if self.card.channels == 1 else "colour"
        said = f"{window.start:.1f} to {window.end:.1f} s, {self.card.size[0]}x{self.card.size[1]} px, {colour}"
        draw.text((GAP, HEIGHT - 24), said, QUIET, small)
        return np.asarray(page)


def _left(number: int) -> int:
    """Where the picture of this number begins, in px."""
    return GAP + number * (PANEL[1] + GAP)


def _rgb(frame: torch.Tensor) -> np.ndarray:
    """`(C, H, W)` in [0, 1] to uint8 `(H, W, 3)`."""
    return (frame.expand(3, -1, -1) * 255).round().byte().permute(1, 2, 0).numpy()
