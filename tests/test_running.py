"""Running: what is found and what is run again, that no training sees a test actor, and the same bits twice."""

import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import names_file_and_remedy
from filelock import Timeout
from small_experiments import DATA, RECIPE, network, student, teacher

from lrar import provenance, running
from lrar.clips import DataError
from lrar.degrade import shrink_to
from lrar.experiment import Distillation, from_dict, identity
from lrar.flow import optical_flow
from lrar.records import Store
from lrar.running import (
    fold_of,
    load_data,
    new_recognizer,
    pairs_of,
    restoration_quality,
    run,
    stream_of,
    trained_recognizer,
    weights_path,
)
from lrar.streams import PUBLISHED, low_resolution, seen_frames, to_tensor, to_video
from lrar.super_resolution import VideoSuperResolution, quality, super_resolve
from lrar.training import evaluate


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
    seen = {clip.tobytes() for clip in of_network.high}
    content = [video.tobytes() for video in videos]
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


def test_what_another_process_made_while_this_one_waited_is_not_made_again(ixmas, tmp_path, trainings):
    class Late(Store):
        def lock(self, identity):
            Store(self.root).write(replace(record, row="elsewhere"))
            return super().lock(identity)

    record = run(teacher(), store=Store(tmp_path / "first"))
    trainings.clear()
    assert run(teacher(), store=Late(tmp_path / "records"), row="here").row == "elsewhere"
    assert kinds(trainings) == []


