"""A number leads to its runs: on a page, in a chapter, and nowhere where there is no page to lead to."""

from html import escape
from pathlib import Path

import pytest
import yaml
from docutils import nodes
from docutils.core import publish_doctree
from myst_parser.docutils_ import Parser

from lrar.table import Named, Table, Traced, link_numbers

EXTENSIONS = yaml.safe_load((Path(__file__).parents[1] / "_config.yml").read_text())["parse"]["myst_enable_extensions"]

NUMBER = Traced("+1.5", row="attention_transfer", says="20 runs, 360 clips; 95 % interval [−1.0, +2.0]")
TABLE = Table(caption="Differences.", head=("row", "points"), body=(("a|b", NUMBER),))


def test_on_a_page_a_number_is_a_link_with_a_tip():
    line = TABLE.markdown(address=lambda row: f"#runs-{row}").splitlines()[-1]
    assert line == rf"| a\|b | [{{abbr}}`+1.5 ({NUMBER.says})`](#runs-attention_transfer) |"
    assert TABLE.markdown().splitlines()[-1] == r"| a\|b | +1.5 |"


def test_in_a_chapter_the_build_makes_the_link():
    html = TABLE._repr_html_()
    assert f'<span data-row="attention_transfer" title="{NUMBER.says}">+1.5</span>' in html
    linked = link_numbers(html, lambda row: f"runs.html#{row}")
    assert f'<a href="runs.html#attention_transfer" title="{NUMBER.says}">+1.5</a>' in linked
    assert "<span" not in linked


def test_a_directive_has_caption_and_class():
    assert TABLE.directive(kind="lrar-runs").startswith(
        ":::{table} Differences.\n:class: lrar-table lrar-runs\n\n| row"
    )
    assert TABLE.directive().startswith(":::{table} Differences.\n:class: lrar-table\n\n| row")
    assert Table(caption="Nothing.", head=("a",), body=()).directive() == "*Nothing.* No records yet."


def test_a_traced_number_is_still_a_number():
    assert TABLE.markdown().splitlines()[1] == "| :-- | --: |"
    assert 'right"><span' in TABLE._repr_html_()


NAMES = (
    "*walk* <b>fast</b>",
    "a|b",
    "$x$ y$ _z_",
    "[here](there) `code` {doc}`x`",
    "#1: 5 & \\ ~",
    "<script>x</script>",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_it_is(name):
    table = Table(caption="c", head=("who", "n"), body=((Named(name), "1"),))
    options = {"myst_enable_extensions": EXTENSIONS, "report_level": 5, "output_encoding": "unicode"}
    page = publish_doctree(table.markdown(), parser=Parser(), settings_overrides=options)
    first, second = list(page.findall(nodes.entry))[-2:]
    assert (first.astext(), second.astext()) == (name, "1")
    assert all(isinstance(node, nodes.paragraph | nodes.Text) for node in list(first.findall())[1:])
    html = table._repr_html_()
    assert f">{escape(name)}</td>" in html
