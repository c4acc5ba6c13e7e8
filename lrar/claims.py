"""The claims of the abstract, and which rows test them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of the abstract and what tests it, fixed before there were results.

    Attributes:
        name: C1 to C4.
        text: the claim, as a sentence.
        row: the row that has what is claimed to help.
        baseline: the row that lacks it, and nothing else.
        stream: the stream that decides; the paper's system is two streams, so it is both. Each stream by itself is
            shown beside it.
    """

    name: str
    text: str
    row: str
    baseline: str
    stream: str = "both"


CLAIMS = (
    Claim(name="C1", text="Super resolution helps the student", row="sr", baseline="plain"),
    Claim(name="C2", text="A teacher that sees high resolution helps the student", row="all", baseline="sr"),
    Claim(name="C3", text="Spatial-temporal self-attention helps the student", row="joint", baseline="sr"),
    Claim(name="C4", text="The whole system beats a plain network", row="full", baseline="plain"),
)
# Rows with all seeds of a profile: what a verdict rests on, and the teacher.
HEADLINE = frozenset({"teacher", *(claim.row for claim in CLAIMS), *(claim.baseline for claim in CLAIMS)})
