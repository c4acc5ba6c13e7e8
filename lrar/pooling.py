"""From runs to outcomes: streams fused, seeds averaged, folds gathered; runs that do not belong together are refused.

Several seeds of a row are averaged clip by clip.
"""

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lrar.clips import DataError
from lrar.records import Record


def fused_records(records: Iterable[Record]) -> list[Record]:
    """The records of stream `both`: the mean of the probabilities of an rgb and a flow run of one row, fold and seed."""
    pairs: dict[tuple, dict[str, Record]] = defaultdict(dict)
    for record in records:
        key = (record.dataset, record.fingerprint, record.study, record.row, record.fold, record.seed, way_of(record))
        pairs[key][record.stream] = record
    fused = []
    for streams in pairs.values():
        if {"rgb", "flow"} <= set(streams):
            rgb, flow = streams["rgb"], streams["flow"]
            if rgb.clips != flow.clips:
                raise DataError(
                    f"{rgb.row}, fold {rgb.fold}: its rgb and flow runs saw other clips. Run the study again."
                )
            probabilities = (np.array(rgb.probabilities) + np.array(flow.probabilities)) / 2
            fused.append(
                dataclasses.replace(
                    rgb,
                    id=f"{rgb.id}+{flow.id}",
                    experiment=rgb.experiment | {"stream": "both"},
                    probabilities=probabilities.tolist(),
                    train_seconds=rgb.train_seconds + flow.train_seconds,
                    losses=[],
                )
            )
    return fused


def way_of(record: Record) -> str:
    """All that an experiment fixes besides its stream, fold and seeds: runs of a row that are pooled or fused have it in common."""

    def rest(values: dict) -> dict:
        apart = ("stream", "flow_method", "fold", "seed")
        return {
            name: rest(value) if isinstance(value, dict) else value
            for name, value in values.items()
            if name not in apart and value is not None
        }

    return json.dumps(rest(record.experiment), sort_keys=True)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one row and stream did on every clip that was tested.

    Attributes:
        correct: clip name to the share of its seeds that recognised it, 0 to 1.
        group: clip name to actor or source video.
        fold: clip name to fold.
        seeds: number of seeds that every fold has.
        folds: number of folds.
    """

    correct: dict[str, float]
    group: dict[str, str]
    fold: dict[str, int]
    seeds: int
    folds: int

    @property
    def accuracy(self) -> float:
        return float(np.mean(list(self.correct.values())))


def outcome(records: Iterable[Record], *, row: str, stream: str) -> Outcome | None:
    """Gather the runs of one row and stream; None where there are none.

    A clip that is tested in several folds (protocols `random` and `official`) counts once a fold.

    Raises:
        DataError: the runs are of several data sets, protocols or sizes, or saw clips of other content.
    """
    records = list(records)
    if stream == "both":
        records = fused_records(record for record in records if record.row == row and record.probabilities)
    chosen = [record for record in records if record.row == row and record.stream == stream]
    return pooled(chosen) if chosen else None


def pooled(runs: list[Record]) -> Outcome:
    """The runs of one row and stream as one outcome."""
    require_one_kind(runs)
    if len({way_of(record) for record in runs}) > 1:
        raise DataError(
            f"{runs[0].row}: its runs differ in more than fold and seed, so they cannot be pooled. Keep the records of each "
            "way in a folder of their own (--records)."
        )
    hits: dict[str, list[float]] = defaultdict(list)
    group, fold = {}, {}
    seeds: dict[int, set[int]] = defaultdict(set)
    for record in runs:
        seeds[record.fold].add(record.seed)
        for name, its_group, correct in zip(record.clips, record.groups, record.correct, strict=True):
            key = f"{record.fold}:{name}"
            hits[key].append(float(correct))
            group[key], fold[key] = its_group, record.fold
    return Outcome(
        correct={key: float(np.mean(values)) for key, values in hits.items()},
        group=group,
        fold=fold,
        seeds=min(map(len, seeds.values())),
        folds=len(seeds),
    )


def require_one_kind(records: list[Record]) -> None:
    """Runs are pooled and compared within one data set, protocol and size, and on clips of the same content."""
    kinds = {(r.dataset, r.experiment["data"]["protocol"], r.experiment["data"]["every"]) for r in records}
    rows = ", ".join(sorted({record.row for record in records}))
    if len(kinds) > 1:
        raise DataError(f"{rows}: runs of several data sets, protocols or sizes cannot be pooled. Choose one kind.")
    if len({record.fingerprint for record in records}) > 1:
        raise DataError(
            f"{rows}: the clips of {records[0].dataset} changed between these runs, so they cannot be pooled. "
            "Move the older records away, or give --records another folder, and run the study again."
        )
