"""The book is built here, and its pages are looked at: by a parser, and by a browser where there is one.

`LRAR_BOOK` names a folder with a built book to look at instead.
"""

import functools
import http.server
import os
import pkgutil
import re
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

import lrar
from lrar import book

# Attributes through which a browser fetches something by itself when it shows a page.
FETCHED = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "track": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "input": ("src",),
    "use": ("href", "xlink:href"),
    "image": ("href", "xlink:href"),
}
FETCHING_LINKS = {
    "stylesheet",
    "icon",
    "preload",
    "modulepreload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "manifest",
}
STYLE_ADDRESS = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s;]+)""")


class Page(HTMLParser):
    """What a page fetches, links to and shows."""

    def __init__(self, text: str):
        super().__init__()
        self.fetched: list[str] = []
        self.linked: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        for attribute in FETCHED.get(tag, ()):
            given = values.get(attribute) or ""
            candidates = given.split(",") if attribute == "srcset" else [given]
            self.fetched += [candidate.split()[0] for candidate in candidates if candidate.strip()]
        if tag == "link" and FETCHING_LINKS & set((values.get("rel") or "").split()):
            self.fetched.append(values["href"])
        if tag == "a" and values.get("href"):
            self.linked.append(values["href"])
        if tag == "img":
            self.images.append(values)
        self.fetched += STYLE_ADDRESS.findall(values.get("style") or "")
        self._in_style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.fetched += STYLE_ADDRESS.findall(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False


def pages_of(html: Path) -> list[Path]:
    return sorted(page for page in html.rglob("*.html") if "_static" not in page.relative_to(html).parts)


def is_outside(address: str) -> bool:
    """Whether an address leads away from the book."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https", "ws", "wss", "ftp")


def outside_fetches(html: Path) -> list[str]:
    """Whatever a browser would fetch from elsewhere while it shows the pages of a built book, as `file: address`."""
    found = []
    for page in pages_of(html):
        found += [f"{page.relative_to(html)}: {a}" for a in Page(page.read_text()).fetched if is_outside(a)]
    for sheet in sorted(html.rglob("*.css")):
        found += [f"{sheet.relative_to(html)}: {a}" for a in STYLE_ADDRESS.findall(sheet.read_text()) if is_outside(a)]
    return found


def missing_files(html: Path) -> list[str]:
    """Local addresses, fetched or linked, behind which there is no file, as `page: address`."""
    found = []
    for page in pages_of(html):
        parsed = Page(page.read_text())
        for address in parsed.fetched + parsed.linked:
            path = unquote(urlsplit(address).path)
            if is_outside(address) or urlsplit(address).scheme or not path:
                continue
            if not (page.parent / path).exists():
                found.append(f"{page.relative_to(html)}: {address}")
    return found


@pytest.fixture(scope="session")
def html() -> Path:
    """The built book."""
    if chosen := os.environ.get("LRAR_BOOK"):
        return Path(chosen)
    return book.build_book().parent


def test_checks_see_what_they_look_for(tmp_path):
    (tmp_path / "page.html").write_text(
        '<script src="https://a.example/x.js"></script><link rel="stylesheet" href="//b.example/y.css">'
        '<link rel="canonical" href="https://fine.example/"><a href="https://fine.example/">out</a>'
        '<p style="background: url(http://c.example/z.png)"><style>@import "https://d.example/s.css";</style>'
        '<img src="data:image/png;base64,AA=="><img src="gone.png" srcset="https://e.example/1.png 1x, here.png 2x">'
    )
    (tmp_path / "sheet.css").write_text('@font-face { src: url("https://f.example/font.woff2") }')
    outside = " ".join(outside_fetches(tmp_path))
    assert re.findall(r"(\w)\.example", outside) == list("abcdef")
    assert missing_files(tmp_path) == ["page.html: gone.png", "page.html: here.png"]


def test_tidy_leaves_nothing_that_differs_between_runs():
    stream = functools.partial(nbformat.v4.new_output, "stream")
    image = nbformat.v4.new_output("display_data", {"image/png": "AA=="}, metadata={"image/png": {"alt": "a curve"}})
    value = nbformat.v4.new_output("execute_result", {"text/plain": "<Axes at 0x7f00aa11bb22>"})
    outputs = [stream(name="stdout", text="a"), stream(name="stderr", text="50%"), stream(name="stdout", text="b")]
    cell = nbformat.v4.new_code_cell(
        "draw()", outputs=[*outputs, value, image], metadata={"papermill": {"duration": 1}}
    )
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"papermill": {}, "widgets": {}})

    book.tidy(notebook)

    assert not notebook.metadata
    assert cell.metadata == {"mystnb": {"image": {"alt": "a curve"}}}
    assert [output.get("text") for output in cell.outputs] == ["ab", None, None]
    assert cell.outputs[1].data["text/plain"] == "<Axes>"


