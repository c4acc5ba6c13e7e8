"""Where what can be made again is kept, and files that are there in whole or not at all."""

import pytest

from lrar import cache
from lrar.cache import atomic_write, cache_folder


def test_cache_folder_by_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("LRAR_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("LRAR_CACHE")
    assert cache_folder().parts[-1] == "cache"


def test_atomic_write(tmp_path, monkeypatch):
    path = tmp_path / "new" / "file"
    atomic_write(path, b"first")
    atomic_write(path, b"second")
    assert path.read_bytes() == b"second"

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(cache.os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        atomic_write(path, b"third")
    assert path.read_bytes() == b"second"
    assert [file.name for file in path.parent.iterdir()] == ["file"], "a half-written file remains"
