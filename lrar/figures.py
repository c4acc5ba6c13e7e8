"""Every picture of the book, in one style: the Okabe-Ito colours, which colour-blind readers tell apart, on white.

Each function gives an `IPython.display.Image` with its alternative text. The functions that draw numbers write that
text themselves, from the same numbers; for frames, the caller says what they show. White backgrounds make a picture
legible on dark pages too.
"""

import io
import textwrap
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import seaborn as sns
import torch
import torch.nn.functional as F
from IPython.display import Image
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrar import statistics
from lrar.replay import Runs
from lrar.studies import CLAIMS
from lrar.tables import ROW_NAMES, SEEN, comparisons, is_complete, setting, signed

COLOURS = {"rgb": "#0072B2", "flow": "#D55E00", "both": "#009E73"}
MARKERS = {"rgb": "o", "flow": "s", "both": "D"}
LINES = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))
WIDTH = 7.2  # inches: the text column of a page
DOTS = 100  # an inch, doubled in the file for fine screens
FRAMES = 8  # in a strip

# Motion to the right, down, to the left and up; between them the colours are mixed.
DIRECTIONS = ("#E69F00", "#CC79A7", "#0072B2", "#009E73")
FLOW_KEY = "Flow: to the right orange, down pink, to the left blue, up green; the paler, the slower."


