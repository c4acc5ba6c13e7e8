"""A set as large as all of HMDB-51, 6,766 clips of 95 frames, through the caches: memory, and seconds a clip.

    python benchmarks/full_size.py

The clips are noise that moves, 48x64 in colour, made as they are asked for: what is measured is the way from clip to
batch, not a codec. Needs 12 GB of disk for some minutes. Writes `book/records/full_size.json`, from which the book's cost
page draws.
"""

import json
import resource
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lrar.clips import Clip, ClipSet, atomic_write, load_videos
from lrar.provenance import provenance
from lrar.streams import make_stream
from lrar.training import Recipe, cut, training_draws

CLIPS, FRAMES, ROWS, COLUMNS = 6766, 95, 48, 64
PARTS = 10


def noise(clip: Clip) -> np.ndarray:
    """Frames of a clip, uint8 `(T, H, W, 3)`."""
    picture = np.random.default_rng(int(clip.name)).integers(0, 256, (ROWS, COLUMNS, 3), dtype=np.uint8)
    return np.stack([np.roll(picture, t, axis=1) for t in range(FRAMES)])


def timed(items: Iterator, seconds: list[float]) -> Iterator:
    """Note the time at each item."""
    for item in items:
        seconds.append(time.perf_counter())
        yield item


def parts(seconds: list[float], *, each: int = 1) -> list[float]:
    """Milliseconds a clip in the first, second ... tenth of the items; each stands for so many clips."""
    steps = np.diff(seconds) * 1000 / each
    return [round(float(np.mean(part)), 2) for part in np.array_split(steps, PARTS)]


def resident() -> float:
    """The most memory that this process has held, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    torch.set_num_threads(1)
    clips = tuple(Clip(name=f"{number:05}", label=number % 51, group=str(number // 7)) for number in range(CLIPS))
    clip_set = ClipSet(
        dataset="noise", classes=tuple(map(str, range(51))), clips=clips, grey=False, render=noise, version="1"
    )
    result = {"clips": CLIPS, "frames": FRAMES, "size": [ROWS, COLUMNS]}
    with tempfile.TemporaryDirectory() as folder:
        ticks: list[float] = []
        videos = load_videos(clip_set, progress=partial(timed, seconds=ticks), cache=Path(folder))
        result["decoding"] = {"milliseconds": parts(ticks), "resident": round(resident(), 2)}
        print(result, flush=True)
        start = time.perf_counter()
        stream = make_stream(videos, source="bicubic", stream="rgb", cache=Path(folder))
        each = (time.perf_counter() - start) * 1000 / CLIPS
        result["stream"] = {"milliseconds": round(each, 2), "resident": round(resident(), 2)}
        print(result["stream"], flush=True)
        ticks, recipe = [], Recipe()
        draws = training_draws(stream, np.arange(CLIPS), recipe=recipe, generator=np.random.default_rng(0))
        for draw in timed(draws, ticks):
            cut(stream, draw)
        result["epoch"] = {"milliseconds": parts(ticks, each=recipe.batch), "resident": round(resident(), 2)}
    result["provenance"] = provenance()
    path = Path(__file__).parents[1] / "book" / "records" / "full_size.json"
    atomic_write(path, (json.dumps(result, indent=1) + "\n").encode())
    print({name: value for name, value in result.items() if name != "provenance"})


if __name__ == "__main__":
    main()
