"""What came out for the claims, in a table and in sentences: for the pages and for the README."""

from collections.abc import Callable, Iterable

import numpy as np

from lrar import tables, wording
from lrar.replay import Runs
from lrar.statistics import compare
from lrar.studies import CLAIMS, Claim, streams_of
from lrar.table import Table, interval, linked, signed

NO_RUN = "No run of this exists yet."


def verdict_table(
    runs: Runs,
    *,
    link: Callable[[str], str],
    address: Callable[[str], str] | None = None,
    streams: Iterable[str] = ("both", "rgb", "flow"),
    stated: bool = True,
) -> str:
    """One line a claim; a cell says the verdict, the effect in points and its interval. The stream that decides is bold.

    Args:
        runs: the records.
        link: from a claim's name to the Markdown of its last cell.
        address: from a row to where its runs are listed; without it, numbers are no links.
        streams: one column each.
        stated: end with what the abstract states of C4, which no data here can carry.
    """
    names = {"both": "both streams", "rgb": "RGB alone", "flow": "flow alone"}
    body = []
    for claim in CLAIMS:
        cells = [_verdict_cell(runs, claim, stream, address) for stream in streams]
        body.append((f"{claim.name}: {claim.text}", *cells, link(claim.name)))
    if stated:
        words = "C4 as the abstract states it: better than earlier methods on IXMAS and HMDB-51"
        untested = ["**not tested**" if stream == "both" else "*not tested*" for stream in streams]
        body.append((words, *untested, link("C4")))
    head = ("claim", *(names[stream] for stream in streams), "read on")
    return Table(caption="", head=head, body=tuple(body)).markdown() + "\n"


def _verdict_cell(runs: Runs, claim: Claim, stream: str, address: Callable[[str], str] | None) -> str:
    result = compare(runs.records, row=claim.row, baseline=claim.baseline, stream=stream)
    words = wording.told_verdict(result, runs, row=claim.row, baseline=claim.baseline)
    mark = "**" if stream == claim.stream else "*"
    if result is None:
        return f"{mark}{words}{mark}"
    points = tables.difference(result, row=claim.row, baseline=claim.baseline, stream=stream)
    span = "" if np.isnan(result.low) else f" {interval(result.low, result.high, sign=True)}"
    missing = f", {wording.of_folds(result.folds, runs)} folds" if result.folds < runs.folds else ""
    return f"{mark}{words}{mark}: {linked(points, address)}{span}{missing}"


def state(runs: Runs) -> str:
    """How much of the study exists, and whether the code has changed since."""
    there = {row: len(runs.of(row)) for row in runs.rows}
    expected = {row: len(streams_of(row)) * runs.expected(row) for row in runs.rows}
    if not any(there.values()):
        return f"{NO_RUN}\n"
    behind = {row for claim in CLAIMS for row in (claim.row, claim.baseline)}
    if sum(there.values()) < sum(expected.values()):
        final = all(there.get(row, 0) >= expected.get(row, 1) for row in behind)
        verdicts = "all that these verdicts rest on are among them" if final else "these verdicts may still change"
        text = (
            f"The study is not complete: {sum(there.values())} of {sum(expected.values())} runs exist, and {verdicts}."
        )
    else:
        text = f"The study is complete: all {sum(expected.values())} runs exist."
    return f"{text} {wording.age(runs)}".rstrip() + "\n"


def result(runs: Runs, claim: Claim) -> str:
    """What came out for a claim, both streams, in one sentence; nothing while it was not run."""
    found = compare(runs.records, row=claim.row, baseline=claim.baseline, stream=claim.stream)
    if found is None or np.isnan(found.low):
        return ""
    words = wording.told_verdict(found, runs, row=claim.row, baseline=claim.baseline)
    span = interval(found.low, found.high, sign=True)
    text = f"**What came out**: *{words}*, {signed(found.difference)} points {span}, both streams."
    if found.low <= 0 <= found.high:
        text += (
            f" No difference was seen; a gain of more than {found.high:.1f} points or a loss of more than {abs(found.low):.1f} "
            "lies outside the interval."
        )
    return f"{text}\n"


def room(runs: Runs) -> str:
    """What the teacher is worth here, and so what there is to win back; nothing while it was not run."""
    both, rgb = (compare(runs.records, row="teacher", baseline="plain", stream=stream) for stream in ("both", "rgb"))
    if both is None:
        return ""
    alone = "" if rgb is None else f", RGB alone {signed(rgb.difference)} {interval(rgb.low, rgb.high, sign=True)}"
    text = (
        "Room for improvement, the teacher, which sees high resolution, less the plain student: "
        f"{signed(both.difference)} points {interval(both.low, both.high, sign=True)}, both streams{alone}. "
        "It has joint attention too, which the plain student lacks."
    )
    if both.low <= 0 <= both.high:
        text += (
            " The interval of both streams contains 0: no advantage of the teacher was measured on these clips, and neither "
            "*inconclusive* nor *contradicted* here says much about the method."
        )
    return f"{text}\n"
