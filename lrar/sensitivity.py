"""How much a number depends on what the method leaves open: the seed, how clips are divided, which clips count."""

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import combinations

import numpy as np

from lrar import statistics
from lrar.claims import CLAIMS
from lrar.films import without
from lrar.names import DATASET_NAMES, PROTOCOL_NAMES, ROW_NAMES
from lrar.outcomes import STREAM_NAMES
from lrar.pooling import Outcome, outcome
from lrar.records import Record
from lrar.replay import Runs
from lrar.table import Table, Traced, counted, interval, of_all, signed
from lrar.tables import SEEN
from lrar.wording import told_setting

FEW_FOLDS = 5  # as many can be looked at one by one


def pairs_of_seeds(records: Iterable[Record], *, row: str, stream: str) -> list[tuple[float, float, float]]:
    """What another seed alone does: the difference of a row to itself, for each two of its seeds.

    Returns:
        difference in points, never negative, and its 95 % interval, for each pair.
    """
    chosen = [record for record in records if record.row == row and record.probabilities]
    seeds = sorted({record.seed for record in chosen})
    outcomes = [outcome([record for record in chosen if record.seed == seed], row=row, stream=stream) for seed in seeds]
    differences = []
    for a, b in combinations([its for its in outcomes if its is not None], 2):
        if pair := statistics.paired(a, b):
            points, low, high = statistics.in_points(pair)
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
                    of_all(apart, len(pairs)),
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


def by_clip(result: Outcome) -> Outcome:
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


def each_seed(runs: Runs, *, rows: Iterable[str]) -> Table:
    """Accuracy of each seed of some rows: how much of a difference at one seed may be that seed's work."""
    seeds = sorted({record.seed for record in runs.records if record.row in rows and record.probabilities})
    body = []
    for row in rows:
        for stream in SEEN:
            cells = []
            for seed in seeds:
                result = outcome([its for its in runs.of(row) if its.seed == seed], row=row, stream=stream)
                says = f"{ROW_NAMES[row]}, {stream}, seed {seed}"
                cells.append("–" if result is None else Traced(f"{100 * result.accuracy:.1f}", row=row, says=says))
            if set(cells) != {"–"}:
                body.append((ROW_NAMES[row], stream, *cells))
    return Table(
        caption=f"Accuracy in percent of each seed ({told_setting(runs)}).",
        head=("row", "stream", *(f"seed {seed}" for seed in seeds)),
        body=tuple(body) if len(seeds) > 1 else (),
    )


def seeds_of_both(sides: Iterable[Iterable[Record]], *, row: str, stream: str) -> set[int]:
    """The seeds of a row that each side has in all folds in which it has the row at all."""
    shared: set[int] | None = None
    for records in sides:
        runs = [its for its in records if its.row == row and its.probabilities and stream in ("both", its.stream)]
        folds_of = defaultdict(set)
        for its in runs:
            folds_of[its.seed, its.stream].add(its.fold)
        whole = {its.fold for its in runs}
        streams = {its.stream for its in runs}
        complete = {its.seed for its in runs if all(folds_of[its.seed, name] == whole for name in streams)}
        shared = complete if shared is None else shared & complete
    return shared or set()


def across_protocols(runs: Runs, other: Runs) -> Table:
    """The same rows under two protocols, on the clips that both test.

    Args:
        runs: the records under the first protocol.
        other: those of the same data set under the second.
    """
    body = []
    for row in runs.rows:
        for stream in SEEN:
            sides = (runs.records, other.records)
            seeds = seeds_of_both(sides, row=row, stream=stream)
            chosen = [[record for record in side if record.seed in seeds] for side in sides]
            outcomes = [outcome(records, row=row, stream=stream) for records in chosen]
            if None in outcomes:
                continue
            first, second = map(by_clip, outcomes)
            if (pair := statistics.paired(second, first)) is None:
                continue
            points, low, high = statistics.in_points(pair)
            accuracies = [
                Traced(
                    f"{100 * np.mean([result.correct[name] for name in pair.names]):.1f}",
                    row=side.section(row),
                    says=f"{ROW_NAMES[row]}, {stream}, {PROTOCOL_NAMES[side.protocol]}: {counted(len(pair.names), 'clip')}",
                )
                for side, result in ((runs, first), (other, second))
            ]
            cells = signed(points), interval(low, high, sign=True), str(len(seeds)), str(len(pair.names))
            body.append((ROW_NAMES[row], stream, *accuracies, *cells))
    return Table(
        caption=(
            f"Accuracy in percent, {PROTOCOL_NAMES[runs.protocol]} and {PROTOCOL_NAMES[other.protocol]}, on the clips that "
            f"both test ({DATASET_NAMES.get(runs.dataset, runs.dataset)})."
        ),
        head=("row", "stream", runs.protocol, other.protocol, "points", "95 % interval", "seeds", "clips"),
        body=tuple(body),
    )


