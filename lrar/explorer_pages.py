"""The files of the clip explorer, and what the pages say of its networks; made anew with every build of the book.

A clip is a folder of sprites, one a view, its moments side by side; beside them a small script holds the numbers: a
page that is opened from disk may load a script, but no JSON. `book/_static/explorer.js` shows them, and loads a clip
when it is chosen. Readers without it, and print, have a still picture and a table.
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lrar.clips import atomic_write
from lrar.explorer import (
    ROWS,
    Trained,
    answers,
    attention,
    chosen_clips,
    chosen_records,
    ends,
    trained,
    views,
)
from lrar.names import DATASET_NAMES, ROW_NAMES
from lrar.pages import fragment
from lrar.records import Record, Store
from lrar.replay import Runs, existing
from lrar.rerun import NOTEBOOKS
from lrar.running import fold_of
from lrar.statistics import fused_records
from lrar.studies import STREAMS
from lrar.table import Table

FIRST = "kick"  # the action on the start page: a large motion, and chosen before any network was asked
SCALE = 3  # pixels of the still picture to a pixel of HR
VEIL = 0.6  # how much of the frame the attention over it hides there
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
        networks = trained(records, store=Store(root))
        videos, fold = fold_of(networks["full", "rgb"].experiment.data)
        clips = chosen_clips(videos.labels, fold.test)
        about = [write_clip(folder, f"{runs.dataset}/{number}", clip, networks) for number, clip in enumerate(clips)]
        told.append(how_good(records))
        listed += about
        if runs.dataset == "synthetic":
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


def write_clip(folder: Path, key: str, clip: int, networks: dict[tuple[str, str], Trained]) -> dict:
    """Write one clip's sprites and numbers into `folder / key`, and give what the list of clips says of it."""
    videos, _ = fold_of(networks["full", "rgb"].experiment.data)
    classes, described = videos.clip_set.classes, videos.clip_set.clips[clip]
    length = len(videos[clip])
    seen = ends(length)
    shown = views(videos[clip], networks, clip, seen)
    for name, frames in shown.items():
        atomic_write(folder / key / f"{name}.webp", sprite(frames[None]))
    peaks = {}
    for stream in STREAMS:
        maps, peaks[stream] = attention(networks["full", stream], clip)  # (1 + heads, T', H', W', 3)
        atomic_write(folder / key / f"attention_{stream}.webp", sprite(maps))
    probabilities = answers(networks, clip, seen)
    about = {
        "key": key,
        "dataset": DATASET_NAMES.get(videos.clip_set.dataset, videos.clip_set.dataset),
        "name": described.name,
        "label": classes[described.label],
        "answers": {row: classes[values[-1].argmax()] for row, values in probabilities.items()},
    }
    numbers = {
        "networks": {row: ROW_NAMES[row] for row in ROWS},
        "classes": classes,
        "hr": shown["hr"].shape[1:3],
        "lr": shown["lr"].shape[1:3],
        "seen": seen.tolist(),
        "steps": ((seen - 1) * maps.shape[1] // length).tolist(),  # which of the maps belongs to each moment
        "maps": maps.shape[:4],
        "peaks": peaks,
        "probabilities": {
            row: [[round(float(p), 4) for p in moment] for moment in values] for row, values in probabilities.items()
        },
    }
    atomic_write(folder / key / "clip.js", script(key, about | numbers))
    return about


def sprite(pictures: np.ndarray) -> bytes:
    """Pictures uint8 `(rows, columns, H, W, C)` side by side in one WebP file, without loss."""
    return _encode(".webp", _sheet(pictures), [cv2.IMWRITE_WEBP_QUALITY, 101])  # above 100 is without loss


def script(name: str, values: object) -> bytes:
    """A script that leaves values where `explorer.js` finds them."""
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return f"(window.lrarClips ??= {{}})[{json.dumps(name)}] = {text};\n".encode()


def picture(networks: dict[tuple[str, str], Trained], clip: int) -> bytes:
    """One moment at every stage as PNG: HR, LR, bicubic, super-resolved, flow, attention over it."""
    videos, _ = fold_of(networks["full", "rgb"].experiment.data)
    seen = ends(len(videos[clip]))
    middle = len(seen) // 2
    shown = [frames[middle] for frames in views(videos[clip], networks, clip, seen).values()]
    height, width, _ = shown[0].shape
    size = (width * SCALE, height * SCALE)

    def enlarged(frame: np.ndarray, how: int) -> np.ndarray:
        colour = np.repeat(frame, 3, axis=2) if frame.shape[2] == 1 else frame
        return cv2.resize(colour, size, interpolation=how)

    tiles = [enlarged(frame, cv2.INTER_NEAREST) for frame in shown]
    maps, _ = attention(networks["full", "rgb"], clip)
    veil = enlarged(maps[0, (seen[middle] - 1) * maps.shape[1] // len(videos[clip])], cv2.INTER_LINEAR)
    tiles.append(np.rint(VEIL * veil + (1 - VEIL) * tiles[3]).astype(np.uint8))
    framed = [np.pad(tile, ((0, 0), (0, 2 * SCALE), (0, 0)), constant_values=255) for tile in tiles]
    return _encode(".png", _sheet(np.stack(framed)[None]), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _sheet(pictures: np.ndarray) -> np.ndarray:
    rows, columns, height, width, channels = pictures.shape
    sheet = pictures.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
    return np.repeat(sheet, 3, axis=2) if channels == 1 else sheet[..., ::-1]  # OpenCV wants blue first


def _encode(kind: str, sheet: np.ndarray, options: list[int]) -> bytes:
    done, content = cv2.imencode(kind, sheet, options)
    assert done, (kind, sheet.shape)
    return content.tobytes()


def how_good(records: dict[tuple[str, str], Record]) -> str:
    """One sentence from the records: how these networks were trained, and how many of their test clips they get."""
    full = records["full", "rgb"]
    right = ", ".join(f"{ROW_NAMES[row]} {count}" for row, count in counts(records).items())
    name = DATASET_NAMES.get(full.dataset, full.dataset)
    force = " Synthetic clips support no claim." if full.dataset == "synthetic" else ""
    return (
        f"{name[0].upper()}{name[1:]}: trained for {full.experiment['recipe']['epochs']} epochs on {full.n_train} clips "
        f"without {full.fold_name}; right on this many of the {len(full.labels)} clips of {full.fold_name}: {right}.{force}"
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
    return (
        f"{_element(still, clip=about['key'])}\n"
        f"A **{about['dataset']}** clip of the action {about['label']}, and what the HR teacher, a plain student and the full system "
        f"make of it as it goes on. Trained for only {full.experiment['recipe']['epochs']} epochs, they get {first}, "
        f"{' and '.join(map(str, others))} of {len(full.labels)} held-out clips right, and support no claim. "
        "More clips: {doc}`explorer`.\n"
    )


def page(listed: list[dict], told: list[str], still: Still | None) -> str:
    """The fragment of the explorer's page: the explorer, how good its networks are, their answers as a table."""
    if not listed:
        return NO_CLIPS
    body = tuple(
        (
            line["name"],
            line["dataset"],
            line["label"],
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
    return "right" if answer == label else f"wrong: {answer}"


def _element(still: Still | None, *, clip: str = "") -> str:
    """The element that the script fills; until then, and without it, the still picture stands in it.

    Args:
        still: what the picture shows, if there is one.
        clip: for the strip, which shows this clip alone.
    """
    inside = "*The explorer needs JavaScript.*\n"
    if still:
        about = still.about
        alt = (
            f"One moment of a {about['dataset']} clip of the action {about['label']}, from left to right: HR, LR, bicubic, "
            "super-resolved, flow of the super-resolved frames, attention over them."
        )
        inside = f"```{{image}} /generated/{STILL}\n:alt: {alt}\n```\n"
    opening = f'<lrar-explorer clip="{clip}">' if clip else "<lrar-explorer>"
    return f"{opening}\n\n{inside}\n</lrar-explorer>\n"
