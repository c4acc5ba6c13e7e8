"""What a reader would download for nothing is taken out of the built pages.

The theme brings Font Awesome whole, some two thousand outlines in one script of 1.5 MB, of which the book shows about
twenty. An icon is an entry of an object in that script: `name:[width,height,["other name"],"code","outline"]`. And
Sphinx gives MathJax, 1.2 MB, to the start page as well, because pages below it have formulas.
"""

import re
from pathlib import Path

from lrar.cache import atomic_write

ICONS = Path("_static") / "scripts" / "fontawesome.js"
MATHJAX = re.compile(
    r'\s*<script[^>]*>window\.MathJax = .*?</script>|\s*<script[^>]*\bsrc="[^"]*mathjax[^"]*"[^>]*></script>'
)
ENTRY = re.compile(
    r'(?:"([\w-]+)"|\b([A-Za-z][\w$]*)):\[\d+,\d+,(\[[^\]]*\]),"[0-9a-f]+",(?:"[^"]*"|\[(?:"[^"]*",?)+\])\],?'
)


def keep_used_icons(html: Path) -> None:
    """Take the outlines of unused icons out of a built book.

    Args:
        html: the built book, changed in place; where its theme has no such script, nothing is.
    """
    path = html / ICONS
    if not path.is_file():
        return
    texts = [file for kind in ("html", "js") for file in html.rglob(f"*.{kind}") if file != path]
    used = {name for file in texts for name in re.findall(r"\bfa-([a-z0-9-]+)", file.read_text(errors="replace"))}

    def entry(match: re.Match) -> str:
        names = {match[1] or match[2], *re.findall(r'"([\w-]+)"', match[3])}
        return match[0] if names & used else ""

    atomic_write(path, ENTRY.sub(entry, path.read_text()).encode())


def without_unused_mathjax(html: Path) -> None:
    """Take MathJax out of pages that hold no formula.

    Args:
        html: the built book, changed in place.
    """
    for page in sorted(html.rglob("*.html")):
        text = page.read_text(errors="replace")
        if 'class="math ' not in text and MATHJAX.search(text):
            atomic_write(page, MATHJAX.sub("", text).encode())
