"""What the benchmarks have measured is told, and what they have not is said to be missing."""

import json

import pytest
from made_up import write_records

from lrar import measured
from lrar.datasets import available, load_clip_set
from lrar.films import sources_on_both_sides
from lrar.records import COMMITTED
from lrar.replay import existing

MACHINE = {"machine": "abacus"}


def test_one_fold(tmp_path):
    assert "`python benchmarks/one_fold.py`" in measured.one_fold(tmp_path)
    (tmp_path / "one_fold.json").write_text(
        '{"clips": 3, "epochs": 2, "seconds": 4.0, "of_which_training": 3.0, "plain_seconds": 20.0, "ratio": 5.0, '
        '"provenance": {"machine": "abacus"}}'
    )
    assert "**4.0 s**" in measured.one_fold(tmp_path)


def cells(directive: str) -> dict[str, str]:
    """Column to cell of a table of one line."""
    head, _, line = [line.strip("|").split("|") for line in directive.splitlines() if line.startswith("|")]
    return {name.strip(): cell.strip() for name, cell in zip(head, line, strict=True)}


def test_backbones_and_caches(tmp_path):
    assert "`python benchmarks/backbones.py`" in measured.backbones(tmp_path) == measured.caches(tmp_path)
    networks = [{"backbone": "i3d", "clip": [16, 112, 144], "forward": 0.1234, "training": 0.5678}]
    caches = {"decoded frames": {"made": 0.25, "bytes": 21_000_000}}
    values = {"networks": networks, "caches": caches, "provenance": MACHINE}
    (tmp_path / "backbones.json").write_text(json.dumps(values))
    table = measured.backbones(tmp_path)
    assert "abacus" in table and "abacus" in measured.caches(tmp_path)
    assert cells(table) == {
        "network": "i3d",
        "frames": "16 x 112x144",
        "forward, s a clip": "0.123",
        "training, s a clip and epoch": "0.568",
    }
    assert cells(measured.caches(tmp_path)) == {
        "what is kept": "decoded frames",
        "s a clip to make it": "0.2500",
        "MB a clip on disk": "21.00",
    }


def test_networks_on_a_gpu_with_their_memory():
    line = {"backbone": "i3d", "clip": [16, 112, 144], "forward": 0.00012345, "training": 1.2003, "memory": 7.06}
    assert cells(measured.networks({"networks": [line], "provenance": MACHINE})) == {
        "network": "i3d",
        "frames": "16 x 112x144",
        "forward, s a clip": "0.000123",
        "training, s a clip and epoch": "1.20",
        "GB": "7.1",
    }


def test_all_of_hmdb51_is_reckoned(tmp_path, monkeypatch):
    """Clips of 19 frames: all of HMDB-51 has five times as many in each. Runs of 30 s on 108 clips."""
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    write_records(tmp_path, {"plain": 6, "full": 8, "large_teacher": 9}, folds=3, dataset="hmdb21")
    runs = existing("hmdb21", profile="full", records=tmp_path)
    assert "`python benchmarks/backbones.py`" in measured.whole_hmdb51(tmp_path, runs)
    caches = {
        "decoded frames": {"made": 3600 / 6766, "bytes": 19 * 240 * 320 * 3},
        "I3D's maps at Mixed_4d": {"made": 3600 / 6766, "bytes": 1_000_000},
    }
    (tmp_path / "backbones.json").write_text(json.dumps({"networks": [], "caches": caches, "provenance": MACHINE}))
    table = measured.whole_hmdb51(tmp_path, runs)
    assert "**not run**" in table and "abacus" in table
    assert "have 10 kinds" in table, "two streams, of bicubic and of HR frames, and in each of three splits of our own"
    assert "the maps of 2 are 8 times as large as here." in table
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[0:1] == "|"]
    one = f"{30 / 108 * 3570 / 3600:.1f}"
    assert lines[2:] == [
        ["decoded frames", "5.0", "148.1"],
        ["I3D's maps at Mixed_4d, 6 views, of one kind", "6.0", "40.6"],
        ["training, one run: plain (bicubic)", one, "–"],
        ["training, one run: full system", one, "–"],
        ["training, all 18 runs that HMDB-21 has", "5", "–"],
    ]


def test_full_size(tmp_path):
    assert "`python benchmarks/full_size.py`" in measured.full_size(tmp_path)
    timed = {name: {"milliseconds": [1.0, 9.0, 2.0], "own": 0.5, "mapped": 7.25} for name in measured.FULL_SIZE}
    values = {"clips": 4, "frames": 5, "size": [6, 7], "limit": 3.0, "steps": 2, "provenance": MACHINE}
    (tmp_path / "full_size.json").write_text(json.dumps(values | timed))
    table = measured.full_size(tmp_path)
    assert table.count("1.0 in the first tenth, 2.0 in the last, 9.0 in the slowest") == len(measured.FULL_SIZE)
    assert "4 made-up clips of 5 frames of 6x7" in table and "allowed 3 GB of memory of its own" in table
    assert table.count("7.25") == len(measured.FULL_SIZE)


def test_two_processes(tmp_path):
    assert "`python benchmarks/two_processes.py`" in measured.two_processes(tmp_path)
    machine = {"machine": "abacus, 1 threads"}
    losses = {
        "float32": {"one": [3.0, 2.0, 1.0], "two": [3.0, 2.00041, 1.0002], "threads": [3.00005, 2.0, 1.05]},
        "bfloat16": {"one": [3.0, 2.0, 1.0], "two": [3.1, 1.8, 1.0], "threads": [3.0, 2.0, 1.0]},
    }
    (tmp_path / "two_processes.json").write_text(json.dumps({"clips": 7, "losses": losses, "provenance": machine}))
    told = measured.two_processes(tmp_path)
    assert (
        "On all 7 training clips" in told
        and "3 epochs" in told
        and "from 3.00 to 1.00." in told
        and told.endswith("(abacus).\n")
    )
    assert "by 0.00000 in float32 and 0.10000 in bfloat16 in the first epoch" in told
    assert "at most 0.00041 in float32 and 0.20000 in bfloat16 in any" in told
    assert (
        "threads parts by 0.00005 in float32 and 0.00000 in bfloat16 in the first and at most 0.05000 in float32"
        in told
    )


def test_shared_sources(tmp_path, monkeypatch):
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    write_records(tmp_path, {"plain": 6}, folds=3, dataset="hmdb21")
    runs = existing("hmdb21", profile="full", records=tmp_path)
    assert "`python benchmarks/shared_sources.py`" in measured.told_shared_sources(tmp_path, runs)
    found = {"fingerprint": "made-up", "clips": [["a", "b"], [], ["c"]]}
    (tmp_path / "shared_sources.json").write_text(json.dumps(found))
    assert "3 of 36 tests are such (2 of 12, 0 of 12, 1 of 12" in measured.told_shared_sources(tmp_path, runs)
    (tmp_path / "shared_sources.json").write_text(json.dumps(found | {"fingerprint": "of other clips"}))
    assert measured.shared_sources(tmp_path, runs) == {}


@pytest.mark.skipif(not available("hmdb21"), reason="no HMDB-21 on this machine")
def test_the_committed_shared_sources_are_those_of_the_clips():
    clip_set = load_clip_set("hmdb21")
    found = measured.measurement(COMMITTED, "shared_sources")
    assert found["fingerprint"] == clip_set.fingerprint()
    assert found["clips"] == sources_on_both_sides(clip_set, "official")
