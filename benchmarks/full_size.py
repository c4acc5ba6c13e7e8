"""A set as large as all of HMDB-51, 6,766 clips of 95 frames, through the caches: memory, and seconds a clip.

    python benchmarks/full_size.py

The clips are noise that moves, 48x64 in colour, made as they are asked for: what is measured is the way from clip to
batch, not a codec. The process may hold 3 GB of its own and no more, or it stops. Pages of mapped files come on top;
the system takes them back when it needs them. Needs Linux, and 13 GB of disk for some minutes. Writes
`book/records/full_size.json`, from which the book's cost page draws.
"""

import resource
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from lrar.clips import Clip, ClipSet
from lrar.draws import cut, training_draws
from lrar.experiment import Data, Recipe, SuperResolution
from lrar.measured import write_measurement
from lrar.streams import SCALE, make_stream
from lrar.super_resolution import train_super_resolution
from lrar.videos import Videos, load_videos

CLIPS, FRAMES, ROWS, COLUMNS = 6766, 95, 48, 64
PARTS = 10
LIMIT = 3 * 10**9  # bytes
STEPS = 200  # of super resolution


def noise(clip: Clip) -> np.ndarray:
    """Frames of a clip, uint8 `(T, H, W, 3)`."""
    picture = np.random.default_rng(int(clip.name)).integers(0, 256, (ROWS, COLUMNS, 3), dtype=np.uint8)
    return np.stack([np.roll(picture, t, axis=1) for t in range(FRAMES)])


class Meter:
    """Times, and memory, at each item of what is done."""

    def __init__(self):
        self.seconds: list[float] = []
        self.most = {"RssAnon": 0.0, "RssFile": 0.0}

    def __call__(self, items: Iterable) -> Iterator:
        for item in items:
            self.look()
            yield item
        self.look()

    def look(self) -> None:
        self.seconds.append(time.perf_counter())
        for line in Path("/proc/self/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in self.most:
                self.most[name] = max(self.most[name], int(value.split()[0]) / 1e6)

    def told(self, *, each: int = 1) -> dict[str, object]:
        """Milliseconds a clip in the first, second ... tenth of the items, each of so many clips; GB held at most."""
        steps = np.diff(self.seconds) * 1000 / each
        tenths = [round(float(np.mean(part)), 2) for part in np.array_split(steps, min(PARTS, len(steps)))]
        own, mapped = (round(value, 2) for value in self.most.values())
        return {"milliseconds": tenths, "own": own, "mapped": mapped}


class Watched:
    """Decoded clips, metered as they are read one after the other."""

    def __init__(self, videos: Videos, meter: Meter):
        self.videos, self.meter = videos, meter
        self.key, self.fingerprint, self.shapes = videos.key, videos.fingerprint, videos.shapes

    def __getitem__(self, clip: int) -> np.ndarray:
        return self.videos[clip]

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.meter(self.videos)


def main() -> None:
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    clips = tuple(Clip(name=f"{number:05}", label=number % 51, group=str(number // 7)) for number in range(CLIPS))
    clip_set = ClipSet(
        dataset="noise", classes=tuple(map(str, range(51))), clips=clips, grey=False, render=noise, version="1"
    )
    result = {"clips": CLIPS, "frames": FRAMES, "size": [ROWS, COLUMNS], "limit": LIMIT / 1e9, "steps": STEPS}
    with tempfile.TemporaryDirectory() as folder:
        meter = Meter()
        videos = load_videos(clip_set, progress=meter, cache=Path(folder))
        result["decoding"] = meter.told()
        print(result, flush=True)

        streams = {}
        for name, enlarge in (("low", 1), ("enlarged", SCALE)):
            meter = Meter()
            source = "nearest" if enlarge == 1 else "bicubic"
            streams[name] = make_stream(
                Watched(videos, meter), source=source, stream="rgb", enlarge=enlarge, cache=Path(folder)
            )
            result[name] = meter.told()
            print(name, result[name], flush=True)

        meter, recipe = Meter(), Recipe()
        draws = training_draws(streams["enlarged"], np.arange(CLIPS), recipe=recipe, generator=np.random.default_rng(0))
        for draw in meter(draws):
            cut(streams["enlarged"], draw)
        result["epoch"] = meter.told(each=recipe.batch)
        print("epoch", result["epoch"], flush=True)

        meter, network = Meter(), SuperResolution(data=Data(dataset="noise"))
        train_super_resolution(
            low=[streams["low"][clip] for clip in range(CLIPS)],
            high=list(videos),
            steps=STEPS,
            progress=meter,
            **{
                name: getattr(network, name) for name in ("batch", "learning_rate", "seed", "window", "width", "blocks")
            },
        )
        result["super_resolution"] = meter.told()
    write_measurement("full_size", result)
    print(result)


if __name__ == "__main__":
    main()
