"""What is left of an executed notebook: nothing that differs from run to run."""

import re
from collections.abc import Sequence

import nbformat


class BookError(Exception):
    """The book cannot be built. The message names the notebook and cell, or the pages, and the remedy."""


def tidy(notebook: nbformat.NotebookNode, *, name: str = "notebook") -> nbformat.NotebookNode:
    """Take out of an executed notebook what differs from run to run, and give each image its alternative text.

    The text of an image is the `alt` of `IPython.display.Image`; it moves to where MyST-NB reads it.

    Args:
        notebook: changed in place.
        name: for the message of an error.

    Raises:
        BookError: an image without alternative text, or two images with different ones in one cell.
    """
    for key in ("papermill", "widgets"):
        notebook.metadata.pop(key, None)
    notebook.metadata.get("language_info", {}).pop("version", None)
    for position, cell in enumerate(notebook.cells):
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            cell.id = "injected-parameters"  # papermill draws a random one
        if cell.cell_type != "code":
            continue
        cell.outputs = _tidy_outputs(cell.outputs)
        texts = [
            output.metadata.get(kind, {}).get("alt")
            for output in cell.outputs
            for kind in output.get("data", {})
            if kind.startswith("image/")
        ]
        if not all(texts):
            raise BookError(f"{name}, cell {position}: an image without alternative text. Show it with Image(alt=...).")
        if len(set(texts)) > 1:
            raise BookError(f"{name}, cell {position}: two images in one cell. Give each image a cell of its own.")
        if texts:
            cell.metadata.setdefault("mystnb", {}).setdefault("image", {})["alt"] = texts[0]
    return notebook


def _tidy_outputs(outputs: Sequence[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    kept: list[nbformat.NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":  # progress bars
                continue
            output.text = _without_addresses(output.text)
            if kept and kept[-1].output_type == "stream":  # how a stream is cut into pieces is chance
                kept[-1].text += output.text
                continue
        data = output.get("data", {})
        if "application/vnd.jupyter.widget-view+json" in data:
            continue
        if "text/plain" in data:
            data["text/plain"] = _without_addresses(data["text/plain"])
        kept.append(output)
    return kept


def _without_addresses(text: str) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]{6,}", "", text)
