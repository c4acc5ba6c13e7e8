"""Experiments: their identity, what is run again when something changes, and that no training sees a test actor."""

import json
import shutil
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from conftest import names_file_and_remedy
from filelock import Timeout

from lrar.clips import DataError
from lrar.experiment import (
    Data,
    Experiment,
    SuperResolution,
    fold_of,
    from_dict,
    identity,
    load_data,
    run,
    to_dict,
    trained_recognizer,
    weights_path,
)
from lrar.records import Store
from lrar.training import Distillation, Recipe, evaluate

RECIPE = Recipe(epochs=1, batch=4, frames=4, bfloat16=False)
DATA = Data(dataset="ixmas6", fold=1)


def network(data: Data = DATA, **changes) -> SuperResolution:
    return SuperResolution(data=data, **({"width": 8, "blocks": 1, "steps": 10, "batch": 4} | changes))


def teacher(data: Data = DATA, **changes) -> Experiment:
    return Experiment(
        data=data, **({"stream": "rgb", "source": "hr", "attention": "joint", "recipe": RECIPE} | changes)
    )


def student(data: Data = DATA, **changes) -> Experiment:
    whole = {
        "stream": "rgb",
        "source": "sr",
        "super_resolution": network(data),
        "attention": "joint",
        "teacher": teacher(data),
        "distillation": Distillation(logit=0.5, feature=1.0),
        "recipe": RECIPE,
    }
    return Experiment(data=data, **(whole | changes))


def leaves(value, path: tuple[str, ...] = ()):
    """The path of every field that holds a plain value, however deep."""
    if is_dataclass(value):
        for field in fields(value):
            yield from leaves(getattr(value, field.name), (*path, field.name))
    elif value is not None:
        yield path


def changed(values: dict, path: tuple[str, ...]) -> dict:
    """The same experiment with one field changed; what must agree with it is changed along."""
    values = deepcopy(values)

    def change(path: tuple[str, ...]) -> None:
        *folders, name = path
        node = values
        for folder in folders:
            node = node[folder]
        old = node[name]
        node[name] = not old if isinstance(old, bool) else f"{old}x" if isinstance(old, str) else old + 1

    change(path)
    if path[0] == "data":
        change(("super_resolution", *path))
        change(("teacher", *path))
    if path == ("stream",):
        change(("teacher", "stream"))
    if path == ("source",):
        values["super_resolution"] = None
    return values


# A teacher and a super-resolution network of other data, and a teacher of another stream, are refused; see below.
BOUND = [("teacher", "stream")]
FIELDS = [
    path
    for path in leaves(student())
    if path not in BOUND and path[:2] not in [("super_resolution", "data"), ("teacher", "data")]
]


def test_fields_are_all_there():
    names = {".".join(path) for path in FIELDS}
    assert {"data.kernel", "source", "seed", "recipe.epochs", "distillation.temperature"} <= names
    assert {"super_resolution.steps", "teacher.seed", "teacher.recipe.learning_rate", "flow_method"} <= names


@pytest.mark.parametrize("path", FIELDS, ids=".".join)
def test_every_field_changes_the_identity(path):
    other = from_dict(changed(to_dict(student()), path))
    assert other != student()
    assert identity(other) != identity(student())


def test_identities_of_fields_differ_from_each_other():
    everything = [from_dict(changed(to_dict(student()), path)) for path in FIELDS]
    assert len({identity(experiment) for experiment in everything}) == len(FIELDS)


STORED = {
    "data": {"dataset": "ixmas6", "protocol": "actor", "fold": 0, "every": 1, "kernel": "bicubic"},
    "stream": "rgb",
    "source": "bicubic",
    "super_resolution": None,
    "flow_method": "dis",
    "backbone": "compact",
    "attention": "mean",
    "heads": 4,
    "teacher": None,
    "distillation": None,
    "recipe": {
        "epochs": 20,
        "batch": 16,
        "learning_rate": 0.002,
        "weight_decay": 0.05,
        "frames": 16,
        "shift": 4,
        "label_smoothing": 0.1,
        "dropout": 0.5,
        "bfloat16": True,
    },
    "seed": 0,
}


def test_identity_is_the_same_in_every_process():
    """If this fails, no record is found any more: every run would be made again."""
    assert identity(from_dict(STORED)) == "44064c31fc94d85a"


@pytest.mark.parametrize(
    "experiment", [student(), teacher(), network(), student(stream="flow", teacher=None, distillation=None)]
)
def test_round_trip_through_json(experiment):
    again = from_dict(json.loads(json.dumps(to_dict(experiment))))
    assert again == experiment
    assert type(again) is type(experiment)
    assert identity(again) == identity(experiment)


