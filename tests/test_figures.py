"""Pictures are drawn, have alternative text that says what they show, and come out the same twice."""

import numpy as np
import pytest
import torch
from made_up import write_records

from lrar import figures
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
    assert set(metadata["image/png"]) == {"alt", "width"}


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
    assert image.width == figures.WIDTH * figures.DOTS


def test_attention_overlay():
    maps = torch.softmax(torch.randn(4, 48), dim=1).view(4, 4, 4, 3)
    image = figures.attention_overlay(np.zeros((16, 64, 48, 1), np.uint8), maps, alt="maps")
    assert image.data.startswith(b"\x89PNG")


def test_no_figure_stays_open(runs):
    figures.accuracies(runs)
    assert not figures.plt.get_fignums()
