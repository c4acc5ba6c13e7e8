"""The book is built, and its pages are looked at: by a parser, and by a browser where there is one."""

import dataclasses
import functools
import pkgutil
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import names_file_and_remedy
from made_up import make_record

import lrar
from lrar import book
from lrar.clips import DataError
from lrar.records import Store

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


@pytest.mark.parametrize(
    "name",
    ["{victim}", "../../victim", "", " ", "my_videos", "ixmas7", "folder-", "folder-../victim", "folder-nowhere"],
)
def test_only_names_of_data_sets_become_chapters(tmp_path, monkeypatch, name):
    """A chapter's folder is made anew: what is no name could be somebody's videos."""
    victim = tmp_path / "victim" / "wave" / "anna_01.mp4"
    victim.parent.mkdir(parents=True)
    victim.touch()
    monkeypatch.setattr(book, "execute", lambda *_: pytest.fail("executed"))
    monkeypatch.setattr(book, "BOOK", tmp_path / "book")
    monkeypatch.setenv("LRAR_DATA", str(tmp_path))
    name = name.format(victim=victim.parents[1])
    with pytest.raises(DataError) as error:
        book.build_book(datasets=("synthetic", name), out=tmp_path / "out", say=print)
    assert names_file_and_remedy(error, name.strip())
    assert victim.exists() and not (tmp_path / "book").exists()
    assert book.checked_names(["synthetic", " ixmas6 ", "hmdb51", "synthetic"]) == ("synthetic", "ixmas6", "hmdb51")


def test_records_of_a_folder_by_its_path_make_no_chapters(tmp_path, monkeypatch):
    monkeypatch.setenv("LRAR_DATA", str(tmp_path))
    monkeypatch.setattr(book, "BOOK", tmp_path / "book")
    record = make_record("plain", "rgb", 0, dataset="folder-mine")
    by_path = record.experiment | {"data": record.experiment["data"] | {"dataset": "/videos/mine"}}
    Store(tmp_path / "book" / "records").write(dataclasses.replace(record, experiment=by_path))
    with pytest.raises(DataError) as error:
        book.checked_names(["folder-mine"])
    assert names_file_and_remedy(error, "folder-mine", "nor are there records of it under that name")
    Store(tmp_path / "book" / "records").write(record)
    assert book.checked_names(["folder-mine"]) == ("folder-mine",)


def test_each_module_is_in_the_reference():
    modules = {module.name for module in pkgutil.walk_packages(lrar.__path__, "lrar.") if not module.ispkg}
    documented = set(re.findall(r"automodule:: (\S+)", (book.BOOK / "api.md").read_text()))
    assert modules <= documented


def test_nothing_comes_from_elsewhere(html):
    assert outside_fetches(html) == []


def test_no_address_is_dead(html):
    assert missing_files(html) == []


def test_numbers_lead_to_their_runs(html):
    """Each link to a section of runs meets one that lists them, or says that there are none yet."""
    led = set()
    for page in pages_of(html):
        for address in Page(page.read_text()).linked:
            parts = urlsplit(address)
            if not parts.fragment.startswith("runs-") or page.name == "runs.html":
                continue
            target = page.parent / parts.path
            _, _, section = target.read_text().partition(f'id="{parts.fragment}"')
            section = section.split("<h2>")[1]
            assert "lrar-runs" in section or ">0 of" in section, f"{page.relative_to(html)}: {address}"
            led.add(page.relative_to(html).as_posix())
    results = {page.relative_to(html).as_posix() for page in html.glob("chapters/*/0[1-6]_*.html")}
    assert led >= results, "each chapter has numbers"


def test_each_image_has_alternative_text(html):
    for page in pages_of(html):
        for image in Page(page.read_text()).images:
            text = image.get("alt")
            # Sphinx falls back to the file's name, which tells nobody anything.
            assert text and not re.fullmatch(r"\S+\.(png|svg|jpe?g|gif)", text), f"{page.relative_to(html)}: {image}"


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


# What axe finds in markup that the theme or docutils writes, and that we cannot change: rule, what the element holds, why.
EXEMPTIONS = (
    ("region", 'class="logo__image', "the theme puts the logo outside of its landmarks"),
    ("aria-allowed-role", 'role="doc-biblioentry"', "docutils gives references a role that ARIA has withdrawn"),
    ("aria-deprecated-role", 'role="doc-biblioentry"', "the same"),
    ("aria-required-children", 'class="citation-list"', "the same"),
    ("definition-list", "<dl>", "Sphinx writes a signature of several lines as terms without definitions"),
    ("list", "<ul>", "Sphinx nests the list of modules that have listings without an item around it"),
)
# Made by one template as what stands before them: rows of runs, entries of the reference. All of them would take minutes.
MORE_OF_THE_SAME = (".lrar-runs tbody tr:nth-child(n + 4)", "dl.py ~ dl.py")


def without_listings(html: Path) -> list[Path]:
    """The pages, of the listings of source code only the first: one template makes them."""
    pages = pages_of(html)
    listings = [page for page in pages if "_modules/lrar" in page.relative_to(html).as_posix()]
    return [page for page in pages if page not in listings[1:]]


def violations(page) -> list[tuple[str, str]]:
    """What axe finds: rule and element."""
    # Taken out, and not named to axe as exceptions: it would look through thousands of them at every element.
    page.evaluate(
        "parts => document.querySelectorAll(parts).forEach((part) => part.remove())", ", ".join(MORE_OF_THE_SAME)
    )
    found = Axe().run(page).response["violations"]
    return [(rule["id"], node["html"]) for rule in found for node in rule["nodes"]]


def exempted(rule: str, element: str) -> int | None:
    """The number of the exemption under which a violation falls."""
    for number, (its_rule, part, _) in enumerate(EXEMPTIONS):
        if rule == its_rule and part in element:
            return number
    return None


@pytest.fixture(scope="module")
def exemptions_used() -> set[int]:
    return set()


# Light and wide, dark and narrow: together both themes' colours and both layouts.
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (360, "dark")])
def test_pages_are_accessible(html, address, browser, exemptions_used, width, theme):
    problems = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    context.set_default_timeout(300_000)
    page = context.new_page()
    for path in without_listings(html):
        page.goto(f"{address}/{path.relative_to(html)}", wait_until="load")
        for rule, element in violations(page):
            if (number := exempted(rule, element)) is None:
                problems.append(f"{path.relative_to(html)}: {rule}: {element[:200]}")
            else:
                exemptions_used.add(number)
    context.close()
    assert not problems, "\n".join(dict.fromkeys(problems))


def test_each_exemption_is_still_needed(html, address, browser, exemptions_used):
    if not exemptions_used:  # this test by itself: the pages that had them
        for path in ("index.html", "literature.html", "api.html", "_modules/index.html"):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{address}/{path}", wait_until="load")
            exemptions_used |= {exempted(*found) for found in violations(page)}
            page.close()
    unused = [EXEMPTIONS[number] for number in range(len(EXEMPTIONS)) if number not in exemptions_used]
    assert not unused, "nothing of this is found any more; take it out"


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
    # An icon that a busy machine has not fetched yet is given up when the next page is called; that is no failure.
    page.on(
        "requestfailed",
        lambda request: None if request.failure == "net::ERR_ABORTED" else note(f"{request.failure}: {request.url}"),
    )
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
            if element := page.evaluate(STICKS_OUT):
                note(f"sticks out, {theme}: {element}")
        if page.locator("mjx-merror").count():
            note("a formula that MathJax cannot read")
    context.close()
    assert not problems, "\n".join(problems)
