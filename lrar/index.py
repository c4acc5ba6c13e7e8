"""What lies beside the records: a table of all runs, and a manifest.

`manifest.json` holds the SHA-256 of every record and of what benchmarks have measured beside them, so that a number
changed by hand is noticed.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from pathlib import Path

from lrar.cache import atomic_write
from lrar.pooling import fused_records
from lrar.records import Record, Store

MANIFEST = "manifest.json"
RESULT_COLUMNS = (
    "dataset",
    "protocol",
    "study",
    "row",
    "stream",
    "fold",
    "seed",
    "n_clips",
    "n_correct",
    "train_seconds",
    "fingerprint",
    "experiment",
)


def results_csv(records: Iterable[Record]) -> str:
    """One row a run, and one more for each pair of streams fused."""
    records = [record for record in records if record.probabilities]
    rows = []
    for record in [*records, *fused_records(records)]:
        data = record.experiment["data"]
        rows.append(
            (
                record.dataset,
                data["protocol"],
                record.study,
                record.row,
                record.stream,
                record.fold,
                record.seed,
                len(record.labels),
                int(record.correct.sum()),
                round(record.train_seconds, 1),
                record.fingerprint,
                record.id,
            )
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(RESULT_COLUMNS)
    writer.writerows(sorted(rows))
    return text.getvalue()


def write_index(root: Path) -> None:
    """Write `results.csv` and `manifest.json` anew from the records that exist."""
    root = Path(root)
    with Store(root).lock("index"):  # of two studies that end together, the later one sees the runs of both
        atomic_write(root / "results.csv", results_csv(Store(root).records()).encode())
        atomic_write(root / MANIFEST, (json.dumps(manifest(root), indent=1) + "\n").encode())


def manifest(root: Path) -> dict[str, str]:
    """SHA-256 of every record, and of every file that a benchmark has written beside them, by path."""
    root = Path(root)
    measured = [path for path in sorted(root.glob("*.json")) if path.name != MANIFEST]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in [*measured, *sorted(root.glob("*/*/*.json"))]
    }
