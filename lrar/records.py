"""Records: one JSON file a run, written whole or not at all, found again by what decided them.

    <root>/<dataset>/<study>/<row>-<stream>-fold<k>-seed<s>-<experiment>.json

The file name is for people; the last part, the experiment's hash, is what a record is found by. A record that exists
is never made again. Each record holds a digest of the code that made it, so that a page can say when a record is older
than the code.
"""

import dataclasses
import glob
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from lrar.cache import atomic_write, cache_folder
from lrar.clips import DataError
from lrar.places import BOOK
from lrar.provenance import told_machine

COMMITTED = BOOK / "records"  # those of the book


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one run left.

    Attributes:
        id: the experiment's hash.
        study: study that it was run for.
        row: row of the study's table.
        experiment: the experiment, as `lrar.experiment.to_dict` gives it.
        fingerprint: of the data.
        classes: class names.
        fold_name: what was held out.
        n_train: training clips.
        provenance: machine, library versions, code digest, date.
        losses: training loss; one value an epoch (recognizers) or a tenth of the steps (super resolution).
        train_seconds: of training alone, data in the cache.
        clips: names of the test clips (recognizers).
        labels: their classes.
        groups: their actors or source videos.
        probabilities: of each class, a row a clip.
        quality: PSNR and SSIM of each way of restoring (super resolution).
    """

    id: str
    study: str
    row: str
    experiment: dict[str, Any]
    fingerprint: str
    classes: list[str]
    fold_name: str
    n_train: int
    provenance: dict[str, Any]
    losses: list[float]
    train_seconds: float
    clips: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    probabilities: list[list[float]] = field(default_factory=list)
    quality: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def stream(self) -> str:
        return self.experiment.get("stream", "network")

    @property
    def fold(self) -> int:
        return self.experiment["data"]["fold"]

    @property
    def seed(self) -> int:
        return self.experiment["seed"]

    @property
    def dataset(self) -> str:
        """The name under which the record is kept; a folder given by path is `folder-<name>`."""
        return kept_as(self.experiment["data"]["dataset"])

    @property
    def name(self) -> str:
        """Which run it is of, as lines of output say it."""
        return f"{self.dataset} {self.row} {self.stream} fold {self.fold} seed {self.seed}"

    @property
    def machine(self) -> str:
        """Where it was run, as people say it, and in which precision, where that is not what most were run in."""
        return told_machine(self.provenance)

    @property
    def processor(self) -> str:
        """What it was computed on, and the widest instructions of that: on another one, runs round otherwise."""
        named = ", ".join(self.provenance["machine"].split(", ")[1:-1])
        # Not noted at first, when all processors computed in bfloat16, by the times of the runs.
        return f"{named}, {self.provenance.get('instructions', 'AVX512_BF16')}"

    @property
    def correct(self) -> np.ndarray:
        """Which test clips were recognised, bool `(N,)`."""
        return np.argmax(self.probabilities, axis=1) == np.array(self.labels)

    @property
    def accuracy(self) -> float:
        return float(self.correct.mean())


class Store:
    """A folder of records that several processes may share."""

    def __init__(self, root: Path):
        self.root = Path(root)
        self._known: dict[str, list[Path]] = {}

    def _refresh(self) -> None:
        self._known = {}
        for path in sorted(self.root.glob("*/*/*.json")):
            self._known.setdefault(path.stem.rsplit("-", 1)[-1], []).append(path)

    def find(self, identity: str, *, fingerprint: str | None = None) -> Record | None:
        """The record of an experiment, or None.

        Args:
            identity: the experiment's hash.
            fingerprint: of the data at hand; a record of other data is not a record of this experiment.
        """
        for refresh in (False, True):
            if refresh:  # another process may have written it meanwhile
                self._refresh()
            for path in self._known.get(identity, []):
                # One that is gone was moved away since it was listed.
                if path.exists() and fingerprint in (None, (record := read_record(path)).fingerprint):
                    return record
        return None

    def path(self, record: Record) -> Path:
        """Where a record is kept. One of the same experiment on clips of other content is not written over."""
        stem = f"{record.row}-{record.stream}-fold{record.fold}-seed{record.seed}"
        path = self.root / record.dataset / record.study / f"{stem}-{record.id}.json"
        if path.exists() and read_record(path).fingerprint != record.fingerprint:
            return path.with_name(f"{stem}-{record.fingerprint}-{record.id}.json")
        return path

    def must_take_records(self) -> None:
        """Asked before a run, lest its work be lost.

        Raises:
            DataError: no file can be written there.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise DataError(
                f"{self.root}: no record can be written there ({error.strerror}). Give another folder with --records."
            ) from error

    def write(self, record: Record) -> Path:
        """Write a record whole: to a temporary name, flushed, renamed."""
        path = self.path(record)
        atomic_write(path, (json.dumps(dataclasses.asdict(record), ensure_ascii=False) + "\n").encode())
        self._refresh()
        return path

    def lock(self, identity: str) -> FileLock:
        """A lock that dies with its process, so that a killed run never blocks the next."""
        key = hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:8]
        folder = cache_folder() / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{key}-{identity}.lock")

    def records(self, dataset: str = "*") -> list[Record]:
        """All records, in order of their file names; of one data set, by the name that they are kept under."""
        dataset = dataset if dataset == "*" else glob.escape(dataset)
        return [read_record(path) for path in sorted(self.root.glob(f"{dataset}/*/*.json"))]


def kept_as(dataset: str) -> str:
    """The name under which records of a data set are kept: of a folder that was given by path, `folder-<name>`."""
    return f"folder-{Path(dataset).resolve().name}" if os.sep in dataset else dataset


def read_record(path: Path) -> Record:
    """Read one record.

    Raises:
        DataError: the file is no record.
    """
    try:
        return Record(**json.loads(Path(path).read_bytes()))
    except (ValueError, TypeError) as error:  # what is not UTF-8 or not JSON is a ValueError
        raise DataError(f"{path}: not a record ({error}). Delete it and run its study again.") from error
