"""Unused icons and MathJax go, used ones stay and still show."""

import shutil
from pathlib import Path

import pydata_sphinx_theme
import pytest

from lrar.lighter import ENTRY, ICONS, keep_used_icons, without_unused_mathjax

SCRIPT = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static" / "scripts" / ICONS.name


@pytest.fixture
def html(tmp_path) -> Path:
    """A page with three icons, one by another name, beside the theme's own script."""
    (tmp_path / ICONS).parent.mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / ICONS)
    (tmp_path / "index.html").write_text(
        f'<script src="{ICONS}"></script><link rel="icon" href="data:,"><i class="fa-solid fa-bars"></i>'
        '<i class="fa-solid fa-search"></i><i class="fa-brands fa-square-github"></i>'
    )
    return tmp_path


def test_most_of_the_script_goes(html):
    before = (html / ICONS).stat().st_size
    keep_used_icons(html)
    assert 3 <= len(ENTRY.findall((html / ICONS).read_text())) < 10
    assert (html / ICONS).stat().st_size < before / 10


def test_icons_that_are_used_look_as_before(html, browser):
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    drawn = []
    for _ in range(2):
        page.goto((html / "index.html").as_uri())
        page.wait_for_function("() => document.querySelectorAll('svg').length === 3")
        drawn.append([path.get_attribute("d") for path in page.locator("svg path").all()])
        keep_used_icons(html)
    page.close()
    assert drawn[0] == drawn[1] and len(drawn[0]) == 3 and min(map(len, drawn[0])) > 20
    assert not errors


def test_a_theme_without_the_script_is_left_alone(tmp_path):
    keep_used_icons(tmp_path)
    assert not list(tmp_path.iterdir())


def test_mathjax_stays_where_formulas_are(tmp_path):
    scripts = (
        '<script>window.MathJax = {"options": {"processHtmlClass": "math"}}</script>\n'
        '<script defer="defer" src="_static/mathjax/tex-chtml.js"></script>\n<script src="other.js"></script>'
    )
    formula, words = tmp_path / "below" / "formula.html", tmp_path / "words.html"
    formula.parent.mkdir()
    formula.write_text(f'{scripts}<span class="math notranslate">\\(x\\)</span>')
    words.write_text(f'{scripts}<section class="tex2jax_ignore mathjax_ignore">words</section>')
    before = formula.read_text()
    left = '<script src="other.js"></script><section class="tex2jax_ignore mathjax_ignore">words</section>'
    for _ in range(2):  # done again, it changes nothing
        without_unused_mathjax(tmp_path)
        assert formula.read_text() == before
        assert words.read_text().split() == left.split()
