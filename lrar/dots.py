"""Dots with intervals, a line a name and a colour a stream: accuracies and forest plots."""

import textwrap
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from lrar.canvas import Spot, canvas, legend
from lrar.table import Traced
from lrar.tables import SEEN

COLOURS = {"rgb": "#0072B2", "flow": "#D55E00", "both": "#009E73"}
MARKERS = {"rgb": "o", "flow": "s", "both": "D"}
OFFSETS = dict(zip(SEEN, (-0.22, 0, 0.22), strict=True))  # of a stream's dots from the middle of their line


class Dot(NamedTuple):
    """One value of a plot."""

    name: str
    stream: str
    value: float
    low: float
    high: float
    complete: bool
    traced: Traced


def dot_spots(dots: list[Dot], *, unit: str) -> list[Spot]:
    """Each value with its interval, as wide as it is drawn and at least as wide as its dot."""
    names = list(dict.fromkeys(dot.name for dot in dots))
    ends = [end for dot in dots for end in (dot.low, dot.high, dot.value) if not np.isnan(end)]
    least = 0.012 * (max(ends) - min(ends) or 1)
    spots = []
    for dot in sorted(dots, key=lambda dot: (names.index(dot.name), SEEN.index(dot.stream))):
        middle = names.index(dot.name) + OFFSETS[dot.stream]
        left, right = np.nanmin([dot.low, dot.value - least]), np.nanmax([dot.high, dot.value + least])
        spots.append(Spot((left, middle - 0.11), (right, middle + 0.11), f"{dot.traced}{unit}: {dot.traced.says}"))
    return spots


def draw_dots(dots: list[Dot], *, label: str) -> Figure:
    """Values with their intervals, a line a name; hollow where runs are missing."""
    names = list(dict.fromkeys(dot.name for dot in dots))
    figure, axes = canvas(height=1.4 + 0.55 * len(names))
    ax = axes[0, 0]
    for stream, offset in OFFSETS.items():
        ax.errorbar([], [], fmt=MARKERS[stream], color=COLOURS[stream], label=stream)
        for dot in dots:
            if dot.stream == stream:
                span = np.nan_to_num([[dot.value - dot.low], [dot.high - dot.value]]).clip(0)
                face = COLOURS[stream] if dot.complete else "white"
                style = {"fmt": MARKERS[stream], "color": COLOURS[stream], "markerfacecolor": face, "capsize": 3}
                ax.errorbar(dot.value, names.index(dot.name) + offset, xerr=span, **style)
    if not all(dot.complete for dot in dots):
        label += "\nhollow: runs are missing"
    wrapped = [textwrap.fill(name, 20) for name in names]
    ax.set(yticks=range(len(names)), yticklabels=wrapped, ylim=(len(names) - 0.5, -0.5), xlabel=label)
    ax.grid(False, axis="y")
    legend(figure, ax)
    return figure
