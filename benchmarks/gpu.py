"""HMDB-21 on a GPU: the runs that its verdicts rest on, first seed, trained again there, and what that costs.

    python benchmarks/gpu.py

Writes `book/records/gpu.json`, from which the book's page on running it again draws: the new probabilities and seconds of
training by the hash of the run, those of a second training of the plain RGB student, the minutes that the first took from
empty caches (some 40 GB, made in the cache folder and taken away again), and what each backbone costs there.
"""

import os
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import torch
from backbones import costs
from tqdm import tqdm

from lrar.cache import cache_folder
from lrar.claims import HEADLINE
from lrar.distributed import device
from lrar.measured import write_measurement
from lrar.records import Record
from lrar.scheduling import run_study, usual_workers
from lrar.settings import PROFILES, setting
from lrar.studies import Task, tasks

DATASET = "hmdb21"


def trained(listed: list[Task], root: str) -> list[Record]:
    """Their records, made in a folder of its own."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        done = run_study(listed, root=Path(folder), workers=usual_workers())
        return [record for _, record in tqdm(done, total=len(listed), unit="run")]


def main() -> None:
    if not torch.cuda.is_available():
        raise SystemExit("PyTorch finds no GPU here.")
    networks = costs(device(), batch=setting(DATASET).recipe.batch)
    first = [
        task
        for task in tasks("all", DATASET, profile=PROFILES["full"], rows=tuple(sorted(HEADLINE)))
        if task.experiment.seed == 0
    ]
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder()) as root, patch.dict(os.environ, LRAR_CACHE=root):
        start = time.perf_counter()
        records = trained(first, root)
        minutes = (time.perf_counter() - start) / 60
        twice = trained([task for task in first if task.row == "plain" and task.experiment.stream == "rgb"], root)
    write_measurement(
        "gpu",
        {
            "networks": networks,
            "workers": usual_workers(),
            "minutes": round(minutes, 2),
            "seconds": {record.id: record.train_seconds for record in records},
            "probabilities": {record.id: record.probabilities for record in records},
            "twice": {record.id: record.probabilities for record in twice},
        },
    )


if __name__ == "__main__":
    main()
