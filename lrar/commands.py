"""What each `lrar` command does. An action takes the parsed arguments and returns the exit status."""

import argparse
import dataclasses
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import torch
from tqdm import tqdm

from lrar import distributed
from lrar.archives import unpack_hmdb51
from lrar.cache import cache_folder
from lrar.claims import CLAIMS
from lrar.clips import DataError
from lrar.datasets import data_folder, load_clip_set, one_name
from lrar.decoding import decode
from lrar.experiment import from_dict, identity
from lrar.records import COMMITTED, MANIFEST, Record, Store, manifest, write_index
from lrar.running import fold_of, run
from lrar.scheduling import run_study, run_task
from lrar.settings import PROFILES
from lrar.statistics import compare, table
from lrar.studies import ROWS, TABLES, streams_of, tasks
from lrar.videos import load_videos
from lrar.vouching import older_than_code, to_be_shown, vouch
from lrar.weights import check, get_i3d, weights_folder

FEW = 5


def show_progress(iterable, **options):
    """A progress bar on a terminal, nothing elsewhere."""
    return tqdm(iterable, disable=not sys.stderr.isatty() or distributed.rank() > 0, leave=False, **options)


def data_prepare(arguments: argparse.Namespace) -> int:
    if arguments.archive:
        if not arguments.dataset.startswith("hmdb"):
            raise DataError(f"{arguments.dataset}: is not published as archives. Leave --archive out.")
        count = unpack_hmdb51(arguments.archive, data_folder() / "hmdb51", progress=show_progress)
        print(f"{count} files unpacked into {data_folder() / 'hmdb51'}")
    clip_set = load_clip_set(arguments.dataset)
    videos = load_videos(clip_set, progress=show_progress)
    frames = sum(shape[0] for shape in videos.shapes)
    print(
        f"{clip_set.dataset}: {len(videos)} clips, {frames} frames, {len(clip_set.classes)} classes, "
        f"{len({clip.group for clip in clip_set.clips})} groups, fingerprint {videos.fingerprint}"
    )
    return 0


def data_check(arguments: argparse.Namespace) -> int:
    clip_set = load_clip_set(arguments.dataset)
    problems = []
    sizes: dict[tuple[int, ...], int] = {}
    for clip in show_progress(clip_set.clips):
        if clip.path is None:
            continue
        try:
            video = decode(clip.path, grey=clip_set.grey, size=clip_set.size)
        except DataError as error:
            problems.append(str(error))
            continue
        sizes[video.shape[1:3]] = sizes.get(video.shape[1:3], 0) + 1
        if video.shape[1] % 4 or video.shape[2] % 4:
            problems.append(
                f"{clip.path}: {video.shape[1]}x{video.shape[2]} frames do not divide by 4. Resize or crop the video."
            )
    if len(sizes) > 1:
        listed = ", ".join(f"{count} of {height}x{width}" for (height, width), count in sorted(sizes.items()))
        problems.append(f"{arguments.dataset}: clips of several frame sizes ({listed}). Resize them to one size.")
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 2
    print(f"{clip_set.dataset}: {len(clip_set.clips)} clips, all of them good")
    groups = sorted({clip.group for clip in clip_set.clips})
    print(
        f"{len(groups)} groups ({', '.join(groups[:FEW])}{', …' if len(groups) > FEW else ''}): clips of one person or of one "
        "film must be in one"
    )
    return 0


def weights_check(_: argparse.Namespace) -> int:
    states = check()
    for name, state in states.items():
        print(f"{name}: {state}")
    return 0 if all(state == "ok" for state in states.values()) else 2


def weights_get(_: argparse.Namespace) -> int:
    print("Fetching the published I3D network (47 MB) ...", flush=True)
    print(get_i3d(weights_folder()))
    return 0


