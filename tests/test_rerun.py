"""What stands in a chapter's box, and where its buttons lead."""

import shlex
from dataclasses import replace

import nbformat
import pytest
from made_up import write_records

from lrar import rerun, tables
from lrar.replay import existing

PARAMETERS = {"dataset": "ixmas6", "profile": "full", "records": "../book/records"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A repository that knows where it lies, and a notebook that knows it too."""
    monkeypatch.setattr(rerun, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(rerun, "revision", lambda: (COMMIT, "main"))
    monkeypatch.setenv("LRAR_REPOSITORY", "https://github.com/someone/lrar")
    monkeypatch.setenv("LRAR_HUB", "https://hub.example.org/")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import lrar")])
    rerun.with_install_cell(notebook, "https://github.com/someone/lrar")
    nbformat.write(notebook, tmp_path / "03_teacher.ipynb")
    return tmp_path


def test_the_box(tmp_path):
    write_records(tmp_path, {"plain": 6}, folds=4)
    runs = existing("ixmas6", profile="full", records=tmp_path, rows=("plain",))
    text = rerun.box("03_teacher", parameters=PARAMETERS, runs=runs)
    assert "Run this chapter again: 12 runs, 6.0 minutes of training" in text
    assert "360 seconds" in text
    assert "abacus, 1 thread" in text
    assert (
        "papermill 03_teacher.ipynb ../mine.ipynb -p dataset ixmas6 -p profile full -p records ../book/records" in text
    )
    for name, value in PARAMETERS.items():
        assert f"| `{name}` | `{value}` | {rerun.MEANINGS[name]} |" in text


def test_names_of_folders_reach_the_command_whole(tmp_path):
    named = {**PARAMETERS, "dataset": "folder-my clips #1 & co"}
    runs = existing("ixmas6", profile="full", records=tmp_path)
    line = next(
        line for line in rerun.box("03_teacher", parameters=named, runs=runs).splitlines() if "papermill" in line
    )
    assert "dataset" in shlex.split(line) and named["dataset"] in shlex.split(line)
    (command,) = {
        row[-1].strip("`") for row in tables.coverage(replace(runs, dataset=named["dataset"], rows=("plain",))).body
    }
    assert named["dataset"] in shlex.split(command)


def test_a_readers_copy_is_no_chapter(tmp_path):
    for name in ("03_teacher.ipynb", "mine.ipynb", "02_super_resolution.ipynb", "03_teacher.failed.ipynb"):
        (tmp_path / name).touch()
    assert [path.name for path in rerun.committed_notebooks(tmp_path)] == [
        "02_super_resolution.ipynb",
        "03_teacher.ipynb",
    ]


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setattr(rerun.shutil, "which", lambda _: None)
    assert rerun.revision() == ("", "")


def test_a_chapter_without_runs_says_so(tmp_path):
    text = rerun.box("03_teacher", parameters=PARAMETERS, runs=existing("ixmas6", profile="full", records=tmp_path))
    assert "nothing has been measured" in text


def test_the_rows_are_those_of_the_tables():
    html = '<span data-row="plain" title="">1</span><span data-row="sr" title="">1</span><span data-row="own" title="">'
    output = nbformat.v4.new_output("display_data", {"text/html": html})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[output, output])])
    assert rerun.shown_rows(notebook) == ("plain", "sr")


def test_buttons(published, monkeypatch):
    colab, hub = rerun.launch_buttons("03_teacher")
    assert f"https://colab.research.google.com/github/someone/lrar/blob/{COMMIT}/notebooks/03_teacher.ipynb" in colab
    assert "https://hub.example.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fsomeone%2Flrar&" in hub
    assert "branch=main&urlpath=lab%2Ftree%2Flrar%2Fnotebooks%2F03_teacher.ipynb" in hub
    monkeypatch.delenv("LRAR_HUB")
    assert rerun.launch_buttons("03_teacher") == [colab]
    monkeypatch.delenv("LRAR_REPOSITORY")
    assert rerun.launch_buttons("03_teacher") == []


def test_no_button_to_where_a_notebook_could_not_run(published, monkeypatch):
    monkeypatch.delenv("LRAR_HUB")
    monkeypatch.setenv("LRAR_REPOSITORY", "https://github.com/another/lrar")
    assert rerun.launch_buttons("03_teacher") == [], "its first cell installs another one's library"
    monkeypatch.setattr(rerun, "revision", lambda: ("", ""))
    monkeypatch.setenv("LRAR_REPOSITORY", "https://github.com/someone/lrar")
    assert rerun.launch_buttons("03_teacher") == [], "not a clone"


def test_the_install_cell(published):
    notebook = nbformat.read(published / "03_teacher.ipynb", as_version=4)
    assert '"git+https://github.com/someone/lrar"' in notebook.cells[0].source
    assert "remove-cell" in notebook.cells[0].metadata.tags
    rerun.with_install_cell(notebook, "")
    assert '"git+https://github.com/someone/lrar"' in notebook.cells[0].source, "what it knows stays"
    rerun.with_install_cell(notebook, "https://github.com/another/lrar")
    assert [cell.source for cell in notebook.cells[1:]] == ["import lrar"]
    assert "someone" not in notebook.cells[0].source


@pytest.mark.parametrize("repository", ["", "https://github.com/someone/lrar"])
def test_the_install_cell_does_nothing_where_the_library_is(repository, capfd):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    result = shell.run_cell(rerun.install_source(repository))
    InteractiveShell.clear_instance()
    assert result.success
    assert capfd.readouterr().out == ""