def test_tidy_wants_alternative_text():
    image = nbformat.v4.new_output("display_data", {"image/png": "AA=="})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("draw()", outputs=[image])])
    with pytest.raises(book.BookError, match=r"03_teacher, cell 0: an image without alternative text"):
        book.tidy(notebook, name="03_teacher")


def test_a_failing_cell_is_named_and_what_ran_is_kept(tmp_path):
    first = nbformat.v4.new_code_cell('dataset = "synthetic"\nprint("before")', metadata={"tags": ["parameters"]})
    second = nbformat.v4.new_code_cell('raise ValueError(f"no {dataset} today")')
    source = tmp_path / "07_fails.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[first, second]), source)
    target = tmp_path / "chapters" / source.name
    with pytest.raises(
        book.BookError, match=r"07_fails.ipynb \(ixmas6\), cell \d .*ValueError: no ixmas6 today"
    ) as caught:
        book.execute(source, target, {"dataset": "ixmas6"})
    assert len(str(caught.value).splitlines()) == 1
    assert str(target) in str(caught.value)
    assert "before" in target.read_text()


def test_chapters_are_reproducible(tmp_path):
    cell = nbformat.v4.new_code_cell('dataset = "synthetic"', metadata={"tags": ["parameters"]})
    source = tmp_path / "notebook.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell("object()")]), source)
    for name in ("one", "two"):
        book.execute(source, tmp_path / name, {"dataset": "ixmas6"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_table_of_contents_follows_the_data_sets(tmp_path):
    assert book.table_of_contents(book.DATASETS, out=tmp_path) == (book.BOOK / "_toc.yml", True)
    path, whole = book.table_of_contents(["synthetic", "folder-mine"], out=tmp_path)
    assert not whole
    assert "chapters/ixmas6" not in path.read_text()
    assert "caption: folder-mine" in path.read_text()


def test_each_module_is_in_the_reference():
    modules = {module.name for module in pkgutil.walk_packages(lrar.__path__, "lrar.") if not module.ispkg}
    documented = set(re.findall(r"automodule:: (\S+)", (book.BOOK / "api.md").read_text()))
    assert modules <= documented


def test_nothing_comes_from_elsewhere(html):
    assert outside_fetches(html) == []


def test_no_address_is_dead(html):
    assert missing_files(html) == []


def test_each_image_has_alternative_text(html):
    for page in pages_of(html):
        for image in Page(page.read_text()).images:
            text = image.get("alt")
            # Sphinx falls back to the file's name, which tells nobody anything.
            assert text and not re.fullmatch(r"\S+\.(png|svg|jpe?g|gif)", text), f"{page.relative_to(html)}: {image}"


@pytest.fixture(scope="session")
def address(html) -> Iterator[str]:
    """The built book, served on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=html))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


# The widest element that sticks out of the page, for the message; what scrolls by itself does not stick out.
STICKS_OUT = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return null;
  const scrolls = (e) => e && e !== document.documentElement && e !== document.body
    && (getComputedStyle(e).overflowX !== 'visible' || scrolls(e.parentElement));
  const out = [...document.querySelectorAll('main *')]
    .filter((e) => e.getBoundingClientRect().right > width + 1 && !scrolls(e.parentElement));
  return out.length ? out[0].outerHTML.slice(0, 120) : document.documentElement.scrollWidth + ' px wide';
}"""


@pytest.mark.parametrize("width", [360, 1440])
def test_pages_in_a_browser(html, address, browser, width):
    problems: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.set_default_timeout(120_000)  # a busy machine is no fault of the page
    page = context.new_page()
    where = ""

    def note(what: str) -> None:
        problems.append(f"{where}: {what}")

    page.on("console", lambda message: note(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: note(str(error)))
    page.on("requestfailed", lambda request: note(f"failed: {request.url}"))
    page.on("response", lambda response: note(f"{response.status}: {response.url}") if response.status >= 400 else None)
    page.on(
        "request", lambda request: None if request.url.startswith((address, "data:", "blob:")) else note(request.url)
    )
    for path in pages_of(html):
        where = str(path.relative_to(html))
        page.emulate_media(color_scheme="light")
        page.goto(f"{address}/{where}", wait_until="load")
        page.evaluate("() => window.MathJax?.startup?.promise")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
        if width == 360 and (element := page.evaluate(STICKS_OUT)):
            note(f"sticks out: {element}")
        if page.locator("mjx-merror").count():
            note("a formula that MathJax cannot read")
    context.close()
    assert not problems, "\n".join(problems)
