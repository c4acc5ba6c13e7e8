"""The tables of the book, drawn from records: one decimal, intervals in brackets."""

import shlex
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from lrar import statistics
from lrar.names import DATASET_NAMES, PROTOCOL_NAMES, ROW_NAMES
from lrar.replay import Runs, has_weights
from lrar.statistics import Comparison, compare
from lrar.studies import CLAIMS, ROWS, STREAMS, Claim
from lrar.table import FIXED_SPACE, Named, Table, Traced, counted, interval, out_of, signed
from lrar.vouching import older_than_code

SEEN = ("rgb", "flow", "both")


def told_setting(runs: Runs) -> str:
    """Data set and protocol, for captions."""
    dataset = DATASET_NAMES.get(runs.dataset, runs.dataset)
    return f"{dataset}, {PROTOCOL_NAMES.get(runs.protocol, runs.protocol)}"


def age(runs: Runs) -> str:
    """How many records are older than the code that decides results; nothing where none is."""
    older = [set(older_than_code(record)) for record in runs.records]
    modules = sorted(set().union(*older))
    if not modules:
        return ""
    count = sum(bool(changed) for changed in older)
    return f"{count} of {len(older)} records were made before the latest change to {', '.join(modules)}."


def note(runs: Runs) -> str:
    """What the numbers of a data set can and cannot say."""
    if runs.dataset == "synthetic":
        text = (
            "These clips are rendered, and every number below is synthetic. It shows that each step runs, and what it "
            "would look like. It supports no claim about real videos."
        )
    elif runs.dataset == "ixmas6":
        text = (
            "IXMAS-6 is real video: 6 of the 12 actions of IXMAS, each performance seen by two of the cameras 0 to 3. "
            "Fewer classes are easier to tell apart, so its accuracies do not compare with published ones on all of "
            "IXMAS."
        )
    elif runs.dataset == "hmdb21":
        text = (
            "HMDB-21 is real video: the 922 trimmed clips of 21 of the 51 classes of HMDB-51 that JHMDB chose, with the "
            "official splits. Its accuracies do not compare with published ones on HMDB-51."
        )
    else:
        text = f"{runs.dataset}: the numbers hold for these clips and this protocol."
    return textwrap.fill(text, 80)


def count_runs(runs: Runs, row: str, stream: str) -> str:
    """How many runs stand behind a row's number, in words; two are fused into one where the stream is both."""
    return counted(len(runs.of(row, stream=None if stream == "both" else stream)), "run")


def of_folds(count: int, runs: Runs) -> str:
    """`10`, or `7 of 10` where folds are missing."""
    return out_of(count, runs.folds)


def is_complete(result: Comparison, runs: Runs, *, row: str, baseline: str) -> bool:
    """Whether all folds and seeds of both sides of a comparison exist."""
    return result.seeds >= min(runs.seeds(row), runs.seeds(baseline)) and result.folds >= runs.folds


def told_verdict(result: Comparison | None, runs: Runs, *, row: str, baseline: str) -> str:
    """The verdict in words: not yet final while folds or seeds are missing, and marked on synthetic data."""
    if result is None:
        return "not run yet"
    words = result.verdict
    if words != "not tested" and not is_complete(result, runs, row=row, baseline=baseline):
        words = f"so far {words}"
    return f"{words}, synthetic" if runs.dataset == "synthetic" else words


def against_zero(low: float, high: float) -> str:
    """Where an interval lies. Only a claim has a verdict; every other line is told in these words."""
    places = {"supported": "above 0", "contradicted": "below 0", "inconclusive": "contains 0", "not tested": "–"}
    return places[statistics.verdict(low, high)]


def coverage(runs: Runs) -> Table:
    """How much of each row exists, and the command that makes the rest."""
    body = []
    for row in runs.rows:
        expected = runs.expected(row)
        counts = [len(runs.of(row, stream=stream)) for stream in STREAMS]
        complete = all(count >= expected for count in counts) and expected > 0
        option = "" if runs.profile == "full" else f" --profile {runs.profile}"
        command = f"`lrar study {ROWS[row]} --dataset {shlex.quote(runs.dataset)}{option} --rows {row}`"
        if not has_weights(row):
            command = "needs published weights, see `lrar weights check`"
        cells = [
            Traced(
                f"{count} of {expected or '?'}".replace(" ", FIXED_SPACE),
                row=row,
                says=f"{stream} runs of {ROW_NAMES[row]}",
            )
            for stream, count in zip(STREAMS, counts, strict=True)
        ]
        body.append((ROW_NAMES.get(row, row), *cells, "complete" if complete else command))
    return Table(
        caption=f"Runs that exist ({told_setting(runs)}, profile {runs.profile}).",
        head=("row", "rgb runs", "flow runs", "the rest is made by"),
        body=tuple(body),
    )


