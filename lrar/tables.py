"""The tables of the book, drawn from records: one decimal, intervals in brackets."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from lrar import statistics
from lrar.claims import CLAIMS, Claim
from lrar.names import ROW_NAMES
from lrar.pooling import outcome
from lrar.replay import Runs, has_weights, networks_of
from lrar.statistics import Comparison, compare
from lrar.studies import STREAMS, streams_of
from lrar.table import FIXED_SPACE, Named, Table, Traced, counted, interval, of_all, out_of, signed
from lrar.wording import against_zero, count_runs, machines, of_folds, study_command, told_p, told_setting, told_verdict

SEEN = ("rgb", "flow", "both")


def coverage(runs: Runs) -> Table:
    """How much of each row exists, and the command that makes the rest."""
    body = []
    for row in runs.rows:
        expected = runs.expected(row)
        counts = {stream: len(runs.of(row, stream=stream)) for stream in streams_of(row)}
        complete = all(count >= expected for count in counts.values()) and expected > 0
        command = f"`{study_command(runs, row)}`"
        if not has_weights(row):
            command = "needs published weights, see `lrar weights check`"
        cells = [
            Traced(
                of_all(counts[stream], expected or "?"),
                row=row,
                says=f"{stream} runs of {ROW_NAMES[row]}",
            )
            if stream in counts
            else "–"
            for stream in STREAMS
        ]
        body.append((ROW_NAMES[row], *cells, "complete" if complete else command))
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
        caption=f"The folds that have records ({told_setting(runs)}). A group is what must not be divided: an actor, or the clips of a class "
        "that are cut from one source video.",
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
        caption=f"Accuracy ({told_setting(runs)}). Spread is the standard deviation over folds; seconds are of training, the median run's; both streams, the sum of the two.",
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
    """A row minus its baseline, in points, with what stands behind it."""
    span = interval(result.low, result.high, sign=True)
    behind = f"{counted(result.n_clips, 'clip')}, {counted(result.runs, 'run')} of each"
    says = f"{ROW_NAMES[row]} minus {ROW_NAMES[baseline]}, {stream}: {behind}; 95 % interval {span}"
    return Traced(signed(result.difference), row=row, says=says)


def differences(runs: Runs, *, baseline: str, rows: Iterable[str] = ()) -> Table:
    """Every row minus its baseline on the same clips."""
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


def sums(runs: Runs, lines: Mapping[str, Mapping[str, float]], *, of: str, same_seeds: bool = True) -> Table:
    """Accuracies of several rows added up, each with its weight: differences, and differences of differences.

    Args:
        runs: the records.
        lines: what a line is called, to the weight of each row; its numbers lead to the runs of the first.
        of: what all lines are about, for the caption.
        same_seeds: only the seeds that all rows of a line have; else each row has the mean of all its own.
    """
    body = []
    for words, weights in lines.items():
        for stream in SEEN:
            found = statistics.weighted(runs.records, weights=weights, stream=stream, same_seeds=same_seeds)
            if found is None:
                continue
            points, low, high = statistics.in_points(found)
            says = f"{words}, {stream}: {counted(len(found.names), 'clip')}"
            cells = (Traced(signed(points), row=next(iter(weights)), says=says), interval(low, high, sign=True))
            body.append((words, stream, *cells, against_zero(low, high), of_folds(found.folds, runs)))
    seeds = "The seeds that all rows of a line have." if same_seeds else "Each row with all of its seeds."
    return Table(
        caption=f"{of}, in points of accuracy on the same clips ({told_setting(runs)}). {seeds} Exploratory.",
        head=("what", "stream", "points", "95 % interval", "it lies", "folds"),
        body=tuple(body),
    )


def verdicts(runs: Runs, *, claims: Iterable[str] = ()) -> Table:
    """The claims by the fixed rule, one line a claim and stream.

    Args:
        runs: the records.
        claims: names of claims; by default all of them.
    """
    claims = tuple(claims)
    chosen = [claim for claim in CLAIMS if not claims or claim.name in claims]
    body = [_verdict_line(runs, claim, stream) for claim in chosen for stream in SEEN]
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
    found = {row: outcome(runs.records, row=row, stream=stream) for row in tuple(rows) or runs.rows}
    results = {row: result for row, result in found.items() if result is not None}
    names = {record.fold: record.fold_name for record in runs.records}
    body = []
    for fold in sorted(names):
        cells = []
        for row, result in results.items():
            values = [share for key, share in result.correct.items() if result.fold[key] == fold]
            says = f"{ROW_NAMES[row]}, {stream}, {names[fold]} held out: {counted(len(values), 'clip')}"
            cells.append(Traced(f"{100 * np.mean(values):.1f}", row=row, says=says) if values else "–")
        body.append((Named(names[fold]), *cells))
    return Table(
        caption=f"Accuracy in percent on each held-out fold, stream {stream} ({told_setting(runs)}).",
        head=("held out", *(ROW_NAMES[row] for row in results)),
        body=tuple(body),
    )


def quality(runs: Runs) -> Table:
    """How near restored frames are to HR, over the folds whose super-resolution network exists."""
    measured = [record.quality for record in runs.of("own")]
    body = []
    for source in ("nearest", "bicubic", "espcn", "fsrcnn", "sr") if measured else ():
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
                signed(gain.mean(), digits=2),
                f"{signed(gain.min(), digits=2)} to {signed(gain.max(), digits=2)}",
                f"{np.mean([own['ssim'] for own, _ in values]):.3f}",
                of_folds(len(values), runs),
            )
        )
    return Table(
        caption=f"Restored frames against HR, mean over folds of held-out clips ({told_setting(runs)}). PSNR falls with the mean squared "
        "error; SSIM compares means, contrasts and structure of small windows, 1 where they are the same. What is gained over bicubic "
        "frames is also given for the worst and the best fold.",
        head=("frames", "PSNR, dB", "against bicubic, dB", "worst to best fold, dB", "SSIM", "folds"),
        body=tuple(body),
    )


def cost(runs: Runs) -> Table:
    """What the runs behind a chapter cost: training alone, on the machine that the records name."""
    body = []
    for row in (*networks_of(runs.rows), *runs.rows):
        seconds = [record.train_seconds for record in runs.of(row)]
        if seconds:
            # The middle one: a run that was held up for an hour says nothing of what a run costs.
            middle = Traced(f"{np.median(seconds):.1f}", row=row, says=f"{min(seconds):.1f} to {max(seconds):.1f} s")
            body.append((ROW_NAMES[row], str(len(seconds)), middle, f"{sum(seconds) / 60:.1f}"))
    return Table(
        caption=f"Training time ({told_setting(runs)}; {'; '.join(machines(runs)) or 'no records yet'}).",
        head=("row", "runs", "seconds a run, median", "minutes in all"),
        body=tuple(body),
    )
