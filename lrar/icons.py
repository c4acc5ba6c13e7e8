"""The theme's icons, all but those that no page shows taken out: they are most of what a reader would download.

The theme brings Font Awesome whole, some two thousand outlines in one script of 1.5 MB, of which the book shows about
twenty. An icon is an entry of an object in that script: `name:[width,height,["other name"],"code","outline"]`.
"""

import re
from pathlib import Path

from lrar.clips import atomic_write

ICONS = Path("_static") / "scripts" / "fontawesome.js"
ENTRY = re.compile(
    r'(?:"([\w-]+)"|\b([A-Za-z][\w$]*)):\[\d+,\d+,(\[[^\]]*\]),"[0-9a-f]+",(?:"[^"]*"|\[(?:"[^"]*",?)+\])\],?'
)


def keep_used_icons(html: Path) -> int:
    """Take the outlines of unused icons out of a built book.

    Args:
        html: the built book, changed in place.

    Returns:
        how many icons are left; 0 where the theme has no such script.
    """
    path = html / ICONS
    if not path.is_file():
        return 0
    texts = [file for kind in ("html", "js") for file in html.rglob(f"*.{kind}") if file != path]
    used = {name for file in texts for name in re.findall(r"\bfa-([a-z0-9-]+)", file.read_text(errors="replace"))}
    kept = 0

    def entry(match: re.Match) -> str:
        nonlocal kept
        names = {match[1] or match[2], *re.findall(r'"([\w-]+)"', match[3])}
        kept += bool(names & used)
        return match[0] if names & used else ""

    atomic_write(path, ENTRY.sub(entry, path.read_text()).encode())
    return kept
