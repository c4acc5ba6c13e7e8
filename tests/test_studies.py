"""Studies: what they list, and that they survive company and sudden death."""

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import psutil
import pytest
from conftest import names_file_and_remedy
from dask.distributed import LocalCluster
from filelock import FileLock

from lrar import scheduling
from lrar.claims import CLAIMS
from lrar.clips import DataError
from lrar.experiment import Recipe, identity
from lrar.index import manifest
from lrar.pages import STUDY_OF
from lrar.records import Store, read_record
from lrar.running import load_data
from lrar.scheduling import run_study, run_task
from lrar.settings import PROFILES, Profile, setting
from lrar.streams import SCALE
from lrar.studies import (
    NETWORKS,
    ROWS,
    STREAMS,
    STUDIES,
    TABLES,
    Task,
    data_of,
    has_weights,
    rows_of,
    streams_of,
    tasks,
)

TINY = Profile(
    folds=2,
    every=2,
    seeds=1,
    ablation_seeds=1,
    recipe=Recipe(epochs=1, batch=4, frames=4, bfloat16=False),
    steps=10,
)
# What runs a study in a process of its own, with the same profile, and notes each training in a log.
PROGRAM = """
import os, sys, time
from pathlib import Path

sys.path.insert(0, {tests!r})
from lrar import running, scheduling, studies
from test_studies import TINY

root, log, company, workers, hang = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])


def noted(function):
    def call(*arguments, **options):
        with open(log, "a") as file:
            file.write(f"{{os.getpid()}}\\n")
        if hang and len(log.read_text().splitlines()) >= hang:
            time.sleep(600)
        return function(*arguments, **options)

    return call


running.fit = noted(running.fit)
running.train_super_resolution = noted(running.train_super_resolution)

if __name__ == "__main__":
    listed = studies.tasks("full", "ixmas6", profile=TINY)
    Path(f"{{log}}.{{os.getpid()}}").touch()
    while len(list(log.parent.glob(f"{{log.name}}.*"))) < company:
        time.sleep(0.01)
    print(sum(1 for _ in scheduling.run_study(listed, root=root, workers=workers)))
"""


def start(folder: Path, *, company: int = 1, workers: int = 1, hang: int = 0) -> subprocess.Popen:
    """Start the study; `company` processes wait for each other, and from number `hang` on no training ends."""
    program = folder / "program.py"
    program.write_text(PROGRAM.format(tests=str(Path(__file__).parent)))
    command = [sys.executable, program, folder / "records", folder / "log", company, workers, hang]
    with open(folder / "errors", "w") as errors:
        return subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )


def networks(listed) -> set[str]:
    return {identity(task.experiment.super_resolution) for task in listed if task.experiment.super_resolution}


@pytest.mark.parametrize("study", [*(study for study, its in STUDIES.items() if {*its} & {*rows_of("ixmas6")}), "all"])
def test_every_task_is_listed_once(ixmas, study):
    listed = tasks(study, "ixmas6", profile=TINY)
    rows = [row for row in rows_of("ixmas6") if study in ("all", ROWS[row]) and has_weights(row)]
    assert len({identity(task.experiment) for task in listed}) == len(listed) == len(rows) * 2 * len(STREAMS)
    assert {task.row for task in listed} == set(rows)
    for task in listed:
        assert ROWS[task.row] == task.study
        assert (task.experiment.data.every, task.experiment.recipe) == (2, TINY.recipe)


