"""The book: every notebook executed once for each data set, then built into pages that need no network.

papermill is the only executor. A chapter is a notebook of `notebooks/` with the parameters of one data set; it lies in
`book/chapters/<dataset>/` and is never committed. Chapters carry no timing, no random id and no progress bar, so two
builds from the same records give the same pages.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
import papermill
import yaml
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from lrar.cache import atomic_write
from lrar.chapters import complete_chapter, write_runs
from lrar.clips import DataError
from lrar.datasets import NAMES, available, data_folder, one_name
from lrar.demo import write_demo
from lrar.explorer_pages import chapter_runs, write_explorer
from lrar.freshness import stamp
from lrar.lighter import keep_used_icons, without_unused_mathjax
from lrar.pages import write_fragments
from lrar.places import BOOK, ROOT
from lrar.records import Store
from lrar.rerun import FAILED, NOTEBOOKS, committed_notebooks, with_install_cell
from lrar.tidy import BookError, tidy
from lrar.trace import PAGE as RUNS_PAGE

DATASETS = ("synthetic", "ixmas6", "hmdb21")


def checked_names(datasets: Sequence[str]) -> tuple[str, ...]:
    """The data sets that are to get chapters. Their names become folders, so nothing else may pass.

    Raises:
        DataError: a name that is none, `hmdb` without its clips, or a folder that is not in `data_folder()` and has no records.
    """
    asked = [name.strip() for name in datasets]
    names = tuple(dict.fromkeys(one_name(name) if name == "hmdb" else name for name in asked))
    for name in names:
        if not re.fullmatch(NAMES, name):
            raise DataError(
                f"{name or 'an empty name'}: no data set that can have chapters. Known: synthetic, ixmas6, ixmas, hmdb21, "
                "hmdb51, hmdb, and folder-NAME for the folder NAME in LRAR_DATA."
            )
        if name.startswith("folder-") and not available(name):
            kept = Store(BOOK / "records").records(name)
            if not any(record.experiment["data"]["dataset"] == name for record in kept):
                raise DataError(
                    f"{name}: there is no folder {name.removeprefix('folder-')} in {data_folder()}, nor are there records of "
                    "it under that name. Move it there, or set LRAR_DATA to the folder that holds it, and run its study."
                )
    return names


def chapter_parameters(dataset: str, *, out: Path = BOOK) -> dict[str, str]:
    """What a notebook's `parameters` cell becomes for a data set.

    The synthetic chapters train for real, in the small, and keep their records beside the built book. All others are
    drawn from the records that are committed under `book/records`.

    Args:
        dataset: the name used in records.
        out: as in `build_book`.
    """
    live = dataset == "synthetic"
    records = out / "_build" / "records" if live else BOOK / "records"
    return {
        "dataset": dataset,
        "profile": "quick" if live else "full",
        "records": os.path.relpath(records, NOTEBOOKS),  # notebooks run in their own folder, whoever calls
    }


def execute(notebook: Path, target: Path, parameters: dict[str, str] | None = None) -> None:
    """Execute one notebook in its own folder and write the tidied result.

    Args:
        notebook: what to execute.
        target: where the result goes; may be `notebook` itself.
        parameters: replaces the values of the `parameters` cell; None keeps them.

    Raises:
        BookError: a cell failed. What ran before it is kept in `target`, or beside it with the ending `.failed.ipynb`
            where `target` is the notebook itself.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(FAILED)
    name = f"{notebook.name} ({parameters['dataset']})" if parameters else notebook.name
    try:
        papermill.execute_notebook(
            notebook,
            partial,
            parameters=parameters or {},
            kernel_name="python3",
            language="python",
            cwd=notebook.parent,
            progress_bar=False,
            extra_arguments=["--log-level=ERROR"],  # the kernel's own log is no progress
        )
    except PapermillExecutionError as error:
        where = f"{name}, cell {error.cell_index} (In [{error.exec_count}])"
        what = f"{error.ename}: {error.evalue}".strip().splitlines()[0]
        raise BookError(f"{where} failed: {what} What ran before it: {_kept(partial, notebook, target)}") from error
    except (DeadKernelError, CellTimeoutError) as error:
        what = str(error).strip().splitlines()[0]
        raise BookError(f"{name}: {what} What ran before it: {_kept(partial, notebook, target)}") from error
    executed = tidy(nbformat.read(partial, as_version=4), name=name)
    if parameters:
        for cell in executed.cells:
            if "parameters" in cell.metadata.get("tags", []):
                cell.metadata.tags.append("remove-cell")  # the page shows the values that it was made with
    atomic_write(target, nbformat.writes(executed).encode())
    partial.unlink()


def _kept(partial: Path, notebook: Path, target: Path) -> Path:
    if target != notebook:
        os.replace(partial, target)
    return target if target != notebook else partial


