"""What every picture of the book is drawn on, and what its marks say where one points at them.

A mark that says something is a `Spot`, a rectangle in the coordinates of the data. It travels in the metadata of the
image, in shares of the picture, and a page lays it over the picture; the picture by itself is whole without it.
"""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import seaborn as sns
from IPython.display import Image
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 7.2  # inches: the text column of a page
DOTS = 100  # an inch, doubled in the file for fine screens


class Spot(NamedTuple):
    """A rectangle between two corners, in data coordinates of a figure's first axes, and what it says.

    Attributes:
        corner: `(x, y)`.
        opposite: `(x, y)`.
        says: one line.
        clips: names of the clips that the mark stands for; None where it stands for none.
    """

    corner: tuple[float, float]
    opposite: tuple[float, float]
    says: str
    clips: tuple[str, ...] | None = None


class Picture(Image):
    """An image that stands in plain text as what it shows, so that whatever compares outputs compares that."""

    def __repr__(self) -> str:
        return self.alt


def picture(figure: Figure, *, alt: str, spots: Sequence[Spot] = (), label: str = "") -> Picture:
    """Close a figure and give it as an image with alternative text.

    Args:
        figure: what is shown.
        alt: what there is to see.
        spots: its marks that say something.
        label: what the marks are, in a few words.
    """
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=2 * DOTS, facecolor="white", metadata={"Software": None})
    placed = {"spots": {"label": label, "spots": [_placed(figure, spot) for spot in spots]}} if spots else {}
    plt.close(figure)
    width = int(figure.get_figwidth() * DOTS)
    return Picture(data.getvalue(), format="png", width=width, alt=alt, metadata=placed)


def _placed(figure: Figure, spot: Spot) -> dict:
    """A spot in shares of the picture's width and height, from its upper left corner. The figure has been drawn."""
    corners = figure.axes[0].transData.transform([spot.corner, spot.opposite]) / figure.bbox.size  # (2, x and y)
    (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
    shares = {"x": left, "y": 1 - top, "w": right - left, "h": top - bottom}
    placed = {name: round(float(share), 4) for name, share in shares.items()} | {"says": spot.says}
    return placed if spot.clips is None else placed | {"clips": list(spot.clips)}


def canvas(*, height: float, rows: int = 1, columns: int = 1, **options) -> tuple[Figure, np.ndarray]:
    """A figure of full width; its axes as an array `(rows, columns)`."""
    thin = {"grid.linewidth": 0.6, "axes.linewidth": 0.8}
    with sns.axes_style("whitegrid"), sns.plotting_context("notebook", font_scale=0.95, rc=thin):
        return plt.subplots(
            rows, columns, figsize=(WIDTH, height), squeeze=False, layout="constrained", dpi=DOTS, **options
        )


def legend(figure: Figure, axes: Axes) -> None:
    """One legend below everything."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
