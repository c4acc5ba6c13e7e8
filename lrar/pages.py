"""The numbers of the pages that are no notebooks: drawn from records into fragments, which the pages include.

A page under `book/` is prose that a person wrote; where a number belongs, it includes a file of `book/generated/`,
which is made anew before every build and never committed.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from IPython.display import Image

from lrar import elsewhere, figures, films, literature, measured, sensitivity, tables, wording
from lrar.cache import atomic_write
from lrar.chapters import spots_html
from lrar.claims import CLAIMS
from lrar.experiment import Data
from lrar.names import ROW_NAMES
from lrar.outcomes import NO_RUN, RESTORED, errors, other_makes, result, room, state, verdict_table
from lrar.places import BOOK
from lrar.replay import Runs, existing
from lrar.settings import PROFILES, setting
from lrar.small import SHIPPED, load_student
from lrar.studies import DISTILLATIONS, TABLES, super_resolution
from lrar.table import Table
from lrar.trace import on_page

DATASET = "ixmas6"
HMDB = "hmdb21"  # part of the paper's own data set, and with room for improvement: its verdicts come first
TWO_PROTOCOLS = ("plain", "full", "teacher")  # rows that were run on random clips too

# Where each claim is told: its page and its chapter.
PAGES = {
    "C1": ("claims/c1_super_resolution", "02_super_resolution"),
    "C2": ("claims/c2_distillation", "04_distillation"),
    "C3": ("claims/c3_attention", "05_attention_study"),
    "C4": ("claims/c4_full_system", "06_results"),
}
# Differences that no claim rests on, as baseline and rows: what they say stands on the page of the claim.
ONE_MORE = {
    "feature_place": ("feature", "mean_feature"),  # features compared before attention, as students of C2 have none
    "all_place": ("all", "all_mean"),
    "room_sr": ("sr", "teacher"),  # what there is to win back
    "more_pixels": TABLES["pixels"],
    "restored": (RESTORED, "sr", "full", "teacher"),  # what is missing where super resolution is not perfect
}
TEACHING = ("teacher", "large_teacher", "whole_teacher")
# The same where HMDB alone has the rows.
ONE_MORE_ON_HMDB = {
    "teachers": TEACHING,
    "larger_differences": ("large_plain", "large_sr", "large_all", "large_full", "large_teacher"),
    "larger_beyond_sr": ("large_sr", "large_all", "large_full"),
    "larger_attending": ("large_all", "large_full"),
    "whole_differences": TABLES["whole"],
    "sr8": ("sr", "sr8"),
    "heads": ("joint", "heads1", "heads2", "heads8"),
    "transfer_place": ("attention_transfer", "attention_transfer25"),  # at the weight of its authors
    "all_transfer_place": ("all", "all_transfer25"),
}
# Differences, baseline and row, that are looked at in other ways though no claim rests on them.
LOOKED_AT = {
    "attending_looks": ("joint", "full"),  # distillation where the student pools as its teacher does
    "beyond_sr_looks": ("sr", "full"),  # what distillation and attention add to super resolution
}
LOOKED_AT_ON_HMDB = {
    "larger_beyond_sr_looks": ("large_sr", "large_full"),
    "larger_attending_looks": ("large_all", "large_full"),
    "whole_looks": ("whole_plain", "whole_sr"),
    "whole_full_looks": ("whole_plain", "whole_full"),
    "whole_beyond_sr_looks": ("whole_sr", "whole_full"),
}
# Rows added up, each with its weight: what differences say of one another.
PARTS = {"what our SR adds to plain, minus what the full system adds to our SR": {"sr": 2, "plain": -1, "full": -1}}
BELOW_RESTORED = {
    f"{ROW_NAMES[row]} minus {ROW_NAMES[RESTORED]}": {row: 1, RESTORED: -1} for row in ("sr", "full", "teacher")
}
SIZE = {
    **{ROW_NAMES[row]: {f"large_{row}": 1, row: -1} for row in ("plain", "sr", "all", "full")},
    "what our SR adds to plain": {"large_sr": 1, "large_plain": -1, "sr": -1, "plain": 1},
    "what the full system adds to our SR": {"large_full": 1, "large_sr": -1, "full": -1, "sr": 1},
    "what the full system adds to plain": {"large_full": 1, "large_plain": -1, "full": -1, "plain": 1},
    "how far the teacher is above plain": {"large_teacher": 1, "large_plain": -1, "teacher": -1, "plain": 1},
}
TWICE = "Twice the rows and frames minus once"
THAWED = {
    **{ROW_NAMES[row]: {f"whole_{row}": 1, row: -1} for row in ("plain", "sr", "full", "teacher")},
    "what our SR adds to plain": {"whole_sr": 1, "whole_plain": -1, "sr": -1, "plain": 1},
    "what the full system adds to our SR": {"whole_full": 1, "whole_sr": -1, "full": -1, "sr": 1},
    "what the full system adds to plain": {"whole_full": 1, "whole_plain": -1, "full": -1, "plain": 1},
    "how far the teacher is above plain": {"whole_teacher": 1, "whole_plain": -1, "teacher": -1, "plain": 1},
}
EVERY_BLOCK = "The whole network trained minus its upper blocks alone"
STUDY_OF = {"C1": "super_resolution", "C2": "distillation", "C3": "attention", "C4": "full"}


def write_fragments(records: Path = BOOK / "records", out: Path = BOOK / "generated") -> list[Path]:
    """Write every fragment.

    Args:
        records: root of the records.
        out: the folder that gets them.

    Returns:
        the files, text and pictures.
    """
    records = Path(records)
    runs = existing(DATASET, profile="full", records=records)
    at_random = existing(DATASET, profile="full", records=records, rows=TWO_PROTOCOLS, protocol="random")
    hmdb = existing(HMDB, profile="full", records=records)
    shared = measured.shared_sources(records, hmdb)
    again = elsewhere.again(records)
    contents: dict[str, str | Image] = {
        "headline.md": verdict_table(
            runs, link=_links(DATASET), address=on_page(DATASET), streams=("both",), stated=False
        ),
        "hmdb_headline.md": verdict_table(hmdb, link=_links(HMDB), address=on_page(HMDB), streams=("both",)),
        "verdicts.md": verdict_table(runs, link=_links(DATASET), address=on_page(DATASET), stated=False),
        "hmdb_verdicts.md": verdict_table(hmdb, link=_links(HMDB), address=on_page(HMDB), stated=False),
        "one_fold.md": measured.one_fold(records),
        "backbones.md": measured.backbones(records),
        "caches.md": measured.caches(records),
        "full_size.md": measured.full_size(records),
        "whole_hmdb51.md": measured.whole_hmdb51(records, hmdb),
        "gpu.md": on_gpu(records, hmdb),
        "two_processes.md": measured.two_processes(records),
        "processors.md": fragment(elsewhere.across_processors(runs, again)),
        "hmdb_processors.md": fragment(elsewhere.across_processors(hmdb, again), HMDB),
        "protocols.md": fragment(sensitivity.across_protocols(runs, at_random)),
        "hmdb_teachers_accuracy.md": fragment(tables.accuracy(hmdb, rows=TEACHING), HMDB),
        "hmdb_larger_accuracy.md": fragment(tables.accuracy(hmdb, rows=TABLES["larger"]), HMDB),
        "students.md": told_students(),
        "published_ixmas.md": fragment(literature.published("IXMAS")),
        "published_hmdb.md": fragment(literature.published("HMDB-51")),
        "hmdb_shared.md": measured.told_shared_sources(records, hmdb),
        "hmdb_without_shared.md": films.without_shared(hmdb, shared=shared),
        "hmdb_films.md": fragment(films.on_shared_films(hmdb, shared=shared), HMDB),
        "hmdb_parts.md": fragment(tables.sums(hmdb, PARTS, of="What the parts of the whole system add"), HMDB),
        "hmdb_restored_seeds.md": fragment(
            tables.sums(hmdb, BELOW_RESTORED, of="Differences to perfect super resolution", same_seeds=False), HMDB
        ),
        "hmdb_larger_gain.md": fragment(tables.sums(hmdb, SIZE, of=TWICE), HMDB),
        "hmdb_larger_gain_seeds.md": fragment(tables.sums(hmdb, SIZE, of=TWICE, same_seeds=False), HMDB),
        "hmdb_whole_accuracy.md": fragment(tables.accuracy(hmdb, rows=TABLES["whole"]), HMDB),
        "hmdb_whole_gain.md": fragment(tables.sums(hmdb, THAWED, of=EVERY_BLOCK), HMDB),
        "hmdb_whole_gain_seeds.md": fragment(tables.sums(hmdb, THAWED, of=EVERY_BLOCK, same_seeds=False), HMDB),
        "hmdb_claims.png": figures.claim_differences(hmdb),
        **{
            f"hmdb_{name}.md": fragment(tables.differences(hmdb, baseline=baseline, rows=rows), HMDB)
            for name, (baseline, *rows) in ONE_MORE_ON_HMDB.items()
        },
        **{
            f"hmdb_{name}.md": fragment(sensitivity.other_looks(hmdb, row=row, baseline=baseline, shared=shared), HMDB)
            for name, (baseline, row) in LOOKED_AT_ON_HMDB.items()
        },
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
        "errors.md": errors(runs),
        "other_makes.md": other_makes(runs),
        "seeds.md": told(sensitivity.between_seeds(runs)),
        "sr_seeds.md": told(sensitivity.each_seed(runs, rows=("sr",))),
        "teacher_seeds.md": told(sensitivity.each_seed(runs, rows=("teacher",))),
    }
    for name, (baseline, *rows) in ONE_MORE.items():
        contents[f"{name}.md"] = told(tables.differences(runs, baseline=baseline, rows=rows))
    for name, (baseline, row) in LOOKED_AT.items():
        contents[f"{name}.md"] = told(sensitivity.other_looks(runs, row=row, baseline=baseline, shared=shared))
    for claim in CLAIMS:
        study, key = STUDY_OF[claim.name], claim.name.lower()
        baseline, *rows = TABLES[study]
        contents |= {
            f"{key}_result.md": result(runs, claim),
            f"{key}_verdict.md": told(tables.verdicts(runs, claims=(claim.name,))),
            f"{key}_looks.md": told(
                sensitivity.other_looks(runs, row=claim.row, baseline=claim.baseline, shared=shared)
            ),
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


def _links(dataset: str) -> Callable[[str], str]:
    """From the name of a claim to its page and its chapter."""

    def linked(claim: str) -> str:
        page, chapter = PAGES[claim]
        return f"[claim](/{page}.md), [runs](/chapters/{dataset}/{chapter}.ipynb)"

    return linked


def told_students() -> str:
    """What each small student that comes with the repository can answer, and how often it is right; a list."""
    lines = []
    for name in SHIPPED:
        _, card = load_student(name)
        lines.append(
            f"- **{name}** answers with one of {len(card.classes)} actions: {', '.join(card.classes)}. It is right on {card.correct} "
            f"of the {card.clips} clips of the actor who was held out, {card.held_out}.\n"
        )
    return "".join(lines)


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
