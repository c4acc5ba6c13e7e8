"""What is older than what it is made from is named, with what to do."""

import json

import nbformat
import pytest
from made_up import write_records

from lrar import freshness, provenance
from lrar.index import write_index
from lrar.readme import update_readme


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A book whose one notebook, README and benchmark are as new as the code."""
    book = tmp_path / "book"
    write_records(book / "records", {"plain": 6}, folds=1)
    write_index(book / "records")
    monkeypatch.setattr(freshness, "BOOK", book)
    (tmp_path / "notebooks").mkdir()
    notebook = nbformat.v4.new_notebook()
    freshness.stamp(notebook)
    nbformat.write(notebook, tmp_path / "notebooks" / "01_first.ipynb")
    (tmp_path / "README.md").write_text("nothing drawn here")
    benchmark = {"provenance": {"code": provenance.code_digest()}}
    (book / "records" / "one_fold.json").write_text(json.dumps(benchmark))
    return tmp_path


def stale(repository) -> list[str]:
    """All but the made-up records, which no code has made."""
    return [line for line in freshness.stale(repository / "book" / "records") if " fold " not in line]


def test_what_is_new_is_not_named(repository):
    assert stale(repository) == []


def test_a_record_without_its_code_is_named(repository):
    lines = freshness.stale(repository / "book" / "records")
    assert any(line.startswith("ixmas6 plain rgb fold 0 seed 0: older than attention, ") for line in lines)


def test_an_older_notebook_is_named(repository, monkeypatch):
    now = freshness.showing_digest()
    monkeypatch.setattr(freshness, "showing_digest", lambda: now | {"figures": "another"})
    assert stale(repository) == ["01_first.ipynb: older than figures. Run: make notebooks"]


def test_an_older_benchmark_is_named(repository, monkeypatch):
    now = provenance.code_digest()
    monkeypatch.setattr(provenance, "code_digest", lambda: now | {"training": "another"})
    assert stale(repository) == ["one_fold.json: older than training. Run: python benchmarks/one_fold.py"]


def test_an_older_index_is_named(repository):
    with open(repository / "book" / "records" / "results.csv", "a") as file:
        file.write("a,line,by,hand\n")
    assert stale(repository) == ["results.csv: not what the records give. Run: lrar records --write"]


def test_an_older_readme_is_named(repository):
    (repository / "notebooks" / "01_first.failed.ipynb").write_text("left by an execution that failed")
    (repository / "README.md").write_text("<!-- verdicts:start -->\nold\n<!-- verdicts:end -->")
    assert stale(repository) == ["README.md: its table is not what the records give. Run: lrar records --write"]


def test_other_records_are_looked_at_alone(repository, tmp_path):
    write_records(tmp_path / "others", {"plain": 6}, folds=1)
    (repository / "notebooks" / "01_first.ipynb").write_text("not even a notebook")
    assert all(" fold " in line for line in freshness.stale(tmp_path / "others"))


def test_a_library_without_its_repository(repository):
    (repository / "README.md").unlink()
    (repository / "notebooks" / "01_first.ipynb").unlink()
    (repository / "notebooks").rmdir()
    assert stale(repository) == []
    update_readme(repository / "book" / "records", repository / "README.md")
    assert not (repository / "README.md").exists()