def test_first_seeds_come_first_and_ablations_have_fewer(ixmas):
    profile = Profile(folds=None, every=2, seeds=3, ablation_seeds=2, recipe=TINY.recipe, steps=10)
    listed = tasks("all", "ixmas6", profile=profile)
    seeds = [task.experiment.seed for task in listed]
    assert seeds == sorted(seeds)
    of_first_seed = [task.study for task in listed if task.experiment.seed == 0]
    headline = of_first_seed.count("full")
    assert headline == 3 * len(STREAMS) * 3  # rows, streams, folds: None means all of them
    assert of_first_seed[:headline] == ["full"] * headline
    rows = [{task.row for task in listed if task.experiment.seed == seed} for seed in range(3)]
    assert rows[1] == rows[0] == {row for row in rows_of("ixmas6") if has_weights(row)}
    assert rows[2] == {"teacher", "plain", "full", "sr", "all", "joint"}, "what verdicts rest on has all seeds"
    # All seeds of a student share one teacher and one super-resolution network.
    for held in ("teacher", "super_resolution"):
        assert {getattr(t.experiment, held).seed for t in listed if getattr(t.experiment, held)} == {0}
    assert len(networks(listed)) == 3


def test_larger_students_have_rgb_alone():
    assert {row for row in ROWS if streams_of(row) != STREAMS} == set(STUDIES["larger"])
    assert {streams_of(row) for row in STUDIES["larger"]} == {("rgb",)}


def test_rows_of_a_study(ixmas):
    listed = tasks("attention", "ixmas6", profile=TINY, rows=("joint",))
    assert {task.row for task in listed} == {"joint"}
    assert len(listed) == 2 * len(STREAMS)


def test_rows_mean_what_they_are_called(ixmas):
    made = {task.row: task.experiment for task in tasks("all", "ixmas6", profile=TINY)}
    assert made["teacher"].source == "hr"
    plain, full, sr = made["plain"], made["full"], made["sr"]
    assert (plain.source, plain.attention, plain.teacher) == ("bicubic", "mean", None)
    assert (full.source, full.attention, full.teacher.source) == ("sr", "joint", "hr")
    assert (sr.source, sr.attention, sr.teacher) == ("sr", "mean", None)
    assert full.distillation == made["all"].distillation
    for variant in ("joint", "temporal", "spatial", "factorised"):
        assert made[variant].attention == variant
        assert made[variant].teacher is None
    terms = {"logit", "feature", "attention_transfer", "mean_feature"}
    for term in terms:
        weights = made[term].distillation
        assert getattr(weights, term) > 0
        assert not any(getattr(weights, other) for other in terms - {term})
    assert {term for term in terms if getattr(made["all"].distillation, term)} == terms - {"mean_feature"}
    assert {term for term in terms if getattr(made["all_mean"].distillation, term)} == terms - {"feature"}


def test_hmdb_has_the_setting_of_the_paper():
    profile = PROFILES["full"]
    data = data_of("hmdb21", protocol=setting("hmdb51").protocol, fold=1, profile=profile)
    assert (data.protocol, data.shrink) == ("official", 20)
    made = {row: STUDIES[ROWS[row]][row](data, "flow", profile) for row in rows_of("hmdb21")}
    assert set(made) == set(ROWS)
    assert {experiment.backbone for experiment in made.values()} == {"i3d"}
    large = {row: made.pop(row) for row in ("large_teacher", *STUDIES["larger"])}
    whole = {row: made.pop(row) for row in STUDIES["whole"]}
    assert {experiment.recipe for experiment in made.values()} == {setting("hmdb21").recipe}
    assert {(its.recipe.rows, its.recipe.frames) for its in large.values()} == {(224, 32)}
    assert large["large_full"].teacher == large["large_teacher"]
    for row, its in large.items():
        base = made[row.removeprefix("large_")]
        assert its.rows == (224 if row == "large_teacher" else None)
        assert dataclasses.replace(its, rows=base.rows, recipe=base.recipe, teacher=base.teacher) == base
    assert [row for row, its in whole.items() if its.teacher] == ["whole_full"]
    for row, its in whole.items():
        base = made[row.removeprefix("whole_")]
        assert dataclasses.replace(its, recipe=base.recipe, teacher=base.teacher) == base
        assert its.recipe == Recipe(epochs=10, learning_rate=5e-4), (
            "no block is frozen; frames are shifted by 4 px at most"
        )
    assert [made[row].super_resolution.scale for row in ("sr", "sr8")] == [None, 8]
    assert [made[row].heads for row in ("heads1", "heads2", "joint", "heads8")] == [1, 2, 4, 8]
    for row in ("attention_transfer", "all"):
        heavier = dataclasses.replace(made[row].distillation, attention_transfer=25.0)
        name = {"all": "all_transfer25"}.get(row, f"{row}25")
        assert made[name] == dataclasses.replace(made[row], distillation=heavier)
    assert (made["teacher"].rows, made["plain"].rows) == (112, None)
    assert made["full"].teacher == made["teacher"]