def other_looks(runs: Runs, *, row: str, baseline: str, shared: Mapping[int, Collection[str]]) -> Table:
    """A difference looked at in other ways: what seeds add, each seed, each fold alone and left out, fewer clips.

    Args:
        runs: the records.
        row: what is compared.
        baseline: with what; where a claim rests on the two, the table says so.
        shared: by fold, test clips whose source video training saw too; see `lrar.films.sources_on_both_sides`.
    """
    sides = {"row": row, "baseline": baseline}
    decides = any((claim.row, claim.baseline) == (row, baseline) for claim in CLAIMS)
    whole = "as it is judged" if decides else "all of it"
    folds, others = ({record.fold for record in runs.of(its)} for its in (row, baseline))
    records = [record for record in runs.records if record.row in (row, baseline) and record.fold in folds & others]
    seeds = sorted({record.seed for record in records})
    names = {record.fold: record.fold_name for record in records}
    looks = [(whole, records, False)]
    if len(seeds) > 1:
        looks.append((f"{whole}, and what other seeds would change", records, True))
        looks += [
            (f"seed {seed} alone", [record for record in records if record.seed == seed], False) for seed in seeds
        ]
    if len(seeds) > 2:  # the first was in view when the others were added
        looks.append((f"without seed {seeds[0]}", [record for record in records if record.seed != seeds[0]], False))
    if 1 < len(names) <= FEW_FOLDS:
        looks += [
            (f"{names[fold]} alone", [record for record in records if record.fold == fold], False)
            for fold in sorted(names)
        ]
    if 2 < len(names) <= FEW_FOLDS:
        looks += [
            (f"without {names[fold]}", [record for record in records if record.fold != fold], False)
            for fold in sorted(names)
        ]
    if count := sum(len(shared.get(fold, ())) for fold in names):
        fewer = [without(record, shared.get(record.fold, ())) for record in records]
        looks.append((f"without the {counted(count, 'test')} whose film training saw in another class", fewer, False))
    # Some rows have one stream alone: a column without any number would say nothing.
    streams = [stream for stream in STREAM_NAMES if statistics.compare(records, stream=stream, **sides)]
    body = []
    for words, chosen, with_seeds in looks:
        cells = []
        for stream in streams:
            error = statistics.seed_error(chosen, stream=stream, **sides) if with_seeds else None
            known = error is not None or not with_seeds
            result = statistics.compare(chosen, stream=stream, error=error, **sides) if known else None
            if result is None:
                cells.append("–")
                continue
            span = interval(result.low, result.high, sign=True)
            says = f"{stream}, {words}: {counted(result.n_clips, 'clip')}, {counted(result.runs, 'run')} of each"
            cells.append(Traced(f"{signed(result.difference)} {span}", row=row, says=says))
        if set(cells) - {"–"}:
            body.append((words, *cells))
    return Table(
        caption=(
            f"{ROW_NAMES[row]} minus {ROW_NAMES[baseline]}, in points with 95 % intervals, looked at in other ways "
            f"({told_setting(runs)}). {'The first line decides, the others are exploratory.' if decides else 'Exploratory.'}"
        ),
        head=("looked at", *(STREAM_NAMES[stream] for stream in streams)),
        body=tuple(body) if len(body) > 1 else (),
    )
