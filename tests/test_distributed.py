"""Several processes that share a run: they give what one gives."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lrar import distributed
from lrar.clips import DataError
from lrar.datasets import available, data_folder
from lrar.datasets.hmdb51 import SPLITS
from lrar.distributed import share
from lrar.experiment import Data, Experiment, Recipe
from lrar.i3d import Unit
from lrar.recognizer import Dropout, Recognition
from lrar.records import Store
from lrar.running import run
from lrar.streams import Stream
from lrar.training import evaluate, fit
from lrar.weights import I3D_FILE, check

RECIPE = Recipe(epochs=3, batch=6, learning_rate=0.01, frames=4, shift=1, bfloat16=False)
# The last batch has three clips, so one process has one of them.
CLIPS = 15
HMDB = Experiment(
    data=Data(dataset="hmdb2", protocol="official", shrink=20),
    stream="rgb",
    source="bicubic",
    backbone="i3d",
    attention="joint",
    recipe=Recipe(
        epochs=3, learning_rate=1e-3, frames=8, shift=0, bfloat16=False, frozen="Mixed_5b", views=1, zoom=0.7
    ),
)
# What each process of torchrun does: one of the functions below, whose answer the first one writes.
PROGRAM = """
import json, sys
from pathlib import Path

sys.path.insert(0, {tests!r})
import test_distributed
from lrar import distributed

distributed.start()
answer = getattr(test_distributed, sys.argv[1])(Path(sys.argv[2]))
Path(sys.argv[2], f"process-{{distributed.rank()}}").write_text(str(distributed.count()))
if distributed.rank() == 0:
    Path(sys.argv[2], "answer.json").write_text(json.dumps(answer))
distributed.stop()
"""


def by_processes(count: int, name: str, folder: Path) -> tuple[subprocess.CompletedProcess, Path]:
    """Let torchrun start so many processes, each of which calls a function of this module with a folder."""
    program = folder / "program.py"
    program.write_text(PROGRAM.format(tests=str(Path(__file__).parent)))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    done = subprocess.run(
        [*torchrun, str(program), name, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return done, folder / "answer.json"


class Small(nn.Module):
    """A recognizer of what is special here: I3D's batch norm and our dropout."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(Unit(inputs=1, outputs=4, kernel=3, stride=2), Unit(inputs=4, outputs=8))
        self.dropout = Dropout(0.5)
        self.head = nn.Linear(8, 3)

    def forward(self, frames: torch.Tensor) -> Recognition:
        features = self.layers(frames)
        pooled = features.mean(dim=(2, 3, 4))
        return Recognition(logits=self.head(self.dropout(pooled)), pooled=pooled, features=features, maps=None)


def train_small(_: Path, *, recipe: Recipe = RECIPE) -> dict:
    """Losses, answers and what batch norm has counted, after training on noise."""
    noise = np.random.default_rng(0).integers(0, 256, (CLIPS * 8, 12, 16, 1)).astype(np.uint8)
    stream = Stream(frames=noise, starts=np.arange(CLIPS) * 8, lengths=np.full(CLIPS, 8))
    torch.manual_seed(0)
    model = Small()
    labels = np.arange(CLIPS) % 3
    losses = fit(model, stream, labels, np.arange(CLIPS), recipe=recipe, seed=0)
    return {
        "losses": losses,
        "answers": evaluate(model, stream, np.arange(CLIPS), recipe=recipe).tolist(),
        "variance": model.layers[1].bn.running_var.tolist(),
    }


def train_compact(_: Path) -> None:
    distributed.spread(nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2)))


def run_hmdb(folder: Path) -> list[float]:
    """The losses of a run, found or made in the folder's store."""
    return run(HMDB, store=Store(folder / "records")).losses


def test_two_processes_train_as_one(tmp_path):
    done, path = by_processes(2, "train_small", tmp_path)
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / f"process-{rank}").read_text() for rank in (0, 1)] == ["2", "2"]
    shared, alone = json.loads(path.read_text()), train_small(tmp_path)
    for name, values in alone.items():
        assert np.allclose(shared[name], values, rtol=0, atol=2e-5), name
    # It was trained: no two epochs have one loss.
    assert len(set(np.round(alone["losses"], 3))) == RECIPE.epochs


def test_shares_are_all_of_a_batch_once(monkeypatch):
    for count in (1, 2, 3, 5):
        for length in (0, 1, 5, 16):
            taken = []
            for rank in range(count):
                monkeypatch.setattr(distributed, "count", lambda count=count: count)
                monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
                taken.append(np.arange(length)[share(length)])
            assert np.concatenate(taken).tolist() == list(range(length))
            assert max(map(len, taken)) - min(map(len, taken)) <= 1


def test_batch_norm_that_cannot_look_across_processes_is_refused(tmp_path):
    done, path = by_processes(2, "train_compact", tmp_path)
    assert done.returncode != 0 and not path.exists()
    assert f"{DataError.__name__}: PyTorch's batch norm looks across processes on GPUs only" in done.stderr
    assert "without torchrun" in done.stderr


def test_a_batch_in_parts_gives_the_step_of_the_whole(monkeypatch):
    monkeypatch.setattr(Dropout, "forward", lambda self, x: x)
    monkeypatch.setattr("lrar.i3d.ShiftedBatchNorm.forward", lambda self, x: x + self.bias.view(-1, 1, 1, 1))
    whole, parts = (train_small(Path(), recipe=replace(RECIPE, batch=5, parts=parts)) for parts in (None, 2))
    assert np.allclose(whole["losses"], parts["losses"], rtol=0, atol=1e-5)
    assert np.allclose(whole["answers"], parts["answers"], rtol=0, atol=1e-5)


@pytest.mark.skipif(
    check()[I3D_FILE] == "missing" or not available("hmdb21"), reason="no HMDB-21 or no weights of I3D on this machine"
)
def test_two_processes_give_the_losses_of_one_on_hmdb(tmp_path, cache, monkeypatch):
    # Every second clip of two classes, for time's sake.
    whole, part = data_folder() / "hmdb51", tmp_path / "data" / "hmdb51"
    part.mkdir(parents=True)
    (part / SPLITS).symlink_to(whole / SPLITS)
    for action in ("kick_ball", "stand"):
        (part / "videos" / action).mkdir(parents=True)
        for video in sorted((whole / "videos" / action).iterdir())[::2]:
            (part / "videos" / action / video.name).symlink_to(video)
    monkeypatch.setenv("LRAR_DATA", str(part.parent))
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    alone = run_hmdb(tmp_path / "one")
    done, path = by_processes(2, "run_hmdb", tmp_path / "two")
    assert done.returncode == 0, done.stderr
    shared = json.loads(path.read_text())
    assert np.allclose(shared, alone, rtol=0, atol=1e-3)
    assert len({round(loss, 3) for loss in alone}) == HMDB.recipe.epochs
    # What they wrote is one record, which one process finds.
    (record,) = Store(tmp_path / "two" / "records").records()
    assert run_hmdb(tmp_path / "two") == record.losses == shared


def test_more_processes_than_gpus_are_refused(monkeypatch):
    for name, value in {
        "WORLD_SIZE": 2,
        "RANK": 0,
        "LOCAL_RANK": 0,
        "LOCAL_WORLD_SIZE": 2,
        "MASTER_ADDR": "",
        "MASTER_PORT": "",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DataError, match=r"2 processes for 1 GPU.*--nproc-per-node 1"):
        distributed.start()
