"""Runs of IXMAS-6 and HMDB-21 trained again on this machine: what another processor makes of the same seeds.

    python benchmarks/another_processor.py

Worth running where the processor is of another kind than the one of the records (`lrar audit` says whether a run comes out
the same). Writes `book/records/another_processor.json`, the new probabilities by the hash of the run, from which the
book's page on running it again draws.
"""

import tempfile
from pathlib import Path

from dask.system import CPU_COUNT
from tqdm import tqdm

from lrar.elsewhere import AGAIN
from lrar.measured import write_measurement
from lrar.scheduling import run_study
from lrar.settings import PROFILES
from lrar.studies import tasks


def main() -> None:
    first = [
        task
        for dataset, streams in AGAIN.items()
        for task in tasks("full", dataset, profile=PROFILES["full"], rows=("plain",))
        if task.experiment.seed == 0 and task.experiment.stream in streams
    ]
    with tempfile.TemporaryDirectory() as folder:
        done = tqdm(run_study(first, root=Path(folder), workers=CPU_COUNT), total=len(first), unit="run")
        again = {record.id: record.probabilities for _, record in done}
    write_measurement("another_processor", {"probabilities": again})


if __name__ == "__main__":
    main()
