"""The `lrar` command."""

import argparse
import dataclasses
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import torch
from tqdm import tqdm

from lrar.clips import DataError, decode, load_videos
from lrar.datasets import load_clip_set
from lrar.experiment import from_dict, identity, run
from lrar.records import Record, Store, manifest, older_than_code, write_index
from lrar.statistics import compare, table
from lrar.studies import CLAIMS, PROFILES, STUDIES, TABLES, run_study, run_task, tasks
from lrar.weights import check, get_i3d, weights_folder

REPOSITORY = Path(__file__).parents[1]
RECORDS = REPOSITORY / "book" / "records"


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, with the way to the remedy, instead of printing its usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. See `{self.prog} --help`.\n")


def positive(text: str) -> int:
    """A whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number


def show_progress(iterable, **options):
    """A progress bar on a terminal, nothing elsewhere."""
    return tqdm(iterable, disable=not sys.stderr.isatty(), leave=False, **options)


def data_prepare(arguments: argparse.Namespace) -> int:
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
        workers=arguments.workers,
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
    print_tables([record for record in Store(arguments.records).records() if record.id in identities])
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
    everything = [record for record in Store(arguments.records).records() if record.probabilities]
    records, absent = [], set()
    for record in everything:
        if arguments.dataset not in (None, record.dataset):
            continue
        try:
            load_clip_set(record.experiment["data"]["dataset"])
            records.append(record)
        except DataError:
            absent.add(record.dataset)
    for dataset in sorted(absent):
        print(f"{dataset}: not audited, its clips are not on this machine", flush=True)
    if not records:
        raise DataError(f"{arguments.records}: no records of data that is on this machine. Set LRAR_DATA.")
    sample = random.Random(arguments.seed).sample(records, min(arguments.sample, len(records)))
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LRAR_CACHE"] = folder  # nothing that was trained before may be used
        for record in sample:
            threads = int(record.provenance["machine"].split(", ")[-1].split()[0])
            torch.set_num_threads(threads)
            again = run(from_dict(record.experiment), store=Store(Path(folder) / "records"))
            difference = int(again.correct.sum()) - int(record.correct.sum())
            worst = max(worst, abs(difference))
            note = f", made by older code ({', '.join(older_than_code(record))})" if older_than_code(record) else ""
            print(
                f"{record.dataset} {record.row} {record.stream} fold {record.fold} seed {record.seed}: recorded "
                f"{int(record.correct.sum())} of {len(record.labels)}, now {int(again.correct.sum())}{note}",
                flush=True,
            )
    return 0 if worst <= arguments.tolerance else 1


def records_check(arguments: argparse.Namespace) -> int:
    """Compare the records with their manifest, and list those older than the code."""
    if arguments.write:
        from lrar.pages import update_readme

        write_index(arguments.records)
        update_readme(arguments.records)
    path = arguments.records / "manifest.json"
    if not path.exists():
        raise DataError(f"{path}: no manifest. Run a study, which writes it.")
    written, now = json.loads(path.read_text()), manifest(arguments.records)
    changed = sorted(name for name in written.keys() | now.keys() if written.get(name) != now.get(name))
    for name in changed:
        print(f"{name}: not as the manifest has it", file=sys.stderr)
    older = [record for record in Store(arguments.records).records() if older_than_code(record)]
    for record in older:
        print(
            f"{record.dataset} {record.row} {record.stream} fold {record.fold} seed {record.seed}: older than "
            f"{', '.join(older_than_code(record))}"
        )
    print(f"{len(now)} records, {len(changed)} not as in the manifest, {len(older)} older than the code")
    return 1 if changed else 0


def book(arguments: argparse.Namespace) -> int:
    from lrar.book import BookError, build_book

    try:
        build_book(fresh=not arguments.replay, datasets=tuple(arguments.datasets.split(",")))
    except BookError as error:
        print(f"lrar: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = OneLineParser(
        prog="lrar", description="Extreme low-resolution action recognition, as a book that anyone can run again."
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(parent, name, action, help_text, example):
        made = parent.add_parser(
            name,
            help=help_text,
            description=help_text,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(action=action)
        return made

    def with_records(made):
        made.add_argument("--records", type=Path, default=RECORDS, metavar="FOLDER", help="where records are kept")

    def with_data(made):
        made.add_argument(
            "--dataset", default="synthetic", help="synthetic, ixmas6, ixmas, or the path of a folder of class folders"
        )
        made.add_argument("--protocol", default="actor", help="actor, random or camera")
        made.add_argument("--profile", default="full", choices=PROFILES, help="how large a study is")
        made.add_argument(
            "--threads", type=positive, default=1, help="threads of each run; 1 gives the same bits anywhere"
        )

    data = commands.add_parser("data", help="prepare or check a data set").add_subparsers(required=True)
    for name, action, text in (
        ("prepare", data_prepare, "Decode every clip once into the cache."),
        ("check", data_check, "Decode every clip and list all that is wrong."),
    ):
        made = command(data, name, action, text, f"lrar data {name} ixmas6")
        made.add_argument("dataset", help="synthetic, ixmas6, ixmas, or the path of a folder of class folders")

    weights = commands.add_parser("weights", help="get or check published weights").add_subparsers(required=True)
    command(weights, "check", weights_check, "Say which published weights are here.", "lrar weights check")
    command(weights, "get", weights_get, "Fetch I3D, pre-trained on Kinetics-400.", "lrar weights get")

    made = command(commands, "run", single_run, "Run one row on one fold.", "lrar run sr --dataset ixmas6 --fold 3")
    made.add_argument("row", help="a row of a study, for instance teacher, plain or full")
    with_data(made)
    made.add_argument("--stream", default="rgb", choices=("rgb", "flow"))
    made.add_argument("--fold", type=int, default=0)
    made.add_argument("--seed", type=int, default=0)
    with_records(made)

    made = command(
        commands,
        "study",
        study,
        "Run a study; runs that have records are not run again.",
        "lrar study all --dataset ixmas6 --workers 2",
    )
    made.add_argument("study", metavar="NAME", help=f"{', '.join(STUDIES)}, or all")
    with_data(made)
    made.add_argument("--rows", help="only these rows, separated by commas")
    made.add_argument("--seeds", type=positive, help="seeds of the headline rows")
    made.add_argument("--folds", type=positive, help="only the first folds")
    made.add_argument("--workers", type=positive, default=os.cpu_count() or 1, help="runs at once on this machine")
    made.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler, tcp://host:8786")
    with_records(made)

    made = command(commands, "audit", audit, "Train a sample of records again and compare.", "lrar audit --sample 3")
    made.add_argument("--sample", type=positive, default=1, help="records to draw")
    made.add_argument("--dataset", help="only records of this data set")
    made.add_argument("--seed", type=int, default=int(time.time()), help="of the draw; by default another each time")
    made.add_argument("--tolerance", type=int, default=1, help="clips by which an accuracy may differ")
    with_records(made)

    made = command(
        commands, "records", records_check, "Compare records with their manifest and with the code.", "lrar records"
    )
    made.add_argument(
        "--write", action="store_true", help="write results.csv, the manifest and the README's table anew first"
    )
    with_records(made)

    made = command(commands, "book", book, "Execute every notebook and build the book.", "lrar book")
    made.add_argument("--datasets", default="synthetic,ixmas6", help="chapters, separated by commas")
    made.add_argument("--replay", action="store_true", help="keep the synthetic records of the last build")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 is well, 1 a check that failed, 2 bad input."""
    parsed = parser().parse_args(arguments)
    try:
        return parsed.action(parsed)
    except DataError as error:
        print(f"lrar: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lrar: interrupted; records that were finished are kept", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
