"""One stream of one fold of IXMAS, trained by this project and by the loop that one would write first.

    python benchmarks/one_fold.py

Both train the same network on the same 324 clips for the same epochs on all cores: the plain student, RGB. Ours starts
with an empty cache, so decoding is in its time. The plain loop decodes each clip whenever it needs it, in a DataLoader
with one worker a core, and computes in float32 in the usual memory layout. Writes `book/records/one_fold.json`, from
which the book's cost page draws.
"""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

from lrar.clips import ClipSet
from lrar.datasets import load_clip_set
from lrar.decoding import decode
from lrar.degrade import downsample, upscale
from lrar.draws import segment_times
from lrar.experiment import Data, Experiment, Recipe
from lrar.measured import write_measurement
from lrar.protocols import folds
from lrar.recognizer import Recognizer
from lrar.records import Store
from lrar.running import run
from lrar.streams import to_tensor

CORES = os.cpu_count()


class DecodedOnDemand(Dataset):
    """Clips decoded, degraded, enlarged and mirrored at each call."""

    def __init__(self, clip_set: ClipSet, indices: np.ndarray, recipe: Recipe):
        self.clips = [clip_set.clips[i] for i in indices]
        self.grey = clip_set.grey
        self.recipe = recipe

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        video = decode(self.clips[index].path, grey=self.grey)
        generator = np.random.default_rng()
        times = segment_times(len(video), count=self.recipe.frames, generator=generator)
        frames = upscale(downsample(to_tensor(video[times])))  # (T, C, H, W)
        shift = generator.integers(-self.recipe.shift, self.recipe.shift + 1, 2)
        frames = torch.roll(frames, tuple(shift), (2, 3))
        if generator.random() < 0.5:
            frames = frames.flip(-1)
        return frames.transpose(0, 1), self.clips[index].label  # (C, T, H, W)


def plain_loop(clip_set: ClipSet, train: np.ndarray, recipe: Recipe) -> float:
    """Seconds of training."""
    start = time.perf_counter()
    torch.manual_seed(0)
    height, width = decode(clip_set.clips[0].path, grey=clip_set.grey).shape[1:3]
    model = Recognizer(
        stream="rgb", classes=len(clip_set.classes), clip=(recipe.frames, height, width), in_channels=1
    ).train()
    loader = DataLoader(
        DecodedOnDemand(clip_set, train, recipe), batch_size=recipe.batch, shuffle=True, num_workers=CORES
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    for _ in range(recipe.epochs):
        for frames, labels in loader:
            loss = F.cross_entropy(model(frames).logits, labels, label_smoothing=recipe.label_smoothing)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return time.perf_counter() - start


def ours(experiment: Experiment) -> tuple[float, float]:
    """Seconds from an empty cache to the written record, and of training alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LRAR_CACHE"] = folder
        start = time.perf_counter()
        record = run(experiment, store=Store(Path(folder) / "records"))
        return time.perf_counter() - start, record.train_seconds


def main() -> None:
    torch.set_num_threads(CORES)
    experiment = Experiment(data=Data(dataset="ixmas6"), stream="rgb", source="bicubic")
    clip_set = load_clip_set("ixmas6")
    train = folds(clip_set, "actor")[0].train
    whole, training = ours(experiment)
    plain = plain_loop(clip_set, train, experiment.recipe)
    result = {
        "clips": len(train),
        "epochs": experiment.recipe.epochs,
        "seconds": round(whole, 1),
        "of_which_training": round(training, 1),
        "plain_seconds": round(plain, 1),
        "ratio": round(plain / whole, 1),
    }
    write_measurement("one_fold", result)
    print(result)


if __name__ == "__main__":
    main()