def test_what_does_not_belong_together_is_refused():
    other = Data(dataset="ixmas6", fold=0)
    for held in ({"teacher": teacher(other)}, {"super_resolution": network(other)}):
        with pytest.raises(ValueError, match="the student's own fold"):
            student(**held)
    for change in ({"dataset": "ixmas"}, {"protocol": "random"}, {"every": 2}, {"kernel": "area"}):
        with pytest.raises(ValueError, match="the student's own fold"):
            student(teacher=teacher(replace(DATA, **change)))
    with pytest.raises(ValueError, match="exactly where source is 'sr'"):
        student(super_resolution=None)
    with pytest.raises(ValueError, match="exactly where source is 'sr'"):
        student(source="bicubic")
    with pytest.raises(ValueError, match="together or not at all"):
        student(teacher=None)
    with pytest.raises(ValueError, match="together or not at all"):
        student(distillation=None)
    with pytest.raises(ValueError, match="teaches its own stream"):
        student(teacher=teacher(stream="flow"))


def kinds(trainings) -> list[str]:
    made = [training.kind for training in trainings]
    trainings.clear()
    return sorted(made)


def test_a_run_that_exists_is_found(ixmas, tmp_path, trainings):
    first = run(student(), store=Store(tmp_path / "records"), study="full", row="full")
    assert kinds(trainings) == ["recognizer", "recognizer", "super_resolution"]
    for experiment in (student(), teacher(), network()):
        assert run(experiment, store=Store(tmp_path / "records")).id == identity(experiment)
    assert run(student(), store=Store(tmp_path / "records"), study="other", row="other") == first
    assert kinds(trainings) == []


CHANGES = {
    "seed": (student(seed=1), ["recognizer"]),
    "heads": (student(heads=2), ["recognizer"]),
    "recipe": (student(recipe=replace(RECIPE, epochs=2)), ["recognizer"]),
    "distillation": (student(distillation=Distillation(logit=0.6, feature=1.0)), ["recognizer"]),
    "teacher's seed": (student(teacher=teacher(seed=1)), ["recognizer", "recognizer"]),
    "network's steps": (student(super_resolution=network(steps=11)), ["recognizer", "super_resolution"]),
    "source": (student(source="bicubic", super_resolution=None), ["recognizer"]),
    "fold": (student(replace(DATA, fold=2)), ["recognizer", "recognizer", "super_resolution"]),
    "kernel": (student(replace(DATA, kernel="area")), ["recognizer", "recognizer", "super_resolution"]),
}


def test_a_changed_field_runs_again_what_depends_on_it_alone(ixmas, tmp_path, trainings):
    store = Store(tmp_path / "records")
    run(student(), store=store)
    kinds(trainings)
    for name, (experiment, expected) in CHANGES.items():
        run(experiment, store=store)
        assert kinds(trainings) == expected, name


def test_other_data_is_run_again(tiny_data, cache, tmp_path, trainings, monkeypatch):
    shutil.copytree(tiny_data, tmp_path / "data")
    monkeypatch.setenv("LRAR_DATA", str(tmp_path / "data"))
    store = Store(tmp_path / "records")
    for _ in range(2):
        load_data.cache_clear()
        run(teacher(), store=store)
        assert kinds(trainings) == ["recognizer"]
        video = next((tmp_path / "data" / "ixmas").glob("alba1_07_*.avi"))
        shutil.copy(next((tmp_path / "data" / "ixmas").glob("amel1_07_*.avi")), video)
    load_data.cache_clear()


@pytest.mark.parametrize("fold", [0, 2])
@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_no_training_sees_a_test_actor(ixmas, tmp_path, trainings, fold, stream):
    data = replace(DATA, fold=fold)
    videos, division = fold_of(data)
    tested = videos.clip_set.clips[division.test[0]].group
    experiment = student(data, stream=stream, teacher=teacher(data, stream=stream))
    record = run(experiment, store=Store(tmp_path / "records"))

    of_network, of_teacher, of_student = sorted(
        trainings, key=lambda t: (t.kind == "recognizer", t.teacher is not None)
    )
    assert (of_network.kind, of_teacher.teacher) == ("super_resolution", None)
    seen = {clip.numpy().tobytes() for clip in of_network.high}
    content = [np.ascontiguousarray(video.transpose(0, 3, 1, 2)).tobytes() for video in videos]
    assert seen == {content[i] for i in division.train}
    assert not seen & {content[i] for i in division.test}
    assert len(of_network.low) == len(division.train)
    for training in (of_teacher, of_student):
        assert training.clips == division.train.tolist()
        assert tested not in {videos.clip_set.clips[i].group for i in training.clips}
    assert set(record.groups) == {tested}
    assert sorted(record.clips) == sorted(videos.clip_set.clips[i].name for i in division.test)
    # What each looks at: the teacher at HR, the student at something else.
    assert np.array_equal(of_teacher.frames, of_student.teacher_frames)
    assert not np.array_equal(of_teacher.frames, of_student.frames)
    if stream == "rgb":
        assert np.array_equal(of_teacher.frames, np.concatenate(list(videos)))


