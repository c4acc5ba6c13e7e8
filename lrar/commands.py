"""What `lrar` commands do (`audit` and those about the students have modules of their own).

An action takes the parsed arguments and returns the exit status.
"""

import argparse
import dataclasses
import json
import sys
import time

from tqdm import tqdm

from lrar import distributed
from lrar.archives import unpack_hmdb51
from lrar.claims import CLAIMS
from lrar.clips import DataError
from lrar.datasets import data_folder, load_clip_set
from lrar.decoding import decode
from lrar.experiment import identity
from lrar.index import MANIFEST, manifest, write_index
from lrar.records import COMMITTED, Record, Store
from lrar.running import fold_of
from lrar.scheduling import run_study, run_task
from lrar.settings import PROFILES
from lrar.statistics import compare, table
from lrar.studies import ROWS, TABLES, streams_of, tasks
from lrar.videos import load_videos
from lrar.vouching import older_than_code
from lrar.weights import I3D_FILE, check, get_i3d, weights_folder

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
    if check()[I3D_FILE] != "ok":
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
    if distributed.rank() == 0:
        write_index(arguments.records)
    print(
        f"{task.row} {record.stream} fold {record.fold} ({record.fold_name}) seed {record.seed}: "
        f"{int(record.correct.sum())} of {len(record.labels)} clips, trained in {record.train_seconds:.1f} s"
    )
    print(Store(arguments.records).path(record))
    return 0


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