def picture(figure: Figure, *, alt: str) -> Image:
    """Close a figure and give it as an image with alternative text."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=2 * DOTS, facecolor="white", metadata={"Software": None})
    plt.close(figure)
    return Image(data.getvalue(), format="png", width=int(figure.get_figwidth() * DOTS), alt=alt)


def _canvas(*, height: float, rows: int = 1, columns: int = 1, **options) -> tuple[Figure, np.ndarray]:
    """A figure of full width; its axes as an array `(rows, columns)`."""
    thin = {"grid.linewidth": 0.6, "axes.linewidth": 0.8}
    with sns.axes_style("whitegrid"), sns.plotting_context("notebook", font_scale=0.95, rc=thin):
        return plt.subplots(
            rows, columns, figsize=(WIDTH, height), squeeze=False, layout="constrained", dpi=DOTS, **options
        )


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)


def flow_limit(flow: np.ndarray) -> float:
    """The length in px that is drawn at full strength: the 99th percentile, at least half a pixel."""
    return max(float(np.quantile(np.hypot(flow[..., 0], flow[..., 1]), 0.99)), 0.5)


def flow_to_rgb(flow: np.ndarray, *, limit: float | None = None) -> np.ndarray:
    """Flow in colour: its direction is the colour, its length the strength; no motion is white.

    Args:
        flow: `(..., 2)`, u to the right and v downwards, in px.
        limit: length in px at full strength; by default `flow_limit(flow)`.

    Returns:
        uint8 `(..., 3)`.
    """
    flow = np.asarray(flow, np.float32)
    length = np.hypot(flow[..., 0], flow[..., 1])
    limit = limit or flow_limit(flow)
    anchors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (*DIRECTIONS, DIRECTIONS[0])], float)
    turn = (np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi)) % 1 * 4  # quarters, clockwise from the right
    colour = np.stack([np.interp(turn, range(5), anchors[:, channel]) for channel in range(3)], axis=-1)
    strength = np.clip(length / limit, 0, 1)[..., None]
    return np.rint(255 + strength * (colour - 255)).astype(np.uint8)


def _show_frame(axes: Axes, frame: np.ndarray) -> None:
    if frame.shape[-1] == 1:
        axes.imshow(frame[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(frame, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    sns.despine(ax=axes, left=True, bottom=True)


def strip(videos: Mapping[str, np.ndarray], *, alt: str, frames: int = FRAMES) -> Image:
    """Clips one below the other, the same moments above each other; LR pixels are shown as squares.

    Args:
        videos: by label: frames uint8 `(T, H, W, C)`, or flow float `(T, H, W, 2)` in px.
        alt: what there is to see.
        frames: how many moments.
    """
    _, height, width, _ = next(iter(videos.values())).shape
    cell = WIDTH / frames
    flows = [flow_limit(video) for video in videos.values() if video.shape[-1] == 2]
    figure, axes = _canvas(
        height=len(videos) * (cell * height / width + 0.24) + 0.3 * bool(flows), rows=len(videos), columns=frames
    )
    for line, (label, video) in zip(axes, videos.items(), strict=True):
        shown = flow_to_rgb(video, limit=max(flows)) if video.shape[-1] == 2 else video
        for ax, moment in zip(line, np.linspace(0, len(shown) - 1, frames).round().astype(int), strict=True):
            _show_frame(ax, shown[moment])
        line[0].set_title(label, loc="left", fontsize=10)
    if flows:
        figure.supxlabel(FLOW_KEY, fontsize=9)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.04, wspace=0, hspace=0)
    return picture(figure, alt=alt)


def attention_overlay(frames: np.ndarray, maps: torch.Tensor, *, alt: str) -> Image:
    """Where a network looks, a moment a row: the frame, over it the mean of all heads, then each head.

    Args:
        frames: what the network sees, uint8 `(T, H, W, C)`.
        maps: `(heads, T', H', W')`, from `SpaceTimeAttention`; each sums to 1 over space and time.
        alt: what there is to see.
    """
    heads, steps, rows, columns = maps.shape
    _, height, width, _ = frames.shape
    relative = maps.float() * (steps * rows * columns)  # 1 is what every place would get if all got the same
    shown = torch.cat([relative.mean(dim=0, keepdim=True), relative])  # (1 + heads, T', H', W')
    shown = F.interpolate(shown, size=(height, width), mode="bilinear").numpy()  # (1 + heads, T', H, W)
    names = ["seen", "all heads", *(f"head {head + 1}" for head in range(heads))]
    figure, axes = _canvas(height=steps * WIDTH / len(names) * height / width + 1.1, rows=steps, columns=len(names))
    moments = ((np.arange(steps) + 0.5) * len(frames) / steps).astype(int)
    for step, line in enumerate(axes):
        for number, ax in enumerate(line):
            _show_frame(ax, frames[moments[step]])
            if number:
                image = ax.imshow(shown[number - 1, step], cmap="cividis", vmin=0, vmax=shown.max(), alpha=0.65)
            if step == 0:
                ax.set_title(names[number], loc="left", fontsize=10)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.04, wspace=0, hspace=0)
    label = "attention received; 1 if all places got the same"
    figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.6, aspect=40, label=label)
    return picture(figure, alt=alt)


def accuracies(runs: Runs, *, rows: Iterable[str] = ()) -> Image:
    """Accuracy of each row and stream with its 95 % interval, where there is one."""
    table = statistics.table(runs.records, rows=tuple(rows) or runs.rows)
    dots = [
        _Dot(
            name=ROW_NAMES.get(line["row"], line["row"]),
            stream=line["stream"],
            value=line["accuracy"],
            low=line["low"],
            high=line["high"],
            complete=line["folds"] >= runs.folds and line["seeds"] >= runs.seeds(line["row"]),
        )
        for _, line in table.iterrows()
    ]
    if not dots:
        return nothing_yet(runs)
    said = "; ".join(f"{dot.name}, {dot.stream}: {dot.value:.1f}" for dot in dots)
    alt = f"Accuracy in percent with 95 % intervals, {setting(runs)}. {said}."
    return picture(_dots(dots, label=f"accuracy, %\n({setting(runs)})"), alt=alt)


def differences(runs: Runs, *, baseline: str, rows: Iterable[str] = ()) -> Image:
    """Forest plot: every row less its baseline on the same clips, with 95 % intervals and a line at 0."""
    pairs = {ROW_NAMES.get(row, row): (row, baseline) for row in tuple(rows) or runs.rows}
    return _forest(runs, pairs, label=f"difference to {ROW_NAMES.get(baseline, baseline)}, points\n({setting(runs)})")


def claim_differences(runs: Runs) -> Image:
    """Forest plot of the claims: the effect of each, with 95 % intervals and a line at 0."""
    pairs = {claim.name: (claim.row, claim.baseline) for claim in CLAIMS}
    return _forest(runs, pairs, label=f"effect, points\n({setting(runs)})")


def _forest(runs: Runs, pairs: Mapping[str, tuple[str, str]], *, label: str) -> Image:
    dots = [
        _Dot(
            name=name,
            stream=stream,
            value=result.difference,
            low=result.low,
            high=result.high,
            complete=is_complete(result, runs, row=row, baseline=baseline),
        )
        for name, (row, baseline) in pairs.items()
        for (_, stream), result in comparisons(runs, baseline=baseline, rows=(row,)).items()
    ]
    if not dots:
        return nothing_yet(runs)
    figure = _dots(dots, label=label)
    figure.axes[0].axvline(0, color="black", linewidth=1)
    said = "; ".join(f"{dot.name}, {dot.stream}: {signed(dot.value)}" for dot in dots)
    return picture(
        figure, alt=f"Forest plot of the {' '.join(label.split())}, with 95 % intervals and a line at 0. {said}."
    )


class _Dot(NamedTuple):
    """One value of a plot."""

    name: str
    stream: str
    value: float
    low: float
    high: float
    complete: bool


def _dots(dots: list[_Dot], *, label: str) -> Figure:
    """Values with their intervals, a line a name; hollow where runs are missing."""
    names = list(dict.fromkeys(dot.name for dot in dots))
    figure, axes = _canvas(height=1.4 + 0.55 * len(names))
    ax = axes[0, 0]
    for offset, stream in zip((-0.22, 0, 0.22), SEEN, strict=True):
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
    _legend(figure, ax)
    return figure


def loss_curves(runs: Runs, *, rows: Iterable[str] = ()) -> Image:
    """Training loss of each row, the mean over its runs, with the range of them shaded."""
    rows = [row for row in tuple(rows) or runs.rows if runs.of(row)]
    if not rows:
        return nothing_yet(runs)
    figure, axes = _canvas(height=3.6, columns=2, sharey=True)
    said = []
    for ax, stream in zip(axes[0], ("rgb", "flow"), strict=True):
        for row, colour, dash in zip(rows, LINES, DASHES, strict=False):
            curves = np.array([record.losses for record in runs.of(row, stream=stream)])
            if not curves.size:
                continue
            epochs = np.arange(1, curves.shape[1] + 1)
            mean = curves.mean(axis=0)
            ax.plot(epochs, mean, color=colour, linestyle=dash, label=ROW_NAMES.get(row, row))
            ax.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.15, linewidth=0)
            said.append(f"{ROW_NAMES.get(row, row)}, {stream}: {mean[0]:.2f} to {mean[-1]:.2f}")
        ax.set(title=stream, xlabel="epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0, 0].set_ylabel(f"training loss\n({setting(runs)})")
    _legend(figure, axes[0, 0])
    return picture(figure, alt=f"Training loss by epoch, {setting(runs)}, first to last. {'; '.join(said)}.")


def confusion(runs: Runs, *, row: str, stream: str) -> Image:
    """Which class is taken for which, over all runs of a row: percent of the clips of the true class."""
    records = [record for record in runs.of(row) if record.probabilities]
    records = statistics.fused_records(records) if stream == "both" else runs.of(row, stream=stream)
    if not records:
        return nothing_yet(runs)
    classes = records[0].classes
    counts = np.zeros((len(classes), len(classes)))
    for record in records:
        np.add.at(counts, (np.array(record.labels), np.argmax(record.probabilities, axis=1)), 1)
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _canvas(height=1.4 + 0.36 * len(classes))
    options = {"xticklabels": classes, "yticklabels": classes, "cbar_kws": {"label": "% of the true class"}}
    sns.heatmap(share, ax=axes[0, 0], cmap="cividis", vmin=0, vmax=100, annot=True, fmt=".0f", **options)
    axes[0, 0].set(xlabel="answer", ylabel="truth", title=f"{ROW_NAMES.get(row, row)}, {stream} ({setting(runs)})")
    axes[0, 0].tick_params(axis="x", rotation=45)
    plt.setp(axes[0, 0].get_xticklabels(), ha="right", rotation_mode="anchor")
    wrong = share * (1 - np.eye(len(classes)))
    truth, answer = np.unravel_index(np.argmax(wrong), wrong.shape)
    worst = f"{classes[truth]} taken for {classes[answer]}, {wrong[truth, answer]:.0f} %" if wrong.any() else "none"
    return picture(
        figure,
        alt=f"Confusion matrix of {ROW_NAMES.get(row, row)}, {stream}, {setting(runs)}. Most frequent mistake: {worst}.",
    )


def nothing_yet(runs: Runs) -> Image:
    """What stands in a figure's place while it has no records."""
    figure, axes = _canvas(height=1)
    axes[0, 0].set_axis_off()
    text = f"No records yet ({setting(runs)})."
    axes[0, 0].text(0.5, 0.5, text, ha="center", va="center", transform=axes[0, 0].transAxes)
    return picture(figure, alt=text)
