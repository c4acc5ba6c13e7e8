"""The README's table of verdicts, drawn from the records between two markers."""

from pathlib import Path

from lrar.cache import atomic_write
from lrar.clips import DataError
from lrar.outcomes import room, state, verdict_table
from lrar.pages import DATASET, HMDB, PAGES
from lrar.places import BOOK
from lrar.replay import existing

START, END = "<!-- verdicts:start -->", "<!-- verdicts:end -->"

ON_HMDB = """**On HMDB-21**: 922 clips of HMDB-51 in colour, 21 of its 51 classes, 12x16 pixels, I3D with Kinetics-400 weights, its lower blocks
frozen. The three official splits test 684 of the clips, some more than once; the bootstrap resamples source videos."""
ON_IXMAS = """**On IXMAS-6**: 360 clips of real video, 6 actions, leave one actor out, 16x12 pixels, a compact network trained from scratch. The
bootstrap resamples actors; ten of them make an interval too narrow, nearer 90 % than 95 %."""


def readme_table(records: Path = BOOK / "records") -> str:
    """The verdict table as the README has it between its two markers."""
    ixmas = existing(DATASET, profile="full", records=records)
    hmdb = existing(HMDB, profile="full", records=records)
    return (
        f"{ON_HMDB}\n\n{verdict_table(hmdb, link=_readme_links)}\n{room(hmdb)}{state(hmdb)}\n"
        f"{ON_IXMAS}\n\n{verdict_table(ixmas, link=_readme_links, stated=False)}\n{room(ixmas)}{state(ixmas)}"
    )


def readme_with(table: str, readme: str) -> str:
    """The README's text with its table replaced.

    Raises:
        DataError: it lacks the markers.
    """
    if readme.count(START) != 1 or readme.count(END) != 1:
        raise DataError(f"README.md: the lines {START} and {END} must stand in it once each. Put them back.")
    before, rest = readme.split(START)
    return f"{before}{START}\n\n{table}\n{END}{rest.split(END)[1]}"


def update_readme(records: Path = BOOK / "records", readme: Path = BOOK.parent / "README.md") -> None:
    """Write the README's verdict table anew; nothing where there is no README, as beside a library that was installed."""
    if not readme.exists():
        return
    atomic_write(readme, readme_with(readme_table(records), readme.read_text()).encode())


def _readme_links(claim: str) -> str:
    page, chapter = PAGES[claim]
    return f"[claim](book/{page}.md), [notebook](notebooks/{chapter}.ipynb)"
