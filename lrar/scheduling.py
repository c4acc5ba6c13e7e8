"""Running a study: here, in several processes, or on a Dask cluster."""

import concurrent.futures
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path

import torch
from dask.system import CPU_COUNT  # what a container or a scheduler leaves to us, too
from filelock import Timeout

from lrar import distributed
from lrar.clips import DataError
from lrar.experiment import identity
from lrar.index import write_index
from lrar.records import Record, Store
from lrar.running import fold_of, run
from lrar.studies import ROWS, TEACHERS, Task

# A run draws from the one random generator of its process: of a worker that has several threads, one runs at a time.
_GENERATOR = threading.Lock()
AT_ONCE_ON_A_GPU = 4


def usual_workers() -> int:
    """As many runs at once as there are cores; on a GPU, whose memory they share, a few."""
    return min(CPU_COUNT, AT_ONCE_ON_A_GPU) if torch.cuda.is_available() else CPU_COUNT


def run_task(task: Task, root: Path, threads: int, wait: bool = True) -> Record | None:
    """Run one task in this process; what it depends on is recorded under its own row.

    Returns:
        its record; None where another process is at it and `wait` is false.
    """
    store = Store(root)
    store.must_take_records()
    experiment = task.experiment
    with _GENERATOR:
        torch.set_num_threads(threads)
        try:
            if experiment.super_resolution is not None:
                scale = experiment.super_resolution.scale or ""
                run(experiment.super_resolution, store=store, study="super_resolution", row=f"own{scale}")
            if experiment.teacher is not None:
                row = TEACHERS.get(task.row, "teacher")
                run(experiment.teacher, store=store, study=ROWS[row], row=row)
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

    Raises:
        DataError: the system has killed a worker, no scheduler answers, or the folder takes no records.
    """
    root = Path(root).resolve()  # a worker elsewhere has another working folder
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
    try:
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
    finally:  # also where it is interrupted: what is finished is in the index
        if distributed.rank() == 0:
            write_index(root)


def _run_all(
    listed: list[Task], root: Path, threads: int, wait: bool, workers: int, scheduler: str | None
) -> Iterator[tuple[Task, Record | None]]:
    if scheduler:
        from dask.distributed import Client, KilledWorker
        from dask.distributed import as_completed as answered

        try:
            client = Client(scheduler)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{scheduler}: no Dask scheduler answers there ({error}). Start one, or check --scheduler."
            ) from error
        with client:
            futures = {client.submit(run_task, task, root, threads, wait, pure=False): task for task in listed}
            try:
                for future, record in answered(futures, with_results=True):
                    if future.cancelled():  # its "record" is an error that nobody raised
                        raise DataError(
                            f"{scheduler}: the scheduler went away. Finished runs are kept: start it again, and run the study "
                            "again."
                        )
                    yield futures[future], record
            except KilledWorker as error:
                raise DataError(
                    f"{scheduler}: workers were killed at one run, for want of memory or at the end of their time. Finished "
                    "runs are kept: give the workers more of it, and run the study again."
                ) from error
    elif workers == 1:
        for task in listed:
            yield task, run_task(task, root, threads, wait)
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
            to_do, running = iter(listed), {}

            def submit() -> None:
                """No more than can run: one that waits in the pool could not be taken back when the study is stopped."""
                for task in islice(to_do, workers - len(running)):
                    running[pool.submit(run_task, task, root, threads, wait)] = task

            try:
                submit()
                while running:
                    done, _ = concurrent.futures.wait(running, return_when=FIRST_COMPLETED)
                    finished = [(running.pop(future), future) for future in done]
                    submit()
                    for task, future in finished:
                        yield task, future.result()
            except BrokenProcessPool as error:
                raise DataError(
                    "A worker was killed, most likely because memory ran out. Finished runs are kept: run the study again "
                    f"with fewer than {workers} workers (--workers)."
                ) from error


def _end_with_parent() -> None:
    """End this worker where the study is killed, which by itself it would not notice: it would keep memory and its lock."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
