"""Test clips of HMDB-51 whose source video training saw too, in clips of another class.

    python benchmarks/shared_sources.py

Writes `book/records/shared_sources.json`: names of clips, split by split, from which the book's pages tell how much the
verdicts depend on them.
"""

from lrar.datasets import load_clip_set
from lrar.films import sources_on_both_sides
from lrar.measured import write_measurement
from lrar.pages import HMDB
from lrar.settings import setting


def main() -> None:
    clip_set = load_clip_set(HMDB)
    found = {
        "dataset": HMDB,
        "fingerprint": clip_set.fingerprint(),
        "clips": sources_on_both_sides(clip_set, setting(HMDB).protocol),
    }
    path = write_measurement("shared_sources", found)
    print(path, [len(clips) for clips in found["clips"]])


if __name__ == "__main__":
    main()
