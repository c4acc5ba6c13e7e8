"""A chapter gets its box, its links and what its figures say; the notebook that it comes from stays as it was."""

import json
from html import unescape

import nbformat
import pytest
from made_up import write_records

from lrar import chapters, figures, rerun, tables
from lrar.replay import existing


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    monkeypatch.setattr(rerun, "NOTEBOOKS", tmp_path)
    monkeypatch.delenv("LRAR_REPOSITORY", raising=False)
    write_records(tmp_path / "records", {"plain": 6, "sr": 9}, folds=2)
    runs = existing("ixmas6", profile="full", records=tmp_path / "records", rows=("plain", "sr"))
    image = figures.differences(runs, baseline="plain")
    data, metadata = image._repr_mimebundle_()
    outputs = [
        nbformat.v4.new_output("execute_result", {"text/html": tables.accuracy(runs)._repr_html_()}, execution_count=1),
        nbformat.v4.new_output("display_data", data, metadata=metadata),
    ]
    cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell("show()", outputs=outputs)]
    path = tmp_path / "chapters" / "02_super_resolution.ipynb"
    path.parent.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    chapters.complete_chapter(path, parameters={"dataset": "ixmas6", "profile": "full", "records": "records"})
    return nbformat.read(path, as_version=4)


def test_the_box_stands_below_the_title(chapter):
    assert [cell.cell_type for cell in chapter.cells] == ["markdown", "markdown", "code"]
    assert "Run this chapter again: 10 runs" in chapter.cells[1].source


def test_numbers_lead_to_their_runs(chapter):
    html = chapter.cells[2].outputs[0].data["text/html"]
    assert html.count('<a href="runs.html#runs-ixmas6-sr"') == 3
    assert html.count('<a href="runs.html#runs-ixmas6-plain"') == 3
    assert "data-row" not in html


def test_figures_are_followed_by_what_they_say(chapter):
    _, image, said = chapter.cells[2].outputs
    html = said.data["text/html"]
    spots = json.loads(unescape(html.split('data-spots="')[1].split('" hidden')[0]))
    assert spots == image.metadata["image/png"]["spots"]
    assert "our SR minus plain (bicubic), rgb: 24 clips, 2 runs of each" in spots["spots"][0]["says"]
