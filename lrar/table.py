"""One table: a caption, heads and rows of text, the same in a notebook, on a page and in the README.

A table is plain text in cells, so that what a reader sees is what a test compares; it carries no id, no time of day and
no style of its own but the alignment of its numbers. A number that comes from runs knows whose runs they are, so that
a page can lead to them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import numpy as np

FIXED_SPACE = "\u00a0"  # numbers that belong together stay on one line
NOTHING = "No records yet."
NUMBER = re.compile(r"[\d\s+−–.,/<\[\]]*(of\s\d+)?")


class Traced(str):
    """The text of a cell, with the runs behind it.

    Attributes:
        row: the row whose runs they are, a key of `lrar.studies.ROWS`, or `own` for our super-resolution network.
        says: how many runs there are, and what else stands behind the number.
    """

    row: str
    says: str

    def __new__(cls, text: str, *, row: str, says: str):
        made = super().__new__(cls, text)
        made.row, made.says = row, says
        return made


class Named(str):
    """The text of a cell that is a name from a data set: of a file, a class, a person. It is shown as it is."""


def as_it_is(text: str) -> str:
    """A name in MyST, whatever stands in it."""
    return re.sub(r"([\\`*_{}\[\]<>&$~#^])", r"\\\1", text)  # but for | which a table escapes by itself


@dataclass(frozen=True, kw_only=True)
class Table:
    """A caption, column heads, and rows of text.

    Attributes:
        caption: one sentence that says whose numbers these are.
        head: names of the columns.
        body: the rows; a cell may be `Traced` or `Named`, else it is MyST.
    """

    caption: str
    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]

    def markdown(self, *, address: Callable[[str], str] | None = None) -> str:
        """The table without its caption, as a Markdown pipe table.

        Args:
            address: from a row to where its runs are listed; without it, numbers are no links.
        """
        if not self.body:
            return NOTHING
        align = ["--:" if self._holds_numbers(column) else ":--" for column in range(len(self.head))]
        lines = [self.head, align, *self.body]
        return "\n".join(
            "| " + " | ".join(linked(cell, address).replace("|", r"\|") for cell in line) + " |" for line in lines
        )

    def directive(self, *, address: Callable[[str], str] | None = None, kind: str = "") -> str:
        """The table with its caption, as MyST; `address` as in `markdown`, `kind` a class for style sheets."""
        text = self.markdown(address=address)
        if not self.body:
            return f"*{self.caption}* {text}"
        return f":::{{table}} {self.caption}\n:class: {f'lrar-table {kind}'.strip()}\n\n{text}\n:::"

    def _holds_numbers(self, column: int) -> bool:
        return column > 0 and all(NUMBER.fullmatch(line[column]) for line in self.body)

    def _repr_html_(self) -> str:
        columns = range(len(self.head))
        aligned = [f' style="text-align: {"right" if self._holds_numbers(i) else "left"}"' for i in columns]
        head = "".join(f'<th scope="col"{a}>{escape(c)}</th>' for c, a in zip(self.head, aligned, strict=True))
        body = "\n".join(
            "<tr>" + "".join(f"<td{a}>{_html(c)}</td>" for c, a in zip(line, aligned, strict=True)) + "</tr>"
            for line in self.body or [(NOTHING,) + ("",) * (len(self.head) - 1)]
        )
        caption = f'<caption style="caption-side: top; text-align: left">{escape(self.caption)}</caption>'
        # `dataframe` is pandas': the book's theme knows it, and styles it for dark pages.
        return (
            f'<table class="dataframe table lrar-table">\n{caption}\n<thead><tr>{head}</tr></thead>\n'
            f"<tbody>\n{body}\n</tbody>\n</table>"
        )

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.markdown()}"


def _html(cell: str) -> str:
    """A cell in HTML; what stands in backticks is code."""
    if isinstance(cell, Named):
        return escape(cell)
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(cell))
    return (
        f'<span data-row="{cell.row}" title="{escape(cell.says)}">{text}</span>' if isinstance(cell, Traced) else text
    )


def linked(cell: str, address: Callable[[str], str] | None) -> str:
    """A cell as MyST; a number leads to its runs, and has what stands behind it as a tip."""
    if isinstance(cell, Named):
        return as_it_is(cell)
    if address is None or not isinstance(cell, Traced):
        return cell
    return f"[{{abbr}}`{cell} ({cell.says})`]({address(cell.row)})"  # MyST drops the title of such a link


def link_numbers(html: str, address: Callable[[str], str]) -> str:
    """Make links of the numbers of a table's HTML.

    Args:
        html: what a notebook shows.
        address: from a row to where its runs are listed.
    """
    return re.sub(
        r'<span data-row="(\w+)" (title="[^"]*")>(.*?)</span>',
        lambda found: f'<a href="{escape(address(found[1]))}" {found[2]}>{found[3]}</a>',
        html,
    )


def signed(value: float, *, digits: int = 1) -> str:
    """Points with their sign; nan is a dash."""
    return "–" if np.isnan(value) else f"{value:+.{digits}f}".replace("-", "−")


def of_all(count: int, whole: int | str) -> str:
    """`7 of 10`, on one line."""
    return f"{count} of {whole}".replace(" ", FIXED_SPACE)


def interval(low: float, high: float, *, sign: bool = False) -> str:
    """`[low, high]`; a dash where there is none."""
    if np.isnan(low):
        return "–"
    ends = (signed(low), signed(high)) if sign else (f"{low:.1f}", f"{high:.1f}")
    return f"[{', '.join(ends)}]".replace(" ", FIXED_SPACE)


def out_of(count: int, expected: int) -> str:
    """`3`, or `1 of 3` where some are missing."""
    return of_all(count, expected) if count < expected else str(count)


def counted(count: int, name: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {name}{'' if count == 1 else 's'}"
