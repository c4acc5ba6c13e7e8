"""From records to numbers: accuracies with intervals, paired differences, verdicts.

The unit that varies is the actor (IXMAS, synthetic) or the source video, not the clip: clips of one actor succeed and
fail together. Intervals are therefore bootstrapped over groups.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm
from scipy.stats import t as student_t

from lrar.pooling import Outcome, fused_records, outcome, pooled, require_one_kind
from lrar.records import Record

DRAWS = 10_000
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class SeedError:
    """What seeds alone leave open of a difference.

    Attributes:
        points: its standard error, in points.
        freedom: degrees of freedom with which that is known.
    """

    points: float
    freedom: float


def bootstrap_interval(
    values: np.ndarray, groups: np.ndarray, *, level: float = LEVEL, error: SeedError | None = None
) -> tuple[float, float]:
    """Percentile interval of the mean of clip values, resampling groups with replacement.

    Args:
        values: one a clip, `(N,)`.
        groups: the group of each clip, `(N,)`.
        level: share of the draws that lie inside.
        error: what seeds leave open; each draw gets it on top, as a normal error. Since it is known from a few seeds only, the
            ends then move out as Student's t lies outside the normal distribution, with the degrees of freedom of the whole by
            Welch and Satterthwaite, groups counted as many.

    Returns:
        lower and upper end; `nan` where there are fewer than two groups.
    """
    names, member = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    sums = np.bincount(member, weights=values)
    counts = np.bincount(member)
    generator = np.random.default_rng(0)
    drawn = generator.integers(len(names), size=(DRAWS, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)  # (DRAWS,)
    inside = np.array([(1 - level) / 2, (1 + level) / 2])
    if error is None or error.points == 0:
        ends = np.quantile(means, inside)
    else:
        own = (error.points / 100) ** 2
        freedom = error.freedom * (means.var() + own) ** 2 / own**2
        ends = np.quantile(means + generator.normal(0, own**0.5, DRAWS), inside)
        middle = np.mean(values)
        ends = middle + (ends - middle) * student_t.ppf(inside[1], freedom) / norm.ppf(inside[1])
    # Thirds of clips do not add up exactly in floats: an end that is 0 must read 0, for the verdict turns on it.
    low, high = ends.round(9) + 0.0
    return float(low), float(high)


def bootstrap_gap(values: np.ndarray, groups: np.ndarray, *, first: np.ndarray) -> tuple[float, float]:
    """Percentile interval of how far the mean over some clips lies above that over the others, resampling groups.

    Args:
        values: one a clip, `(N,)`.
        groups: the group of each clip, `(N,)`; a group may have clips on both sides.
        first: which clips are the some, bool `(N,)`.

    Returns:
        lower and upper end, of the draws that have clips on both sides.
    """
    names, member = np.unique(groups, return_inverse=True)
    drawn = np.random.default_rng(0).integers(len(names), size=(DRAWS, len(names)))
    means = []
    for side in (first, ~first):
        sums, counts = np.bincount(member, weights=values * side), np.bincount(member, weights=side)
        with np.errstate(invalid="ignore"):
            means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))  # (DRAWS,)
    low, high = np.nanquantile(means[0] - means[1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


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


def paired(a: Outcome, b: Outcome) -> tuple[np.ndarray, np.ndarray, list[str]] | None:
    """How much better one outcome is than another, clip by clip.

    Returns:
        differences `(N,)`, groups `(N,)` and names of the clips that both were tested on; None where there are none.
    """
    common = sorted(a.correct.keys() & b.correct.keys())
    if not common:
        return None
    difference = np.array([a.correct[key] - b.correct[key] for key in common])
    return difference, np.array([a.group[key] for key in common]), common


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


@dataclass(frozen=True, kw_only=True)
class Sum:
    """Accuracies of several rows, each with its weight, added up clip by clip.

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


def weighted(runs: Iterable[Record], *, weights: Mapping[str, float]) -> Sum | None:
    """Add up rows, for instance 1 and −1 for a difference, 1, −1, −1 and 1 for that of two; None where they share no clip.

    Args:
        runs: as `side_by_side` gives them.
        weights: by row.
    """
    runs = list(runs)
    if not runs:
        return None
    sides = {row: pooled([record for record in runs if record.row == row]) for row in weights}
    names = sorted(set.intersection(*(set(its.correct) for its in sides.values())))
    if not names:
        return None
    any_side = next(iter(sides.values()))
    return Sum(
        values=np.array([sum(weights[row] * its.correct[name] for row, its in sides.items()) for name in names]),
        groups=np.array([any_side.group[name] for name in names]),
        names=names,
        seeds=min(its.seeds for its in sides.values()),
        folds=len({any_side.fold[name] for name in names}),
    )


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
    if (difference := weighted(runs, weights={row: 1, baseline: -1})) is None:
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
    once = weighted([record for record in runs if record.seed == first], weights={row: 1, baseline: -1})
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


def table(
    records: Iterable[Record], *, rows: Iterable[str], streams: Iterable[str] = ("rgb", "flow", "both")
) -> pd.DataFrame:
    """One line a row and stream.

    Returns:
        columns `row, stream, accuracy, low, high, spread, folds, seeds, clips, seconds`; accuracies in percent, spread the
        standard deviation over folds, seconds of training those of the middle run, for both streams the sum of each one's.
    """
    records = list(records)
    lines = []
    for row in rows:
        for stream in streams:
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
