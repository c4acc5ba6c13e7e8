"""From records to numbers: accuracies with intervals, paired differences, verdicts.

The unit that varies is the actor (IXMAS, synthetic) or the source video, not the clip: clips of one actor succeed and
fail together. Intervals are therefore bootstrapped over groups.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from lrar.bootstrap import SeedError, bootstrap_interval
from lrar.pooling import Outcome, fused_records, outcome, pooled, require_one_kind
from lrar.records import Record


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A row against its baseline on the same clips and at the same seeds.

    Attributes:
        difference: accuracy of the row minus that of the baseline, in points of a hundred.
        low: lower end of the 95 % interval, in points.
        high: upper end.
        gained: clips that the row recognises and the baseline does not, both at the first seed.
        lost: the other way round.
        p_value: exact two-sided McNemar test on these.
        n_clips: clips compared; a clip counts once a fold that tests it.
        seeds: that both have of every fold compared.
        folds: folds compared.
        runs: of either side; one of stream `both` is two that are fused.
        verdict: by `verdict`.
    """

    difference: float
    low: float
    high: float
    gained: int
    lost: int
    p_value: float
    n_clips: int
    seeds: int
    folds: int
    runs: int
    verdict: str


def verdict(low: float, high: float) -> str:
    """The rule that was fixed before there were results.

    *supported* where the interval of the paired difference lies above 0, *contradicted* where it lies below,
    *inconclusive* where it contains 0, *not tested* where there is no interval.
    """
    if np.isnan(low):
        return "not tested"
    if low > 0:
        return "supported"
    if high < 0:
        return "contradicted"
    return "inconclusive"


@dataclass(frozen=True, kw_only=True)
class Sum:
    """Outcomes of several rows, each with its weight, added up clip by clip.

    Attributes:
        values: of each clip that all rows were tested on, `(N,)`.
        groups: its group, `(N,)`.
        names: its fold and name, joined by a colon.
        seeds: that all rows have of every fold.
        folds: in which all rows have runs.
    """

    values: np.ndarray
    groups: np.ndarray
    names: list[str]
    seeds: int
    folds: int


def added(sides: Iterable[tuple[float, Outcome]]) -> Sum | None:
    """Outcomes added up with their weights, for instance 1 and −1 for a difference; None where they share no clip."""
    weights, outcomes = zip(*sides, strict=True)
    names = sorted(set.intersection(*(set(its.correct) for its in outcomes)))
    if not names:
        return None
    return Sum(
        values=np.array(
            [sum(w * its.correct[name] for w, its in zip(weights, outcomes, strict=True)) for name in names]
        ),
        groups=np.array([outcomes[0].group[name] for name in names]),
        names=names,
        seeds=min(its.seeds for its in outcomes),
        folds=len({outcomes[0].fold[name] for name in names}),
    )


def paired(a: Outcome, b: Outcome) -> Sum | None:
    """How much better one outcome is than another, clip by clip; None where they share no clip."""
    return added(((1, a), (-1, b)))


def in_points(found: Sum) -> tuple[float, float, float]:
    """The mean over clips and its 95 % interval, in points of a hundred."""
    mean, low, high = (
        100 * float(value) for value in (found.values.mean(), *bootstrap_interval(found.values, found.groups))
    )
    return mean, low, high


def side_by_side(
    records: Iterable[Record], *, rows: Collection[str], stream: str, same_seeds: bool = True
) -> list[Record]:
    """The runs of some rows in a stream, fused where it is `both`, at the folds and seeds that all of them have.

    Args:
        records: of any rows.
        rows: whose runs are wanted; none are given where one of them has none.
        stream: `rgb`, `flow` or `both`.
        same_seeds: else each row keeps all of its seeds.

    Raises:
        DataError: the rows cannot be pooled; see `lrar.pooling.outcome`.
    """
    records = [record for record in records if record.row in rows and record.probabilities]
    if stream == "both":
        records = fused_records(records)
    records = [record for record in records if record.stream == stream]
    if not set(rows) <= {record.row for record in records}:
        return []
    require_one_kind(records)
    if not same_seeds:
        return records
    there = set.intersection(*({(record.fold, record.seed) for record in records if record.row == row} for row in rows))
    return [record for record in records if (record.fold, record.seed) in there]


def weighted(
    records: Iterable[Record], *, weights: Mapping[str, float], stream: str, same_seeds: bool = True
) -> Sum | None:
    """Add up rows: 1 and −1 give a difference, 1, −1, −1 and 1 that of two; None where one is missing or they share no clip.

    Args:
        records: of any rows.
        weights: by row.
        stream: `rgb`, `flow` or `both`.
        same_seeds: else each row has the mean of all of its seeds.

    Raises:
        DataError: the rows cannot be pooled; see `lrar.pooling.outcome`.
    """
    runs = side_by_side(records, rows=tuple(weights), stream=stream, same_seeds=same_seeds)
    return _of_rows(runs, weights)


def _of_rows(runs: list[Record], weights: Mapping[str, float]) -> Sum | None:
    if not runs:
        return None
    return added((weight, pooled([its for its in runs if its.row == row])) for row, weight in weights.items())