@pytest.mark.parametrize("dataset", ["hmdb21", "ixmas6", "folder-mine"])
def test_in_the_quick_profile_teacher_and_student_have_maps_of_one_size(dataset):
    """The compact network stands in for I3D there; on frames of other sizes attention could not be transferred."""
    profile = PROFILES["quick"]
    data = data_of(dataset, protocol=setting(dataset).protocol, fold=0, profile=profile)
    made = STUDIES["full"]["full"](data, "rgb", profile)
    height, width = {"hmdb21": (240, 320), "ixmas6": (64, 48), "folder-mine": (48, 64)}[dataset]
    low = height // (data.shrink or SCALE), width // (data.shrink or SCALE)
    assert made.teacher.backbone == made.backbone == "compact"
    assert (made.teacher.rows or height) == SCALE * low[0]


def test_tables_and_claims_cite_rows_that_exist():
    assert sum(len(rows) for rows in STUDIES.values()) == len(ROWS)  # a row stands in one study
    assert set(TABLES) == set(STUDIES)
    assert {row for rows in TABLES.values() for row in rows} == set(ROWS)
    assert {row for claim in CLAIMS for row in (claim.row, claim.baseline)} <= set(ROWS)
    assert {"quick", "full"} <= set(PROFILES)


def test_unknown_names(ixmas):
    for arguments, parts in (
        (
            ("width", "ixmas6"),
            ("width: no such study", "full, super_resolution, distillation, attention, pixels, larger, whole, all"),
        ),
        (("full", "ucf101"), ("ucf101: no such data set", "ixmas6")),
        (("larger", "ixmas6"), ("larger: ixmas6 has none of its rows", "Its rows: teacher")),
    ):
        with pytest.raises(DataError) as error:
            tasks(*arguments, profile=TINY)
        assert names_file_and_remedy(error, *parts)
    for study, row in (("full", "joint"), ("all", "magic")):
        with pytest.raises(DataError) as error:
            tasks(study, "ixmas6", profile=TINY, rows=("plain",) * (study == "all") + (row,))
        assert names_file_and_remedy(error, f"{row}: no such row in study {study}", "Known: teacher, plain, full")
    with pytest.raises(DataError) as error:
        tasks("super_resolution", "ixmas6", profile=TINY, rows=("sr8",))
    assert names_file_and_remedy(error, "sr8: no row of ixmas6", "Its rows: teacher")


