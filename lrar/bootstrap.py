"""Intervals by resampling groups: clips of one actor or source video succeed and fail together, so they are drawn together."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student_t

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
    if len(set(groups)) < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(0)
    (means,) = _means(values, groups, [np.ones(len(values), dtype=bool)], generator)
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
    some, others = _means(values, groups, [first, ~first], np.random.default_rng(0))
    low, high = np.nanquantile(some - others, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _means(
    values: np.ndarray, groups: np.ndarray, sides: list[np.ndarray], generator: np.random.Generator
) -> list[np.ndarray]:
    """In each draw of groups, the mean over the clips of each side, `(DRAWS,)`; `nan` where a draw has none of them."""
    names, member = np.unique(groups, return_inverse=True)
    drawn = generator.integers(len(names), size=(DRAWS, len(names)))
    means = []
    for side in sides:
        sums, counts = np.bincount(member, weights=values * side), np.bincount(member, weights=side)
        with np.errstate(invalid="ignore"):
            means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return means