def study(arguments: argparse.Namespace) -> int:
    shared = distributed.count() > 1
    if shared and arguments.scheduler:
        raise DataError(
            "torchrun and --scheduler: a run is either shared by processes or sent to one. Leave one of them out."
        )
    profile = PROFILES[arguments.profile]
    if arguments.seeds:
        profile = dataclasses.replace(profile, seeds=arguments.seeds)
    if arguments.folds:
        profile = dataclasses.replace(profile, folds=arguments.folds)
    rows = tuple(arguments.rows.split(",")) if arguments.rows else ()
    listed = tasks(arguments.study, arguments.dataset, protocol=arguments.protocol, profile=profile, rows=rows)
    print(f"{len(listed)} runs, records in {arguments.records}", flush=True)
    start = time.time()
    done = run_study(
        listed,
        root=arguments.records,
        workers=1 if shared else arguments.workers,
        threads=arguments.threads,
        scheduler=arguments.scheduler,
    )
    for count, (task, record) in enumerate(show_progress(done, total=len(listed)), start=1):
        if sys.stderr.isatty():
            continue
        print(
            f"{time.time() - start:7.0f} s  {count}/{len(listed)}  {task.row} {record.stream} "
            f"fold {record.fold} seed {record.seed}: {100 * record.accuracy:.1f} % in {record.train_seconds:.0f} s",
            flush=True,
        )
    identities = {
        identity(task.experiment)
        for task in tasks("all", arguments.dataset, protocol=arguments.protocol, profile=profile)
    }
    # Records of clips that have changed since are kept, and have no part in these tables.
    fingerprint = fold_of(listed[0].experiment.data)[0].fingerprint
    records = Store(arguments.records).records()
    print_tables([record for record in records if record.id in identities and record.fingerprint == fingerprint])
    return 0


def print_tables(records: list[Record]) -> None:
    """The accuracy of every row that has records, and the claims."""
    rows = list(dict.fromkeys(row for its_rows in TABLES.values() for row in its_rows))
    shown = table(records, rows=rows)
    if not shown.empty:
        print(shown.drop(columns="seconds").round(1).to_string(index=False))
    for claim in CLAIMS:
        for stream in ("rgb", "flow", "both"):
            result = compare(records, row=claim.row, baseline=claim.baseline, stream=stream)
            if result:
                print(
                    f"{claim.name} {claim.row} against {claim.baseline}, {stream}: {result.difference:+.1f} points "
                    f"[{result.low:+.1f}, {result.high:+.1f}], {result.verdict}"
                )


def single_run(arguments: argparse.Namespace) -> int:
    """Run one row of a study on one fold."""
    if arguments.row in ROWS and arguments.stream not in (its := streams_of(arguments.row)):
        raise DataError(f"{arguments.row} has no {arguments.stream} stream. Take one it has: --stream {its[0]}.")
    profile = PROFILES[arguments.profile]
    listed = [
        task
        for task in tasks("all", arguments.dataset, protocol=arguments.protocol, profile=profile, rows=(arguments.row,))
        if task.experiment.data.fold == arguments.fold and task.experiment.stream == arguments.stream
    ]
    chosen = [task for task in listed if task.experiment.seed == arguments.seed]
    if not listed:
        raise DataError(f"fold {arguments.fold}: no such fold in profile {arguments.profile}. Folds start at 0.")
    task = (
        chosen[0]
        if chosen
        else dataclasses.replace(listed[0], experiment=dataclasses.replace(listed[0].experiment, seed=arguments.seed))
    )
    record = run_task(task, arguments.records, arguments.threads)
    write_index(arguments.records)
    print(
        f"{task.row} {record.stream} fold {record.fold} ({record.fold_name}) seed {record.seed}: "
        f"{int(record.correct.sum())} of {len(record.labels)} clips, trained in {record.train_seconds:.1f} s"
    )
    print(Store(arguments.records).path(record))
    return 0


def audit(arguments: argparse.Namespace) -> int:
    """Train a sample of committed records again from nothing, and print both accuracies."""
    records = _auditable(arguments)
    generator = random.Random(arguments.seed)
    if arguments.vouch:
        sample = to_be_shown(generator.sample(records, len(records)))
    else:
        sample = generator.sample(records, min(arguments.sample, len(records)))
    worst, changed = 0, []
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:  # there is room for frames there
        os.environ["LRAR_CACHE"] = folder  # nothing that was trained before may be used
        for record in sample:
            threads = int(record.provenance["machine"].split(", ")[-1].split()[0])
            torch.set_num_threads(threads)
            same_files = _same_files(record)
            if arguments.vouch and not same_files:
                raise DataError(f"{record.name}: its clips have changed since, so it shows nothing of the code.")
            again = run(from_dict(record.experiment), store=Store(Path(folder) / "records"))
            difference = int(again.correct.sum()) - int(record.correct.sum())
            worst = max(worst, abs(difference))
            older = older_than_code(record)
            same = again.probabilities == record.probabilities
            if not same:
                changed.append(record)
            note = f", made by older code ({', '.join(older)})" if older else ""
            if again.processor != record.processor:  # which rounds otherwise
                note += f", on another processor ({record.processor} then, {again.processor} now)"
            if not same_files:
                note += ", from other files of the same clips"
            print(
                f"{record.name}: recorded {int(record.correct.sum())} of {len(record.labels)}, now {int(again.correct.sum())}, "
                f"probabilities {'the same' if same else 'differ'}{note}",
                flush=True,
            )
    if arguments.vouch:
        if changed:
            print(
                f"lrar: {len(changed)} of {len(sample)} came out otherwise, so nothing is vouched for", file=sys.stderr
            )
            return 1
        for record in sample:
            vouch(record)
    return 0 if worst <= arguments.tolerance else 1


