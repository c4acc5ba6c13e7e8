"""The explorer in a browser: on a page from disk and on one from a server."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import served
from test_explorer_pages import trained, values, written

from lrar import explorer, explorer_files
from lrar.pages import BOOK

__all__ = ["trained", "written"]  # fixtures


@pytest.fixture(scope="module")
def site(written, tmp_path_factory) -> Path:
    """A page with an explorer, one with a strip, laid out as in the book."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(BOOK / "_static", site / "_static")
    shutil.copytree(written / "extra", site, dirs_exist_ok=True)
    # The maps of networks that were hardly trained are all but flat: these can be told apart.
    for seed, path in enumerate(sorted(site.glob("explorer/ixmas6/0/attention_*.webp"))):
        shape = (*of_clip(site, 0)["maps"], 3)
        path.write_bytes(explorer_files.sprite(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)))
    for name, element in {"explorer": "<lrar-explorer>", "strip": '<lrar-explorer clip="ixmas6/1">'}.items():
        (site / f"{name}.html").write_text(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title>'
            '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
            '<link rel="stylesheet" href="_static/explorer.css"><script src="_static/explorer.js"></script>'
            f"<main>{element}<p>still</p></lrar-explorer></main>"
        )
    return site


@pytest.fixture(scope="module", params=["disk", "server"])
def address(site, request):
    if request.param == "disk":
        yield site.as_uri()
        return
    with served(site) as address:
        yield address


@pytest.fixture
def opened(address, browser):
    """Opens a page of the site; in the end nothing may have failed, nor have been asked of elsewhere."""
    problems: list[str] = []
    contexts = []

    def open_page(name: str, **options):
        context = browser.new_context(**options)
        context.set_default_timeout(60_000)  # a busy machine is no fault of the page
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.asked = []
        page.goto(f"{address}/{name}.html")
        page.wait_for_selector("lrar-explorer .answers td")
        return page

    yield open_page
    for context in contexts:
        problems += [url for page in context.pages for url in page.asked if not url.startswith((address, "data:"))]
        context.close()
    assert not problems, "\n".join(problems)


def pixels(page, canvas: int = 0) -> str:
    """What a canvas shows, as a screenshot: a canvas with pictures from disk cannot be read by a script."""
    return page.locator("lrar-explorer canvas").nth(canvas).screenshot()


def of_clip(site: Path, number: int) -> dict:
    return values(site / "explorer" / "ixmas6" / str(number) / "clip.js")


def test_reads_out_label_answers_and_probabilities(opened, site):
    page, clip = opened("explorer"), of_clip(site, 0)
    assert page.locator(".clock").inner_text() == "10 of 10 frames"
    assert page.locator(".told").inner_text().startswith(f"Action: {clip['label']}. They ")
    assert page.locator(".answers [scope=col]").all_inner_texts() == ["HR teacher", "plain (bicubic)", "full system"]
    for line, name in enumerate(clip["classes"]):
        shown = page.locator(".answers tbody tr").nth(line)
        assert shown.locator("th").inner_text() == (f"{name} (true)" if name == clip["label"] else name)
        expected = [f"{int(100 * clip['probabilities'][row][-1][line] + 0.5)} %" for row in explorer.ROWS]
        assert shown.locator("td").all_inner_texts() == expected
    for row, text in zip(explorer.ROWS, page.locator(".verdict td").all_inner_texts(), strict=True):
        answer = clip["classes"][int(np.argmax(clip["probabilities"][row][-1]))]
        assert text == f"{answer} ({'right' if answer == clip['label'] else 'wrong'})"


def test_disagreement_is_told_in_words(opened, site):
    page = opened("explorer")
    for number in range(3):
        page.locator("select").first.select_option(f"ixmas6/{number}")
        clip = of_clip(site, number)
        page.wait_for_function(
            "label => document.querySelector('.told').textContent.includes(label)", arg=clip["label"]
        )
        agree = len(set(clip["answers"].values())) == 1
        assert ("They agree" if agree else "They disagree") in page.locator(".told").inner_text()
        option = page.locator(f"option[value='ixmas6/{number}']").inner_text()
        assert f": {'agree' if agree else 'disagree'}, " in option


def test_plays_pauses_and_scrubs(opened, site):
    page, clip = opened("explorer"), of_clip(site, 0)
    assert page.locator(".play").inner_text() == "Play", "it does not start by itself"
    page.locator(".play").click()
    assert page.locator(".play").inner_text() == "Pause"
    page.wait_for_function("() => document.querySelector('.clock').textContent.startsWith('5 of')")
    page.locator(".screen").click()
    assert page.locator(".play").inner_text() == "Play", "a click on the picture pauses"
    page.locator(".time input").fill("3")
    before = pixels(page)
    assert page.locator(".clock").inner_text() == f"{clip['seen'][3]} of 10 frames"
    expected = [f"{int(100 * clip['probabilities'][row][3][0] + 0.5)} %" for row in explorer.ROWS]
    assert page.locator(".answers tbody tr").first.locator("td").all_inner_texts() == expected
    page.locator(".time input").fill("20")
    assert pixels(page) != before