def test_what_a_record_holds(ixmas, tmp_path, trainings):
    store = Store(tmp_path / "records")
    record = run(student(), store=store, study="full", row="full")
    videos, division = fold_of(DATA)
    assert (record.study, record.row, record.stream, record.fold, record.seed) == ("full", "full", "rgb", 1, 0)
    assert record.fold_name == division.name == "amel"
    assert (record.n_train, len(record.clips)) == (12, 6)
    assert record.classes == ["walk", "wave", "punch"]
    assert record.labels == videos.labels[division.test].tolist()
    assert np.array(record.probabilities).shape == (6, 3)
    np.testing.assert_allclose(np.sum(record.probabilities, axis=1), 1, atol=1e-4)
    assert from_dict(record.experiment) == student()
    assert record.fingerprint == videos.fingerprint
    assert record.losses == [1.0]
    of_network = store.find(identity(network()))
    assert {"nearest", "bicubic", "sr"} <= set(of_network.quality)
    assert of_network.quality["sr"] == of_network.quality["bicubic"]  # an untrained one is bicubic
    assert set(of_network.quality["sr"]) == {"psnr", "ssim"}


def test_weights_are_made_again_where_only_the_record_exists(ixmas, tmp_path, trainings):
    store = Store(tmp_path / "records")
    record = run(teacher(), store=store)
    path = weights_path(teacher(), record.fingerprint)
    path.unlink()
    before = store.path(record).stat().st_mtime_ns
    assert kinds(trainings) == ["recognizer"]
    run(teacher(), store=store)
    assert kinds(trainings) == []
    assert run(teacher(), store=store, need_weights=True) == record
    assert kinds(trainings) == ["recognizer"]
    assert path.exists()
    assert store.path(record).stat().st_mtime_ns == before, "the record that exists is kept"


def test_a_run_in_progress_elsewhere(ixmas, tmp_path, trainings):
    store = Store(tmp_path / "records")
    with Store(tmp_path / "records").lock(identity(teacher())), pytest.raises(Timeout):
        run(teacher(), store=store, wait=False)
    assert kinds(trainings) == []
    run(teacher(), store=store, wait=False)
    assert kinds(trainings) == ["recognizer"]


def test_a_failed_training_leaves_no_record(ixmas, tmp_path, trainings, monkeypatch):
    from lrar import experiment

    def fails(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(experiment, "fit", fails)
    with pytest.raises(RuntimeError, match="out of memory"):
        run(student(), store=Store(tmp_path / "records"))
    assert Store(tmp_path / "records").records() == []
    assert not [path for path in (tmp_path / "records").rglob("*") if path.suffix == ".part"]


@pytest.mark.parametrize("fold", [3, -1])
def test_no_such_fold(ixmas, fold):
    with pytest.raises(DataError) as error:
        fold_of(replace(DATA, fold=fold))
    assert names_file_and_remedy(error, f"fold {fold}")


def test_trained_for_real_it_gives_the_same_twice(ixmas, tmp_path, monkeypatch, one_thread):
    """Two caches, two stores, the same bits; and the kept weights are those of the record."""
    records = []
    for place in ("first", "second"):
        monkeypatch.setenv("LRAR_CACHE", str(tmp_path / place))
        load_data.cache_clear()
        records.append(run(student(), store=Store(tmp_path / place / "records")))
    first, second = records
    assert first.probabilities == second.probabilities
    assert first.losses == second.losses
    store = Store(tmp_path / "second" / "records")
    of_networks = [Store(tmp_path / place / "records").find(identity(network())) for place in ("first", "second")]
    assert of_networks[0].losses == of_networks[1].losses
    assert of_networks[0].quality == of_networks[1].quality
    assert of_networks[0].quality["sr"] != of_networks[0].quality["bicubic"]
    model, stream = trained_recognizer(student(), store=store)
    again = evaluate(model, stream, fold_of(DATA)[1].test, recipe=RECIPE)
    np.testing.assert_allclose(again, second.probabilities, atol=1e-5)
