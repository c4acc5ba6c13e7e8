"""What the `lrar` commands about the shipped students do."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from lrar.clips import DataError
from lrar.commands import show_progress
from lrar.export import export_student
from lrar.index import write_index
from lrar.overlay import Overlay
from lrar.predict import find_videos, predict, table
from lrar.records import COMMITTED, Store
from lrar.small import SHIPPED, load_student
from lrar.small_study import DATA, make_student
from lrar.watch import Region


def add_to(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands.

    Args:
        command: makes one, from its name, its action, its help and an example.
    """
    text = """Say what is done in videos, with a student that sees 16x12 pixels (rows x columns).

Each frame is made grey, cropped around its centre to 4:3 (rows:columns, so
upright), shrunk to 64x48 and from there to 16x12. A video of up to 12 s is
read as a whole, as the clips of its training were; a longer one in windows of
3 s, and the answer is their mean. A file that cannot be read costs a line on
stderr and exit code 2; the others are answered all the same."""
    made = command("predict", predict_videos, text, "lrar predict wave.mp4 --windows --video annotated.mp4")
    made.add_argument("videos", nargs="+", type=Path, metavar="VIDEO_OR_FOLDER", help="a folder stands for its videos")
    made.add_argument(
        "--student", default="ixmas6", help=f"{' or '.join(SHIPPED)}, or a student's file; by default %(default)s"
    )
    made.add_argument("--format", default="table", choices=("table", "json"), help="json holds every window")
    made.add_argument("--windows", action="store_true", help="read short videos in windows of 3 s too; a line a window")
    made.add_argument("--video", type=Path, metavar="OUT.mp4", help="write an annotated copy of one video")
    made.add_argument(
        "--crop", type=region, metavar="TOP,LEFT,ROWS,COLUMNS", help="look at this part of each frame only, in px"
    )

    text = """Write students as ONNX, with a JSON beside each that says how to use it.

With --retrain, what the cache does not hold of the shipped students is trained
first, and their files are written anew; records that exist are kept."""
    made = command("export", export, text, "lrar export --student ixmas6 --out onnx")
    made.add_argument("--student", help=f"{' or '.join(SHIPPED)}, or a student's file; by default all that are shipped")
    made.add_argument("--out", type=Path, default=Path("onnx"), metavar="FOLDER", help="by default %(default)s")
    made.add_argument("--retrain", action="store_true", help="train first; minutes on a core")
    made.add_argument("--records", type=Path, default=COMMITTED, metavar="FOLDER", help="where --retrain keeps records")


def region(text: str) -> Region:
    """`TOP,LEFT,ROWS,COLUMNS` as a region.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        top, left, rows, columns = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not TOP,LEFT,ROWS,COLUMNS in px") from None
    if min(top, left) < 0 or min(rows, columns) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no region of a frame")
    return Region(top=top, left=left, rows=rows, columns=columns)


def predict_videos(arguments: argparse.Namespace) -> int:
    """Answer each video; one that is broken costs a line and the exit code, the others are answered all the same."""
    model, card = load_student(arguments.student)
    videos, broken = [], 0
    for given in arguments.videos:
        try:
            videos += find_videos(given)
        except DataError as error:
            print(f"lrar: {error}", file=sys.stderr, flush=True)
            broken += 1
    if not videos:
        return 2
    if arguments.video and len(videos) > 1:
        raise DataError(f"{arguments.video}: --video takes one video, not {len(videos)}. Name one.")
    if arguments.video and arguments.video.resolve() == videos[0].resolve():
        raise DataError(f"{arguments.video}: --video would write over the video that is read. Name another file.")
    answers = []
    for path in videos:
        options = {"region": arguments.crop, "by_window": arguments.windows}
        try:
            if arguments.video:
                with Overlay(arguments.video, model, card) as overlay:
                    answer = predict(model, card, path, show=overlay.add, **options)
            else:
                answer = predict(model, card, path, **options)
        except DataError as error:
            print(f"lrar: {error}", file=sys.stderr, flush=True)
            broken += 1
            continue
        answers.append(answer)
        if arguments.format == "table":
            print("\n".join(table(answer, by_window=arguments.windows)), flush=True)
    if arguments.format == "json":
        print(json.dumps(answers, indent=1, ensure_ascii=False))
    return 2 if broken else 0


def export(arguments: argparse.Namespace) -> int:
    """Train students again where that is asked for, and write each as ONNX."""
    names = [arguments.student] if arguments.student else list(SHIPPED)
    if arguments.retrain:
        if unknown := [name for name in names if name not in DATA]:
            raise DataError(f"{unknown[0]}: no shipped student. --retrain knows {', '.join(DATA)}.")
        torch.set_num_threads(1)  # the same bits on any number of cores
        for name in names:
            make_student(DATA[name], store=Store(arguments.records), progress=show_progress)
        write_index(arguments.records)
    for name in names:
        for path in export_student(*load_student(name), arguments.out):
            print(path)
    return 0
