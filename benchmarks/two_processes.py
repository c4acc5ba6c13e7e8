"""One run on all of HMDB-21, trained by one process and by two that share each batch: how far their losses part.

    python benchmarks/two_processes.py

The plain student, RGB, of the first official split with its whole recipe, in float32 and in the precision of the
studies. As a yardstick, by one process on two threads: there only the order of some sums differs. Writes
`book/records/two_processes.json`, the losses of each epoch, from which the book's page on running it again draws.
"""

import dataclasses
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from lrar import distributed
from lrar.experiment import Experiment
from lrar.measured import write_measurement
from lrar.records import Record, Store
from lrar.running import run
from lrar.settings import PROFILES
from lrar.studies import tasks

PRECISIONS = {"float32": False, "bfloat16": True}
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def student(precision: str) -> Experiment:
    """The run, in a precision."""
    task = tasks("full", "hmdb21", profile=PROFILES["full"], rows=("plain",))[0]
    recipe = dataclasses.replace(task.experiment.recipe, bfloat16=PRECISIONS[precision])
    return dataclasses.replace(task.experiment, recipe=recipe)


def trained(precision: str, folder: str, *, threads: int = 1) -> Record:
    """The record in a folder of its own, found or made."""
    torch.set_num_threads(threads)
    return run(student(precision), store=Store(Path(folder) / precision))


def main() -> None:
    measured = {}
    with (
        tempfile.TemporaryDirectory() as alone,
        tempfile.TemporaryDirectory() as shared,
        tempfile.TemporaryDirectory() as threaded,
    ):
        for precision in PRECISIONS:
            one = trained(precision, alone)  # its stored views are there for the two
            subprocess.run(
                [*TORCHRUN, __file__, precision, shared], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
            )
            two = trained(precision, shared)
            if "2 processes" not in two.machine:
                raise SystemExit(f"{precision}: was trained by {two.machine}, not by two processes.")
            threads = trained(precision, threaded, threads=2)
            measured[precision] = {"one": one.losses, "two": two.losses, "threads": threads.losses}
    write_measurement("two_processes", {"clips": one.n_train, "losses": measured})


def share() -> None:
    """What each of the two processes does."""
    distributed.start()
    trained(*sys.argv[1:])
    distributed.stop()


if __name__ == "__main__":
    share() if len(sys.argv) > 1 else main()
