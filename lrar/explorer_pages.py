"""The explorer's pages, made anew with every build of the book: which clips there are, and how good the networks are.

Readers without `book/_static/explorer.js`, and print, have a still picture and a table.
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from lrar.cache import atomic_write
from lrar.experiment import from_dict
from lrar.explorer import ROWS, chosen_clips, chosen_records, trained
from lrar.explorer_files import picture, script, write_clip
from lrar.names import DATASET_NAMES, ROW_NAMES
from lrar.pages import fragment
from lrar.pooling import fused_records
from lrar.records import Record, Store
from lrar.replay import Runs, existing
from lrar.rerun import NOTEBOOKS
from lrar.table import Named, Table, as_it_is

FIRST = "kick"  # the action on the start page: a large motion, and chosen before any network was asked
STILL = "explorer.png"
NO_CLIPS = "No clips are shown here: they are drawn where the clips lie on the machine and the networks are trained.\n"


@dataclass(frozen=True, kw_only=True)
class Still:
    """The clip of the start page.

    Attributes:
        about: what the list of clips says of it.
        records: of the networks that answer, by row and stream.
        picture: PNG, for readers without the script and for print.
    """

    about: dict
    records: dict[tuple[str, str], Record]
    picture: bytes


def write_explorer(chapters: Iterable[tuple[Runs, Path]], out: Path) -> list[str]:
    """Write the explorer's files, and the fragments that the pages include.

    Args:
        chapters: the runs of each data set, with the root of their records.
        out: the folder of the fragments; the sprites and scripts go to `extra/explorer` in it, which the build copies
            into the book as `explorer`.

    Returns:
        the clips, as `data set/number`.
    """
    folder = Path(out) / "extra" / "explorer"
    shutil.rmtree(folder, ignore_errors=True)
    listed, told, still = [], [], None
    for runs, root in sorted(chapters, key=lambda chapter: chapter[0].dataset == "synthetic"):  # real clips first
        records = chosen_records(runs)
        if not records:
            continue
        clips = chosen_clips(from_dict(records["full", "rgb"].experiment))
        networks = trained(records, store=Store(root), clips=clips)
        about = [write_clip(folder, f"{runs.dataset}/{number}", clip, networks) for number, clip in enumerate(clips)]
        told.append(how_good(records))
        listed += about
        shown = next((i for i, line in enumerate(about) if line["label"] == FIRST), 0)
        still = Still(about=about[shown], records=records, picture=picture(networks, clips[shown]))
    atomic_write(folder / "clips.js", script("clips", listed))
    fragments = {"explorer.md": page(listed, told, still), "explorer_strip.md": strip(still)}
    for name, text in fragments.items():
        atomic_write(Path(out) / name, text.encode())
    if still:
        atomic_write(Path(out) / STILL, still.picture)
    return [line["key"] for line in listed]


def chapter_runs(parameters: dict[str, str]) -> tuple[Runs, Path]:
    """The runs behind a chapter, and the root of their records, from its notebooks' parameters."""
    root = NOTEBOOKS / parameters["records"]
    return existing(parameters["dataset"], profile=parameters["profile"], records=root), root


def how_good(records: dict[tuple[str, str], Record]) -> str:
    """One sentence from the records: how these networks were trained, and how many of their test clips they get."""
    full = records["full", "rgb"]
    held_out = as_it_is(full.fold_name)
    right = ", ".join(f"{ROW_NAMES[row]} {count}" for row, count in counts(records).items())
    name = as_it_is(DATASET_NAMES.get(full.dataset, full.dataset))
    force = " Synthetic clips support no claim." if full.dataset == "synthetic" else ""
    return (
        f"{name[0].upper()}{name[1:]}: trained for {full.experiment['recipe']['epochs']} epochs on {full.n_train} clips "
        f"without {held_out}; right on this many of the {len(full.labels)} clips of {held_out}: {right}.{force}"
    )


def counts(records: dict[tuple[str, str], Record]) -> dict[str, int]:
    """How many of its test clips each row gets right, both streams fused."""
    fused = {record.row: record for record in fused_records(records.values())}
    return {row: int(fused[row].correct.sum()) for row in ROWS}


def strip(still: Still | None) -> str:
    """The fragment of the start page: one clip at every stage, side by side."""
    if still is None:
        return NO_CLIPS
    about, full = still.about, still.records["full", "rgb"]
    first, *others = counts(still.records).values()
    force = ", and support no claim" if full.dataset == "synthetic" else ""
    return (
        f"{_element(still, clip=about['key'])}\n"
        f"A **{as_it_is(about['dataset'])}** clip of the action {as_it_is(about['label'])}, and what the HR teacher, a plain student and the "
        f"full system make of it as it goes on. Trained for {full.experiment['recipe']['epochs']} epochs, they get {first}, "
        f"{' and '.join(map(str, others))} of {len(full.labels)} held-out clips right{force}. "
        "More clips: {doc}`explorer`.\n"
    )


def page(listed: list[dict], told: list[str], still: Still | None) -> str:
    """The fragment of the explorer's page: the explorer, how good its networks are, their answers as a table."""
    if still is None:
        return NO_CLIPS
    body = tuple(
        (
            Named(line["name"]),
            Named(line["dataset"]),
            Named(line["label"]),
            *(verdict(line["answers"][row], line["label"]) for row in ROWS),
            "agree" if len(set(line["answers"].values())) == 1 else "disagree",
        )
        for line in listed
    )
    table = Table(
        caption="What each network answers after the whole clip, both streams fused.",
        head=("clip", "data", "action", *(ROW_NAMES[row] for row in ROWS), "the three"),
        body=body,
    )
    sentences = "\n".join(f"- {sentence}" for sentence in told)
    return f"{_element(still)}\n## How good these networks are\n\n{sentences}\n\n{fragment(table)}"


def verdict(answer: str, label: str) -> str:
    """`right`, or what was answered instead."""
    return "right" if answer == label else Named(f"wrong: {answer}")


def _element(still: Still, *, clip: str = "") -> str:
    """The element that the script fills; until then, and without it, the still picture stands in it.

    Args:
        still: what the picture shows.
        clip: for the strip, which shows this clip alone.
    """
    alt = (
        f"One moment of a {still.about['dataset']} clip of the action {still.about['label']}, from left to right: HR, LR, "
        "bicubic, super-resolved, flow of the super-resolved frames, attention over them."
    )
    opening = f'<lrar-explorer clip="{escape(clip)}">' if clip else "<lrar-explorer>"
    return f"{opening}\n\n```{{image}} /generated/{STILL}\n:alt: {json.dumps(alt, ensure_ascii=False)}\n```\n\n</lrar-explorer>\n"
