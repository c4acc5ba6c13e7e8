"""Accuracy against pixels: the curve is drawn from the rows of the plain student, and the rows differ in LR alone."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import write_records

from lrar import pixels
from lrar.experiment import Data, Experiment, identity
from lrar.replay import existing
from lrar.settings import PROFILES
from lrar.streams import restorer, seen_frames
from lrar.studies import PIXEL_ROWS, STUDIES, data_of

RIGHT = {"plain": 6, "pixels3072": 9, "pixels768": 9, "pixels48": 4, "pixels12": 3}


def test_the_curve_says_each_value_at_its_pixels(tmp_path):
    write_records(tmp_path, RIGHT, folds=3)
    runs = existing("ixmas6", profile="full", records=tmp_path)
    assert {record.row for record in runs.records} == {*RIGHT, "own"}
    image = pixels.curve(runs)
    for row, right in RIGHT.items():
        assert f"{PIXEL_ROWS[row]} pixels, both: {100 * right / 12:.1f}" in image.alt
    marks = image.metadata["spots"]["spots"]
    assert len(marks) == 3 * len(RIGHT)
    rgb = [mark for mark in marks if ", rgb:" in mark["says"]]
    assert [mark["x"] for mark in rgb] == sorted(mark["x"] for mark in rgb), "from few pixels to many"
    assert pixels.curve(runs).data == image.data


@pytest.mark.parametrize("rows", [("teacher",), ("plain",)])
def test_one_size_is_no_curve(tmp_path, rows):
    write_records(tmp_path, dict.fromkeys(rows, 6), folds=1)
    assert "No records yet" in pixels.curve(existing("ixmas6", profile="full", records=tmp_path)).alt


@pytest.mark.parametrize(("dataset", "high"), [("ixmas6", (64, 48, 1)), ("hmdb21", (240, 320, 3))])
def test_rows_differ_in_the_pixels_of_lr_alone(dataset, high):
    full = PROFILES["full"]
    data = data_of(dataset, protocol="actor", fold=0, profile=full)
    plain = STUDIES["full"]["plain"](data, "rgb", full)
    video = np.random.default_rng(0).integers(0, 256, (2, *high)).astype(np.uint8)
    sizes = set()
    for row, make in STUDIES["pixels"].items():
        made = make(data, "rgb", full)
        assert replace(made, data=data, enlarge=None) == plain
        assert identity(made) != identity(plain)
        shrink = made.data.shrink
        assert high[0] // shrink * (high[1] // shrink) == PIXEL_ROWS[row]
        seen = seen_frames(video, source="bicubic", shrink=shrink, restore=restorer("bicubic", enlarge=made.enlarge))
        sizes.add(seen.shape)
    assert len(sizes) == 1, "enlarged to one size"


def test_all_pixels_are_all_of_the_frame():
    video = np.random.default_rng(0).integers(0, 256, (2, 64, 48, 1)).astype(np.uint8)
    seen = seen_frames(video, source="bicubic", shrink=1, restore=restorer("bicubic", enlarge=1))
    assert np.array_equal(seen, video)


def test_only_plain_upscalers_can_be_told_by_how_much():
    data = Data(dataset="ixmas6")
    with pytest.raises(ValueError, match="enlarge is for the sources nearest, area, bicubic"):
        Experiment(data=data, stream="rgb", source="espcn", enlarge=2)
