"""What a benchmark would time in hours is run here on a few clips, so that other code does not break it unseen."""

import dataclasses
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lrar.measured import FULL_SIZE, measurement
from lrar.settings import PROFILES

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

BRIEFLY = """
import json
import full_size
full_size.CLIPS, full_size.FRAMES, full_size.STEPS = 40, 6, 2
full_size.write_measurement = lambda script, measured: print(json.dumps([script, measured]))
full_size.main()
"""


def test_full_size_on_a_few_clips():
    """In a process of its own: it limits its own memory."""
    done = subprocess.run([sys.executable, "-c", BRIEFLY], check=False, cwd=BENCHMARKS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    script, measured = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
    assert (script, measured["clips"]) == ("full_size", 40)
    for step in FULL_SIZE:
        assert min(measured[step]["milliseconds"]) > 0
        assert 0 < measured[step]["own"] < measured["limit"]


@pytest.fixture
def script(monkeypatch):
    """Imports a script of the benchmarks."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return __import__


def test_backbones_on_small_frames(script, monkeypatch):
    backbones = script("backbones")
    small = {"CLIPS": ((8, 32, 48),), "REPEATS": 1, "NETWORKS": {"compact": backbones.NETWORKS["compact"]}}
    for name, value in small.items():
        monkeypatch.setattr(backbones, name, value)
    lines = backbones.costs(torch.device("cpu"), batch=2)
    assert [line["backbone"] for line in lines] == ["compact", "i3d above Mixed_4d"]
    for line in lines:
        assert set(line) == {"backbone", "clip", "forward", "training"}, "memory is measured on a GPU alone"
        assert min(line["forward"], line["training"]) > 0


def test_what_runs_on_a_gpu(script, ixmas, monkeypatch, tmp_path):
    """On the processor, with one row of a tiny set, briefly trained."""
    gpu = script("gpu")
    monkeypatch.setenv("LRAR_CACHE", str(tmp_path / "cache"))  # which is not there yet
    monkeypatch.setattr(gpu, "costs", lambda where, *, batch: [where.type, batch])
    monkeypatch.setattr(gpu, "write_measurement", partial(gpu.write_measurement, records=tmp_path / "records"))
    with pytest.raises(SystemExit, match="no GPU"):
        gpu.main()
    monkeypatch.setattr(gpu, "torch", SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True)))
    for name, value in {"DATASET": "ixmas6", "HEADLINE": {"plain"}, "usual_workers": lambda: 1}.items():
        monkeypatch.setattr(gpu, name, value)
    monkeypatch.setattr(gpu, "PROFILES", {"full": dataclasses.replace(PROFILES["quick"], every=1)})
    gpu.main()
    measured = measurement(tmp_path / "records", "gpu")
    assert measured["minutes"] > 0 and measured["networks"] == ["cpu", 16]
    assert len(measured["seconds"]) == len(measured["probabilities"]) == 2, "two streams"
    [(twice, probabilities)] = measured["twice"].items()
    assert np.shape(probabilities) == np.shape(measured["probabilities"][twice])
    left = {path.name for path in (tmp_path / "cache").iterdir()}
    assert left <= {"locks"}, "what was made on the way is taken away again"