def divisions(runs: Runs) -> Table:
    """Every fold: who is held out, and how many clips stand on each side."""
    folds = {}
    for record in runs.records:
        if record.clips:
            groups = len(set(record.groups))
            folds[record.fold] = (Named(record.fold_name), str(groups), str(record.n_train), str(len(record.clips)))
    return Table(
        caption=f"The folds that have records ({told_setting(runs)}).",
        head=("held out", "groups held out", "training clips", "test clips"),
        body=tuple(folds[fold] for fold in sorted(folds)),
    )


def accuracy(runs: Runs, *, rows: Iterable[str] = (), paper: Mapping[tuple[str, str], str] | None = None) -> Table:
    """Accuracy of each row and stream.

    Args:
        runs: the records.
        rows: by default those of `runs`.
        paper: values of the paper by row and stream, where a reader has typed them in; they stand in a column of their
            own, and are on all classes of the data set.
    """
    body = []
    for _, line in statistics.table(runs.records, rows=tuple(rows) or runs.rows).iterrows():
        row, stream = line["row"], line["stream"]
        cells = (
            ROW_NAMES[row],
            stream,
            told_accuracy(runs, line),
            interval(line["low"], line["high"]),
            "–" if np.isnan(line["spread"]) else f"{line['spread']:.1f}",
            of_folds(line["folds"], runs),
            out_of(line["seeds"], runs.seeds(row)),
            str(line["clips"]),
            f"{line['seconds']:.1f}",
        )
        if paper:
            cells = (*cells, paper.get((row, stream), "–"))
        body.append(cells)
    head = ("row", "stream", "accuracy, %", "95 % interval", "spread", "folds", "seeds", "clips", "seconds")
    return Table(
        caption=f"Accuracy ({told_setting(runs)}). Spread is the standard deviation over folds; seconds train one run.",
        head=(*head, *(("the paper's, all classes, %",) if paper else ())),
        body=tuple(body),
    )


def told_accuracy(runs: Runs, line: Mapping[str, Any]) -> Traced:
    """The accuracy of a line of `lrar.statistics.table`, with what stands behind it."""
    row, stream = line["row"], line["stream"]
    behind = f"{count_runs(runs, row, stream)}, {counted(line['clips'], 'clip')}"
    says = f"{ROW_NAMES[row]}, {stream}: {behind}; 95 % interval {interval(line['low'], line['high'])}"
    return Traced(f"{line['accuracy']:.1f}", row=row, says=says)


def comparisons(runs: Runs, *, baseline: str, rows: Iterable[str] = ()) -> dict[tuple[str, str], Comparison]:
    """Every row against a baseline, for every stream that both have, by row and stream."""
    results = {
        (row, stream): compare(runs.records, row=row, baseline=baseline, stream=stream)
        for row in tuple(rows) or runs.rows
        for stream in SEEN
        if row != baseline
    }
    return {key: result for key, result in results.items() if result is not None}


def difference(result: Comparison, *, row: str, baseline: str, stream: str) -> Traced:
    """A row less its baseline, in points, with what stands behind it."""
    span = interval(result.low, result.high, sign=True)
    behind = f"{counted(result.n_clips, 'clip')}, {counted(result.runs, 'run')} of each"
    says = f"{ROW_NAMES[row]} less {ROW_NAMES[baseline]}, {stream}: {behind}; 95 % interval {span}"
    return Traced(signed(result.difference), row=row, says=says)


def differences(runs: Runs, *, baseline: str, rows: Iterable[str] = ()) -> Table:
    """Every row less its baseline on the same clips."""
    body = [
        (
            ROW_NAMES[row],
            stream,
            difference(result, row=row, baseline=baseline, stream=stream),
            interval(result.low, result.high, sign=True),
            against_zero(result.low, result.high),
            "–" if np.isnan(result.p_value) else f"{result.gained} / {result.lost}".replace(" ", FIXED_SPACE),
            told_p(result.p_value),
            of_folds(result.folds, runs),
            str(result.seeds),
        )
        for (row, stream), result in comparisons(runs, baseline=baseline, rows=rows).items()
    ]
    head = ("row", "stream", "points", "95 % interval", "it lies", "clips +/−", "p", "folds", "seeds")
    caption = (
        f"Difference to {ROW_NAMES[baseline]} on the same clips, in points of accuracy ({told_setting(runs)}). "
        "Points and interval are over the seeds that both rows have. Clips gained and lost, and McNemar's p, compare the "
        "first of them, so they can point the other way; they decide nothing."
    )
    return Table(caption=caption, head=head, body=tuple(body))


