"""Films from which clips of several classes were cut: training may see one of a class, testing one of another."""

import dataclasses
from collections.abc import Collection, Mapping

import numpy as np

from lrar import statistics
from lrar.bootstrap import bootstrap_gap, bootstrap_interval
from lrar.claims import CLAIMS
from lrar.clips import ClipSet
from lrar.names import ROW_NAMES
from lrar.protocols import folds
from lrar.records import Record
from lrar.replay import Runs
from lrar.table import Table, Traced, counted, interval, signed
from lrar.tables import SEEN
from lrar.wording import against_zero, told_setting


def sources_on_both_sides(clip_set: ClipSet, protocol: str) -> list[list[str]]:
    """Test clips whose source video training saw too, in clips of another class.

    The group of an HMDB-51 clip is `class/source video`, and no group stands on both sides; a film from which clips of
    several classes were cut may.

    Returns:
        names of test clips, sorted, for each fold.
    """

    def source(index: int) -> str:
        return clip_set.clips[index].group.rpartition("/")[2]

    found = []
    for fold in folds(clip_set, protocol):
        trained = set(map(source, fold.train))
        found.append(sorted(clip_set.clips[i].name for i in fold.test if source(i) in trained))
    return found


def without(record: Record, clips: Collection[str]) -> Record:
    """A record as if some of its clips had not been tested."""
    kept = [index for index, name in enumerate(record.clips) if name not in clips]
    lists = ("clips", "labels", "groups", "probabilities")
    return dataclasses.replace(record, **{name: [getattr(record, name)[index] for index in kept] for name in lists})


def without_shared(runs: Runs, *, shared: Mapping[int, Collection[str]]) -> str:
    """One sentence: which verdicts, both streams, are others without the tests whose film training saw too.

    Nothing where these tests are not known.
    """
    if not any(shared.values()):
        return ""
    fewer = [without(record, shared.get(record.fold, ())) for record in runs.records]
    others = []
    for claim in CLAIMS:
        sides = {"row": claim.row, "baseline": claim.baseline, "stream": claim.stream}
        before, after = (statistics.compare(records, **sides) for records in (runs.records, fewer))
        if before and after and before.verdict != after.verdict:
            others.append(f"{claim.name} is *{after.verdict}*, not *{before.verdict}*")
    if not others:
        return "Without these tests every verdict on both streams is the same.\n"
    return f"**Without these tests {' and '.join(others)}**; every other verdict on both streams is the same.\n"


def on_shared_films(runs: Runs, *, shared: Mapping[int, Collection[str]]) -> Table:
    """The difference of each claim on tests whose film training saw in another class, on the others, and how far these lie apart.

    Films are resampled, with all of their classes.

    Args:
        runs: the records.
        shared: by fold, such tests; see `sources_on_both_sides`.
    """
    keys = {f"{fold}:{name}" for fold, names in shared.items() for name in names}
    body = []
    for claim in CLAIMS:
        for stream in SEEN:
            found = statistics.weighted(runs.records, weights={claim.row: 1, claim.baseline: -1}, stream=stream)
            if found is None:
                continue
            seen = np.array([name in keys for name in found.names])
            if not seen.any() or seen.all():
                continue
            films = np.array([group.rpartition("/")[2] for group in found.groups])
            cells = []
            for chosen in (seen, ~seen):
                low, high = bootstrap_interval(found.values[chosen], films[chosen])
                says = f"{ROW_NAMES[claim.row]} minus {ROW_NAMES[claim.baseline]}, {stream}: {counted(int(chosen.sum()), 'clip')}"
                text = f"{signed(100 * found.values[chosen].mean())} {interval(100 * low, 100 * high, sign=True)}"
                cells.append(Traced(text, row=claim.row, says=says))
            gap = 100 * (found.values[seen].mean() - found.values[~seen].mean())
            low, high = (100 * end for end in bootstrap_gap(found.values, films, first=seen))
            apart = f"{signed(gap)} {interval(low, high, sign=True)}"
            body.append((claim.name, stream, *cells, apart, against_zero(low, high)))
    return Table(
        caption=f"The differences of the claims, in points with 95 % intervals over films, on tests whose film training saw in another "
        f"class, on the others, and the first minus the second ({told_setting(runs)}). Exploratory.",
        head=("claim", "stream", "film seen", "film not seen", "apart", "it lies"),
        body=tuple(body),
    )
