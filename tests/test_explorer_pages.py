"""The explorer's files and what its pages say hold what the networks saw and said."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import small_experiments
from test_explorer import trained

from lrar import explorer, explorer_files, explorer_pages
from lrar.datasets import load_clip_set
from lrar.datasets.synthetic import render_clip
from lrar.figures import flow_to_rgb
from lrar.flow import optical_flow
from lrar.running import fold_of
from lrar.streams import low_resolution, seen_frames, to_video

__all__ = ["trained"]  # a fixture


@pytest.fixture(scope="module")
def written(trained, tmp_path_factory) -> Path:
    """A folder of fragments with an explorer of the three tiny actions."""
    out = tmp_path_factory.mktemp("generated")
    clips = explorer_pages.write_explorer([(trained.runs, trained.root)], out)
    assert clips == ["ixmas6/0", "ixmas6/1", "ixmas6/2"]
    return out


def values(path: Path) -> object:
    """What a script of the explorer leaves."""
    return json.loads(re.fullmatch(r"\(window\.lrarClips \?\?= \{\}\)\[\".*?\"\] = (.*);\n", path.read_text())[1])


def frames(path: Path, count: int) -> np.ndarray:
    """A sprite's pictures, `(count, H, W, 3)`."""
    sheet = cv2.imread(str(path))[..., ::-1]
    return np.stack(np.split(sheet, count, axis=1))


def test_sprites_lose_nothing(written, trained):
    videos, _ = fold_of(small_experiments.DATA)
    for number, clip in enumerate(explorer.chosen_clips(small_experiments.student())):
        folder = written / "extra" / "explorer" / "ixmas6" / str(number)
        seen = explorer.ends(len(videos[clip]))
        for name, expected in explorer.views(videos[clip], trained.networks, clip, seen).items():
            assert np.array_equal(
                frames(folder / f"{name}.webp", len(seen)), np.broadcast_to(expected, (*expected.shape[:3], 3))
            )
        about = values(folder / "clip.js")
        assert about["name"] == videos.clip_set.clips[clip].name
        assert about["label"] == videos.clip_set.classes[videos.labels[clip]]
        assert about["seen"][-1] == len(videos[clip])
        assert np.sum(about["probabilities"]["full"], axis=1) == pytest.approx(1, abs=1e-3)
        assert min(about["steps"]) >= 0 and max(about["steps"]) == about["maps"][1] - 1


def test_the_list_says_what_is_answered_in_the_end(written):
    folder = written / "extra" / "explorer"
    for line in values(folder / "clips.js"):
        clip = values(folder / line["key"] / "clip.js")
        for row, answer in line["answers"].items():
            assert answer == clip["classes"][int(np.argmax(clip["probabilities"][row][-1]))]


def test_a_clip_is_small():
    """Sprites of a synthetic clip of full size, noise and all."""
    video = render_clip(load_clip_set("synthetic").clips[100])  # (T, 64, 48, 1)
    shown = explorer.ends(len(video)) - 1
    bicubic = seen_frames(video, source="bicubic")
    flow = flow_to_rgb(optical_flow(bicubic)[np.minimum(shown, len(video) - 2)])
    low = to_video(low_resolution(video))
    assert low.shape[1:] == (16, 12, 1)
    views = [video[shown], low[shown], bicubic[shown], video[shown], flow]  # SR is no noisier than HR
    assert sum(len(explorer_files.sprite(view[None])) for view in views) < 400_000


def test_pages_say_how_good_the_networks_are(written, trained):
    text = (written / "explorer.md").read_text()
    right = explorer_pages.counts(trained.records)
    for row, name in {"teacher": "HR teacher", "plain": r"plain (bicubic)", "full": "full system"}.items():
        assert f"{name} {right[row]}" in text
    assert f"right on this many of the {len(trained.records['full', 'rgb'].labels)} clips of amel" in text
    assert text.count("| IXMAS-6 |") == 3
    strip = (written / "explorer_strip.md").read_text()
    first, second, third = right.values()
    assert '<lrar-explorer clip="ixmas6/0">' in strip and "A **IXMAS-6** clip" in strip
    assert f"they get {first}, {second} and {third} of 6 held-out clips right. " in strip
    assert cv2.imread(str(written / "explorer.png")).shape == (3 * 32, 6 * (3 * 24 + 6), 3)


def test_without_networks_the_pages_say_so(tmp_path):
    assert explorer_pages.write_explorer([], tmp_path) == []
    for name in ("explorer.md", "explorer_strip.md"):
        text = (tmp_path / name).read_text()
        assert "No clips are shown here" in text and "<lrar-explorer" not in text


def test_no_clips_of_an_earlier_build_remain(tmp_path):
    old = tmp_path / "extra" / "explorer" / "ixmas6" / "0" / "hr.webp"
    old.parent.mkdir(parents=True)
    old.touch()
    explorer_pages.write_explorer([], tmp_path)
    assert not old.exists() and (tmp_path / "extra").is_dir(), "the build copies the folder"
