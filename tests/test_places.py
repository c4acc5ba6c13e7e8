"""Where data, cache and records are looked for: in the clone, or where one works."""

from pathlib import Path

from lrar import places


def test_the_clone_is_the_place():
    assert Path(__file__).parents[1] == places.ROOT


def test_without_a_clone_it_is_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "__file__", str(tmp_path / "site-packages" / "lrar" / "places.py"))
    monkeypatch.chdir(tmp_path)
    assert places.root() == tmp_path
