"""Running a study: here, in several processes, or on a Dask cluster."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import torch
from filelock import Timeout

from lrar import distributed
from lrar.experiment import identity
from lrar.records import Record, Store, write_index
from lrar.running import fold_of, run
from lrar.studies import Task


def run_task(task: Task, root: Path, threads: int, wait: bool = True) -> Record | None:
    """Run one task in this process; what it depends on is recorded under its own row.

    Returns:
        its record; None where another process is at it and `wait` is false.
    """
    torch.set_num_threads(threads)
    store = Store(root)
    experiment = task.experiment
    try:
        if experiment.super_resolution is not None:
            scale = experiment.super_resolution.scale or ""
            run(experiment.super_resolution, store=store, study="super_resolution", row=f"own{scale}")
        if experiment.teacher is not None:
            run(experiment.teacher, store=store, study="full", row="teacher")
        return run(experiment, store=store, study=task.study, row=task.row, wait=wait)
    except Timeout:
        return None


def run_study(
    listed: list[Task], *, root: Path, workers: int = 1, threads: int = 1, scheduler: str | None = None
) -> Iterator[tuple[Task, Record]]:
    """Run the tasks that have no record yet, and give each task with its record.

    A run on one thread gives the same bits however many cores a machine has and whatever else it does, and does not
    wait for a second thread that the machine has taken away; as many runs at once as there are cores keep it busy.

    Args:
        listed: the tasks.
        root: of the records; with a cluster, a folder that all its machines see.
        workers: runs at once on this machine.
        threads: of each run.
        scheduler: address of a Dask scheduler, `tcp://host:8786`; None for this machine.
    """
    store = Store(root)
    missing = []
    for task in listed:
        record = distributed.agreed(
            store.find(identity(task.experiment), fingerprint=fold_of(task.experiment.data)[0].fingerprint)
        )
        if record is None:
            missing.append(task)
        else:
            yield task, record
    # First round: what no other process is at. Second round: wait for the rest, and take over what was killed.
    # Processes that share each run wait at once: one that went on to the next run would lose the others.
    for wait in (False, True) if distributed.count() == 1 else (True,):
        if not missing:
            break
        postponed = []
        for task, record in _run_all(missing, root, threads, wait, workers, scheduler):
            if record is None:
                postponed.append(task)
            else:
                yield task, record
        missing = postponed
    if distributed.rank() == 0:
        write_index(root)


def _run_all(
    listed: list[Task], root: Path, threads: int, wait: bool, workers: int, scheduler: str | None
) -> Iterator[tuple[Task, Record | None]]:
    if scheduler:
        from dask.distributed import Client, as_completed

        with Client(scheduler) as client:
            futures = {client.submit(run_task, task, root, threads, wait, pure=False): task for task in listed}
            for future, record in as_completed(futures, with_results=True):
                yield futures[future], record
    elif workers == 1:
        for task in listed:
            yield task, run_task(task, root, threads, wait)
    else:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            arguments = [(task, root, threads, wait) for task in listed]
            yield from pool.imap_unordered(_run_listed, arguments)


def _run_listed(arguments: tuple[Task, Path, int, bool]) -> tuple[Task, Record | None]:
    return arguments[0], run_task(*arguments)
