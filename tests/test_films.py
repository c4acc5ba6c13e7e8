"""Films that stand on both sides of a split, on clips and records whose answer is known."""

import dataclasses

from made_up import write_records
from test_sensitivity import two_seeds

from lrar.clips import Clip, ClipSet
from lrar.films import on_shared_films, sources_on_both_sides, without_shared
from lrar.records import Store
from lrar.replay import existing


def test_a_verdict_that_hangs_on_shared_films_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    write_records(tmp_path, {"plain": 6, "sr": 8}, dataset="ixmas6")
    runs = existing("ixmas6", profile="full", records=tmp_path)
    assert (
        without_shared(runs, shared={0: ["actor0_7"]})
        == "Without these tests every verdict on both streams is the same.\n"
    )
    assert without_shared(runs, shared={}) == "", "what was not counted is not said to change nothing"
    gained = {fold: [f"actor{fold}_{clip}" for clip in (6, 7)] for fold in range(10)}
    assert "C1 is *inconclusive*, not *supported*" in without_shared(runs, shared=gained)


def test_films_on_both_sides():
    groups = ("run/Juno", "run/Big", "sit/Juno", "sit/1995", "walk/1995")
    clips = tuple(Clip(name=name, label=0, group=group) for name, group in zip("abcde", groups, strict=True))
    clip_set = ClipSet(dataset="some", classes=("all",), clips=clips, grey=True)
    # Each fold holds out one group.
    assert sources_on_both_sides(clip_set, "actor") == [[], ["a"], ["d"], ["c"], ["e"]]


def test_differences_where_the_film_was_seen_and_where_not(tmp_path, monkeypatch):
    """Clips 6 and 7 of twelve are gained at each seed and clip 8 at one of two, so 2.5 a fold."""
    runs = two_seeds(tmp_path, monkeypatch)
    shared = {fold: [f"actor{fold}_6", f"actor{fold}_0"] for fold in range(3)}
    (line,) = on_shared_films(runs, shared=shared).body
    assert line[:2] == ("C1", "rgb")
    assert line[2].startswith("+50.0 [") and line[3].startswith("+15.0 [") and line[4].startswith("+35.0 [")
    assert not on_shared_films(runs, shared={}).body, "what was not counted is in no line"


def test_films_are_resampled_with_all_their_classes(tmp_path, monkeypatch):
    """Four films, and a class to each clip: as many intervals as films, not as many as films of a class."""
    runs = two_seeds(tmp_path, monkeypatch)
    shared = {fold: [f"actor{fold}_6", f"actor{fold}_0"] for fold in range(3)}
    store = Store(tmp_path)
    for record in runs.records:
        groups = [group.replace("kick", f"class{clip}") for clip, group in enumerate(record.groups)]
        store.write(dataclasses.replace(record, groups=groups))
    again = existing("hmdb21", profile="full", records=tmp_path)
    assert on_shared_films(again, shared=shared).body == on_shared_films(runs, shared=shared).body
