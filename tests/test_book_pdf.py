"""The book on paper: printed for real where a browser is, page after page."""

from pathlib import Path

import pytest
from pypdf import PdfReader

from lrar import book, pdf
from lrar.tidy import BookError

PAGES = ["claims/c1_super_resolution", "chapters/synthetic/02_super_resolution"]


def test_pages_come_in_the_order_of_the_contents():
    pages = pdf.pages_of(book.BOOK / "_toc.yml")
    assert pages[0] == "index" and pages[-1] == "api"
    assert pages.index("protocol") < pages.index("chapters/ixmas6/01_data_preparation") < pages.index("cost")
    assert len(pages) == len(set(pages))


def test_a_chapter_and_a_claim_are_printed(browser, html, tmp_path):
    path = pdf.write_pdf(html, pages=PAGES, path=tmp_path / "book.pdf")
    reader = PdfReader(path)
    assert [item.title for item in reader.outline] == ["C1: super resolution", "Super resolution"]
    text = " ".join(page.extract_text() for page in reader.pages)
    # The last column of a wide table is there, and what only scripts and menus need is not.
    assert "seeds" in text and "seconds" in text
    assert "Skip to main content" not in text and "Ctrl+K" not in text
    assert sum(len(page.images) for page in reader.pages) >= 3


@pytest.mark.parametrize("content", [None, "#!/bin/sh\nexit 1\n"])
def test_no_browser_or_one_that_fails_is_one_line_with_the_remedy(content, tmp_path, monkeypatch):
    if content is None:
        monkeypatch.delenv("LRAR_BROWSER", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        program = tmp_path / "browser"
        program.write_text(content)
        program.chmod(0o755)
        monkeypatch.setenv("LRAR_BROWSER", str(program))
    with pytest.raises(BookError, match="LRAR_BROWSER") as error:
        pdf.write_pdf(tmp_path, pages=["index"], path=Path(tmp_path / "book.pdf"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "book.pdf").exists()
