"""How much a number depends on what the method leaves open: the seed, and how clips are divided."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

import numpy as np

from lrar import statistics
from lrar.names import DATASET_NAMES, PROTOCOL_NAMES, ROW_NAMES
from lrar.records import Record
from lrar.replay import Runs
from lrar.table import FIXED_SPACE, Table, Traced, counted, interval, signed
from lrar.tables import SEEN, told_setting


def pairs_of_seeds(records: Iterable[Record], *, row: str, stream: str) -> list[tuple[float, float, float]]:
    """What another seed alone does: the difference of a row to itself, for each two of its seeds.

    Returns:
        difference in points, never negative, and its 95 % interval, for each pair.
    """
    chosen = [record for record in records if record.row == row and record.probabilities]
    seeds = sorted({record.seed for record in chosen})
    outcomes = [
        statistics.outcome([record for record in chosen if record.seed == seed], row=row, stream=stream)
        for seed in seeds
    ]
    differences = []
    for a, b in combinations([its for its in outcomes if its is not None], 2):
        if pair := statistics.paired(a, b):
            ends = statistics.bootstrap_interval(*pair[:2])
            points, low, high = (100 * float(value) for value in (pair[0].mean(), *ends))
            differences.append((points, low, high) if points >= 0 else (-points, -high, -low))
    return differences


def between_seeds(runs: Runs) -> Table:
    """What another seed alone changes: rows with several seeds, each two seeds compared as if they were two rows."""
    body = []
    for row in runs.rows:
        for stream in SEEN:
            pairs = pairs_of_seeds(runs.records, row=row, stream=stream)
            if not pairs:
                continue
            points, low, high = max(pairs)
            says = f"{ROW_NAMES[row]}, {stream}: the largest difference of {counted(len(pairs), 'pair')} of seeds"
            apart = sum(statistics.verdict(*ends) in ("supported", "contradicted") for _, *ends in pairs)
            body.append(
                (
                    ROW_NAMES[row],
                    stream,
                    Traced(f"{points:.1f}", row=row, says=says),
                    interval(low, high, sign=True),
                    f"{apart} of {len(pairs)}".replace(" ", FIXED_SPACE),
                )
            )
    return Table(
        caption=(
            f"One row against itself with another seed: the largest difference, and how many pairs of seeds have an interval "
            f"without 0 ({told_setting(runs)})."
        ),
        head=("row", "stream", "points", "95 % interval", "pairs apart"),
        body=tuple(body),
    )


def by_clip(result: statistics.Outcome) -> statistics.Outcome:
    """An outcome whose clips count once, however many folds tested them."""
    shares: dict[str, list[float]] = defaultdict(list)
    group, fold = {}, {}
    for key, share in result.correct.items():
        name = key.split(":", 1)[1]
        shares[name].append(share)
        group[name], fold[name] = result.group[key], result.fold[key]
    return dataclasses.replace(
        result, correct={name: float(np.mean(values)) for name, values in shares.items()}, group=group, fold=fold
    )


def across_protocols(runs: Runs, other: Runs) -> Table:
    """The same rows under two protocols, on the clips that both test.

    Args:
        runs: the records under the first protocol.
        other: those of the same data set under the second.
    """
    body = []
    for row in runs.rows:
        for stream in SEEN:
            outcomes = [statistics.outcome(side.records, row=row, stream=stream) for side in (runs, other)]
            if None in outcomes:
                continue
            first, second = map(by_clip, outcomes)
            if (pair := statistics.paired(second, first)) is None:
                continue
            difference, groups, clips = pair
            low, high = statistics.bootstrap_interval(difference, groups)
            accuracies = [
                Traced(
                    f"{100 * np.mean([result.correct[name] for name in clips]):.1f}",
                    row=side.section(row),
                    says=f"{ROW_NAMES[row]}, {stream}, {PROTOCOL_NAMES[side.protocol]}: {counted(len(clips), 'clip')}",
                )
                for side, result in ((runs, first), (other, second))
            ]
            span = interval(100 * low, 100 * high, sign=True)
            points = signed(100 * difference.mean())
            seeds = f"{first.seeds} / {second.seeds}".replace(" ", FIXED_SPACE)
            body.append((ROW_NAMES[row], stream, *accuracies, points, span, seeds, str(len(clips))))
    return Table(
        caption=(
            f"Accuracy in percent, {PROTOCOL_NAMES[runs.protocol]} and {PROTOCOL_NAMES[other.protocol]}, on the clips that "
            f"both test ({DATASET_NAMES.get(runs.dataset, runs.dataset)})."
        ),
        head=("row", "stream", runs.protocol, other.protocol, "points", "95 % interval", "seeds", "clips"),
        body=tuple(body),
    )