def compare(
    records: Iterable[Record], *, row: str, baseline: str, stream: str, error: SeedError | None = None
) -> Comparison | None:
    """Compare two rows on the clips, and at the seeds, that both have; None where they have none in common.

    Args:
        records: of any rows.
        row: what is judged.
        baseline: what it is judged against.
        stream: `rgb`, `flow` or `both`.
        error: what seeds leave open, for the interval to cover too.

    Raises:
        DataError: the rows cannot be pooled; see `lrar.pooling.outcome`.
    """
    runs = side_by_side(records, rows=(row, baseline), stream=stream)
    if (difference := _of_rows(runs, {row: 1, baseline: -1})) is None:
        return None
    low, high = bootstrap_interval(difference.values, difference.groups, error=error)
    gained, lost, p_value = _first_seed(runs, row=row, baseline=baseline)
    return Comparison(
        difference=100 * float(difference.values.mean()),
        low=100 * low,
        high=100 * high,
        gained=gained,
        lost=lost,
        p_value=p_value,
        n_clips=len(difference.names),
        seeds=difference.seeds,
        folds=difference.folds,
        runs=len({(record.fold, record.seed) for record in runs}),
        verdict=verdict(low, high),
    )


def _first_seed(runs: list[Record], *, row: str, baseline: str) -> tuple[int, int, float]:
    """Clips gained and lost at the first seed, and McNemar's p; the test knows no means of seeds."""
    first = min(record.seed for record in runs)
    once = _of_rows([record for record in runs if record.seed == first], {row: 1, baseline: -1})
    if once is None:
        return 0, 0, float("nan")
    gained, lost = int((once.values > 0).sum()), int((once.values < 0).sum())
    return gained, lost, float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def seed_error(records: Iterable[Record], *, row: str, baseline: str, stream: str) -> SeedError | None:
    """What the seeds of two rows alone leave open of their difference; None where a fold has fewer than two seeds of both.

    The spread of the difference over seeds is taken in two ways, and the larger counts. In each fold by itself, as if folds
    were independent runs; they weigh by their clips. And over all folds at once, since a seed's number begins weights and
    draws alike in every fold: what is common to them does not average out.
    """
    runs = side_by_side(records, rows=(row, baseline), stream=stream)
    of_run: dict[tuple[int, int], dict[str, Record]] = defaultdict(dict)
    for record in runs:
        of_run[record.fold, record.seed][record.row] = record
    sizes = {fold: len(its[row].clips) for (fold, _), its in of_run.items()}
    gained: dict[int, dict[int, float]] = defaultdict(dict)  # seed -> fold -> clips
    for (fold, seed), its in of_run.items():
        gained[seed][fold] = float(its[row].correct.sum()) - float(its[baseline].correct.sum())
    by_fold = [[its[fold] for its in gained.values() if fold in its] for fold in sizes]
    if not by_fold or min(map(len, by_fold)) < 2:
        return None
    parts = np.array([np.var(values, ddof=1) / len(values) for values in by_fold])
    each = np.array([len(values) - 1 for values in by_fold])
    apart = float(parts.sum())
    freedom = apart**2 / float((parts**2 / each).sum()) if apart else float(each.sum())
    whole = [sum(its.values()) for its in gained.values() if its.keys() == sizes.keys()]
    together = float(np.var(whole, ddof=1)) / len(whole) if len(whole) > 1 else 0.0
    variance, freedom = (together, len(whole) - 1) if together > apart else (apart, freedom)
    return SeedError(points=100 * variance**0.5 / sum(sizes.values()), freedom=freedom)


def table(records: Iterable[Record], *, rows: Iterable[str]) -> pd.DataFrame:
    """One line a row and stream.

    Returns:
        columns `row, stream, accuracy, low, high, spread, folds, seeds, clips, seconds`; accuracies in percent, spread the
        standard deviation over folds, seconds of training those of the middle run, for both streams the sum of each one's.
    """
    records = list(records)
    lines = []
    for row in rows:
        for stream in ("rgb", "flow", "both"):
            result = outcome(records, row=row, stream=stream)
            if result is None:
                continue
            keys = sorted(result.correct)
            values = np.array([result.correct[key] for key in keys])
            low, high = bootstrap_interval(values, np.array([result.group[key] for key in keys]))
            member = np.array([result.fold[key] for key in keys])
            by_fold = [values[member == fold].mean() for fold in np.unique(member)]
            seconds = [
                np.median([its.train_seconds for its in records if its.row == row and its.stream == one])
                for one in (("rgb", "flow") if stream == "both" else (stream,))
            ]
            lines.append(
                {
                    "row": row,
                    "stream": stream,
                    "accuracy": 100 * values.mean(),
                    "low": 100 * low,
                    "high": 100 * high,
                    "spread": 100 * float(np.std(by_fold, ddof=1)) if len(by_fold) > 1 else float("nan"),
                    "folds": result.folds,
                    "seeds": result.seeds,
                    "clips": len(keys),
                    "seconds": float(sum(seconds)),
                }
            )
    return pd.DataFrame(lines)
