"""The folder in which data, cache and records are looked for, where nothing else is said."""

from pathlib import Path


def root() -> Path:
    """The clone that the library lies in; the working folder where it was installed without one."""
    clone = Path(__file__).parents[1]
    return clone if (clone / "pyproject.toml").exists() else Path.cwd()


ROOT = root()
BOOK = ROOT / "book"
