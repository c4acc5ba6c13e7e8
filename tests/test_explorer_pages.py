"""The explorer's files, and the explorer itself in a browser: from disk and from a server."""

import functools
import http.server
import json
import re
import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import small_experiments
from test_explorer import trained

from lrar import explorer, explorer_pages
from lrar.datasets import load_clip_set
from lrar.datasets.synthetic import render_clip
from lrar.figures import flow_to_rgb
from lrar.flow import optical_flow
from lrar.pages import BOOK
from lrar.running import fold_of
from lrar.streams import low_resolution, seen_frames, to_video

__all__ = ["trained"]  # a fixture


@pytest.fixture(scope="module")
def written(trained, tmp_path_factory) -> Path:
    """A folder of fragments with an explorer of the three tiny actions."""
    out = tmp_path_factory.mktemp("generated")
    clips = explorer_pages.write_explorer([(trained.runs, trained.root)], out)
    assert clips == ["ixmas6/0", "ixmas6/1", "ixmas6/2"]
    return out


def values(path: Path) -> object:
    """What a script of the explorer leaves."""
    return json.loads(re.fullmatch(r"\(window\.lrarClips \?\?= \{\}\)\[\".*?\"\] = (.*);\n", path.read_text())[1])


def frames(path: Path, count: int) -> np.ndarray:
    """A sprite's pictures, `(count, H, W, 3)`."""
    sheet = cv2.imread(str(path))[..., ::-1]
    return np.stack(np.split(sheet, count, axis=1))


def test_sprites_lose_nothing(written, trained):
    videos, fold = fold_of(small_experiments.DATA)
    for number, clip in enumerate(explorer.chosen_clips(videos.labels, fold.test)):
        folder = written / "extra" / "explorer" / "ixmas6" / str(number)
        seen = explorer.ends(len(videos[clip]))
        for name, expected in explorer.views(videos[clip], trained.networks, clip, seen).items():
            assert np.array_equal(
                frames(folder / f"{name}.webp", len(seen)), np.broadcast_to(expected, (*expected.shape[:3], 3))
            )
        about = values(folder / "clip.js")
        assert about["name"] == videos.clip_set.clips[clip].name
        assert about["label"] == videos.clip_set.classes[videos.labels[clip]]
        assert about["seen"][-1] == len(videos[clip])
        assert np.sum(about["probabilities"]["full"], axis=1) == pytest.approx(1, abs=1e-3)
        assert min(about["steps"]) >= 0 and max(about["steps"]) == about["maps"][1] - 1


def test_the_list_says_what_is_answered_in_the_end(written):
    folder = written / "extra" / "explorer"
    for line in values(folder / "clips.js"):
        clip = values(folder / line["key"] / "clip.js")
        for row, answer in line["answers"].items():
            assert answer == clip["classes"][int(np.argmax(clip["probabilities"][row][-1]))]


def test_a_clip_is_small():
    """Sprites of a synthetic clip of full size, noise and all."""
    video = render_clip(load_clip_set("synthetic").clips[100])  # (T, 64, 48, 1)
    shown = explorer.ends(len(video)) - 1
    bicubic = seen_frames(video, source="bicubic")
    flow = flow_to_rgb(optical_flow(bicubic)[np.minimum(shown, len(video) - 2)])
    low = to_video(low_resolution(video))
    assert low.shape[1:] == (16, 12, 1)
    views = [video[shown], low[shown], bicubic[shown], video[shown], flow]  # SR is no noisier than HR
    assert sum(len(explorer_pages.sprite(view[None])) for view in views) < 400_000


def test_pages_say_how_good_the_networks_are(written, trained):
    text = (written / "explorer.md").read_text()
    right = explorer_pages.counts(trained.records)
    for row, name in {"teacher": "HR teacher", "plain": r"plain (bicubic)", "full": "full system"}.items():
        assert f"{name} {right[row]}" in text
    assert f"right on this many of the {len(trained.records['full', 'rgb'].labels)} clips of amel" in text
    assert text.count("| IXMAS-6 |") == 3


def test_without_networks_the_pages_say_so(tmp_path):
    assert explorer_pages.write_explorer([], tmp_path) == []
    for name in ("explorer.md", "explorer_strip.md"):
        text = (tmp_path / name).read_text()
        assert "No clips are shown here" in text and "<lrar-explorer" not in text


def test_no_clips_of_an_earlier_build_remain(tmp_path):
    old = tmp_path / "extra" / "explorer" / "ixmas6" / "0" / "hr.webp"
    old.parent.mkdir(parents=True)
    old.touch()
    explorer_pages.write_explorer([], tmp_path)
    assert not old.exists() and (tmp_path / "extra").is_dir(), "the build copies the folder"


# The explorer in a browser.


@pytest.fixture(scope="module")
def site(written, tmp_path_factory) -> Path:
    """A page with an explorer, one with a strip, laid out as in the book."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(BOOK / "_static", site / "_static")
    shutil.copytree(written / "extra", site, dirs_exist_ok=True)
    # The maps of networks that were hardly trained are all but flat: these can be told apart.
    for seed, path in enumerate(sorted(site.glob("explorer/ixmas6/0/attention_*.webp"))):
        shape = (*of_clip(site, 0)["maps"], 3)
        path.write_bytes(explorer_pages.sprite(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)))
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

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


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
