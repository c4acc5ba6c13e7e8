"""Pictures are drawn, have alternative text that says what they show, and come out the same twice."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from made_up import make_record, write_records
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from lrar import figures
from lrar.canvas import DOTS, WIDTH
from lrar.dots import COLOURS
from lrar.records import Store
from lrar.replay import existing


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("records")
    write_records(root, {"plain": 6, "sr": 9}, folds=3)
    return existing("ixmas6", profile="full", records=root, rows=("plain", "sr", "joint"))


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (figures.accuracies, "our SR, both: 75.0"),
        (lambda runs: figures.differences(runs, baseline="plain"), "our SR, rgb: +25.0"),
        (figures.claim_differences, "C1, flow: +25.0"),
        (figures.loss_curves, "our SR, flow: 1.50 to 0.50"),
        (lambda runs: figures.confusion(runs, row="sr", stream="both"), "taken for point, 25 %"),
        (lambda runs: figures.confusion(runs, row="joint", stream="rgb"), "No records yet"),
        (lambda runs: figures.differences(runs, baseline="joint"), "No records yet"),
    ],
)
def test_alternative_text_holds_the_numbers(runs, draw, says):
    image = draw(runs)
    assert says in image.alt
    assert "IXMAS-6" in image.alt
    assert image.data.startswith(b"\x89PNG")
    assert draw(runs).data == image.data


def test_images_carry_their_text_to_the_notebook(runs):
    _, metadata = figures.accuracies(runs)._repr_mimebundle_()
    assert set(metadata["image/png"]) == {"alt", "width", "spots"}
    assert repr(figures.accuracies(runs)) == metadata["image/png"]["alt"], "nbval compares text, and no pictures"


def spots(image) -> list[dict]:
    return image.metadata["spots"]["spots"]


def test_marks_say_what_they_rest_on(runs):
    placed = spots(figures.differences(runs, baseline="plain", rows=["sr"]))
    assert [spot["says"].split(":")[0] for spot in placed] == ["+25.0 points"] * 3
    assert "our SR minus plain (bicubic), rgb: 36 clips, 3 runs of each" in placed[0]["says"]
    tops = [spot["y"] for spot in placed]
    assert tops == sorted(tops), "from top to bottom as they are drawn"
    assert all(0 < spot[side] < 1 for spot in placed for side in "xywh")


def test_marks_lie_where_they_are_drawn(runs):
    image = figures.accuracies(runs, rows=["plain"])
    pixels = plt.imread(io.BytesIO(image.data))[..., :3]  # (H, W, 3)
    height, width, _ = pixels.shape
    for spot, stream in zip(spots(image), ("rgb", "flow", "both"), strict=True):
        rows = slice(int(spot["y"] * height), int((spot["y"] + spot["h"]) * height))
        columns = slice(int(spot["x"] * width), int((spot["x"] + spot["w"]) * width))
        distance = np.abs(pixels[rows, columns] - to_rgb(COLOURS[stream])).max(axis=2)
        assert (distance < 0.02).any(), f"the dot of {stream} is not under its mark"


def test_cells_of_the_confusion_matrix_name_their_clips(runs):
    image = figures.confusion(runs, row="sr", stream="rgb")
    cells = {spot["says"].split(":")[0]: spot for spot in spots(image)}
    wrong = cells["kick taken for point"]
    assert wrong["says"].endswith("3 of 12 answers")
    assert wrong["clips"] == ["actor0_9", "actor1_9", "actor2_9"]
    assert sum(len(spot["clips"]) for spot in cells.values()) == 36
    assert wrong["x"] > cells["kick taken for kick"]["x"]
    assert wrong["y"] == cells["kick taken for kick"]["y"]


def test_a_confusion_matrix_is_of_the_true_class(tmp_path, monkeypatch):
    """Of six kicks three are taken for points, all six points for points: 50 % of the kicks, 33 % of the answers."""
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    made = make_record("plain", "rgb", 0)
    answers = [0, 0, 0, 1, 1, 1] + [1] * 6
    shares = [[0.8 if answer == label else 0.1 for label in range(3)] for answer in answers]
    Store(tmp_path).write(dataclasses.replace(made, labels=[0] * 6 + [1] * 6, probabilities=shares))
    runs = existing("ixmas6", profile="full", records=tmp_path, rows=("plain",))
    assert (
        "Most frequent mistake: kick taken for point, 50 %." in figures.confusion(runs, row="plain", stream="rgb").alt
    )


def test_flow_colours():
    flow = np.zeros((1, 1, 5, 2), np.float16)
    flow[0, 0, :4] = [(4, 0), (0, 4), (-4, 0), (0, -4)]
    colours = figures.flow_to_rgb(flow, limit=4)[0, 0]
    assert [f"#{bytes(colour).hex().upper()}" for colour in colours] == [*figures.DIRECTIONS, "#FFFFFF"]
    assert figures.flow_to_rgb(flow / 2, limit=4)[0, 0, 0].sum() > colours[0].sum(), "slower is paler"


def test_strip():
    generator = np.random.default_rng(0)
    videos = {
        "HR": generator.integers(0, 256, (20, 64, 48, 1), np.uint8),
        "LR": generator.integers(0, 256, (20, 16, 12, 3), np.uint8),
        "flow": generator.normal(size=(19, 64, 48, 2)),
    }
    image = figures.strip(videos, alt="three rows")
    assert image.alt == "three rows"
    assert image.width == WIDTH * DOTS


def test_attention_overlay(monkeypatch):
    """Each column shows what its title says, each row its moment."""
    drawn, imshow = [], Axes.imshow
    monkeypatch.setattr(Axes, "imshow", lambda axes, shown, **how: drawn.append(shown) or imshow(axes, shown, **how))
    maps = torch.zeros(2, 4, 4, 3)
    maps[0, :, 0, 0] = 1 / 4  # the first head looks at one corner always
    maps[1, 2, 3, 2] = 1  # the second once at another
    frames = np.arange(16, dtype=np.uint8)[:, None, None, None].repeat(64, axis=1).repeat(48, axis=2)
    image = figures.attention_overlay(frames, maps, alt="maps")
    assert image.data.startswith(b"\x89PNG")
    rows = [drawn[start : start + 7] for start in range(0, 28, 7)]  # a frame, and under each of three maps again
    assert [row[0][0, 0] for row in rows] == [2, 6, 10, 14]
    both, first, second = zip(*((row[2], row[4], row[6]) for row in rows), strict=True)
    assert {np.unravel_index(shown.argmax(), shown.shape) for shown in first} == {(0, 0)}
    assert [shown.max() > 0 for shown in second] == [False, False, True, False]
    assert np.allclose(both, (np.array(first) + second) / 2)


def test_no_figure_stays_open(runs):
    figures.accuracies(runs)
    assert not plt.get_fignums()