def test_a_failed_training_leaves_no_record(ixmas, tmp_path, trainings, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(running, "fit", fails)
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


def test_a_larger_data_set_is_shrunk_for_everyone(ixmas, tmp_path, monkeypatch):
    """32x24 frames as HMDB-51's 240x320: LR by 8 or 4, super-resolved to 16x12 by 4 or 2, a teacher on 16x12."""
    seen = []
    monkeypatch.setattr(running, "fit", lambda model, stream, *_, **__: seen.append(stream.size) or [1.0])
    store = Store(tmp_path / "records")
    for shrink, low, scale, sources in ((8, (4, 3), 4, {"nearest", "bicubic", "sr"}), (4, (8, 6), 2, {"sr"})):
        data = replace(DATA, shrink=shrink)
        of_network, of_teacher = network(data, scale=scale), teacher(data, rows=16)
        seen.clear()
        run(student(data, super_resolution=of_network, teacher=of_teacher), store=store)
        assert seen == [(16, 12), (16, 12)]
        videos, division = fold_of(data)
        clip = videos[division.test[0]]
        seen_low, wanted = (stream[division.test[0]] for stream in pairs_of(of_network, videos))
        assert wanted.shape[1:3] == (16, 12)
        assert seen_low.shape[1:3] == low
        assert np.array_equal(seen_low, to_video(low_resolution(clip, scale=shrink)))
        assert np.array_equal(wanted, to_video(shrink_to(to_tensor(clip), size=(16, 12))))
        less_shrunk = student(replace(data, shrink=shrink // scale), source="bicubic", super_resolution=None, enlarge=1)
        assert np.array_equal(stream_of(less_shrunk, store=store)[division.test[0]], wanted), "perfect super resolution"
        quality = store.find(identity(of_network)).quality
        assert set(quality) - set(PUBLISHED) == sources
        assert all(value["psnr"] > 10 for value in quality.values())
        shrunk = stream_of(of_teacher, store=store)
        assert np.array_equal(shrunk[0], to_video(shrink_to(to_tensor(videos[0]), size=(16, 12))))
        assert len({identity(of_teacher), identity(teacher(data)), identity(teacher())}) == 3
        assert len({identity(of_network), identity(network(data)), identity(network())}) == 3
    with pytest.raises(ValueError, match="rows is for source 'hr'"):
        student(rows=16)


def test_what_an_experiment_says_reaches_the_network_and_its_training(ixmas, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(running, "fit", lambda *seen, **options: given.append((*seen, options)) or [1.0])
    weights, recipe = Distillation(logit=0.3, temperature=2.0, feature=0.7), replace(RECIPE, dropout=0.25)
    own = student(
        replace(DATA, kernel="area"),
        source="bicubic",
        super_resolution=None,
        attention="temporal",
        heads=2,
        distillation=weights,
        recipe=recipe,
        seed=5,
    )
    run(own, store=Store(tmp_path / "records"))
    model, stream, *_, options = given[-1]
    assert (model.attention.variant, model.attention.first.heads, model.dropout.p) == ("temporal", 2, 0.25)
    assert (options["weights"], options["recipe"], options["seed"]) == (weights, recipe, 5)
    assert np.array_equal(stream[0], seen_frames(load_data("ixmas6", 1)[0], source="bicubic", kernel="area"))
    first, other = (new_recognizer(replace(own, seed=seed), classes=3, stream=stream).head.weight for seed in (5, 6))
    assert torch.equal(model.head.weight, first) and not torch.equal(first, other)
    flow = stream_of(teacher(stream="flow", flow_method="dis-fast"), store=Store(tmp_path / "records"))
    assert np.array_equal(flow[0], optical_flow(load_data("ixmas6", 1)[0], method="dis-fast"))


def test_restoration_is_measured_on_clips_that_training_has_not_seen(ixmas, tmp_path, trainings, monkeypatch):
    measured = []
    monkeypatch.setattr(running, "restoration_quality", lambda *, high, **_: measured.extend(high) or {})
    run(network(), store=Store(tmp_path / "records"))
    videos, fold = fold_of(DATA)
    assert [clip.tobytes() for clip in measured] == [videos[i].tobytes() for i in fold.test]


def test_weights_go_by_data_and_by_the_code_that_decides_them(cache, monkeypatch):
    now, first = provenance.code_digest(), weights_path(teacher(), "data")
    assert weights_path(teacher(), "other data") != first
    monkeypatch.setattr(provenance, "code_digest", lambda: now | {"training": "another"})
    assert weights_path(teacher(), "data") != first
    monkeypatch.setattr(provenance, "code_digest", lambda: now | {"flow": "another"})
    assert weights_path(teacher(), "data") == first, "rgb does not depend on flow"


@pytest.mark.parametrize("native", [True, False])
def test_weights_go_by_the_precision_that_the_machine_computes_in(cache, monkeypatch, native):
    monkeypatch.setattr("lrar.running.computes_in_bfloat16", lambda where: True)
    first = weights_path(teacher(), "data")
    monkeypatch.setattr("lrar.running.computes_in_bfloat16", lambda where: native)
    assert (weights_path(teacher(), "data") == first) is native


def test_what_an_older_network_made_is_not_taken_for_what_a_newer_one_makes(ixmas, tmp_path, trainings, monkeypatch):
    """Folds that are divided otherwise train another network: its frames hold nothing that the old one had seen."""
    experiment = student(teacher=None, distillation=None)
    first = stream_of(experiment, store=Store(tmp_path / "first"))
    now = provenance.code_digest()
    monkeypatch.setattr(provenance, "code_digest", lambda: now | {"protocols": "another"})
    assert stream_of(experiment, store=Store(tmp_path / "second")).key != first.key


def test_what_an_experiment_says_reaches_super_resolution(ixmas, tmp_path, trainings):
    own = network(replace(DATA, kernel="area"), steps=7, batch=3, learning_rate=0.02, seed=4)
    run(own, store=Store(tmp_path / "records"))
    (made,) = trainings
    assert made.options == {"steps": 7, "batch": 3, "learning_rate": 0.02, "seed": 4}
    videos, fold = fold_of(own.data)
    for clip, low, high in zip(fold.train, made.low, made.high, strict=True):
        assert np.array_equal(low, to_video(low_resolution(videos[clip], kernel="area")))
        assert np.array_equal(high, videos[clip])


def test_restoration_is_measured_on_frames_restored_among_their_neighbours():
    torch.manual_seed(0)
    own = VideoSuperResolution(channels=1, width=8, blocks=1).eval()
    torch.nn.init.normal_(own.tail.weight, std=0.05)
    high = np.random.default_rng(0).integers(0, 256, (17, 32, 24, 1), np.uint8)
    low = to_video(low_resolution(high))
    (found,) = (restoration_quality(low=[low], high=[high], network=own)["sr"],)
    restored = to_video(super_resolve(own, to_tensor(low)))
    psnr, _ = quality(high[[0, 8, 16]], restored[[0, 8, 16]])
    assert found["psnr"] == pytest.approx(psnr, abs=1e-3)
    alone = to_video(super_resolve(own, to_tensor(low[::8])))
    assert abs(quality(high[::8], alone)[0] - psnr) > 0.005, "other neighbours give another frame"


def test_a_trained_network_is_what_students_see(ixmas, tmp_path, one_thread):
    """What super resolution has learned reaches the frames: they are no longer bicubic."""
    store = Store(tmp_path / "records")
    restored, plain = (
        stream_of(student(teacher=None, distillation=None, **changes), store=store)
        for changes in ({"super_resolution": network(steps=40)}, {"source": "bicubic", "super_resolution": None})
    )
    assert not np.array_equal(restored[0], plain[0])


def test_seconds_of_training_are_of_training_alone(ixmas, tmp_path, trainings, monkeypatch):
    def slow(model, stream, clips, *, recipe):
        time.sleep(1)
        return np.full((len(clips), 3), 1 / 3, np.float32)

    monkeypatch.setattr(running, "evaluate", slow)
    assert run(teacher(), store=Store(tmp_path / "records")).train_seconds < 0.5
