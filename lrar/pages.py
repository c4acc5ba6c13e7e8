"""The numbers of the pages that are no notebooks: drawn from records into fragments, which the pages include.

A page under `book/` is prose that a person wrote; where a number belongs, it includes a file of `book/generated/`,
which is made anew before every build and never committed. The README's table of verdicts comes from here too.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from IPython.display import Image

from lrar import figures, literature, measured, sensitivity, tables, wording
from lrar.cache import atomic_write
from lrar.chapters import spots_html
from lrar.clips import DataError
from lrar.experiment import Data
from lrar.places import BOOK
from lrar.replay import Runs, existing
from lrar.settings import PROFILES, setting
from lrar.statistics import compare
from lrar.studies import CLAIMS, DISTILLATIONS, STREAMS, TABLES, Claim, super_resolution
from lrar.table import Table, interval, linked, signed
from lrar.trace import on_page

DATASET = "ixmas6"
HMDB = "hmdb21"  # part of the paper's own data set, and with room for improvement: its verdicts come first
TWO_PROTOCOLS = ("plain", "full", "teacher")  # rows that were run on random clips too
START, END = "<!-- verdicts:start -->", "<!-- verdicts:end -->"

ON_HMDB = """**On HMDB-21**: 922 clips of HMDB-51 in colour, 21 of its 51 classes, 12x16 pixels, I3D with Kinetics-400 weights, its lower blocks
frozen. The three official splits test 684 of the clips, some more than once; the bootstrap resamples source videos."""
ON_IXMAS = """**On IXMAS-6**: 360 clips of real video, 6 actions, leave one actor out, 16x12 pixels, a compact network trained from scratch. The
bootstrap resamples actors; ten of them make an interval too narrow, nearer 90 % than 95 %."""
NO_RUN = "No run of this study exists yet."

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
    contents: dict[str, str | Image] = {
        "headline.md": verdict_table(runs, link=_book_links, address=on_page(DATASET), streams=("both",), stated=False),
        "verdicts.md": verdict_table(runs, link=_book_links, address=on_page(DATASET), stated=False),
        "hmdb_headline.md": verdict_table(hmdb, link=_hmdb_links, address=on_page(HMDB), streams=("both",)),
        "hmdb_verdicts.md": verdict_table(hmdb, link=_hmdb_links, address=on_page(HMDB), stated=False),
        "hmdb_state.md": state(hmdb),
        "hmdb_coverage.md": fragment(tables.coverage(hmdb), HMDB),
        "hmdb_folds.md": fragment(tables.divisions(hmdb), HMDB),
        "hmdb_quality.md": fragment(tables.quality(hmdb), HMDB),
        "hmdb_cost.md": fragment(tables.cost(hmdb), HMDB),
        "hmdb_total.md": total(hmdb),
        "hmdb_settings.md": settings(HMDB),
        "state.md": state(runs),
        "coverage.md": fragment(tables.coverage(runs)),
        "folds.md": fragment(tables.divisions(runs)),
        "settings.md": settings(),
        "cost.md": fragment(tables.cost(runs)),
        "total.md": total(runs),
        "one_fold.md": measured.one_fold(Path(records)),
        "backbones.md": measured.backbones(Path(records)),
        "caches.md": measured.caches(Path(records)),
        "full_size.md": measured.full_size(Path(records)),
        "quality.md": fragment(tables.quality(runs)),
        "room.md": room(runs),
        "hmdb_room.md": room(hmdb),
        "seeds.md": fragment(sensitivity.between_seeds(runs)),
        "hmdb_seeds.md": fragment(sensitivity.between_seeds(hmdb), HMDB),
        "processors.md": fragment(sensitivity.across_processors(runs, measured.again(Path(records)))),
        "protocols.md": fragment(sensitivity.across_protocols(runs, at_random)),
        "room_sr.md": fragment(tables.differences(runs, baseline="sr", rows=("teacher",))),
        "room_plain.md": fragment(tables.differences(runs, baseline="plain", rows=("teacher",))),
        "hmdb_sr8.md": fragment(tables.differences(hmdb, baseline="sr", rows=("sr8",)), HMDB),
        "hmdb_heads.md": fragment(
            tables.differences(hmdb, baseline="joint", rows=("heads1", "heads2", "heads8")), HMDB
        ),
        "more_pixels.md": fragment(tables.differences(runs, baseline="plain", rows=("pixels768", "pixels3072"))),
        "sr_seeds.md": fragment(sensitivity.each_seed(runs, rows=("sr",))),
        "hmdb_sr_seeds.md": fragment(sensitivity.each_seed(hmdb, rows=("sr",)), HMDB),
        "hmdb_teacher_seeds.md": fragment(sensitivity.each_seed(hmdb, rows=("teacher",)), HMDB),
        "teacher_seeds.md": fragment(sensitivity.each_seed(runs, rows=("teacher",))),
        "hmdb_room_sr.md": fragment(tables.differences(hmdb, baseline="sr", rows=("teacher",)), HMDB),
        "hmdb_room_plain.md": fragment(tables.differences(hmdb, baseline="plain", rows=("teacher",)), HMDB),
        "published_ixmas.md": fragment(literature.published("IXMAS")),
        "published_hmdb.md": fragment(literature.published("HMDB-51")),
        "hmdb_shared.md": measured.told_shared_sources(Path(records), hmdb),
        "hmdb_without_shared.md": sensitivity.without_shared(hmdb, shared=shared),
        "hmdb_claims.png": figures.claim_differences(hmdb),
    }
    for name, (baseline, row) in ONE_MORE.items():
        contents[f"{name}.md"] = fragment(tables.differences(runs, baseline=baseline, rows=(row,)))
        contents[f"hmdb_{name}.md"] = fragment(tables.differences(hmdb, baseline=baseline, rows=(row,)), HMDB)
    for claim in CLAIMS:
        study, key = STUDY_OF[claim.name], claim.name.lower()
        baseline, *rows = TABLES[study]
        contents |= {
            f"{key}_result.md": result(runs, claim),
            f"hmdb_{key}_result.md": result(hmdb, claim),
            f"{key}_verdict.md": fragment(tables.verdicts(runs, claims=(claim.name,))),
            f"{key}_looks.md": fragment(sensitivity.other_looks(runs, claim, shared={})),
            f"{key}_accuracy.md": accuracies(runs, study, data="IXMAS"),
            f"{key}_differences.md": fragment(tables.differences(runs, baseline=baseline, rows=rows)),
            f"{key}.png": figures.differences(runs, baseline=baseline, rows=rows),
            f"hmdb_{key}.png": figures.differences(hmdb, baseline=baseline, rows=rows),
            f"hmdb_{key}_verdict.md": fragment(tables.verdicts(hmdb, claims=(claim.name,)), HMDB),
            f"hmdb_{key}_looks.md": fragment(sensitivity.other_looks(hmdb, claim, shared=shared), HMDB),
            f"hmdb_{key}_accuracy.md": accuracies(hmdb, study, data="HMDB-51"),
            f"hmdb_{key}_differences.md": fragment(tables.differences(hmdb, baseline=baseline, rows=rows), HMDB),
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


def fragment(table: Table, dataset: str = DATASET) -> str:
    """A table with its caption, as Markdown; its numbers lead to their runs. Says so where it has no line."""
    return table.directive(address=on_page(dataset)) + "\n" if table.body else f"{NO_RUN}\n"


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


def _readme_links(claim: str) -> str:
    page, chapter = PAGES[claim]
    return f"[claim](book/{page}.md), [notebook](notebooks/{chapter}.ipynb)"


def readme_table(records: Path = BOOK / "records") -> str:
    """The verdict table as the README has it between its two markers."""
    ixmas = existing(DATASET, profile="full", records=records)
    hmdb = existing(HMDB, profile="full", records=records)
    return (
        f"{ON_HMDB}\n\n{verdict_table(hmdb, link=_readme_links)}\n{room(hmdb)}{state(hmdb)}\n"
        f"{ON_IXMAS}\n\n{verdict_table(ixmas, link=_readme_links, stated=False)}\n{room(ixmas)}{state(ixmas)}"
    )


def readme_with(table: str, readme: str) -> str:
    """The README's text with its table replaced.

    Raises:
        DataError: it lacks the markers.
    """
    if readme.count(START) != 1 or readme.count(END) != 1:
        raise DataError(f"README.md: the lines {START} and {END} must stand in it once each. Put them back.")
    before, rest = readme.split(START)
    return f"{before}{START}\n\n{table}\n{END}{rest.split(END)[1]}"


def update_readme(records: Path = BOOK / "records", readme: Path = BOOK.parent / "README.md") -> None:
    """Write the README's verdict table anew."""
    atomic_write(readme, readme_with(readme_table(records), readme.read_text()).encode())


