"""The store: written whole or not at all, found by what decided it, and honest about its age."""

import dataclasses
from pathlib import Path

import pytest
from conftest import names_file_and_remedy

from lrar import cache as kept
from lrar.clips import DataError
from lrar.experiment import from_dict, identity
from lrar.records import (
    COMMITTED,
    Record,
    Store,
    kept_as,
    read_record,
)


def record(identity: str = "0123456789abcdef", **changes) -> Record:
    experiment = {
        "data": {"dataset": "ixmas6", "protocol": "actor", "fold": 3, "every": 1, "kernel": "bicubic"},
        "stream": changes.pop("stream", "rgb"),
        "seed": 1,
        "source": changes.pop("source", "bicubic"),
        "super_resolution": None,
        "teacher": None,
        "backbone": "compact",
        "attention": "mean",
        "distillation": None,
        "recipe": {},
    }
    values = {
        "id": identity,
        "study": "full",
        "row": "plain",
        "experiment": experiment,
        "fingerprint": "data",
        "classes": ["walk", "wave"],
        "fold_name": "alba",
        "n_train": 4,
        "provenance": {"code": {}},
        "losses": [1.5, 0.5],
        "train_seconds": 12.34,
        "clips": ["a", "b", "c"],
        "labels": [0, 1, 1],
        "groups": ["alba"] * 3,
        "probabilities": [[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]],
    }
    return Record(**(values | changes))


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_record_says_what_it_is():
    it = record()
    assert (it.dataset, it.stream, it.fold, it.seed) == ("ixmas6", "rgb", 3, 1)
    assert it.correct.tolist() == [True, False, True]
    assert it.accuracy == pytest.approx(2 / 3)
    experiment = it.experiment | {"data": it.experiment["data"] | {"dataset": "/somewhere/mine"}}
    assert dataclasses.replace(it, experiment=experiment).dataset == "folder-mine"


def test_what_is_written_is_found(tmp_path):
    path = Store(tmp_path).write(record())
    assert path == tmp_path / "ixmas6" / "full" / "plain-rgb-fold3-seed1-0123456789abcdef.json"
    assert files_of(tmp_path) == [path.name]
    for store in (Store(tmp_path), Store(tmp_path)):
        assert store.find("0123456789abcdef") == record()
        assert store.find("0123456789abcdef", fingerprint="data") == record()
    assert Store(tmp_path).find("fedcba9876543210") is None
    assert Store(tmp_path / "nowhere").find("0123456789abcdef") is None


def test_names_of_folders_are_not_patterns(tmp_path):
    for name in ("clips [2024]", "clips 2"):
        experiment = record().experiment | {"data": record().experiment["data"] | {"dataset": f"/somewhere/{name}"}}
        Store(tmp_path).write(dataclasses.replace(record(), experiment=experiment))
    (found,) = Store(tmp_path).records(kept_as("/somewhere/clips [2024]"))
    assert found.dataset == "folder-clips [2024]"


def test_a_store_sees_what_another_writes(tmp_path):
    mine, other = Store(tmp_path), Store(tmp_path)
    assert mine.find("0123456789abcdef") is None
    other.write(record())
    assert mine.find("0123456789abcdef") == record()


def test_a_record_of_other_data_is_not_found(tmp_path):
    store = Store(tmp_path)
    store.write(record())
    assert store.find("0123456789abcdef", fingerprint="other") is None
    # Beside one of other data, under another row, the right one is found whichever comes first.
    for row in ("a", "z"):
        store.write(record(row=row, fingerprint="other"))
        for fresh in (store, Store(tmp_path)):
            assert fresh.find("0123456789abcdef", fingerprint="data") == record()
            assert fresh.find("0123456789abcdef", fingerprint="other").fingerprint == "other"


def test_a_run_on_changed_clips_does_not_write_over_the_one_before(tmp_path):
    """Somebody adds a video to a folder and runs the study again: the same experiment, other clips."""
    store = Store(tmp_path)
    first, second = record(), record(fingerprint="other", n_train=5)
    paths = {store.write(first), store.write(second), store.write(second)}
    assert len(paths) == 2
    for fresh in (store, Store(tmp_path)):
        for made in (first, second):
            assert fresh.find(made.id, fingerprint=made.fingerprint) == made


@pytest.mark.parametrize("content", [b"", b'{"id": "half', b"[]", b'{"id": "x"}', b"\xff\xfe\x00", b"3"])
def test_what_is_no_record_is_named(tmp_path, content):
    path = tmp_path / "ixmas6" / "full" / "x.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_record(path)
    assert names_file_and_remedy(error, path, "not a record", "Delete it")


def test_records_are_chosen_by_folder(tmp_path):
    store = Store(tmp_path)
    store.write(record("a" * 16))
    store.write(record("b" * 16, study="attention", row="joint"))
    assert [it.id[0] for it in store.records()] == ["b", "a"]
    assert store.records(dataset="synthetic") == []


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(kept.os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        Store(tmp_path).write(record())
    assert files_of(tmp_path) == [], "a half-written file remains"
    assert Store(tmp_path).records() == []


def test_a_record_that_was_moved_away_is_not_found(tmp_path):
    store = Store(tmp_path)
    store.write(record()).unlink()
    assert store.find("0123456789abcdef") is None


def test_lock_is_held_by_one(tmp_path, cache):
    from filelock import Timeout

    with Store(tmp_path).lock("a").acquire(timeout=0):
        with pytest.raises(Timeout):
            Store(tmp_path).lock("a").acquire(timeout=0)
        Store(tmp_path).lock("b").acquire(timeout=0).lock.release()
        Store(tmp_path / "other").lock("a").acquire(timeout=0).lock.release()
    Store(tmp_path).lock("a").acquire(timeout=0).lock.release()
    assert not list(tmp_path.glob("*.lock")), "locks stand in the cache, not among the records"


def test_every_committed_record_is_of_the_experiment_that_it_holds():
    for committed in Store(COMMITTED).records():
        assert identity(from_dict(committed.experiment)) == committed.id, committed.id
