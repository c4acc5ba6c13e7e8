"""What is committed and older than what it is made from: records, their index, notebooks, the README, benchmarks.

A notebook is stamped with the digests of the modules that draw what it shows when it is executed; so are records, with
those of the modules that decide results (`lrar.provenance`). To be older is no error: nbval and `lrar audit` say whether
anything comes out otherwise.
"""

from pathlib import Path

import nbformat

from lrar import provenance, vouching
from lrar.index import results_csv
from lrar.measured import SCRIPTS, measurement
from lrar.places import BOOK
from lrar.readme import START, readme_table, readme_with
from lrar.records import Store
from lrar.rerun import committed_notebooks
from lrar.vouching import older_than_code

SHOWING = (
    "bootstrap",
    "canvas",
    "claims",
    "dots",
    "figures",
    "names",
    "pixels",
    "pooling",
    "replay",
    "settings",
    "statistics",
    "studies",
    "table",
    "tables",
    "wording",
)
STAMP = "lrar"


def showing_digest() -> dict[str, str]:
    """A digest of each module that draws what notebooks show."""
    return {module: provenance.digest(Path(__file__).with_name(f"{module}.py")) for module in SHOWING}


def stamp(notebook: nbformat.NotebookNode) -> None:
    """Note in a notebook, in place, by which code it has just been made."""
    notebook.metadata[STAMP] = showing_digest()


def changed_since(digests: dict[str, str], now: dict[str, str]) -> list[str]:
    """The modules whose digest is another one now, or was not noted."""
    return sorted(module for module, digest in now.items() if digests.get(module) != digest)


def stale(root: Path) -> list[str]:
    """What is older than what it is made from, a line each, with the remedy.

    Args:
        root: of the records; what else is committed is looked at where these are the book's.
    """
    root = Path(root)
    records = Store(root).records()
    lines = []
    for record in records:
        if older := older_than_code(record):
            lines.append(f"{record.name}: older than {', '.join(older)}")
    index = root / "results.csv"
    if index.exists() and index.read_text(encoding="utf-8") != results_csv(records):
        lines.append(f"{index.name}: not what the records give. Run: lrar records --write")
    return lines + (_stale_pages(root) if root.resolve() == (BOOK / "records").resolve() else [])


def _stale_pages(root: Path) -> list[str]:
    lines = []
    path = BOOK.parent / "README.md"
    readme = path.read_text() if path.exists() else ""  # a library that was installed has none
    if START in readme and readme_with(readme_table(root), readme) != readme:
        lines.append("README.md: its table is not what the records give. Run: lrar records --write")
    now = showing_digest()
    for path in committed_notebooks(BOOK.parent / "notebooks"):
        if older := changed_since(nbformat.read(path, as_version=4).metadata.get(STAMP, {}), now):
            lines.append(f"{path.name}: older than {', '.join(older)}. Run: make notebooks")
    for script, timed in SCRIPTS.items():
        if (measured := measurement(root, script)) is None:
            continue
        if older := vouching.changed_since(measured["provenance"]["code"], timed):
            lines.append(f"{script}.json: older than {', '.join(older)}. Run: python benchmarks/{script}.py")
    return lines