def test_a_study_runs_once_and_leaves_an_index(ixmas, tmp_path, trainings):
    listed = tasks("full", "ixmas6", profile=TINY)
    done = list(run_study(listed, root=tmp_path))
    assert [task for task, _ in done] == listed
    assert all(record.id == identity(task.experiment) for task, record in done)
    assert len(trainings) == len(listed) + 2  # and a network for each fold
    assert list(run_study(listed, root=tmp_path)) == done
    assert len(trainings) == len(listed) + 2
    with open(tmp_path / "results.csv") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["stream"] for row in rows) == {"rgb": 6, "flow": 6, "both": 6}
    assert Counter(row["row"] for row in rows) == {"teacher": 6, "plain": 6, "full": 6}
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest(tmp_path)
    folders = Counter(path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*/*.json"))
    assert folders == {"ixmas6/full": 12, "ixmas6/super_resolution": 2}


def test_a_study_that_is_interrupted_leaves_an_index_of_what_is_finished(ixmas, tmp_path, trainings):
    listed = tasks("full", "ixmas6", profile=TINY, rows=("plain",))
    study = run_study(listed, root=tmp_path)
    _, first = next(study)
    study.close()  # as an exception in whoever asks for the next one, or Ctrl-C, closes it
    assert first.id in (tmp_path / "results.csv").read_text()
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest(tmp_path)


def test_a_worker_in_another_folder_writes_where_it_was_told(ixmas, tmp_path, trainings, monkeypatch):
    """As a worker of a cluster is, which has a working folder of its own."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    for _ in run_study(tasks("full", "ixmas6", profile=TINY, rows=("plain",)), root=Path("records")):
        monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(list((tmp_path / "records").glob("ixmas6/full/*.json"))) == 4
    assert not list((tmp_path / "elsewhere").iterdir())


def test_what_a_task_depends_on_stands_under_its_own_row(ixmas, tmp_path, trainings):
    (task, *_) = tasks("full", "ixmas6", profile=TINY, rows=("full",))
    run_task(task, tmp_path, 1)
    assert sorted((record.study, record.row) for record in Store(tmp_path).records()) == [
        ("full", "full"),
        ("full", "teacher"),
        ("super_resolution", "own"),
    ]


def test_each_teacher_stands_under_the_row_of_its_own(tmp_path, monkeypatch):
    data = data_of("hmdb21", protocol="official", fold=0, profile=PROFILES["full"])
    made = {row: STUDIES[study][row](data, "rgb", PROFILES["full"]) for row, study in ROWS.items()}
    asked = []
    monkeypatch.setattr(
        scheduling, "run", lambda experiment, *, study, row, **_: asked.append((experiment, study, row))
    )
    for row, experiment in made.items():
        run_task(Task(study=ROWS[row], row=row, experiment=experiment), tmp_path, 1)
    networks = [row for *_, row in asked if row in NETWORKS]
    assert len(asked) == len(made) + len(networks) + sum(its.teacher is not None for its in made.values())
    assert all((experiment, study) == (made[row], ROWS[row]) for experiment, study, row in asked if row not in NETWORKS)


def test_a_run_in_progress_elsewhere_is_put_off(ixmas, tmp_path, trainings):
    listed = tasks("full", "ixmas6", profile=TINY, rows=("plain",))
    lock = Store(tmp_path).lock(identity(listed[0].experiment))
    lock.acquire()
    order = []
    for task, _ in run_study(listed, root=tmp_path):
        order.append(task)
        if len(order) == len(listed) - 1:
            lock.release()
    assert order == [*listed[1:], listed[0]]
    assert len(trainings) == len(listed)


def assert_whole(root: Path) -> int:
    """Every file of a store is whole; how many records there are."""
    # Death in the very moment of writing can leave a temporary file, under a name that nobody reads.
    files = [path for path in root.rglob("*") if path.is_file() and path.suffix != ".part"]
    records = [path for path in files if path.parent.parent.parent == root]
    assert {path.name for path in files} - {path.name for path in records} <= {"results.csv", "manifest.json"}
    assert len({read_record(path).id for path in records}) == len(records)
    return len(records)


def test_two_processes_share_a_store(ixmas, tmp_path):
    company = [start(tmp_path, company=2) for _ in range(2)]
    try:
        assert [process.communicate(timeout=900)[0].strip() for process in company] == ["12", "12"]
        assert [process.returncode for process in company] == [0, 0]
    finally:
        for process in company:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert assert_whole(tmp_path / "records") == 14
    assert len((tmp_path / "log").read_text().splitlines()) == 14, "a run was made twice"
    assert json.loads((tmp_path / "records" / "manifest.json").read_text()) == manifest(tmp_path / "records")


def test_a_dask_cluster_makes_the_same_records(ixmas, tmp_path):
    """A scheduler and two workers, each a process of its own, as on a cluster; then the same runs in this process."""
    listed = tasks("full", "ixmas6", profile=TINY, rows=("teacher", "plain"))[:4]
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        done = dict(run_study(listed, root=tmp_path / "cluster", scheduler=cluster.scheduler_address))
        assert set(done) == set(listed)
        again = list(run_study(listed, root=tmp_path / "cluster", scheduler=cluster.scheduler_address))
    assert assert_whole(tmp_path / "cluster") == 4
    assert dict(again) == done
    for task in listed:
        here = run_task(task, tmp_path / "here", 1)
        assert here.probabilities == done[task].probabilities, "one thread gives the same bits anywhere"
        assert here.losses == done[task].losses


def test_no_scheduler_is_a_line(ixmas, tmp_path):
    listed = tasks("full", "ixmas6", profile=TINY, rows=("plain",))
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}), pytest.raises(DataError) as error:
        list(run_study(listed, root=tmp_path, scheduler="tcp://127.0.0.1:9"))
    assert names_file_and_remedy(error, "tcp://127.0.0.1:9", "no Dask scheduler answers")


def test_a_worker_that_is_killed_again_and_again_is_a_line(ixmas, tmp_path, monkeypatch):
    monkeypatch.setattr(scheduling, "run_task", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    listed = tasks("full", "ixmas6", profile=TINY, rows=("plain",))[:1]
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        pytest.raises(DataError) as error,
    ):
        list(run_study(listed, root=tmp_path, scheduler=cluster.scheduler_address))
    assert names_file_and_remedy(error, cluster.scheduler_address, "workers were killed")


def test_a_scheduler_that_goes_away_is_a_line(ixmas, tmp_path, monkeypatch):
    started = tmp_path / "started"
    monkeypatch.setattr(scheduling, "run_task", lambda *_: (started.touch(), time.sleep(600)))
    listed = tasks("full", "ixmas6", profile=TINY, rows=("plain",))[:1]
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)

    def close() -> None:
        try:
            wait_until(started.exists, seconds=300)
        finally:  # else a fault would hang
            cluster.close(timeout=5)

    going = threading.Thread(target=close)
    going.start()
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "2s", "distributed.comm.retry.count": 0}),
        pytest.raises(DataError) as error,
    ):
        list(run_study(listed, root=tmp_path, scheduler=cluster.scheduler_address))
    going.join()
    assert names_file_and_remedy(error, "the scheduler went away", "run the study again")


def test_a_folder_that_takes_no_records_is_known_before_a_run(ixmas, tmp_path, trainings):
    (tmp_path / "file").touch()
    listed = tasks("full", "ixmas6", profile=TINY, rows=("plain",))[:1]
    with pytest.raises(DataError) as error:
        run_task(listed[0], tmp_path / "file" / "records", 1)
    assert names_file_and_remedy(error, tmp_path / "file" / "records", "no record can be written", "--records")
    assert not trainings


def wait_until(holds: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.time() + seconds
    while not holds():
        assert time.time() < deadline, "waited in vain"
        time.sleep(0.02)


def test_workers_put_off_what_another_process_is_at(ixmas, tmp_path):
    listed = tasks("full", "ixmas6", profile=TINY, rows=("plain",))
    names = [Store(tmp_path).lock(identity(task.experiment)).lock_file for task in listed[:2]]
    held = [FileLock(name, thread_local=False) for name in names]  # as that process would hold them
    for lock in held:
        lock.acquire()

    def release() -> None:
        for lock in held:
            lock.release()

    late = threading.Timer(300, release)  # lest a fault hang
    late.start()
    done = []
    try:
        for task, record in run_study(listed, root=tmp_path, workers=2):
            assert record.id == identity(task.experiment)
            done.append(task)
            if len(done) == 2:
                release()
    finally:
        late.cancel()
        release()
    assert set(done[:2]) == set(listed[2:]) and set(done) == set(listed)


def test_sudden_death_loses_the_runs_in_flight_and_nothing_else(ixmas, tmp_path, trainings):
    root, log = tmp_path / "records", tmp_path / "log"
    process = start(tmp_path, workers=2, hang=4)

    def logged() -> list[int]:
        return [int(line) for line in log.read_text().splitlines()] if log.exists() else []

    try:
        wait_until(lambda: process.poll() is not None or len(logged()) >= 4, seconds=900)
        assert process.poll() is None, "it ended by itself"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # it and its workers
        process.communicate()
    kept = assert_whole(root)
    assert len(logged()) - 2 <= kept <= len(logged()) - 1
    before = manifest(root)
    listed = tasks("full", "ixmas6", profile=TINY)
    assert len(list(run_study(listed, root=root))) == 12
    assert len(trainings) == 14 - kept
    assert assert_whole(root) == 14
    assert before.items() <= manifest(root).items()


def test_workers_end_with_the_study(ixmas, tmp_path):
    """It alone is killed, as for want of memory; workers that nobody asks would keep what memory and locks they have."""
    process = start(tmp_path, workers=2, hang=1)
    log, workers = tmp_path / "log", set()

    def alive(worker: int) -> bool:
        return psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE

    try:
        wait_until(lambda: log.exists() and len(log.read_text().splitlines()) >= 2, seconds=900)
        workers = {int(line) for line in log.read_text().splitlines()}
        assert len(workers) == 2 and process.pid not in workers and all(map(alive, workers))
        process.kill()
        wait_until(lambda: not any(map(alive, workers)), seconds=60)
    finally:
        if any(map(alive, workers)):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_the_death_of_a_worker_ends_the_study_with_a_remedy(ixmas, tmp_path):
    """As where the system kills it because memory ran out: what waits for its run would wait for ever."""
    process = start(tmp_path, workers=2, hang=4)
    log = tmp_path / "log"
    try:
        wait_until(lambda: log.exists() and len(log.read_text().splitlines()) >= 4, seconds=900)
        os.kill(int(log.read_text().splitlines()[-1]), signal.SIGKILL)
        assert process.wait(timeout=120) == 1
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    last = (tmp_path / "errors").read_text().splitlines()[-1]
    assert "DataError: A worker was killed" in last
    assert "fewer than 2 workers" in last
    assert assert_whole(tmp_path / "records") >= 2


def test_threads_of_one_process_do_not_draw_from_each_other(ixmas, tmp_path):
    """A cluster's worker may have several threads; torch has one generator for all of them."""
    listed = tasks("full", "ixmas6", profile=TINY, rows=("teacher", "plain"))[:4]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda task: run_task(task, tmp_path / "together", 1), listed))
    for task, record in zip(listed, together, strict=True):
        assert run_task(task, tmp_path / "alone", 1).losses == record.losses


def test_a_study_of_changed_clips_is_run_again(tiny_data, cache, tmp_path, trainings, monkeypatch):
    shutil.copytree(tiny_data, tmp_path / "data")
    monkeypatch.setenv("LRAR_DATA", str(tmp_path / "data"))
    load_data.cache_clear()
    listed = tasks("full", "ixmas6", profile=TINY, rows=("plain",))
    old = dict(run_study(listed, root=tmp_path / "records"))
    clips = tmp_path / "data" / "ixmas"
    shutil.copy(min(clips.glob("amel1_07_*")), min(clips.glob("alba1_07_*")))
    load_data.cache_clear()
    new = dict(run_study(listed, root=tmp_path / "records"))
    assert len(trainings) == 2 * len(listed)
    assert all(new[task].fingerprint != old[task].fingerprint for task in listed)
    load_data.cache_clear()


def test_each_claim_is_shown_in_the_table_of_its_study_against_its_baseline():
    for claim in CLAIMS:
        rows = TABLES[STUDY_OF[claim.name]]
        assert claim.row in rows and rows[0] == claim.baseline, claim.name
