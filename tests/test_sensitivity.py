"""What another seed or another protocol changes, on records whose answer is known."""

import dataclasses

import pytest
from made_up import make_record, write_records
from test_statistics import record
from test_tables import cells

from lrar.records import Store
from lrar.replay import existing
from lrar.sensitivity import across_protocols, between_seeds, by_clip, pairs_of_seeds
from lrar.statistics import outcome


def test_what_another_seed_changes(tmp_path, monkeypatch):
    """Seeds 0 and 1 of the plain student do alike, seed 2 recognises three clips of twelve more."""
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    store = Store(tmp_path)
    for fold in range(10):
        for seed, right in enumerate((6, 6, 9)):
            store.write(make_record("plain", "rgb", fold, seed=seed, right=right))
        store.write(make_record("nearest", "rgb", fold))
    table = between_seeds(existing("ixmas6", profile="full", records=tmp_path, rows=("plain", "nearest")))
    assert cells(table, "plain (bicubic)", "rgb") == ("25.0", "[+25.0, +25.0]", "2 of 3")
    assert len(table.body) == 1, "one seed has nothing to differ from"


def test_two_protocols_on_the_clips_of_both(tmp_path, monkeypatch):
    """Random draws test half of the clips, some twice; a clip counts once, with the mean of its draws."""
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    write_records(tmp_path, {"plain": 6})
    for draw, right in enumerate((12, 6)):
        made = make_record("plain", "rgb", draw, right=right, protocol="random")
        names = [f"actor{actor}_{clip}" for actor in (0, 1) for clip in range(6)] if draw else made.clips
        groups = ["actor0"] * 6 + ["actor1"] * 6 if draw else made.groups
        Store(tmp_path).write(dataclasses.replace(made, clips=names, groups=groups))
    sides = [
        existing("ixmas6", profile="full", records=tmp_path, rows=("plain",), protocol=p) for p in ("actor", "random")
    ]
    table = across_protocols(*sides)
    assert table.head[2:4] == ("actor", "random")
    # actor0: six of twelve right, all right at random; actor1: its first six right, none at random.
    assert cells(table, "plain (bicubic)", "rgb")[:3] == ("66.7", "66.7", "+0.0")
    assert cells(table, "plain (bicubic)", "rgb")[4:] == ("1 / 1", "18")


@pytest.mark.parametrize("better", [0, 1])
def test_seeds_against_each_other_have_no_sign(better):
    hits = {better: "1110", 1 - better: "0000"}
    runs = [record("new", hits[seed], seed=seed) for seed in (0, 1)]
    assert pairs_of_seeds(runs, row="new", stream="rgb") == [(75, 50, 100)]  # group a gains both of its clips, b one


def test_a_clip_of_several_folds_counts_once_with_their_mean():
    runs = [record("new", hits, fold=fold, clips=["x", "y"]) for fold, hits in enumerate(("10", "00"))]
    assert by_clip(outcome(runs, row="new", stream="rgb")).correct == {"x": 0.5, "y": 0}
