"""What a notebook or a page shows: the records of its rows.

Missing runs are made on the spot only where that is a matter of minutes: profile `quick`, with the clips at hand. All
else is read as it exists, and what is not there yet is counted, so that a page can say so.
"""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from lrar.clips import DataError
from lrar.datasets import available, load_clip_set, one_name
from lrar.datasets.hmdb51 import OFFICIAL_SPLITS
from lrar.experiment import Data, from_dict, identity
from lrar.protocols import folds
from lrar.records import Record, Store, kept_as
from lrar.running import load_data, weights_path
from lrar.scheduling import run_study, usual_workers
from lrar.settings import PROFILES, Profile, setting
from lrar.studies import (
    NETWORKS,
    ROWS,
    STREAMS,
    STUDIES,
    data_of,
    has_weights,
    rows_of,
    seeds_of,
    tasks,
)

NO_PICTURES = (
    "No frames are shown here: they are drawn where the clips lie on the machine\n"
    "and, for what a network makes of them, where it is trained."
)
LIVE = "quick"  # the profile whose runs may be made while the reader waits
MOST_WORKERS = 8
RANDOM_DRAWS = 5  # folds of `lrar.protocols.random_clips`, where there are no clips to count them on


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The records behind one chapter.

    Attributes:
        dataset: the name in records.
        profile: a key of `lrar.settings.PROFILES`.
        protocol: a key of `lrar.protocols.PROTOCOLS`.
        rows: the rows that were asked for.
        folds: how many folds a complete row has; 0 where neither clips nor records tell.
        records: what exists of them, super-resolution networks included.
    """

    dataset: str
    profile: str
    protocol: str
    rows: tuple[str, ...]
    folds: int
    records: tuple[Record, ...]

    def of(self, row: str, *, stream: str | None = None) -> list[Record]:
        """The records of a row, in order of fold and seed."""
        chosen = [record for record in self.records if record.row == row and stream in (None, record.stream)]
        return sorted(chosen, key=lambda record: (record.stream, record.fold, record.seed))

    def seeds(self, row: str) -> int:
        """How many seeds a complete row has."""
        return seeds_of(row, PROFILES[self.profile])

    def section(self, row: str) -> str:
        """What a row's section is called on the page of runs, where the data set's own protocol has the short names."""
        return row if self.protocol == setting(self.dataset).protocol else f"{self.protocol}-{row}"

    def expected(self, row: str) -> int:
        """How many runs a stream of a complete row has."""
        return self.folds * self.seeds(row)


def replay(dataset: str, *, profile: str, records: str | Path, rows: Iterable[str] = ()) -> Runs:
    """The records of these rows; missing ones are made first where that is quick.

    Args:
        dataset: see `lrar.datasets.load_clip_set`.
        profile: a key of `lrar.settings.PROFILES`.
        records: root of the records.
        rows: rows of any study; by default all of them.

    Raises:
        DataError: no such profile.
    """
    if profile not in PROFILES:
        raise DataError(f"{profile}: no such profile. Known: {', '.join(PROFILES)}.")
    dataset = one_name(dataset)
    rows = tuple(row for row in (tuple(rows) or ROWS) if row in rows_of(dataset))
    if profile == LIVE and available(dataset):
        _make_missing(dataset, PROFILES[profile], Path(records), rows)
    return existing(dataset, profile=profile, records=records, rows=rows)


def existing(
    dataset: str, *, profile: str, records: str | Path, rows: Iterable[str] = (), protocol: str | None = None
) -> Runs:
    """The records of these rows as they exist; nothing is run.

    Where clips have changed between them, those of the clips that are here count.
    """
    dataset = one_name(dataset)
    rows = tuple(row for row in (tuple(rows) or ROWS) if row in rows_of(dataset))
    protocol = protocol or setting(dataset).protocol
    settings = PROFILES[profile]
    chosen = tuple(
        record
        for record in Store(Path(records)).records(kept_as(dataset))
        if record.experiment["data"]["dataset"] == dataset
        and record.row in (*rows, *networks_of(rows))
        and means_today(record, settings, protocol)
    )
    if len({record.fingerprint for record in chosen}) > 1 and available(dataset):
        now = load_clip_set(dataset).thinned(settings.every).fingerprint()
        chosen = tuple(record for record in chosen if record.fingerprint == now)
    return Runs(
        dataset=dataset,
        profile=profile,
        protocol=protocol,
        rows=rows,
        folds=_count_folds(dataset, settings, protocol, chosen),
        records=chosen,
    )


def networks_of(rows: Iterable[str]) -> list[str]:
    """The super-resolution networks behind some rows: ours always, another that enlarges otherwise with its row."""
    return [network for network, row in NETWORKS.items() if network == "own" or row in rows]


def means_today(record: Record, profile: Profile, protocol: str) -> bool:
    """Whether a record is what its row stands for in this profile, as `lrar.studies` defines it now."""
    clips = Data(**record.experiment["data"])
    data = data_of(clips.dataset, protocol=protocol, fold=clips.fold, profile=profile)
    if record.row in NETWORKS:
        seeing = ROWS[NETWORKS[record.row]]
        return identity(STUDIES[seeing][NETWORKS[record.row]](data, STREAMS[0], profile).super_resolution) == record.id
    make = STUDIES.get(record.study, {}).get(record.row)
    if make is None:
        return False
    return identity(dataclasses.replace(make(data, record.stream, profile), seed=record.seed)) == record.id


def can_draw(runs: Runs, *, record: Record | None = None) -> bool:
    """Whether pictures of frames can be drawn here and now.

    Args:
        runs: whose frames.
        record: of the network whose work is shown; it must be trained already, or quick to train.
    """
    if not available(runs.dataset):
        return False
    if record is None or runs.profile == LIVE:
        return True
    experiment = from_dict(record.experiment)
    fingerprint = load_data(experiment.data.dataset, experiment.data.every).fingerprint
    needed = (experiment, getattr(experiment, "super_resolution", None))
    return all(weights_path(part, fingerprint).exists() for part in needed if part is not None)


def _make_missing(dataset: str, profile: Profile, root: Path, rows: tuple[str, ...]) -> None:
    rows = tuple(filter(has_weights, rows))
    if not rows:  # to `tasks`, no rows means all of them
        return
    listed = tasks("all", dataset, profile=profile, rows=rows)
    store = Store(root)
    fingerprint = load_data(dataset, profile.every).fingerprint
    missing = [task for task in listed if store.find(identity(task.experiment), fingerprint=fingerprint) is None]
    if missing:
        workers = min(usual_workers(), len(missing), MOST_WORKERS)
        for _ in tqdm(run_study(missing, root=root, workers=workers), total=len(missing), unit="run"):
            pass


def _count_folds(dataset: str, profile: Profile, protocol: str, records: tuple[Record, ...]) -> int:
    if available(dataset):
        count = len(folds(load_clip_set(dataset).thinned(profile.every), protocol))
    elif protocol == "official":
        count = len(OFFICIAL_SPLITS)
    elif protocol == "random":
        count = RANDOM_DRAWS
    elif tested := {record.fold: record for record in records if record.clips}:
        # Without the clips: each is tested once. Of those that no record tests, each fold is guessed to have as many as
        # one that is there has; where any is left, there is one fold more at least.
        sizes = [len(record.clips) for record in tested.values()]
        left = len(next(iter(tested.values())).clips) + next(iter(tested.values())).n_train - sum(sizes)
        count = len(tested) + math.ceil(left * len(sizes) / sum(sizes))
    else:
        return profile.folds or 0
    return min(count, profile.folds or count)
