"""Accuracy against the number of pixels that a frame has: how fast an action fades as its video shrinks."""

import numpy as np
import torch
from IPython.display import Image

from lrar import statistics
from lrar.canvas import Spot, canvas, legend, picture
from lrar.datasets import load_clip_set
from lrar.degrade import downsample
from lrar.dots import COLOURS, MARKERS
from lrar.figures import DASHES, nothing_yet
from lrar.replay import Runs
from lrar.streams import to_tensor
from lrar.studies import PIXEL_ROWS
from lrar.tables import SEEN, told_accuracy
from lrar.wording import told_setting

NUDGE = dict(zip(SEEN, (0.94, 1.0, 1.06), strict=True))  # so that intervals do not cover each other


def curve(runs: Runs) -> Image:
    """The plain student's accuracy at each size of LR, with 95 % intervals, below a rendered frame of that size."""
    rows = tuple(row for row in PIXEL_ROWS if runs.of(row))
    if len(rows) < 2:
        return nothing_yet(runs)
    table = statistics.table(runs.records, rows=rows)
    figure, axes = canvas(height=4.8)
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.93))  # above stand frames
    ax = axes[0, 0]
    spots, said = [], []
    for stream, dash in zip(SEEN, DASHES, strict=False):
        lines = table[table["stream"] == stream]
        lines = lines.assign(pixels=lines["row"].map(PIXEL_ROWS)).sort_values("pixels")
        places = lines["pixels"].to_numpy() * NUDGE[stream]
        values, low, high = (lines[name].to_numpy(float) for name in ("accuracy", "low", "high"))
        span = np.nan_to_num([values - low, high - values]).clip(0)
        style = {"fmt": MARKERS[stream], "linestyle": dash, "color": COLOURS[stream], "capsize": 3}
        ax.errorbar(places, values, yerr=span, label=stream, **style)
        for place, (_, line) in zip(places, lines.iterrows(), strict=True):
            told = told_accuracy(runs, line)
            ends = np.array([line["low"], line["high"], line["accuracy"] - 1, line["accuracy"] + 1])
            corners = (place * 0.97, np.nanmin(ends)), (place * 1.03, np.nanmax(ends))
            spots.append(Spot(*corners, f"{told} %: {told.says}"))
            said.append(f"{line['pixels']} pixels, {stream}: {told}")
    chance = 100 / len(runs.records[0].classes)
    ax.axhline(chance, color="black", linewidth=1, linestyle=":")
    ax.text(1, chance, "one class for all ", transform=ax.get_yaxis_transform(), ha="right", va="bottom", fontsize=9)
    sizes = sorted(set(table["row"].map(PIXEL_ROWS)))
    ax.set(
        xscale="log",
        xlim=(6, 6144),
        ylim=(0, 100),
        xlabel="pixels of a frame",
        ylabel=f"accuracy, %\n({told_setting(runs)})",
    )
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    frame = rendered_frame()
    for size in sizes:
        middle = (np.log(size) - np.log(6)) / (np.log(6144) - np.log(6))
        inset = ax.inset_axes((middle - 0.07, 1.03, 0.14, 0.36))
        inset.imshow(of_pixels(frame, size), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        inset.set_axis_off()
    legend(figure, ax)
    what = f"Accuracy against pixels, {told_setting(runs)}"
    alt = f"{what}, with 95 % intervals, below a rendered frame of each size. {'; '.join(said)}."
    return picture(figure, alt=alt, spots=spots, label=what)


def rendered_frame() -> torch.Tensor:
    """A frame of the synthetic set, `(1, 1, 64, 48)` in [0, 1]: it may be shown anywhere."""
    clips = load_clip_set("synthetic")
    clip = next(clip for clip in clips.clips if clips.classes[clip.label] == "wave")
    video = clips.render(clip)
    return to_tensor(video[len(video) // 2][None])


def of_pixels(frame: torch.Tensor, pixels: int) -> np.ndarray:
    """A frame `(1, 1, 64, 48)` made as small as LR is made, `(h, w)` with h w the number of pixels."""
    return downsample(frame, scale=round((frame.numel() / pixels) ** 0.5))[0, 0].numpy()
