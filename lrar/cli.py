"""The `lrar` command."""

import argparse
import contextlib
import functools
import io
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

import torch

from lrar import auditing, commands, distributed, student_commands
from lrar.clips import DataError
from lrar.records import COMMITTED
from lrar.scheduling import usual_workers
from lrar.settings import PROFILES
from lrar.studies import STUDIES

DATASETS = (
    "synthetic, ixmas6, ixmas, hmdb21, hmdb51, hmdb (as many of its classes as are here), "
    "or the path of a folder of class folders"
)

SHARED = (commands.study, commands.single_run)  # what several processes, as `torchrun` starts them, do together


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


def not_negative(text: str) -> int:
    """A whole number from 0 on."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is below 0")
    return number


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = OneLineParser(
        prog="lrar", description="Extreme low-resolution action recognition, as a book that anyone can run again."
    )
    subcommands = top.add_subparsers(required=True, metavar="COMMAND")

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
        made.add_argument("--records", type=Path, default=COMMITTED, metavar="FOLDER", help="where records are kept")

    def with_data(made):
        made.add_argument("--dataset", default="synthetic", help=DATASETS)
        made.add_argument("--protocol", help="actor, random, camera or official; by default the data set's own")
        made.add_argument("--profile", default="full", choices=PROFILES, help="how large a study is")
        made.add_argument(
            "--threads", type=positive, default=1, help="threads of each run; 1 gives the same bits on like processors"
        )

    data = subcommands.add_parser("data", help="prepare or check a data set").add_subparsers(required=True)
    for name, action, text in (
        ("prepare", commands.data_prepare, "Decode every clip once into the cache."),
        ("check", commands.data_check, "Decode every clip and list all that is wrong."),
    ):
        made = command(data, name, action, text, f"lrar data {name} ixmas6")
        made.add_argument("dataset", help=DATASETS)
        if name == "prepare":
            made.add_argument(
                "--archive",
                type=Path,
                action="append",
                help="HMDB-51 as published, to unpack first: hmdb51_org.rar, and again for test_train_splits.rar",
            )

    weights = subcommands.add_parser("weights", help="get or check published weights").add_subparsers(required=True)
    command(weights, "check", commands.weights_check, "Say which published weights are here.", "lrar weights check")
    command(weights, "get", commands.weights_get, "Fetch I3D, pre-trained on Kinetics-400.", "lrar weights get")

    made = command(
        subcommands, "run", commands.single_run, "Run one row on one fold.", "lrar run sr --dataset ixmas6 --fold 3"
    )
    made.add_argument("row", help="a row of a study, for instance teacher, plain or full")
    with_data(made)
    made.add_argument("--stream", default="rgb", choices=("rgb", "flow"))
    made.add_argument("--fold", type=not_negative, default=0)
    made.add_argument("--seed", type=not_negative, default=0)
    with_records(made)

    made = command(
        subcommands,
        "study",
        commands.study,
        "Run a study; runs that have records are not run again.",
        "lrar study all --dataset ixmas6 --workers 2",
    )
    made.add_argument("study", metavar="NAME", help=f"{', '.join(STUDIES)}, or all")
    with_data(made)
    made.add_argument("--rows", help="only these rows, separated by commas")
    made.add_argument("--seeds", type=positive, help="seeds of the headline rows")
    made.add_argument("--folds", type=positive, help="only the first folds")
    made.add_argument(
        "--workers",
        type=positive,
        default=usual_workers(),
        help="runs at once on this machine; by default as many as it has cores, with a GPU four at most",
    )
    made.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler, tcp://host:8786")
    with_records(made)

    made = command(
        subcommands, "audit", auditing.audit, "Train a sample of records again and compare.", "lrar audit --sample 3"
    )
    made.add_argument("--sample", type=positive, default=1, help="records to draw")
    made.add_argument("--dataset", help="only records of this data set")
    made.add_argument("--experiment", default="", metavar="HASH", help="only the record whose hash begins so")
    made.add_argument("--seed", type=int, default=int(time.time()), help="of the draw; by default another each time")
    made.add_argument(
        "--vouch",
        action="store_true",
        help="train one record of each kind that is older than the code; where each probability comes out the same, let the "
        "code count as theirs",
    )
    made.add_argument("--tolerance", type=int, default=1, help="clips by which an accuracy may differ")
    with_records(made)

    made = command(
        subcommands,
        "records",
        commands.records_check,
        "Compare records with their manifest and with the code.",
        "lrar records",
    )
    made.add_argument(
        "--write", action="store_true", help="write results.csv, the manifest and the README's table anew first"
    )
    with_records(made)

    student_commands.add_to(functools.partial(command, subcommands))

    made = command(subcommands, "book", commands.book, "Execute every notebook and build the book.", "lrar book")
    made.add_argument("--datasets", help="chapters, separated by commas; by default those of the whole book")
    made.add_argument("--replay", action="store_true", help="keep the synthetic records of the last build")
    made.add_argument(
        "--pdf", action="store_true", help="print the book into one PDF too, with the Chromium that is here"
    )
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 is well, 1 a check that failed, 2 bad input."""
    parsed = parser().parse_args(arguments)
    for name in ("LRAR_DATA", "LRAR_WEIGHTS", "LRAR_CACHE"):  # notebooks run in a folder of their own
        if os.environ.get(name):
            os.environ[name] = os.path.abspath(os.environ[name])
    try:
        distributed.start()
        if distributed.count() > 1 and parsed.action not in SHARED:
            raise DataError(
                "Several processes share the runs of `lrar study` and `lrar run` only. Start this without torchrun."
            )
        # Of several processes that share a run, the first one speaks.
        with contextlib.nullcontext() if distributed.rank() == 0 else contextlib.redirect_stdout(io.StringIO()):
            return parsed.action(parsed)
    except DataError as error:
        print(f"lrar: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:  # some commands need more packages than others
        if error.name and error.name.startswith("lrar"):
            raise
        print(f"lrar: {error.name} is not installed. Install it: pip install 'lrar[book]'.", file=sys.stderr)
        return 2
    except torch.OutOfMemoryError:
        print(
            "lrar: the GPU's memory ran out. Finished runs are kept: run it again with fewer at once (--workers).",
            file=sys.stderr,
        )
        return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"lrar: {where}{error.strerror or error}. Check the path, who may write there, and the room on its disk.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("lrar: interrupted; records that were finished are kept", file=sys.stderr)
        return 130
    finally:
        distributed.stop()


if __name__ == "__main__":
    sys.exit(main())
