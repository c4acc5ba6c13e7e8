"""Notebooks read what exists; only the quick profile is ever trained from them."""

import dataclasses

import pytest
from made_up import make_record, write_records

from lrar import replay
from lrar.clips import DataError
from lrar.datasets import load_clip_set
from lrar.experiment import from_dict
from lrar.protocols import folds
from lrar.records import Store
from lrar.running import load_data, weights_path
from lrar.settings import PROFILES


@pytest.fixture
def never_runs(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a study was started")

    monkeypatch.setattr(replay, "run_study", refuse)


def test_a_large_study_is_never_started(tmp_path, monkeypatch, never_runs):
    monkeypatch.setattr(replay, "available", lambda dataset: True)
    runs = replay.replay("synthetic", profile="full", records=tmp_path, rows=("plain",))
    assert runs.records == ()
    assert (runs.folds, runs.expected("plain"), runs.expected("plain") // runs.seeds("plain")) == (10, 30, 10)


def test_nothing_is_run_without_the_clips(tmp_path, monkeypatch, never_runs):
    monkeypatch.setattr(replay, "available", lambda dataset: False)
    runs = replay.replay("ixmas6", profile="quick", records=tmp_path)
    assert runs.records == ()
    assert not replay.can_draw(runs)


def test_frames_are_drawn_only_where_all_networks_behind_them_are_trained(ixmas, tmp_path):
    """Else a build of the book would train a study."""
    record = make_record("sr", "rgb", 0)
    experiment = from_dict(record.experiment)
    runs = replay.existing("ixmas6", profile="full", records=tmp_path)
    fingerprint = load_data("ixmas6", 1).fingerprint
    for part in (experiment, experiment.super_resolution):
        assert not replay.can_draw(runs, record=record)
        path = weights_path(part, fingerprint)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert replay.can_draw(runs, record=record)


def test_missing_runs_of_the_quick_profile_are_made(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(replay, "run_study", lambda listed, **_: asked.extend(listed) or [])
    replay.replay("synthetic", profile="quick", records=tmp_path, rows=("plain", "nearest"))
    assert sorted((task.row, task.experiment.stream) for task in asked) == [
        ("nearest", "flow"),
        ("nearest", "rgb"),
        ("plain", "flow"),
        ("plain", "rgb"),
    ]


def test_folds_are_counted_without_the_clips(tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "available", lambda dataset: False)
    write_records(tmp_path, {"plain": 6}, folds=2)
    assert replay.existing("ixmas6", profile="full", records=tmp_path).folds == 10
    assert replay.existing("hmdb21", profile="full", records=tmp_path).folds == 3
    Store(tmp_path).write(make_record("plain", "rgb", 0, protocol="random"))
    assert replay.existing("ixmas6", profile="full", records=tmp_path, protocol="random").folds == 5
    monkeypatch.undo()
    assert len(folds(load_clip_set("synthetic"), "random")) == replay.RANDOM_DRAWS


@pytest.mark.parametrize(
    ("sizes", "there", "counted"),
    [
        ((30, 10, 10, 10), 1, 2),  # more is left, how many folds it makes is not known
        ((30, 10, 10, 10), 3, 4),
        ((30, 10, 10, 10), 4, 4),
        ((2, 2, 1, 1, 1, 1, 1, 1, 1, 1), 2, 6),
        ((2, 2, 1, 1, 1, 1, 1, 1, 1, 1), 9, 10),
        ((2, 2, 1, 1, 1, 1, 1, 1, 1, 1), 10, 10),
    ],
)
def test_a_fold_that_is_missing_is_never_overlooked(tmp_path, monkeypatch, sizes, there, counted):
    monkeypatch.setattr(replay, "available", lambda dataset: False)
    for fold, size in list(enumerate(sizes))[:there]:
        record = make_record("plain", "rgb", fold)
        clips = [f"{fold}-{number}" for number in range(size)]
        labels, probabilities = [0] * size, record.probabilities[:1] * size
        groups = [str(fold)] * size
        Store(tmp_path).write(
            dataclasses.replace(
                record,
                n_train=sum(sizes) - size,
                clips=clips,
                labels=labels,
                groups=groups,
                probabilities=probabilities,
            )
        )
    assert replay.existing("ixmas6", profile="full", records=tmp_path).folds == counted


def test_a_record_of_other_settings_is_not_shown(tmp_path):
    record = make_record("plain", "rgb", 0)
    Store(tmp_path).write(record)
    recipe = record.experiment["recipe"] | {"epochs": 99}
    other = dataclasses.replace(record, id="other", experiment=record.experiment | {"recipe": recipe})
    Store(tmp_path).write(dataclasses.replace(other, row="sr", study="super_resolution"))
    runs = replay.existing("ixmas6", profile="full", records=tmp_path)
    assert [record.row for record in runs.records] == ["plain"]
    assert not replay.existing("ixmas6", profile="quick", records=tmp_path).records
    assert not replay.existing("ixmas6", profile="full", records=tmp_path, protocol="random").records


def test_where_clips_have_changed_those_that_are_here_count(ixmas, tmp_path):
    now = load_clip_set("ixmas6").thinned(PROFILES["full"].every).fingerprint()
    record = dataclasses.replace(make_record("plain", "rgb", 0), fingerprint="before")
    for fingerprint in ("before", now):
        Store(tmp_path).write(dataclasses.replace(record, fingerprint=fingerprint))
        runs = replay.existing("ixmas6", profile="full", records=tmp_path)
        assert [shown.fingerprint for shown in runs.records] == [fingerprint]
    assert len(Store(tmp_path).records()) == 2


def test_an_unknown_profile_is_named(tmp_path):
    with pytest.raises(DataError, match=r"huge: no such profile. Known: full, quick"):
        replay.replay("synthetic", profile="huge", records=tmp_path)
