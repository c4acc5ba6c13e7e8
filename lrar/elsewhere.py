"""The same runs on another machine: on another kind of processor, and on a GPU."""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lrar import statistics
from lrar.measured import measurement
from lrar.names import ROW_NAMES
from lrar.pooling import Outcome, outcome
from lrar.provenance import told_machine
from lrar.replay import Runs
from lrar.table import Table, Traced, counted, interval, of_all, signed
from lrar.tables import SEEN
from lrar.wording import told_setting

# Data set -> streams of the plain student of which `another_processor` trains the first seed again.
AGAIN = {"ixmas6": ("rgb", "flow"), "hmdb21": ("rgb",)}


def again(records: Path) -> dict[str, list[list[float]]]:
    """The probabilities of runs that were trained again on another processor, by the hash of the run."""
    measured = measurement(records, "another_processor")
    return measured["probabilities"] if measured else {}


def across_processors(runs: Runs, again: Mapping[str, list[list[float]]]) -> Table:
    """Runs against the same runs trained again on another processor; as a yardstick, against those of another seed.

    Args:
        runs: the records.
        again: by the hash of a run, the probabilities that came out there.
    """

    def changed(one: Outcome, other: Outcome) -> str:
        difference = statistics.paired(one, other).values
        return of_all(np.count_nonzero(difference), len(difference))

    def farthest(one: Outcome, other: Outcome) -> str:
        """Gains and losses of a fold partly cancel; by what is left, `lrar audit` judges."""
        left: dict[int, float] = defaultdict(float)
        for name, fold in one.fold.items():
            left[fold] += other.correct[name] - one.correct[name]
        return signed(max(left.values(), key=abs), digits=0)

    body = []
    for row in runs.rows:
        here = [record for record in runs.of(row) if record.id in again]
        there = [dataclasses.replace(record, probabilities=again[record.id]) for record in here]
        other = min({record.seed for record in runs.of(row)} - {record.seed for record in here}, default=None)
        tested = {record.fold for record in here}
        reseeded = [record for record in runs.of(row) if record.seed == other and record.fold in tested]
        for stream in SEEN:
            first, second, third = (outcome(side, row=row, stream=stream) for side in (here, there, reseeded))
            if first is None or second is None:
                continue
            difference = statistics.paired(second, first)
            points, low, high = statistics.in_points(difference)
            says = f"{ROW_NAMES[row]}, {stream}: {counted(len(difference.names), 'clip')}"
            body.append(
                (
                    ROW_NAMES[row],
                    stream,
                    Traced(f"{100 * first.accuracy:.1f}", row=row, says=says),
                    f"{100 * second.accuracy:.1f}",
                    signed(points),
                    interval(low, high, sign=True),
                    changed(first, second),
                    "–" if third is None else changed(first, third),
                    farthest(first, second),
                )
            )
    return Table(
        caption=f"Accuracy in percent of the same runs on two processors; clips that changed, and that another seed changed; "
        f"the largest difference on one fold, in clips ({told_setting(runs)}).",
        head=("row", "stream", "recorded", "again", "points", "95 % interval", "changed", "by a seed", "on one fold"),
        body=tuple(body),
    )


def on_gpu(measured: dict[str, Any], runs: Runs) -> str:
    """Two sentences: what runs took on a GPU, and whether they repeat there.

    Args:
        measured: what `benchmarks/gpu.py` has written.
        runs: the records of the same data set.
    """
    recorded = {record.id: record for record in runs.records if record.id in measured["seconds"]}
    if not recorded:
        return "None of the runs that were trained on it has a record here.\n"
    there = np.median([measured["seconds"][its] for its in recorded])
    here = np.median([record.train_seconds for record in recorded.values()])
    changed, tests = 0, 0
    for its in measured["twice"].keys() & recorded.keys():
        first, second = (np.argmax(measured[table][its], axis=1) for table in ("probabilities", "twice"))
        right = np.array(recorded[its].labels)
        changed += np.count_nonzero((first == right) != (second == right))
        tests += len(right)
    return (
        f"{len(recorded)} runs and the networks that they need took {measured['minutes']:.0f} minutes from empty caches, "
        f"{measured['workers']} at once ({told_machine(measured['provenance'])}); one was trained in {there:.0f} s (median), "
        f"where the records have {here:.0f} s. The plain RGB student, trained twice on that GPU: {changed} of {tests} clips changed.\n"
    )
