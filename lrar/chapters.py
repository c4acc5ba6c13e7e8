"""What the build adds to an executed notebook to make it a chapter: the box that says how to run it again, a link from
each number to its runs, and what a figure says where one points at it.

None of this stands in the committed notebooks. It is written into `book/chapters/`, from the records that the chapter
was drawn from.
"""

import json
from collections.abc import Callable
from html import escape
from pathlib import Path

import nbformat

from lrar import rerun, trace
from lrar.cache import atomic_write
from lrar.records import Store
from lrar.replay import existing
from lrar.table import link_numbers


def complete_chapter(path: Path, *, parameters: dict[str, str]) -> None:
    """Add to a chapter what only the book has.

    Args:
        path: the executed notebook, changed in place.
        parameters: that it was executed with; `records` is relative to `notebooks/`.
    """
    notebook = nbformat.read(path, as_version=4)
    runs = existing(
        parameters["dataset"],
        profile=parameters["profile"],
        records=rerun.NOTEBOOKS / parameters["records"],
        rows=rerun.shown_rows(notebook),
    )
    box = nbformat.v4.new_markdown_cell(rerun.box(path.stem, parameters=parameters, runs=runs), id="run-again")
    notebook.cells.insert(1, box)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _with_links(cell.outputs, trace.beside_chapter(parameters["dataset"]))
    atomic_write(path, nbformat.writes(notebook).encode())


def write_runs(folder: Path, *, parameters: dict[str, str]) -> None:
    """Write the page of all runs of a data set beside its chapters."""
    records = rerun.NOTEBOOKS / parameters["records"]
    asked = {"dataset": parameters["dataset"], "profile": parameters["profile"], "records": records}
    runs = existing(**asked)
    protocols = {record.experiment["data"]["protocol"] for record in Store(records).records(runs.dataset)}
    others = [existing(**asked, protocol=protocol) for protocol in sorted(protocols - {runs.protocol})]
    trace.write_runs_page(runs, root=records, folder=folder, others=others)


def _with_links(outputs: list[nbformat.NotebookNode], address: Callable[[str], str]) -> list[nbformat.NotebookNode]:
    made = []
    for output in outputs:
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = link_numbers(output.data["text/html"], address)
        made.append(output)
        if spots := output.get("metadata", {}).get("image/png", {}).get("spots"):
            made.append(nbformat.v4.new_output("display_data", {"text/html": spots_html(spots)}))
    return made


def spots_html(spots: dict) -> str:
    """What a figure says about its marks, for `figures.js`, which lays it over the picture before it."""
    return f'<div class="lrar-spots" data-spots="{escape(json.dumps(spots, ensure_ascii=False))}" hidden></div>'
