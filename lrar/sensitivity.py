"""How much a number depends on what the method leaves open: the seed, and how clips are divided."""

import numpy as np

from lrar import statistics
from lrar.names import DATASET_NAMES, PROTOCOL_NAMES, ROW_NAMES
from lrar.replay import Runs
from lrar.table import FIXED_SPACE, Table, Traced, counted, interval, signed
from lrar.tables import SEEN, setting


def between_seeds(runs: Runs) -> Table:
    """What another seed alone changes: rows with several seeds, each two seeds compared as if they were two rows."""
    body = []
    for row in runs.rows:
        for stream in SEEN:
            pairs = statistics.between_seeds(runs.records, row=row, stream=stream)
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
            f"without 0 ({setting(runs)})."
        ),
        head=("row", "stream", "points", "95 % interval", "pairs apart"),
        body=tuple(body),
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
            first, second = map(statistics.by_clip, outcomes)
            if (pair := statistics.paired(second, first)) is None:
                continue
            difference, (low, high), clips = pair
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
            body.append((ROW_NAMES[row], stream, *accuracies, points, span, str(len(clips))))
    return Table(
        caption=(
            f"Accuracy in percent, {PROTOCOL_NAMES[runs.protocol]} and {PROTOCOL_NAMES[other.protocol]}, on the clips that "
            f"both test ({DATASET_NAMES.get(runs.dataset, runs.dataset)})."
        ),
        head=("row", "stream", runs.protocol, other.protocol, "points", "95 % interval", "clips"),
        body=tuple(body),
    )
