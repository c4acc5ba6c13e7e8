"""What came out for the claims, in a table and in sentences: for the pages and for the README."""

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from lrar import statistics, tables, wording
from lrar.claims import CLAIMS, HEADLINE, Claim
from lrar.names import ROW_NAMES
from lrar.records import Record
from lrar.replay import Runs
from lrar.studies import streams_of
from lrar.table import Table, counted, interval, linked, signed

NO_RUN = "No run of this exists yet."
RESTORED = "pixels3072"  # the plain student on what our super resolution is trained to restore, pixel for pixel
FEW = 5
STREAM_NAMES = {"both": "both streams", "rgb": "RGB alone", "flow": "flow alone"}


def verdict_table(
    runs: Runs,
    *,
    link: Callable[[str], str],
    address: Callable[[str], str] | None = None,
    streams: Iterable[str] = tuple(STREAM_NAMES),
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
    body = []
    for claim in CLAIMS:
        cells = [_verdict_cell(runs, claim, stream, address) for stream in streams]
        body.append((f"{claim.name}: {claim.text}", *cells, link(claim.name)))
    if stated:
        words = "C4 as the abstract states it: better than earlier methods on IXMAS and HMDB-51"
        untested = ["**not tested**" if stream == "both" else "*not tested*" for stream in streams]
        body.append((words, *untested, link("C4")))
    head = ("claim", *(STREAM_NAMES[stream] for stream in streams), "read on")
    return Table(caption="", head=head, body=tuple(body)).markdown() + "\n"


def _verdict_cell(runs: Runs, claim: Claim, stream: str, address: Callable[[str], str] | None) -> str:
    result = statistics.compare(runs.records, row=claim.row, baseline=claim.baseline, stream=stream)
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
    expected = {row: len(streams_of(row)) * runs.expected(row) for row in runs.rows}
    # Seeds beyond the profile's fill no gap of another row.
    there = {row: min(len(runs.of(row)), expected[row]) for row in runs.rows}
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
    found = statistics.compare(runs.records, row=claim.row, baseline=claim.baseline, stream=claim.stream)
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
    """How accurate student, full system and teacher are, and how far the teacher is ahead; nothing without a teacher."""
    both, rgb = (
        statistics.compare(runs.records, row="teacher", baseline="plain", stream=stream) for stream in ("both", "rgb")
    )
    if both is None:
        return ""
    alone = "" if rgb is None else f", RGB alone {signed(rgb.difference)} {interval(rgb.low, rgb.high, sign=True)}"
    names = {"plain": "plain student", "full": "full system", "teacher": "teacher"}
    reached = statistics.table(runs.records, rows=tuple(names))
    there = [
        f"{names[line['row']]} {line['accuracy']:.1f} %" for _, line in reached.iterrows() if line["stream"] == "both"
    ]
    text = (
        f"Accuracy, both streams: {', '.join(there)}. The teacher minus the plain student: "
        f"{signed(both.difference)} points {interval(both.low, both.high, sign=True)}, both streams{alone}. A part of that may "
        "be the teacher's attention."
    )
    if both.low <= 0 <= both.high:
        text += (
            " The interval of both streams contains 0, so no advantage of the teacher was measured on these clips, and neither "
            "*inconclusive* nor *contradicted* here says much about the method."
        )
    restored = {
        stream: statistics.compare(runs.records, row=RESTORED, baseline="plain", stream=stream)
        for stream in ("both", "rgb")
    }
    if all(restored.values()):
        told = {
            stream: f"{signed(found.difference)} {interval(found.low, found.high, sign=True)}"
            for stream, found in restored.items()
        }
        text += (
            " With perfect super resolution the plain student would see the frames that ours is trained to restore. On those it "
            f"gains {told['both']}, both streams, RGB alone {told['rgb']} ({counted(restored['both'].seeds, 'seed')})."
        )
    return f"{text}\n"


def errors(runs: Runs) -> str:
    """What the plain student takes for what at its first seed, RGB, and which tests no run of any row gets right."""
    first = [record for record in runs.of("plain", stream="rgb") if record.seed == 0]
    if all(record.correct.all() for record in first):  # not run, or faultless
        return "" if first else f"{NO_RUN}\n"
    classes = first[0].classes
    taken = Counter(
        (label, int(np.argmax(answer)))
        for record in first
        for label, answer in zip(record.labels, record.probabilities, strict=True)
        if np.argmax(answer) != label
    )
    (label, answer), count = taken.most_common(1)[0]
    wrong: Counter[tuple[int, str]] = Counter()
    tested: Counter[tuple[int, str]] = Counter()
    for record in runs.records:
        if record.probabilities:
            tests = [(record.fold, clip) for clip in record.clips]
            tested.update(tests)
            wrong.update(test for test, hit in zip(tests, record.correct, strict=True) if not hit)
    never = [test for test, times in tested.items() if wrong[test] == times]
    text = (
        f"Of the {taken.total()} errors of *{ROW_NAMES['plain']}*, RGB, first seed, {count} take *{classes[label]}* for "
        f"*{classes[answer]}*. {counted(len(never), 'test')} of {len(tested)} {'is' if len(never) == 1 else 'are'} wrong in "
        f"every run of every row, size and stream ({min(tested.values())} runs or more)"
    )
    named = ", ".join(f"`{clip}`" for _, clip in sorted(never)) if len(never) <= FEW else ""
    return f"{text}{f': {named}' if named else ''}.\n"


def other_makes(runs: Runs) -> str:
    """Which rows have runs that were made on another make of processor than what the verdicts rest on; one paragraph."""

    def named(records: Iterable[Record]) -> str:
        streams: dict[str, set[str]] = {}
        for record in records:
            streams.setdefault(record.row, set()).add(record.stream)
        return ", ".join(
            f"*{ROW_NAMES[row]}*" + ("" if len(streams[row]) > 1 else f" ({', '.join(streams[row])})")
            for row in runs.rows
            if row in streams
        )

    made = {record.processor for record in runs.records if record.row in HEADLINE}
    other = [record for record in runs.records if record.processor not in made]
    if not made or not other:
        return ""
    text = (
        f"On {wording.told_setting(runs)}, all runs that verdicts rest on were made on {' and '.join(sorted(made))}; these rows, "
        f"in whole or in part, on another make: {named(other)}."
    )
    rounded = named(record for record in other if not record.provenance.get("bfloat16", True))
    return (
        f"{text} In float32, on a processor that does not compute in bfloat16: {rounded}.\n" if rounded else f"{text}\n"
    )
