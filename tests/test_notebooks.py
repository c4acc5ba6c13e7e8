"""The committed notebooks have the shape on which papermill, nbval and the book rely. What they compute is nbval's part."""

import ast
import copy
import re

import nbformat
import pytest

from lrar import book, rerun

PATHS = rerun.committed_notebooks()


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def test_they_are_numbered():
    assert [path.stem[:2] for path in PATHS] == [f"{number:02}" for number in range(1, len(PATHS) + 1)]


def test_one_cell_holds_the_parameters_of_the_shipped_data(notebook):
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert cell.source == 'dataset = "synthetic"\nprofile = "quick"\nrecords = "../book/records"'
    names = {node.targets[0].id for node in ast.parse(cell.source).body}
    assert names == set(book.chapter_parameters("synthetic"))


def test_they_tell_their_story_in_order(notebook):
    prose = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert prose.startswith("# ")
    headings = re.findall(r"^(#+) (.+)$", prose, re.MULTILINE)
    assert [level for level, _ in headings].count("#") == 1
    order = ["By hand", "The run", "Verdict", "Cost", "Exercise"]
    found = [part for _, heading in headings for part in order if heading.startswith(part)]
    assert found == order
    assert "**The question.**" in prose
    assert re.search(r"\*\*The paper's claims?", prose)


def test_they_name_no_place_on_a_machine(notebook):
    for cell in notebook.cells:
        outputs = [
            output.get("text", "") + "".join(text for kind, text in output.get("data", {}).items() if "text" in kind)
            for output in cell.get("outputs", [])
        ]
        text = "".join([cell.source, *outputs])
        assert not re.search(r"(?<![\w.])/(home|root|work|tmp|Users|opt|mnt)/", text), cell.source


def test_each_picture_says_what_it_shows(notebook):
    for cell in notebook.cells:
        images = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
        assert len(images) <= 1, cell.source
        for image in images:
            assert len(image.metadata["image/png"]["alt"]) > 20, cell.source


def test_they_define_no_class_and_no_training_loop(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not re.search(r"^\s*class |\bfor epoch\b|\.backward\(", cell.source, re.MULTILINE), cell.source


def test_they_have_no_labels(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"^\([\w-]+\)=", cell.source, re.MULTILINE), "two chapters would share the label"


def test_they_were_executed_in_order_and_tidied(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run: make notebooks"
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert book.tidy(copy.deepcopy(notebook)) == notebook, "run: make notebooks"


def test_the_first_cell_installs_the_library_where_it_is_missing():
    sources = set()
    for path in PATHS:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert {"install", "remove-cell"} <= set(cells[0].metadata.tags), f"{path.name}: run: make notebooks"
        sources.add(cells[0].source)
    (source,) = sources
    (repository,) = re.findall(r'"git\+(\S+)"', source) or [""]
    assert source == rerun.install_source(repository)
