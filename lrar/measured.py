"""What the scripts in `benchmarks/` have measured, in words and tables for the cost page."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lrar.cache import atomic_write
from lrar.experiment import Experiment, Recipe, from_dict, looks
from lrar.index import write_index
from lrar.names import ROW_NAMES
from lrar.provenance import DECIDING_MODULES, provenance, told_machine
from lrar.records import COMMITTED, Record
from lrar.replay import Runs
from lrar.settings import setting
from lrar.table import Table
from lrar.views import ROWS

# Script -> the modules that it measures. Each writes a file of its name beside the records.
SCRIPTS = {
    "one_fold": (*DECIDING_MODULES, "datasets/ixmas"),
    "backbones": ("backbones", "decoding", "degrade", "flow", "i3d", "streams"),
    "shared_sources": ("datasets/hmdb51", "protocols"),
    "another_processor": (*DECIDING_MODULES, "datasets/hmdb51", "datasets/ixmas", "i3d", "views"),
    "two_processes": (*DECIDING_MODULES, "datasets/hmdb51", "i3d", "views"),
    "gpu": (*DECIDING_MODULES, "datasets/hmdb51", "i3d", "views"),
    "full_size": ("decoding", "degrade", "draws", "streams", "super_resolution", "training", "videos"),
}

# HMDB-51 as its authors publish it: clips in all, and in training in each official split; about so many frames a clip.
WHOLE_HMDB51 = {"clips": 6766, "trained": 3570, "frames": 95}
FRAME = 240 * 320 * 3  # bytes

# What `full_size` times: words for it, and of what.
FULL_SIZE = {
    "decoding": ("into the cache of clips", "a clip"),
    "low": ("LR", "a clip"),
    "enlarged": ("LR, enlarged", "a clip"),
    "epoch": ("from there into batches, one epoch", "a clip"),
    "super_resolution": ("training of super resolution", "a step"),
}


def measurement(records: Path, script: str) -> dict[str, Any] | None:
    """What a script has measured; None where it has not been run."""
    path = records / f"{script}.json"
    return json.loads(path.read_text()) if path.exists() else None


def write_measurement(script: str, measured: dict[str, Any], *, records: Path = COMMITTED) -> Path:
    """Keep what a script has measured, with where and by which code, and enter it into the manifest.

    Args:
        script: a key of `SCRIPTS`.
        measured: what its page needs.
        records: the folder that gets it.
    """
    path = Path(records) / f"{script}.json"
    atomic_write(path, (json.dumps(measured | {"provenance": provenance()}, indent=1) + "\n").encode())
    write_index(records)
    return path


def one_fold(records: Path) -> str:
    """One sentence: one fold of IXMAS here and in the loop that one would write first."""
    measured = measurement(records, "one_fold")
    if measured is None:
        return not_yet("one_fold")
    return (
        f"{measured['clips']} clips, {measured['epochs']} epochs, one stream: **{measured['seconds']:.1f} s** from an "
        f"empty cache to the written record, {measured['of_which_training']:.1f} s of it training. The plain loop, which "
        f"decodes each clip whenever it needs it, takes {measured['plain_seconds']:.1f} s, "
        f"{measured['ratio']:.1f} times as long ({told_machine(measured['provenance'])}).\n"
    )


def backbones(records: Path) -> str:
    """A table: what each backbone costs on the same frames."""
    measured = measurement(records, "backbones")
    return networks(measured) if measured else not_yet("backbones")


def networks(measured: dict[str, Any]) -> str:
    """A table of what each backbone costs, and where memory was measured, the most that training took."""
    memory = "memory" in measured["networks"][0]
    body = []
    for line in measured["networks"]:
        frames, rows, columns = line["clip"]
        # Three digits that count: a GPU needs less than a millisecond a clip.
        digits = {"precision": 3, "unique": False, "fractional": False}
        times = (np.format_float_positional(line[of], **digits) for of in ("forward", "training"))
        gigabytes = (f"{line['memory']:.1f}",) if memory else ()
        body.append((line["backbone"], f"{frames} x {rows}x{columns}", *times, *gigabytes))
    head = ("network", "frames", "forward, s a clip", "training, s a clip and epoch", *(("GB",) if memory else ()))
    return Table(caption=f"On {told_machine(measured['provenance'])}.", head=head, body=tuple(body)).directive() + "\n"


def caches(records: Path) -> str:
    """A table: what need not be made again, since a cache holds it."""
    measured = measurement(records, "backbones")
    if measured is None:
        return not_yet("backbones")
    body = tuple(
        (name, f"{line['made']:.4f}", f"{line['bytes'] / 1e6:.2f}") for name, line in measured["caches"].items()
    )
    head = ("what is kept", "s a clip to make it", "MB a clip on disk")
    return Table(caption=f"HMDB-21, {told_machine(measured['provenance'])}.", head=head, body=body).directive() + "\n"


def whole_hmdb51(records: Path, runs: Runs) -> str:
    """A table: what all of HMDB-51 would take, reckoned by the number of clips and frames from what HMDB-21 took.

    Args:
        records: the folder of the measurements.
        runs: the records of HMDB-21.
    """
    measured = measurement(records, "backbones")
    if measured is None:
        return not_yet("backbones")
    usual = setting(runs.dataset).recipe
    views = usual.views + 2  # and the whole clip and its mirror image, for testing
    longer = WHOLE_HMDB51["frames"] / (measured["caches"]["decoded frames"]["bytes"] / FRAME)
    body = []
    for name, line in measured["caches"].items():
        maps = name.startswith("I3D")  # of as many frames however long a clip is
        times = WHOLE_HMDB51["clips"] * (views if maps else longer)
        title = f"{name}, {views} views" if maps else name
        title += "" if name == "decoded frames" else ", of one kind"
        body.append((title, f"{line['made'] * times / 3600:.1f}", f"{line['bytes'] * times / 1e9:.1f}"))

    def hours(records: list[Record]) -> list[float]:
        """Of training, each run by itself."""
        return [its.train_seconds / its.n_train * WHOLE_HMDB51["trained"] / 3600 for its in records]

    for row in ("plain", "full"):
        if trained := hours(runs.of(row)):
            body.append((f"training, one run: {ROW_NAMES[row]}", f"{np.median(trained):.1f}", "–"))
    if every := hours([record for record in runs.records if record.probabilities]):
        body.append((f"training, all {len(every)} runs that HMDB-21 has", f"{sum(every):.0f}", "–"))
    made = [from_dict(record.experiment) for record in runs.records if record.probabilities]
    kinds = {_seen_by(its): _pixels(its.recipe) / _pixels(usual) for its in made}
    larger = [times for times in kinds.values() if times > 1]
    of_larger = f"; the maps of {len(larger)} are {max(larger):g} times as large as here" if larger else ""
    caption = (
        f"All of HMDB-51, **not run**: reckoned from HMDB-21 for {WHOLE_HMDB51['clips']:,} clips of {WHOLE_HMDB51['frames']} "
        f"frames, {WHOLE_HMDB51['trained']:,} of them in training ({told_machine(measured['provenance'])}; training on one thread, as the records have it). "
        f"*One kind* is what one stream sees of one source of frames; the runs of HMDB-21 have {len(kinds)} kinds, ours one in each split{of_larger}."
    )
    return Table(caption=caption, head=("step", "hours", "GB on disk"), body=tuple(body)).directive() + "\n"


def _seen_by(its: Experiment) -> tuple:
    """What decides the frames of a run and, where they are stored, its maps."""
    frames = its.source, its.stream, its.flow_method, its.super_resolution, its.rows, its.enlarge
    return *frames, its.data.kernel, its.data.shrink, *looks(its.recipe)


def _pixels(recipe: Recipe) -> int:
    """Of one view, but for the shape of its frames."""
    return recipe.frames * (recipe.rows or ROWS) ** 2


def full_size(records: Path) -> str:
    """A table: a set as large as all of HMDB-51 on its way through the caches."""
    measured = measurement(records, "full_size")
    if measured is None:
        return not_yet("full_size")
    body = []
    for name, (title, unit) in FULL_SIZE.items():
        times = measured[name]["milliseconds"]
        span = f"{times[0]:.1f} in the first tenth, {times[-1]:.1f} in the last, {max(times):.1f} in the slowest"
        body.append((f"{title}, ms {unit}", span, f"{measured[name]['own']:.2f}", f"{measured[name]['mapped']:.2f}"))
    rows, columns = measured["size"]
    caption = (
        f"{measured['clips']} made-up clips of {measured['frames']} frames of {rows}x{columns} in colour, one "
        f"thread, allowed {measured['limit']:g} GB of memory of its own ({told_machine(measured['provenance'])})."
    )
    head = ("step", "time", "own memory, GB", "mapped pages, GB")
    return Table(caption=caption, head=head, body=tuple(body)).directive() + "\n"


def two_processes(records: Path) -> str:
    """Two sentences: how far the losses of a run that two processes share are from those of one."""
    measured = measurement(records, "two_processes")
    if measured is None:
        return not_yet("two_processes")
    losses = measured["losses"]

    def apart(other: str, *, epochs: int | None = None) -> str:
        farthest = {
            name: max(abs(one - two) for one, two in list(zip(curves["one"], curves[other], strict=True))[:epochs])
            for name, curves in losses.items()
        }
        return " and ".join(f"{distance:.5f} in {name}" for name, distance in farthest.items())

    curve = losses["float32"]["one"]
    return (
        f"On all {measured['clips']} training clips of a split of HMDB-21 (plain student, RGB, {len(curve)} epochs) the "
        f"losses of two processes part from those of one by {apart('two', epochs=1)} in the first epoch and by at most "
        f"{apart('two')} in any, while they fall from {curve[0]:.2f} to {curve[-1]:.2f}. As a yardstick, one process on two "
        f"threads parts by {apart('threads', epochs=1)} in the first and at most {apart('threads')} in any "
        f"({measured['provenance']['machine'].rpartition(', ')[0]}).\n"
    )


def not_yet(script: str) -> str:
    """What stands in the place of a measurement that nobody has made."""
    return f"This has not been measured yet: `python benchmarks/{script}.py` does it.\n"


def shared_sources(records: Path, runs: Runs) -> dict[int, list[str]]:
    """By fold, the test clips whose source video training saw too; empty where these are not the clips of the records."""
    measured = measurement(records, "shared_sources")
    if measured is None or {record.fingerprint for record in runs.records} != {measured["fingerprint"]}:
        return {}
    return dict(enumerate(measured["clips"]))


def told_shared_sources(records: Path, runs: Runs) -> str:
    """One sentence: how many tests are of films that training saw in clips of another class."""
    if not (shared := shared_sources(records, runs)):
        return "How many test clips are such has not been counted here: `python benchmarks/shared_sources.py`.\n"
    tests = {record.fold: len(record.clips) for record in runs.records if record.clips}
    each = ", ".join(f"{len(shared[fold])} of {count}" for fold, count in sorted(tests.items()))
    total = sum(len(shared[fold]) for fold in tests)
    return f"By the name of the source video alone, {total} of {sum(tests.values())} tests are such ({each}, split by split).\n"
