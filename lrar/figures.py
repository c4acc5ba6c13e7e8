"""Every picture of the book, in one style: the Okabe-Ito colours, which colour-blind readers tell apart, on white.

Each function gives an `IPython.display.Image` with its alternative text. The functions that draw numbers write that
text themselves, from the same numbers; for frames, the caller says what they show. White backgrounds make a picture
legible on dark pages too.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import cycle

import numpy as np
import seaborn as sns
import torch
import torch.nn.functional as F
from IPython.display import Image
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from lrar import statistics
from lrar.canvas import WIDTH, Spot, canvas, legend, picture
from lrar.claims import CLAIMS
from lrar.dots import Dot, dot_spots, draw_dots
from lrar.names import ROW_NAMES
from lrar.pooling import fused_records
from lrar.replay import Runs
from lrar.table import signed
from lrar.tables import comparisons, difference, told_accuracy
from lrar.wording import is_complete, told_setting

LINES = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))
FRAMES = 8  # in a strip

# Motion to the right, down, to the left and up; between them the colours are mixed.
DIRECTIONS = ("#E69F00", "#CC79A7", "#0072B2", "#009E73")
FLOW_KEY = "Flow: to the right orange, down pink, to the left blue, up green; the paler, the slower."


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


def strip(videos: Mapping[str, np.ndarray], *, alt: str) -> Image:
    """Clips one below the other, the same moments above each other; LR pixels are shown as squares.

    Args:
        videos: by label: frames uint8 `(T, H, W, C)`, or flow float `(T, H, W, 2)` in px.
        alt: what there is to see.
    """
    _, height, width, _ = next(iter(videos.values())).shape
    cell = WIDTH / FRAMES
    flows = [flow_limit(video) for video in videos.values() if video.shape[-1] == 2]
    figure, axes = canvas(
        height=len(videos) * (cell * height / width + 0.24) + 0.3 * bool(flows), rows=len(videos), columns=FRAMES
    )
    for line, (label, video) in zip(axes, videos.items(), strict=True):
        shown = flow_to_rgb(video, limit=max(flows)) if video.shape[-1] == 2 else video
        for ax, moment in zip(line, np.linspace(0, len(shown) - 1, FRAMES).round().astype(int), strict=True):
            _show_frame(ax, shown[moment])
        line[0].set_title(label, loc="left", fontsize=10)
    if flows:
        figure.supxlabel(FLOW_KEY, fontsize=9)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.04, wspace=0, hspace=0)
    return picture(figure, alt=alt)


def relative_attention(maps: torch.Tensor) -> torch.Tensor:
    """Attention `(heads, T', H', W')` in multiples of what each place would get if all got the same.

    Returns:
        `(1 + heads, T', H', W')`, the mean of the heads first.
    """
    relative = maps.float() * maps[0].numel()
    return torch.cat([relative.mean(dim=0, keepdim=True), relative])


def attention_overlay(frames: np.ndarray, maps: torch.Tensor, *, alt: str) -> Image:
    """Where a network looks, a moment a row: the frame, over it the mean of all heads, then each head.

    Args:
        frames: what the network sees, uint8 `(T, H, W, C)`.
        maps: `(heads, T', H', W')`, from `SpaceTimeAttention`; each sums to 1 over space and time.
        alt: what there is to see.
    """
    heads, steps, *_ = maps.shape
    _, height, width, _ = frames.shape
    shown = relative_attention(maps)
    shown = F.interpolate(shown, size=(height, width), mode="bilinear").numpy()  # (1 + heads, T', H, W)
    names = ["seen", "all heads", *(f"head {head + 1}" for head in range(heads))]
    figure, axes = canvas(height=steps * WIDTH / len(names) * height / width + 1.1, rows=steps, columns=len(names))
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
        Dot(
            name=ROW_NAMES[line["row"]],
            stream=line["stream"],
            value=line["accuracy"],
            low=line["low"],
            high=line["high"],
            complete=line["folds"] >= runs.folds and line["seeds"] >= runs.seeds(line["row"]),
            traced=told_accuracy(runs, line),
        )
        for _, line in table.iterrows()
    ]
    if not dots:
        return nothing_yet(runs)
    said = "; ".join(f"{dot.name}, {dot.stream}: {dot.value:.1f}" for dot in dots)
    alt = f"Accuracy in percent with 95 % intervals, {told_setting(runs)}. {said}."
    figure = draw_dots(dots, label=f"accuracy, %\n({told_setting(runs)})")
    return picture(figure, alt=alt, spots=dot_spots(dots, unit=" %"), label=f"Accuracies, {told_setting(runs)}")


def differences(runs: Runs, *, baseline: str, rows: Iterable[str] = ()) -> Image:
    """Forest plot: every row minus its baseline on the same clips, with 95 % intervals and a line at 0."""
    pairs = {ROW_NAMES[row]: (row, baseline) for row in tuple(rows) or runs.rows}
    return _forest(runs, pairs, label=f"difference to {ROW_NAMES[baseline]}, points\n({told_setting(runs)})")


def claim_differences(runs: Runs) -> Image:
    """Forest plot of the claims: the effect of each, with 95 % intervals and a line at 0."""
    pairs = {claim.name: (claim.row, claim.baseline) for claim in CLAIMS}
    return _forest(runs, pairs, label=f"effect, points\n({told_setting(runs)})")


def _forest(runs: Runs, pairs: Mapping[str, tuple[str, str]], *, label: str) -> Image:
    dots = [
        Dot(
            name=name,
            stream=stream,
            value=result.difference,
            low=result.low,
            high=result.high,
            complete=is_complete(result, runs, row=row, baseline=baseline),
            traced=difference(result, row=row, baseline=baseline, stream=stream),
        )
        for name, (row, baseline) in pairs.items()
        for (_, stream), result in comparisons(runs, baseline=baseline, rows=(row,)).items()
    ]
    if not dots:
        return nothing_yet(runs)
    figure = draw_dots(dots, label=label)
    figure.axes[0].axvline(0, color="black", linewidth=1)
    said = "; ".join(f"{dot.name}, {dot.stream}: {signed(dot.value)}" for dot in dots)
    what = f"Forest plot of the {' '.join(label.split())}"
    alt = f"{what}, with 95 % intervals and a line at 0. {said}."
    return picture(figure, alt=alt, spots=dot_spots(dots, unit=" points"), label=what)


def loss_curves(runs: Runs, *, rows: Iterable[str] = ()) -> Image:
    """Training loss of each row, the mean over its runs, with the range of them shaded."""
    rows = [row for row in tuple(rows) or runs.rows if runs.of(row)]
    if not rows:
        return nothing_yet(runs)
    figure, axes = canvas(height=3.6, columns=2, sharey=True)
    said = []
    for ax, stream in zip(axes[0], ("rgb", "flow"), strict=True):
        for row, colour, dash in zip(rows, cycle(LINES), cycle(DASHES), strict=False):
            curves = np.array([record.losses for record in runs.of(row, stream=stream)])
            if not curves.size:
                continue
            epochs = np.arange(1, curves.shape[1] + 1)
            mean = curves.mean(axis=0)
            ax.plot(epochs, mean, color=colour, linestyle=dash, label=ROW_NAMES[row])
            ax.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.15, linewidth=0)
            said.append(f"{ROW_NAMES[row]}, {stream}: {mean[0]:.2f} to {mean[-1]:.2f}")
        ax.set(title=stream, xlabel="epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0, 0].set_ylabel(f"training loss\n({told_setting(runs)})")
    legend(figure, axes[0, 0])
    return picture(figure, alt=f"Training loss by epoch, {told_setting(runs)}, first to last. {'; '.join(said)}.")


def confusion(runs: Runs, *, row: str, stream: str) -> Image:
    """Which class is taken for which, over all runs of a row: percent of the clips of the true class."""
    records = fused_records(runs.of(row)) if stream == "both" else runs.of(row, stream=stream)
    if not records:
        return nothing_yet(runs)
    classes = records[0].classes
    counts = np.zeros((len(classes), len(classes)))
    clips: dict[tuple[int, int], Counter] = {}
    for record in records:
        answers = np.argmax(record.probabilities, axis=1).tolist()
        np.add.at(counts, (np.array(record.labels), answers), 1)
        for clip, truth, answer in zip(record.clips, record.labels, answers, strict=True):
            clips.setdefault((truth, answer), Counter())[clip] += 1
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = canvas(height=1.4 + 0.36 * len(classes))
    options = {"xticklabels": classes, "yticklabels": classes, "cbar_kws": {"label": "% of the true class"}}
    sns.heatmap(share, ax=axes[0, 0], cmap="cividis", vmin=0, vmax=100, annot=True, fmt=".0f", **options)
    axes[0, 0].set(xlabel="answer", ylabel="truth", title=f"{ROW_NAMES[row]}, {stream} ({told_setting(runs)})")
    axes[0, 0].tick_params(axis="x", rotation=45)
    plt.setp(axes[0, 0].get_xticklabels(), ha="right", rotation_mode="anchor")
    wrong = share * (1 - np.eye(len(classes)))
    truth, answer = np.unravel_index(np.argmax(wrong), wrong.shape)
    worst = f"{classes[truth]} taken for {classes[answer]}, {wrong[truth, answer]:.0f} %" if wrong.any() else "none"
    what = f"Confusion matrix of {ROW_NAMES[row]}, {stream}, {told_setting(runs)}"
    spots = [
        Spot(
            (answer, truth),
            (answer + 1, truth + 1),
            f"{classes[truth]} taken for {classes[answer]}: {counts[truth, answer]:.0f} of {counts[truth].sum():.0f} answers",
            tuple(f"{clip} (in {times} runs)" if times > 1 else clip for clip, times in sorted(found.items())),
        )
        for (truth, answer), found in sorted(clips.items())
    ]
    return picture(figure, alt=f"{what}. Most frequent mistake: {worst}.", spots=spots, label=what)


def nothing_yet(runs: Runs) -> Image:
    """What stands in a figure's place while it has no records."""
    figure, axes = canvas(height=1)
    axes[0, 0].set_axis_off()
    text = f"No records yet ({told_setting(runs)})."
    axes[0, 0].text(0.5, 0.5, text, ha="center", va="center", transform=axes[0, 0].transAxes)
    return picture(figure, alt=text)
