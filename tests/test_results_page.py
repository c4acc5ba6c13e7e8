"""Tables and figures of results in a browser, by mouse, keyboard and touch, on a page opened from disk."""

import pytest
from made_up import write_records

from lrar import chapters, figures, tables
from lrar.pages import BOOK
from lrar.replay import existing
from lrar.table import Table, link_numbers

SCRIPTS = ("tips.js", "tables.js", "figures.js")
MIXED = Table(
    caption="All that a cell may hold.",
    head=("row", "points", "95 % interval", "folds", "p", "better?"),
    body=(
        ("first", "+10.0", "[−20.0,\u00a0+30.0]", "10", "0.010", "supported"),
        ("second", "−2.5", "[−3.0,\u00a0−1.0]", "3\u00a0of\u00a010", "<0.001", "contradicted"),
        ("third", "–", "–", "–", "–", "not run yet"),
        ("fourth", "+9.0", "[+1.0,\u00a0+11.0]", "9\u00a0of\u00a010", "0.900", "inconclusive"),
    ),
)


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """A page with two tables and two figures."""
    folder = tmp_path_factory.mktemp("page")
    write_records(folder / "records", {"plain": 6, "sr": 9}, folds=3)
    runs = existing("ixmas6", profile="full", records=folder / "records", rows=("plain", "sr"))
    parts = [MIXED._repr_html_(), link_numbers(tables.accuracy(runs)._repr_html_(), lambda row: f"runs.html#{row}")]
    drawn = (figures.differences(runs, baseline="plain"), figures.confusion(runs, row="sr", stream="rgb"))
    for number, image in enumerate(drawn):
        (folder / f"{number}.png").write_bytes(image.data)
        parts.append(f'<p><img src="{number}.png" alt="{image.alt}" width="{image.width}"></p>')
        parts.append(chapters.spots_html(image.metadata["spots"]))
    head = f'<link rel="stylesheet" href="{(BOOK / "_static" / "results.css").as_uri()}">'
    head += "".join(f'<script src="{(BOOK / "_static" / name).as_uri()}"></script>' for name in SCRIPTS)
    page = f'<!doctype html><html lang="en"><title>Results</title>{head}<main>{"".join(parts)}</main>'
    (folder / "page.html").write_text(page)
    return (folder / "page.html").as_uri()


@pytest.fixture
def page(browser, address):
    context = browser.new_context(has_touch=True)
    context.set_default_timeout(60_000)
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert not problems


def column(page, number: int) -> list[str]:
    return [
        cell.replace("\u00a0", " ")
        for cell in page.locator(f"table >> nth=0 >> td:nth-child({number})").all_inner_texts()
    ]


@pytest.mark.parametrize(
    ("name", "ascending"),
    [
        ("row", ["first", "fourth", "second", "third"]),
        ("points", ["−2.5", "+9.0", "+10.0", "–"]),
        ("95 % interval", ["[−20.0, +30.0]", "[−3.0, −1.0]", "[+1.0, +11.0]", "–"]),
        ("folds", ["3 of 10", "9 of 10", "10", "–"]),
        ("p", ["<0.001", "0.010", "0.900", "–"]),
        ("better?", ["contradicted", "inconclusive", "not run yet", "supported"]),
    ],
)
def test_columns_are_sorted_by_value(page, name, ascending):
    number = MIXED.head.index(name) + 1
    head = page.locator(f"table >> nth=0 >> th:nth-child({number})")
    before = column(page, number)
    head.get_by_role("button").click()
    assert (column(page, number), head.get_attribute("aria-sort")) == (ascending, "ascending")
    page.keyboard.press("Enter")
    blank = [text for text in ascending if text == "–"]
    full = [text for text in ascending if text != "–"]
    assert (column(page, number), head.get_attribute("aria-sort")) == (full[::-1] + blank, "descending")
    page.keyboard.press("Space")
    assert (column(page, number), head.get_attribute("aria-sort")) == (before, None)


def test_one_column_at_a_time(page):
    for number in (1, 2):
        page.locator(f"table >> nth=0 >> th:nth-child({number}) >> button").tap()
    assert page.locator("[aria-sort]").count() == 1


def test_a_number_says_what_stands_behind_it(page):
    number = page.get_by_role("link", name="75.0").first
    tip = page.get_by_role("tooltip")
    assert tip.count() == 0
    for point in (number.hover, number.focus):
        point()
        assert "our SR, rgb: 3 runs, 36 clips; 95 % interval [75.0, 75.0]" in tip.inner_text().replace("\u00a0", " ")
        assert number.get_attribute("aria-describedby") == tip.get_attribute("id")
        page.keyboard.press("Escape")
        assert tip.count() == 0
    assert number.get_attribute("href") == "runs.html#sr"


def test_a_mark_says_its_number(page):
    group = page.get_by_role("group").first
    assert "Forest plot" in group.get_attribute("aria-label")
    group.get_by_role("button").nth(1).hover()
    assert page.get_by_role("tooltip").inner_text().startswith("+25.0 points: our SR minus plain")
    picture, mark = page.locator("img").first.bounding_box(), group.get_by_role("button").first.bounding_box()
    assert picture["x"] < mark["x"] < picture["x"] + picture["width"]
    assert picture["y"] < mark["y"] < picture["y"] + picture["height"]


def test_arrow_keys_go_from_cell_to_cell(page):
    cells = page.get_by_role("group").nth(1).get_by_role("button")
    assert cells.evaluate_all("cells => cells.filter((cell) => cell.tabIndex === 0).length") == 1
    cells.first.focus()
    listed = page.locator(".lrar-clips")
    assert listed.locator("p").inner_text().startswith("kick taken for kick: 9 of 12")
    assert listed.locator("li").count() == 9
    page.keyboard.press("ArrowRight")
    assert listed.locator("li").all_inner_texts() == ["actor0_9", "actor1_9", "actor2_9"]
    page.keyboard.press("ArrowDown")
    assert listed.locator("p").inner_text().startswith("point taken for point")
    page.keyboard.press("ArrowUp")
    assert listed.locator("p").inner_text().startswith("kick taken for point")


def test_a_tap_lists_the_clips_of_a_cell(page):
    page.get_by_role("button", name="wave taken for kick").tap()
    assert page.locator(".lrar-clips li").all_inner_texts() == ["actor0_11", "actor1_11", "actor2_11"]


def test_without_scripts_all_is_there(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("table").nth(0).locator("tbody tr").count() == 4
    assert page.get_by_role("link", name="75.0").first.get_attribute("title").startswith("our SR, rgb: 3 runs")
    assert page.locator("img").count() == 2
    assert page.get_by_role("button").count() == 0
    context.close()