def test_another_clip_loads_when_it_is_chosen(opened):
    page = opened("explorer")
    assert not [url for url in page.asked if "/ixmas6/2/" in url]
    page.locator("select").first.select_option("ixmas6/2")
    page.wait_for_function("() => document.querySelector('.told').textContent.includes('punch')")
    assert len([url for url in page.asked if "/ixmas6/2/" in url]) == 8


def test_views_and_heads(opened):
    page = opened("explorer")
    seen = {}
    for view in ("hr", "lr", "bicubic", "sr", "flow"):
        page.locator(f"input[value={view}]").check()
        seen[view] = pixels(page)
    assert len(set(seen.values())) == 5
    page.locator("input[value=sr]").check()
    heads = page.locator(".attention select")
    for value in ("rgb:0", "rgb:1", "rgb:4", "flow:2"):
        heads.select_option(value)
        seen[value] = pixels(page)
    assert len(set(seen.values())) == 9
    assert re.match(r"Yellow: \d+\.\d times", page.locator(".scale").inner_text())
    page.locator(".attention input").fill("0")
    assert pixels(page) == seen["sr"]
    heads.select_option("")
    assert page.locator(".scale").inner_text() == ""


def test_the_keyboard_does_all(opened):
    page = opened("explorer")
    order = []
    for _ in range(6):
        page.keyboard.press("Tab")
        order.append(page.evaluate("() => document.activeElement.className || document.activeElement.type"))
        assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert order == ["select-one", "screen", "play", "range", "radio", "select-one"]
    page.locator(".screen").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".time input").input_value() == "22"
    page.keyboard.press("ArrowRight")
    assert page.locator(".time input").input_value() == "23"
    page.keyboard.press("Space")
    assert page.locator(".play").inner_text() == "Pause"
    page.keyboard.press("Space")
    assert page.locator(".play").inner_text() == "Play"
    page.locator("input[value=hr]").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("input[value=lr]").is_checked(), "a radio group keeps its own arrows"
    page.locator("select").first.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("() => document.querySelector('.told').textContent.includes('wave')")


@pytest.mark.parametrize("name", ["explorer", "strip"])
def test_fits_a_phone_and_a_finger(opened, name):
    page = opened(name, viewport={"width": 360, "height": 780}, has_touch=True, is_mobile=True)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    for control in page.locator("lrar-explorer :is(button, select, input[type=range], .views label)").all():
        assert control.bounding_box()["height"] >= 44
    page.locator(".play").tap()


def test_a_strip_plays_by_itself_and_stops(opened):
    page = opened("strip")
    assert page.locator("figcaption").all_inner_texts() == [
        "HR 32x24",
        "LR 8x6",
        "bicubic",
        "super-resolved",
        "flow",
        "attention",
    ]
    assert len({pixels(page, canvas) for canvas in range(6)}) == 6
    page.wait_for_function("() => document.querySelector('.clock').textContent.startsWith('4 of')")
    page.locator(".play").click()
    moment = page.locator(".time input").input_value()
    page.wait_for_timeout(500)
    assert page.locator(".time input").input_value() == moment


def test_a_strip_rests_where_motion_is_not_wanted(opened):
    page = opened("strip", reduced_motion="reduce")
    page.wait_for_timeout(500)
    assert page.locator(".play").inner_text() == "Play"
    assert page.locator(".time input").input_value() == "0"
    page.locator(".play").click()
    page.wait_for_function("() => document.querySelector('.time input').value > 2")


def test_a_clip_that_cannot_be_loaded_leaves_the_one_before(opened, site, browser):
    page = opened("explorer")
    before = page.locator(".told").inner_text()
    lost = site / "explorer" / "ixmas6" / "2"
    lost.rename(site / "lost")
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{site.as_uri()}/explorer.html")
        page.wait_for_selector("lrar-explorer .answers td")
        chooser = page.locator("select").first
        chooser.select_option("ixmas6/2")
        page.wait_for_function("() => document.querySelector('[role=alert]').textContent.includes('cannot be shown')")
        assert chooser.input_value() == "ixmas6/0"
        assert page.locator(".told").inner_text() == before
    finally:
        (site / "lost").rename(lost)
    chooser.select_option("ixmas6/2")
    page.wait_for_function("() => document.querySelector('.told').textContent.includes('punch')")
    assert page.locator("[role=alert]").inner_text() == ""
    context.close()


@pytest.mark.parametrize("name", ["explorer", "strip"])
def test_on_paper_the_still_picture_stands(opened, name):
    page = opened(name)
    assert not page.get_by_text("still").is_visible()
    page.emulate_media(media="print")
    assert page.get_by_text("still").is_visible()
    assert not page.locator(".play").is_visible() and not page.locator("canvas").first.is_visible()


def test_without_the_script_the_still_picture_stays(address, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/strip.html")
    assert page.locator("lrar-explorer").inner_text() == "still"
    context.close()


def test_a_missing_clip_is_said_so_and_the_still_picture_stays(site, browser):
    (site / "lost.html").write_text((site / "strip.html").read_text().replace("ixmas6/1", "ixmas6/99"))
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.as_uri()}/lost.html")
    page.wait_for_selector("[role=alert]")
    assert page.locator("lrar-explorer").inner_text().startswith("still")
    assert "cannot be shown" in page.locator("[role=alert]").inner_text()
    context.close()