def told_p(value: float) -> str:
    """A p-value in three decimals."""
    if np.isnan(value):
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def verdicts(runs: Runs, *, claims: Iterable[str] = (), streams: Iterable[str] = SEEN) -> Table:
    """The claims by the fixed rule, one line a claim and stream.

    Args:
        runs: the records.
        claims: names of claims; by default all of them.
        streams: by default each stream and both.
    """
    chosen = [claim for claim in CLAIMS if claim.name in (tuple(claims) or [claim.name for claim in CLAIMS])]
    body = [_verdict_line(runs, claim, stream) for claim in chosen for stream in streams]
    force = " Synthetic clips support no claim." if runs.dataset == "synthetic" else ""
    return Table(
        caption=f"Verdict ({told_setting(runs)}).{force}",
        head=("claim", "stream", "verdict", "points", "95 % interval", "folds", "seeds"),
        body=tuple(body),
    )


def _verdict_line(runs: Runs, claim: Claim, stream: str) -> tuple[str, ...]:
    result = compare(runs.records, row=claim.row, baseline=claim.baseline, stream=stream)
    words = told_verdict(result, runs, row=claim.row, baseline=claim.baseline)
    numbers = ("–", "–", of_folds(0, runs), "–")
    if result is not None:
        span = interval(result.low, result.high, sign=True)
        points = difference(result, row=claim.row, baseline=claim.baseline, stream=stream)
        numbers = (points, span, of_folds(result.folds, runs), str(result.seeds))
    return (f"{claim.name}: {claim.text}", stream, words, *numbers)


def by_fold(runs: Runs, *, stream: str, rows: Iterable[str] = ()) -> Table:
    """Accuracy of each row on each held-out fold, the mean over its seeds."""
    rows = [row for row in tuple(rows) or runs.rows if statistics.outcome(runs.records, row=row, stream=stream)]
    names = {record.fold: record.fold_name for record in runs.records}
    results = [statistics.outcome(runs.records, row=row, stream=stream) for row in rows]
    body = []
    for fold in sorted(names):
        cells = []
        for row, result in zip(rows, results, strict=True):
            values = [share for key, share in result.correct.items() if result.fold[key] == fold]
            says = f"{ROW_NAMES[row]}, {stream}, {names[fold]} held out: {counted(len(values), 'clip')}"
            cells.append(Traced(f"{100 * np.mean(values):.1f}", row=row, says=says) if values else "–")
        body.append((Named(names[fold]), *cells))
    return Table(
        caption=f"Accuracy in percent on each held-out fold, stream {stream} ({told_setting(runs)}).",
        head=("held out", *(ROW_NAMES[row] for row in rows)),
        body=tuple(body),
    )


def quality(runs: Runs) -> Table:
    """How near restored frames are to HR, over the folds whose super-resolution network exists."""
    measured = [record.quality for record in runs.of("own")]
    sources = [source for source in ("nearest", "bicubic", "espcn", "fsrcnn", "sr") if measured]
    body = []
    for source in sources:
        values = [(quality[source], quality["bicubic"]) for quality in measured if source in quality]
        if not values:
            body.append((ROW_NAMES.get(source, source), "–", "–", "–", "–", "0"))
            continue
        psnr = np.array([own["psnr"] for own, _ in values])
        gain = np.array([own["psnr"] - plain["psnr"] for own, plain in values])
        body.append(
            (
                ROW_NAMES.get(source, source),
                Traced(f"{psnr.mean():.2f}", row="own", says=f"measured by {counted(len(values), 'run')}"),
                f"{gain.mean():+.2f}".replace("-", "−"),
                f"{gain.min():+.2f} to {gain.max():+.2f}".replace("-", "−"),
                f"{np.mean([own['ssim'] for own, _ in values]):.3f}",
                of_folds(len(values), runs),
            )
        )
    return Table(
        caption=f"Restored frames against HR, mean over folds of held-out clips ({told_setting(runs)}).",
        head=("frames", "PSNR, dB", "against bicubic, dB", "worst to best fold, dB", "SSIM", "folds"),
        body=tuple(body),
    )


def cost(runs: Runs) -> Table:
    """What the runs behind a chapter cost: training alone, on the machine that the records name."""
    body = []
    for row in ("own", *runs.rows):
        seconds = [record.train_seconds for record in runs.of(row)]
        if seconds:
            # The middle one: a run that was held up for an hour says nothing of what a run costs.
            middle = Traced(f"{np.median(seconds):.1f}", row=row, says=f"{min(seconds):.1f} to {max(seconds):.1f} s")
            body.append((ROW_NAMES[row], str(len(seconds)), middle, f"{sum(seconds) / 60:.1f}"))
    return Table(
        caption=f"Training time ({told_setting(runs)}; {', '.join(machines(runs)) or 'no records yet'}).",
        head=("row", "runs", "seconds a run, median", "minutes in all"),
        body=tuple(body),
    )


def machines(runs: Runs) -> list[str]:
    """The machines that made the records."""
    return sorted({record.machine for record in runs.records})