def state(runs: Runs) -> str:
    """How much of the study exists, and whether the code has changed since."""
    there = {row: len(runs.of(row)) for row in runs.rows}
    expected = {row: len(STREAMS) * runs.expected(row) for row in runs.rows}
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
        "Room for improvement: the teacher, which sees high resolution, leads the plain student by "
        f"{signed(both.difference)} points {interval(both.low, both.high, sign=True)}, both streams{alone}. "
        "It has joint attention too, which the plain student lacks."
    )
    if both.low <= 0 <= both.high:
        text += (
            " The interval of both contains 0: no advantage of the teacher was measured on these clips, and neither "
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
        f"{hours:.1f} hours of training in all, measured in each run, with what held it up ({'; '.join(wording.machines(runs))}).\n"
    )


def settings(dataset: str = DATASET) -> str:
    """Every field that decides how a row is trained, with its value in the full study and what it means."""
    lines = []
    network = super_resolution(Data(dataset=dataset), PROFILES["full"])
    for values in (setting(dataset).recipe, network, DISTILLATIONS["all"]):
        kind = type(values)
        meanings = dict(re.findall(r"^ {8}(\w+): (.+?)$", kind.__doc__, re.MULTILINE))
        for field in dataclasses.fields(kind):
            if field.name not in ("data", "seed"):
                value = str(getattr(values, field.name))
                lines.append((f"`{kind.__name__}.{field.name}`", value, meanings.get(field.name, "")))
    return Table(caption="", head=("field", "value", "meaning"), body=tuple(lines)).markdown() + "\n"
