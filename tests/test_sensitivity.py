"""What another seed or another protocol changes, on records whose answer is known."""

import dataclasses
import re

import pytest
from made_up import make_record, write_records
from test_statistics import record
from test_tables import cells

from lrar.pooling import outcome
from lrar.records import Store
from lrar.replay import Runs, existing
from lrar.sensitivity import (
    across_protocols,
    between_seeds,
    by_clip,
    each_seed,
    other_looks,
    pairs_of_seeds,
    seeds_of_both,
)
from lrar.statistics import in_points, paired


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
    for draw, right in enumerate((12, 9)):
        made = make_record("plain", "rgb", draw, right=right, protocol="random")
        names = [f"actor{actor}_{clip}" for actor in (0, 1) for clip in range(6)] if draw else made.clips
        groups = ["actor0"] * 6 + ["actor1"] * 6 if draw else made.groups
        Store(tmp_path).write(dataclasses.replace(made, clips=names, groups=groups))
    sides = [
        existing("ixmas6", profile="full", records=tmp_path, rows=("plain",), protocol=p) for p in ("actor", "random")
    ]
    table = across_protocols(*sides)
    assert table.head[2:4] == ("actor", "random")
    # actor0: six of twelve right, all right at random; actor1: its first six right, three of them at random.
    assert cells(table, "plain (bicubic)", "rgb")[:3] == ("66.7", "83.3", "+16.7")
    assert cells(table, "plain (bicubic)", "rgb")[4:] == ("1", "18")


def test_protocols_are_compared_at_the_seeds_that_both_have_everywhere():
    actor = [record("new", "11", seed=seed, fold=fold) for seed in (0, 1, 2) for fold in (0, 1)]
    random = [record("new", "11", seed=seed, fold=fold) for seed, fold in ((0, 0), (0, 1), (0, 2), (1, 2))]
    assert seeds_of_both((actor, random), row="new", stream="rgb") == {0}
    assert seeds_of_both((actor, actor), row="new", stream="rgb") == {0, 1, 2}
    assert seeds_of_both((actor, random), row="new", stream="flow") == set()
    flow = [record("new", "11", stream="flow", seed=0, fold=fold) for fold in (0, 1)]
    assert seeds_of_both((actor + flow, actor + flow), row="new", stream="both") == {0}


def test_each_seed_by_itself(tmp_path, monkeypatch):
    runs = two_seeds(tmp_path, monkeypatch)
    table = each_seed(runs, rows=("sr", "plain", "teacher"))
    assert table.head == ("row", "stream", "seed 0", "seed 1")
    assert cells(table, "our SR", "rgb") == ("66.7", "75.0")
    assert cells(table, "plain (bicubic)", "rgb") == ("50.0", "50.0")
    assert len(table.body) == 2
    one = dataclasses.replace(runs, records=tuple(its for its in runs.records if its.seed == 0))
    assert not each_seed(one, rows=("sr",)).body, "one seed shows no spread"


@pytest.mark.parametrize("better", [0, 1])
def test_seeds_against_each_other_have_no_sign(better):
    hits = {better: "1110", 1 - better: "0000"}
    runs = [record("new", hits[seed], seed=seed) for seed in (0, 1)]
    assert pairs_of_seeds(runs, row="new", stream="rgb") == [(75, 50, 100)]  # group a gains both of its clips, b one


def test_a_clip_of_several_folds_counts_once_with_their_mean():
    runs = [record("new", hits, fold=fold, clips=["x", "y"]) for fold, hits in enumerate(("10", "00"))]
    assert by_clip(outcome(runs, row="new", stream="rgb")).correct == {"x": 0.5, "y": 0}


def two_seeds(tmp_path, monkeypatch) -> Runs:
    """HMDB-21, three splits: the plain student recognises 6 of 12 clips; ours 8 and 9 of them, by its seed."""
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    store = Store(tmp_path)
    for fold in range(3):
        for seed in range(2):
            for row, right in (("plain", 6), ("sr", 8 + seed)):
                made = make_record(row, "rgb", fold, seed=seed, right=right, dataset="hmdb21")
                store.write(dataclasses.replace(made, groups=[f"kick/film{clip % 4}" for clip in range(12)]))
    return existing("hmdb21", profile="full", records=tmp_path)


def test_a_difference_is_looked_at_in_other_ways(tmp_path, monkeypatch):
    runs = two_seeds(tmp_path, monkeypatch)
    shared = {0: [f"actor0_{clip}" for clip in range(6, 9)], 2: ["actor2_6", "not tested"]}
    table = other_looks(runs, row="sr", baseline="plain", shared=shared)
    assert table.head == ("looked at", "RGB alone"), "there is no flow"
    looks = dict(table.body)
    assert looks["as it is judged"].startswith("+20.8 [")
    # The differences of the two seeds are 2 and 3 clips of 12 in each fold: their mean is known to a 24th, over
    # three folds to that by the root of three.
    low, high = map(float, re.findall(r"[+−][\d.]+", looks["as it is judged, and what other seeds would change"])[1:])
    _, *narrow = in_points(paired_of(runs))
    assert low < narrow[0] and high > narrow[1]
    assert looks["seed 0 alone"].startswith("+16.7 [") and looks["seed 1 alone"].startswith("+25.0 [")
    assert looks["actor1 alone"].startswith("+20.8 [") and looks["without actor1"].startswith("+20.8 [")
    # Clips 6 and 7 are gained at each seed, clip 8 at one: 2.5 clips a fold. Without those that are shared, one fold
    # has none of them and one has 1.5 left, of 36 - 4 clips.
    assert looks["without the 5 tests whose film training saw in another class"].startswith(f"+{100 * 4 / 32:.1f} [")


def test_folds_that_one_row_lacks_are_not_looked_at(tmp_path, monkeypatch):
    runs = two_seeds(tmp_path, monkeypatch)
    fewer = [its for its in runs.records if its.row == "plain" or its.fold == 0]
    shared = {0: ["actor0_6"], 2: ["actor2_6", "actor2_7"]}
    table = other_looks(dataclasses.replace(runs, records=fewer), row="sr", baseline="plain", shared=shared)
    assert [words for words, _ in table.body] == [
        "as it is judged",
        "as it is judged, and what other seeds would change",
        "seed 0 alone",
        "seed 1 alone",
        "without the 1 test whose film training saw in another class",
    ]


def paired_of(runs: Runs):
    sides = (outcome(runs.records, row=row, stream="rgb") for row in ("sr", "plain"))
    return paired(*sides)


def test_one_seed_and_many_folds_have_no_other_looks(tmp_path, monkeypatch):
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    write_records(tmp_path, {"plain": 6, "sr": 8})
    runs = existing("ixmas6", profile="full", records=tmp_path)
    assert other_looks(runs, row="sr", baseline="plain", shared={}).body == ()
    assert other_looks(runs, row="all", baseline="sr", shared={}).body == ()


def test_a_difference_that_no_claim_rests_on_decides_nothing(tmp_path, monkeypatch):
    runs = two_seeds(tmp_path, monkeypatch)
    claim = other_looks(runs, row="sr", baseline="plain", shared={})
    other = other_looks(runs, row="plain", baseline="sr", shared={})
    assert "The first line decides" in claim.caption and "decides" not in other.caption
    assert other.body[0][0] == "all of it" and other.body[0][1].startswith("−20.8 [")