def _same_files(record: Record) -> bool:
    """Whether the files are those that a record was made of; copies of the same clips, encoded otherwise, are not.

    Raises:
        DataError: the clips of its fold are others.
    """
    videos, fold = fold_of(from_dict(record.experiment).data)
    clips = [videos.clip_set.clips[index] for index in fold.test]
    now = videos.clip_set.classes, len(fold.train), {clip.name: clip.label for clip in clips}
    if now != (tuple(record.classes), record.n_train, dict(zip(record.clips, record.labels, strict=True))):
        raise DataError(
            f"{record.name}: its fold has other clips now, so there is nothing to compare. Put the clips there that the record "
            "names, or run the study again."
        )
    return videos.fingerprint == record.fingerprint


def _auditable(arguments: argparse.Namespace) -> list[Record]:
    """The records whose clips are on this machine; to vouch for code, those that are older than it."""
    records, absent = [], set()
    asked = arguments.dataset and one_name(arguments.dataset)
    for record in Store(arguments.records).records():
        if not record.probabilities or asked not in (None, record.dataset, record.experiment["data"]["dataset"]):
            continue
        if not record.id.startswith(arguments.experiment) or (arguments.vouch and not older_than_code(record)):
            continue
        try:
            load_clip_set(record.experiment["data"]["dataset"])
            records.append(record)
        except DataError:
            absent.add(record.dataset)
    for dataset in sorted(absent):
        print(f"{dataset}: not audited, its clips are not on this machine", flush=True)
    if records:
        return records
    which = f" whose hash begins with {arguments.experiment}" if arguments.experiment else ""
    age = " older than the code" if arguments.vouch else ""
    remedy = "Set LRAR_DATA." if absent else "Check the folder, --dataset and --experiment."
    if arguments.vouch and not (absent or arguments.experiment):
        remedy = "Nothing needs to be vouched for."
    raise DataError(f"{arguments.records}: no records{which}{age}, of data that is on this machine. {remedy}")


def records_check(arguments: argparse.Namespace) -> int:
    """Compare the records with their manifest, and list all that is older than what it is made from."""
    from lrar.freshness import stale

    if not arguments.records.is_dir():
        raise DataError(f"{arguments.records}: no such folder. Check the path.")
    if arguments.write:
        from lrar.readme import update_readme

        write_index(arguments.records)
        if arguments.records.resolve() == COMMITTED.resolve():  # the README tells of the committed ones
            update_readme(arguments.records)
    path = arguments.records / MANIFEST
    if not path.exists():
        raise DataError(f"{path}: no manifest. Run a study, which writes it.")
    try:
        written, now = json.loads(path.read_text()), manifest(arguments.records)
    except ValueError as error:
        raise DataError(f"{path}: cannot be read ({error}). Write it anew: lrar records --write.") from error
    changed = sorted(name for name in written.keys() | now.keys() if written.get(name) != now.get(name))
    for name in changed:
        print(f"{name}: not as the manifest has it", file=sys.stderr)
    for line in stale(arguments.records):
        print(line)
    records = Store(arguments.records).records()
    older = [record for record in records if older_than_code(record)]
    print(f"{len(records)} records, {len(changed)} not as in the manifest, {len(older)} older than the code")
    return 1 if changed else 0


def book(arguments: argparse.Namespace) -> int:
    """Execute every notebook and build the book."""
    from lrar.book import DATASETS, BookError, build_book, checked_names, table_of_contents
    from lrar.pdf import find_browser, pages_of, write_pdf

    datasets = checked_names(arguments.datasets.split(",") if arguments.datasets else DATASETS)
    if arguments.pdf and find_browser() is None:  # said before the build, not after it
        raise DataError("--pdf: no Chromium or Chrome is here to print with. Install one, or name it in LRAR_BROWSER.")
    try:
        html = build_book(fresh=not arguments.replay, datasets=datasets).parent
        if arguments.pdf:
            pages = pages_of(table_of_contents(datasets)[0])
            print(write_pdf(html, pages=pages, path=html.parent / "lrar.pdf", progress=show_progress))
    except BookError as error:
        print(f"lrar: {error}", file=sys.stderr)
        return 1
    return 0
