"""The files of the clip explorer, which `book/_static/explorer.js` loads when a clip is chosen.

A clip is a folder of sprites, one a view, its moments side by side; beside them a small script holds the numbers: a
page that is opened from disk may load a script, but no JSON.
"""

import json
from pathlib import Path

import cv2
import numpy as np

from lrar.cache import atomic_write
from lrar.explorer import ROWS, Trained, answers, attention, ends, views
from lrar.names import DATASET_NAMES, ROW_NAMES
from lrar.running import fold_of
from lrar.studies import STREAMS

SCALE = 3  # pixels of the still picture to a pixel of HR
VEIL = 0.6  # how much of the frame the attention over it hides there


def write_clip(folder: Path, key: str, clip: int, networks: dict[tuple[str, str], Trained]) -> dict:
    """Write one clip's sprites and numbers into `folder / key`, and give what the list of clips says of it."""
    videos, _ = fold_of(networks["full", "rgb"].experiment.data)
    classes, described = videos.clip_set.classes, videos.clip_set.clips[clip]
    length = len(videos[clip])
    seen = ends(length)
    shown = views(videos[clip], networks, clip, seen)
    for name, frames in shown.items():
        atomic_write(folder / key / f"{name}.webp", sprite(frames[None]))
    peaks = {}
    for stream in STREAMS:
        maps, peaks[stream] = attention(networks["full", stream], clip)  # (1 + heads, T', H', W', 3)
        atomic_write(folder / key / f"attention_{stream}.webp", sprite(maps))
    probabilities = answers(networks, clip, seen)
    about = {
        "key": key,
        "dataset": DATASET_NAMES.get(videos.clip_set.dataset, videos.clip_set.dataset),
        "name": described.name,
        "label": classes[described.label],
        "answers": {row: classes[values[-1].argmax()] for row, values in probabilities.items()},
    }
    numbers = {
        "networks": {row: ROW_NAMES[row] for row in ROWS},
        "classes": classes,
        "hr": shown["hr"].shape[1:3],
        "lr": shown["lr"].shape[1:3],
        "seen": seen.tolist(),
        "steps": ((seen - 1) * maps.shape[1] // length).tolist(),  # which of the maps belongs to each moment
        "maps": maps.shape[:4],
        "peaks": peaks,
        "probabilities": {
            row: [[round(float(p), 4) for p in moment] for moment in values] for row, values in probabilities.items()
        },
    }
    atomic_write(folder / key / "clip.js", script(key, about | numbers))
    return about


def sprite(pictures: np.ndarray) -> bytes:
    """Pictures uint8 `(rows, columns, H, W, C)` side by side in one WebP file, without loss."""
    return _encode(".webp", _sheet(pictures), [cv2.IMWRITE_WEBP_QUALITY, 101])  # above 100 is without loss


def script(name: str, values: object) -> bytes:
    """A script that leaves values where `explorer.js` finds them."""
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return f"(window.lrarClips ??= {{}})[{json.dumps(name)}] = {text};\n".encode()


def picture(networks: dict[tuple[str, str], Trained], clip: int) -> bytes:
    """One moment at every stage as PNG: HR, LR, bicubic, super-resolved, flow, attention over it."""
    videos, _ = fold_of(networks["full", "rgb"].experiment.data)
    seen = ends(len(videos[clip]))
    middle = len(seen) // 2
    shown = [frames[middle] for frames in views(videos[clip], networks, clip, seen).values()]
    height, width, _ = shown[0].shape
    size = (width * SCALE, height * SCALE)

    def enlarged(frame: np.ndarray, how: int) -> np.ndarray:
        colour = np.repeat(frame, 3, axis=2) if frame.shape[2] == 1 else frame
        return cv2.resize(colour, size, interpolation=how)

    tiles = [enlarged(frame, cv2.INTER_NEAREST) for frame in shown]
    maps, _ = attention(networks["full", "rgb"], clip)
    veil = enlarged(maps[0, (seen[middle] - 1) * maps.shape[1] // len(videos[clip])], cv2.INTER_LINEAR)
    tiles.append(np.rint(VEIL * veil + (1 - VEIL) * tiles[3]).astype(np.uint8))
    framed = [np.pad(tile, ((0, 0), (0, 2 * SCALE), (0, 0)), constant_values=255) for tile in tiles]
    return _encode(".png", _sheet(np.stack(framed)[None]), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _sheet(pictures: np.ndarray) -> np.ndarray:
    rows, columns, height, width, channels = pictures.shape
    sheet = pictures.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
    return np.repeat(sheet, 3, axis=2) if channels == 1 else sheet[..., ::-1]  # OpenCV wants blue first


def _encode(kind: str, sheet: np.ndarray, options: list[int]) -> bytes:
    done, content = cv2.imencode(kind, sheet, options)
    assert done, (kind, sheet.shape)
    return content.tobytes()
