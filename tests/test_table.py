"""A number leads to its runs: on a page, in a chapter, and nowhere where there is no page to lead to."""

from lrar.table import Table, Traced, link_numbers

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