def table_of_contents(datasets: Sequence[str], *, out: Path = BOOK) -> tuple[Path, bool]:
    """The table of contents for these data sets.

    Returns:
        The file, and whether it holds the whole book: a page may then point to any other.
    """
    whole = BOOK / "_toc.yml"
    toc = yaml.safe_load(whole.read_text())
    asked = {f"chapters/{dataset}" for dataset in datasets}

    def folder(part: dict) -> str:
        return os.path.dirname(part["chapters"][0]["file"])

    parts = [part for part in toc["parts"] if not folder(part).startswith("chapters/") or folder(part) in asked]
    missing = asked - {folder(part) for part in parts}
    if not missing and len(parts) == len(toc["parts"]):
        return whole, True
    names = [*(path.stem for path in committed_notebooks()), RUNS_PAGE]
    for place in sorted(missing):
        chapters = [{"file": f"{place}/{name}"} for name in names]
        parts.insert(-1, {"caption": os.path.basename(place), "chapters": chapters})
    path = out / "_build" / "toc.yml"
    atomic_write(path, yaml.safe_dump({**toc, "parts": parts}, sort_keys=False).encode())
    return path, False


def build_pages(*, toc: Path, strict: bool, out: Path = BOOK) -> Path:
    """Build the pages from the chapters as they lie, with jupyter-book.

    Args:
        toc: the table of contents.
        strict: a warning is an error, a reference without target too.
        out: as in `build_book`.

    Returns:
        The start page.

    Raises:
        BookError: with jupyter-book's warnings.
    """
    build = out / "_build"
    for stale in (build / "html", build / ".doctrees"):
        shutil.rmtree(stale, ignore_errors=True)
    options = ["--config", ROOT / "_config.yml", "--toc", toc, "--path-output", out, "--keep-going", "-q"]
    done = subprocess.run(
        [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", BOOK, *options]
        + (["-W", "-n"] if strict else []),
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    start = build / "html" / "index.html"
    if done.returncode or not start.is_file():
        text = re.sub(r"\x1b\[[\d;]*m", "", done.stderr).strip()  # no colours
        parts = [part.strip().splitlines() for part in re.split(r"(?m)^(?=.*\b(?:WARNING|ERROR|CRITICAL):)", text)]
        # A warning, and where a traceback follows it, what the traceback ends with.
        warnings = [" ".join(dict.fromkeys((part[0], part[-1]))) for part in parts if part]
        raise BookError("the pages could not be built:\n" + "\n".join(warnings))
    keep_used_icons(build / "html")
    without_unused_mathjax(build / "html")
    return start


def build_book(
    *,
    fresh: bool = False,
    datasets: Sequence[str] = DATASETS,
    out: Path = BOOK,
    say: Callable[[str], None] = print,
) -> Path:
    """Execute every notebook for every data set, then build the pages.

    Args:
        fresh: forget the records that an earlier build trained, so that the synthetic chapters train again.
        datasets: the data sets that get chapters.
        out: the folder that gets `_build/html`.
        say: takes one plain line of progress at a time.

    Returns:
        The start page.

    Raises:
        BookError: a cell failed, or a page has a warning.
        DataError: see `checked_names`.
    """
    notebooks = committed_notebooks()
    if not notebooks:
        raise BookError(f"{NOTEBOOKS}: no notebooks. The book is built from a clone of the repository.")
    out = Path(out).absolute()
    datasets = checked_names(datasets)
    if fresh:
        shutil.rmtree(out / "_build" / "records", ignore_errors=True)
    for dataset in datasets:
        chapters = BOOK / "chapters" / dataset
        shutil.rmtree(chapters, ignore_errors=True)
        parameters = chapter_parameters(dataset, out=out)
        for notebook in notebooks:
            start = time.monotonic()
            say(f"{dataset}/{notebook.stem} ...")
            execute(notebook, chapters / notebook.name, parameters)
            complete_chapter(chapters / notebook.name, parameters=parameters)
            say(f"{dataset}/{notebook.stem}: {time.monotonic() - start:.0f} s")
        write_runs(chapters, parameters=parameters)
    start = time.monotonic()
    say("the clip explorer ...")
    parameters = [chapter_parameters(dataset, out=out) for dataset in datasets]
    clips = write_explorer(map(chapter_runs, parameters), BOOK / "generated")
    say(f"the clip explorer: {len(clips)} clips, {time.monotonic() - start:.0f} s")
    start = time.monotonic()
    write_demo(BOOK / "generated" / "extra" / "demo", say=say)
    say(f"the live demo: {time.monotonic() - start:.0f} s")
    start = time.monotonic()
    say("building the pages ...")
    write_fragments()
    toc, whole = table_of_contents(datasets, out=out)
    page = build_pages(toc=toc, strict=whole, out=out)
    say(f"pages: {time.monotonic() - start:.0f} s")
    say(f"the book: {page}")
    return page


def refresh_notebooks() -> None:
    """Execute the committed notebooks again, in place, with the parameters they hold.

    With `LRAR_REPOSITORY`, their first cell learns where the library can be fetched from.
    """
    for notebook in committed_notebooks():
        print(f"{notebook.name} ...", flush=True)
        content = nbformat.read(notebook, as_version=4)
        with_install_cell(content, os.environ.get("LRAR_REPOSITORY", ""))
        atomic_write(notebook, nbformat.writes(content).encode())
        execute(notebook, notebook)
        content = nbformat.read(notebook, as_version=4)
        stamp(content)
        atomic_write(notebook, nbformat.writes(content).encode())
