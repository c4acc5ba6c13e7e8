"""The built book as one PDF: each page as a browser prints it, in the order of the table of contents."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml
from pypdf import PdfReader, PdfWriter

from lrar.tidy import BookError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 60  # for one page


def find_browser() -> str | None:
    """A Chromium or Chrome of this machine: the one that `LRAR_BROWSER` names, else the first that is found."""
    return os.environ.get("LRAR_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)


def pages_of(toc: Path) -> list[str]:
    """The pages of a table of contents, without suffix, as they are read."""
    contents = yaml.safe_load(Path(toc).read_text())
    return [contents["root"], *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"])]


def write_pdf(html: Path, *, pages: list[str], path: Path, progress: Callable = iter) -> Path:
    """Print pages of the built book into one file.

    Args:
        html: the folder with the built book.
        pages: which pages, without suffix.
        path: the file.
        progress: wraps the iterator over pages.

    Returns:
        `path`.

    Raises:
        BookError: no browser, or one that does not print.
    """
    browser = find_browser()
    if browser is None:
        raise BookError(
            "a PDF is printed by Chromium or Chrome, and none is here. Install one, or name it in LRAR_BROWSER."
        )
    writer = PdfWriter()
    with tempfile.TemporaryDirectory() as folder:
        for number, page in enumerate(progress(pages)):
            printed = Path(folder) / f"{number}.pdf"
            _print(browser, Path(html) / f"{page}.html", printed, profile=Path(folder) / "profile")
            reader = PdfReader(printed)
            writer.append(reader, outline_item=(reader.metadata.title or page).split(" — ")[0])
        writer.add_metadata({"/Title": "lrar: extreme low-resolution action recognition, replicated"})
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(Path(folder) / "book.pdf", "wb") as file:
            writer.write(file)
        shutil.move(Path(folder) / "book.pdf", path)
    return path


def _print(browser: str, page: Path, path: Path, *, profile: Path) -> None:
    # Scripts, formulas among them, get ten seconds of the page's own time, which takes less of ours.
    options = ["--headless", "--disable-gpu", "--no-pdf-header-footer", "--virtual-time-budget=10000"]
    rights = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # root has no sandbox
    places = ["--allow-file-access-from-files", f"--user-data-dir={profile}", f"--print-to-pdf={path}"]
    try:
        done = subprocess.run(
            [browser, *options, *rights, *places, page.resolve().as_uri()],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BookError(
            f"{browser} did not print {page.name} ({type(error).__name__}). Name another in LRAR_BROWSER."
        ) from error
    if not path.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BookError(f"{browser} did not print {page.name}: {last}. Name another in LRAR_BROWSER.")
