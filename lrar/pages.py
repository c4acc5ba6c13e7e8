"""The numbers of the pages that are no notebooks: drawn from records into fragments, which the pages include.

A page under `book/` is prose that a person wrote; where a number belongs, it includes a file of `book/generated/`,
which is made anew before every build and never committed.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
from IPython.display import Image

from lrar import elsewhere, figures, literature, measured, sensitivity, tables, wording
from lrar.cache import atomic_write
from lrar.chapters import spots_html
from lrar.experiment import Data
from lrar.places import BOOK
from lrar.replay import Runs, existing
from lrar.settings import PROFILES, setting
from lrar.statistics import compare
from lrar.studies import CLAIMS, DISTILLATIONS, TABLES, Claim, streams_of, super_resolution
from lrar.table import Table, interval, linked, signed
from lrar.trace import on_page

DATASET = "ixmas6"
HMDB = "hmdb21"  # part of the paper's own data set, and with room for improvement: its verdicts come first
TWO_PROTOCOLS = ("plain", "full", "teacher")  # rows that were run on random clips too


NO_RUN = "No run of this exists yet."

# Where each claim is told: its page and its chapter.
PAGES = {
    "C1": ("claims/c1_super_resolution", "02_super_resolution"),
    "C2": ("claims/c2_distillation", "04_distillation"),
    "C3": ("claims/c3_attention", "05_attention_study"),
    "C4": ("claims/c4_full_system", "06_results"),
}
# Differences that no claim rests on, as baseline and row: what they say stands on the page of the claim.
ONE_MORE = {
    "feature_place": ("feature", "mean_feature"),  # features compared before attention, as students of C2 have none
    "all_place": ("all", "all_mean"),
    "attending": ("joint", "full"),  # distillation where the student pools as its teacher does
    "room_sr": ("sr", "teacher"),  # what there is to win back
    "room_plain": ("plain", "teacher"),
    "beyond_sr": ("sr", "full"),  # what distillation and attention add to super resolution
}
STUDY_OF = {"C1": "super_resolution", "C2": "distillation", "C3": "attention", "C4": "full"}


def write_fragments(records: Path = BOOK / "records", out: Path = BOOK / "generated") -> list[Path]:
    """Write every fragment.

    Args:
        records: root of the records.
        out: the folder that gets them.

    Returns:
        the files, text and pictures.
    """
    runs = existing(DATASET, profile="full", records=records)
    at_random = existing(DATASET, profile="full", records=records, rows=TWO_PROTOCOLS, protocol="random")
    hmdb = existing(HMDB, profile="full", records=records)
    shared = measured.shared_sources(Path(records), hmdb)
    again = elsewhere.again(Path(records))
    contents: dict[str, str | Image] = {
        "headline.md": verdict_table(runs, link=_book_links, address=on_page(DATASET), streams=("both",), stated=False),
        "hmdb_headline.md": verdict_table(hmdb, link=_hmdb_links, address=on_page(HMDB), streams=("both",)),
        "verdicts.md": verdict_table(runs, link=_book_links, address=on_page(DATASET), stated=False),
        "hmdb_verdicts.md": verdict_table(hmdb, link=_hmdb_links, address=on_page(HMDB), stated=False),
        "one_fold.md": measured.one_fold(Path(records)),
        "backbones.md": measured.backbones(Path(records)),
        "caches.md": measured.caches(Path(records)),
        "full_size.md": measured.full_size(Path(records)),
        "whole_hmdb51.md": measured.whole_hmdb51(Path(records), hmdb),
        "gpu.md": on_gpu(Path(records), hmdb),
        "two_processes.md": measured.two_processes(Path(records)),
        "processors.md": fragment(elsewhere.across_processors(runs, again)),
        "hmdb_processors.md": fragment(elsewhere.across_processors(hmdb, again), HMDB),
        "protocols.md": fragment(sensitivity.across_protocols(runs, at_random)),
        "more_pixels.md": fragment(tables.differences(runs, baseline="plain", rows=("pixels768", "pixels3072"))),
        "hmdb_large_teacher.md": fragment(tables.differences(hmdb, baseline="teacher", rows=("large_teacher",)), HMDB),
        "hmdb_larger.md": fragment(tables.accuracy(hmdb, rows=("teacher", "large_teacher")), HMDB),
        "hmdb_larger_accuracy.md": fragment(tables.accuracy(hmdb, rows=TABLES["larger"]), HMDB),
        "hmdb_larger_differences.md": fragment(
            tables.differences(hmdb, baseline="large_plain", rows=("large_sr", "large_full")), HMDB
        ),
        "hmdb_larger_gain.md": fragment(tables.differences(hmdb, baseline="plain", rows=("large_plain",)), HMDB),
        "hmdb_sr8.md": fragment(tables.differences(hmdb, baseline="sr", rows=("sr8",)), HMDB),
        "hmdb_heads.md": fragment(
            tables.differences(hmdb, baseline="joint", rows=("heads1", "heads2", "heads8")), HMDB
        ),
        "published_ixmas.md": fragment(literature.published("IXMAS")),
        "published_hmdb.md": fragment(literature.published("HMDB-51")),
        "hmdb_shared.md": measured.told_shared_sources(Path(records), hmdb),
        "hmdb_without_shared.md": sensitivity.without_shared(hmdb, shared=shared),
        "hmdb_claims.png": figures.claim_differences(hmdb),
        **of_one(runs, data="IXMAS", shared={}),
        **{f"hmdb_{name}": content for name, content in of_one(hmdb, data="HMDB-51", shared=shared).items()},
    }
    written = []
    for name, content in contents.items():
        path = Path(out) / name
        if isinstance(content, Image):
            atomic_write(path, content.data)
            path, content = path.with_suffix(".md"), image(name, content)
        atomic_write(path, content.encode())
        written.append(path)
    return written


def of_one(runs: Runs, *, data: str, shared: Mapping[int, Collection[str]]) -> dict[str, str | Image]:
    """The fragments that each of the two data sets has.

    Args:
        runs: its records.
        data: what the paper calls the whole of it.
        shared: by fold, test clips whose source video training saw too.
    """

    def told(table: Table) -> str:
        return fragment(table, runs.dataset)

    contents: dict[str, str | Image] = {
        "state.md": state(runs),
        "coverage.md": told(tables.coverage(runs)),
        "folds.md": told(tables.divisions(runs)),
        "settings.md": settings(runs.dataset),
        "cost.md": told(tables.cost(runs)),
        "total.md": total(runs),
        "quality.md": told(tables.quality(runs)),
        "room.md": room(runs),
        "seeds.md": told(sensitivity.between_seeds(runs)),
        "sr_seeds.md": told(sensitivity.each_seed(runs, rows=("sr",))),
        "teacher_seeds.md": told(sensitivity.each_seed(runs, rows=("teacher",))),
    }
    for name, (baseline, row) in ONE_MORE.items():
        contents[f"{name}.md"] = told(tables.differences(runs, baseline=baseline, rows=(row,)))
    for claim in CLAIMS:
        study, key = STUDY_OF[claim.name], claim.name.lower()
        baseline, *rows = TABLES[study]
        contents |= {
            f"{key}_result.md": result(runs, claim),
            f"{key}_verdict.md": told(tables.verdicts(runs, claims=(claim.name,))),
            f"{key}_looks.md": told(sensitivity.other_looks(runs, claim, shared=shared)),
            f"{key}_accuracy.md": accuracies(runs, study, data=data),
            f"{key}_differences.md": told(tables.differences(runs, baseline=baseline, rows=rows)),
            f"{key}.png": figures.differences(runs, baseline=baseline, rows=rows),
        }
    return contents


def fragment(table: Table, dataset: str = DATASET) -> str:
    """A table with its caption, as Markdown; its numbers lead to their runs. Says so where it has no line."""
    return table.directive(address=on_page(dataset)) + "\n" if table.body else f"{NO_RUN}\n"


def on_gpu(records: Path, runs: Runs) -> str:
    """What came out on a GPU, run by run against the records, and what it costs there."""
    found = measured.measurement(records, "gpu")
    if found is None:
        return measured.not_yet("gpu")
    again = fragment(elsewhere.across_processors(runs, found["probabilities"]), runs.dataset)
    return "\n".join((elsewhere.on_gpu(found, runs), again, measured.networks(found)))


def accuracies(runs: Runs, study: str, *, data: str) -> str:
    """The accuracies of a study's table, beside the paper's on all of the data set where a reader has typed them in."""
    table = tables.accuracy(runs, rows=TABLES[study], paper=literature.paper_values(study, data=data))
    return fragment(table, runs.dataset)


def image(name: str, content: Image) -> str:
    """A picture of this folder with its alternative text, as MyST, and what its marks say."""
    text = f"```{{image}} /generated/{name}\n:alt: {content.alt}\n```\n"
    spots = content.metadata.get("spots")
    return text if not spots else f"{text}\n```{{raw}} html\n{spots_html(spots)}\n```\n"


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


def _book_links(claim: str) -> str:
    page, chapter = PAGES[claim]
    return f"[claim](/{page}.md), [runs](/chapters/{DATASET}/{chapter}.ipynb)"


def _hmdb_links(claim: str) -> str:
    page, chapter = PAGES[claim]
    return f"[claim](/{page}.md), [runs](/chapters/{HMDB}/{chapter}.ipynb)"


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


def total(runs: Runs) -> str:
    """One sentence: what the study cost in all."""
    recognizers = [record for record in runs.records if record.probabilities]
    if not recognizers:
        return f"{NO_RUN}\n"
    hours = sum(record.train_seconds for record in runs.records) / 3600
    return (
        f"{len(recognizers)} runs and {len(runs.records) - len(recognizers)} super-resolution networks took "
        f"{hours:.1f} hours of training in all, measured in each run, waiting included ({'; '.join(wording.machines(runs))}).\n"
    )


def settings(dataset: str = DATASET) -> str:
    """Every field that decides how a row is trained, with its value in the full study and what it means."""
    lines = []
    network = super_resolution(Data(dataset=dataset), PROFILES["full"])
    for values in (setting(dataset).recipe, network, DISTILLATIONS["all"]):
        kind = type(values)
        meanings = dict(re.findall(r"^ {4}(\w+): (.+?)$", inspect.getdoc(kind), re.MULTILINE))
        for field in dataclasses.fields(kind):
            if field.name not in ("data", "seed"):
                value = str(getattr(values, field.name))
                lines.append((f"`{kind.__name__}.{field.name}`", value, meanings.get(field.name, "")))
    return Table(caption="", head=("field", "value", "meaning"), body=tuple(lines)).markdown() + "\n"
