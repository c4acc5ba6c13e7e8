"""Labels for any video: a file, a folder, a broken one among good ones; as lines, as JSON, as an annotated copy."""

import json
import os

import av
import numpy as np
import pytest
import torch
from conftest import write_video
from test_cli import call, complaint

from lrar.datasets.synthetic import load_synthetic, render_clip
from lrar.predict import find_videos, predict
from lrar.small import load_student, read
from lrar.streams import low_resolution, to_video

CLIPS = [clip for clip in load_synthetic().clips if clip.group == "actor0" and clip.camera == 0][:3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three held-out synthetic clips as files, one of them in a folder of its own."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "more").mkdir()
    for clip, place in zip(CLIPS, (folder, folder, folder / "more"), strict=True):
        write_video(place / f"{clip.name}.avi", render_clip(clip)[..., 0], rate=25)
    (folder / "notes.txt").write_text("not a video, and not taken for one")
    (folder / "._old.mp4").write_bytes(b"what a file system puts beside a video")
    (folder / "old.mov").mkdir()
    return folder


@pytest.fixture(scope="module")
def student():
    return load_student("synthetic")


def test_a_file_gets_the_answer_of_its_clip(folder, student):
    model, card = student
    answer = predict(model, card, folder / f"{CLIPS[0].name}.avi")
    with torch.no_grad():
        expected = model(read(to_video(low_resolution(render_clip(CLIPS[0]))))).probabilities[0]
    assert list(answer["probabilities"]) == card.classes
    assert np.allclose(list(answer["probabilities"].values()), expected, atol=2e-5)
    assert answer["label"] == card.classes[int(expected.argmax())]


def test_json(capsys, folder):
    code, out, lines = call(capsys, "predict", folder, "--student", "synthetic", "--format", "json", "--windows")
    assert (code, lines) == (0, [])
    answers = json.loads(out)
    assert [answer["video"] for answer in answers] == sorted(map(str, folder.rglob("*.avi")))
    for answer in answers:
        assert set(answer) == {"video", "student", "label", "probabilities", "frames", "windows"}
        assert answer["student"] == "synthetic" and 40 <= answer["frames"] <= 70
        for part in (answer, *answer["windows"]):
            assert sum(part["probabilities"].values()) == pytest.approx(1, abs=1e-3)
            assert part["label"] == max(part["probabilities"], key=part["probabilities"].get)
        assert all(set(window) == {"start", "end", "label", "probabilities"} for window in answer["windows"])


def test_folders_that_are_hidden_or_linked(folder, tmp_path):
    """As where data sets are read."""
    (tmp_path / ".thumbnails").mkdir()
    (tmp_path / ".thumbnails" / "a.mp4").touch()
    (tmp_path / "link").symlink_to(folder / "more")
    assert find_videos(tmp_path) == [tmp_path / "link" / f"{CLIPS[2].name}.avi"]


def test_a_broken_file_among_good_ones(capsys, folder):
    broken = folder / "broken.mp4"
    broken.write_bytes(b"no video")
    try:
        code, out, lines = call(capsys, "predict", folder, "--student", "synthetic")
    finally:
        broken.unlink()
    assert code == 2
    assert len(lines) == 1 and str(broken) in lines[0] and "Copy it again" in lines[0]
    assert [str(clip.name) in out for clip in CLIPS] == [True] * 3
    assert len(out.splitlines()) == 3


def test_windows_over_time(capsys, tmp_path):
    """Two actions, one after the other: the answer changes."""
    parts = [render_clip(clip)[..., 0] for clip in (CLIPS[0], CLIPS[2], CLIPS[0])]
    path = write_video(tmp_path / "long.avi", np.concatenate(parts), rate=25)
    seconds = sum(map(len, parts)) / 25
    code, out, lines = call(capsys, "predict", path, "--student", "synthetic", "--windows")
    assert (code, lines) == (0, [])
    found = out.splitlines()
    assert len(found) == int(seconds - 3) + 1
    assert f"to   {seconds - 0.04:.1f} s" in found[-1]
    assert len({line.split("(next")[0].split()[1] for line in found}) > 1
    assert len(call(capsys, "predict", path, "--student", "synthetic")[1].splitlines()) == 1


@pytest.mark.parametrize("size", [(1080, 1920), (1920, 1080)])
def test_a_camera_sized_video(capsys, tmp_path, size):
    small = render_clip(CLIPS[0])[:30, ..., 0]
    rows, columns = (np.arange(n) * m // n for n, m in zip(size, small.shape[1:], strict=True))
    large = small[:, rows][:, :, columns]
    path = write_video(tmp_path / "large.mp4", large, codec="libx264", pixels="yuv420p", rate=25)
    code, out, lines = call(capsys, "predict", path, "--format", "json")
    assert (code, lines) == (0, [])
    assert json.loads(out)[0]["frames"] == 30


def test_annotated_copy(capsys, folder, tmp_path):
    path, out = folder / f"{CLIPS[0].name}.avi", tmp_path / "out.mp4"
    code, _, lines = call(capsys, "predict", path, "--student", "synthetic", "--video", out)
    assert (code, lines) == (0, [])
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.average_rate, stream.pix_fmt) == ("h264", 25, "yuv420p")
        decoded = list(container.decode(stream))
    frames = [frame.to_ndarray(format="gray") for frame in decoded]
    clip = render_clip(CLIPS[0])
    low = to_video(low_resolution(clip))
    assert len(frames) == len(clip)
    # The first picture is LR, each of its pixels a square; the second has more detail and is as bright.
    squares = frames[20][64 : 64 + 384, 16 : 16 + 288].reshape(16, 24, 12, 24)[:, 4:-4, :, 4:-4]
    assert np.abs(squares.mean(axis=(1, 3)) - low[20, ..., 0]).max() < 6
    assert squares.std(axis=(1, 3)).mean() < 3
    restored = frames[20][64 : 64 + 384, 320 : 320 + 288].reshape(16, 24, 12, 24)
    assert restored.std(axis=(1, 3)).mean() > 3
    assert np.abs(restored.mean(axis=(1, 3)) - low[20, ..., 0]).mean() < 6
    # The third is the second under a veil; on the right, the bar of the answer is the dark blue one.
    coloured = decoded[20].to_ndarray(format="rgb24").astype(int)
    assert np.abs(coloured[64:448, 624:912] - coloured[64:448, 320:608]).mean() > 5
    _, card = load_student("synthetic")
    lines = [int(64 + (number + 0.25) * 384 / len(card.classes)) for number in range(len(card.classes))]
    blue = [np.abs(coloured[line, 930] - (0x00, 0x72, 0xB2)).sum() for line in lines]
    answer = json.loads(call(capsys, "predict", path, "--student", "synthetic", "--format", "json")[1])[0]
    assert card.classes[int(np.argmin(blue))] == answer["label"]


def test_a_copy_of_what_is_no_video(capsys, folder, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    code, _, lines = call(capsys, "predict", tmp_path / "bad.mp4", "--video", tmp_path / "out.mp4")
    assert code == 2 and len(lines) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["bad.mp4"], "nothing half-written remains"
    line = complaint(capsys, "predict", folder, "--video", tmp_path / "out.mp4")
    assert "--video takes one video, not 3" in line
    clip = next(folder.glob("*.avi"))
    before = clip.read_bytes()
    assert "write over the video that is read" in complaint(capsys, "predict", clip, "--video", clip)
    assert clip.read_bytes() == before
    assert "cannot be written" in complaint(capsys, "predict", clip, "--video", tmp_path / "nowhere" / "out.mp4")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("nowhere.mp4",), "no such file"),
        (("nowhere.mp4", "--student", "huge"), "huge: no such student. Known: ixmas6, synthetic"),
        (("nowhere.mp4", "--crop", "1,2,3"), "TOP,LEFT,ROWS,COLUMNS"),
        (("nowhere.mp4", "--crop", "0,0,0,4"), "no region"),
        (("nowhere.mp4", "--format", "xml"), "xml"),
    ],
)
def test_bad_arguments(capsys, arguments, part):
    assert part in complaint(capsys, "predict", *arguments)


def test_a_folder_without_videos(capsys, folder, tmp_path):
    assert "no videos in this folder" in complaint(capsys, "predict", tmp_path)
    code, out, lines = call(capsys, "predict", tmp_path, folder)
    assert code == 2 and len(lines) == 1 and "no videos in this folder" in lines[0]
    assert out, "the others are answered all the same"


def test_the_answer_to_a_video_is_the_mean_over_its_windows(tmp_path):
    frames = np.concatenate([render_clip(clip)[..., 0] for clip in CLIPS])
    answer = predict(*load_student("synthetic"), write_video(tmp_path / "long.avi", frames, rate=25), by_window=True)
    windows = [list(window["probabilities"].values()) for window in answer["windows"]]
    assert len(windows) > 2 and np.ptp(windows, axis=0).max() > 0.1
    assert np.allclose(list(answer["probabilities"].values()), np.mean(windows, axis=0), atol=2e-5)
    assert answer["frames"] == len(frames)


def test_crop_looks_at_that_part_of_the_frame(capsys, tmp_path):
    clip = render_clip(CLIPS[0])[..., 0]
    wide = np.full((len(clip), 100, 200), 255, np.uint8)
    wide[:, 30:94, 120:168] = clip
    command = ("predict", "--student", "synthetic", "--format", "json")
    alone = json.loads(call(capsys, *command, write_video(tmp_path / "a.avi", clip, rate=25))[1])[0]
    part = json.loads(
        call(capsys, *command, "--crop", "30,120,64,48", write_video(tmp_path / "b.avi", wide, rate=25))[1]
    )[0]
    assert part["probabilities"] == alone["probabilities"]


def test_a_copy_goes_where_it_is_told(capsys, folder, tmp_path, monkeypatch):
    video = folder / f"{CLIPS[0].name}.avi"
    line = complaint(capsys, "predict", video, "--student", "synthetic", "--video", tmp_path)
    assert f"{tmp_path}: is a folder" in line
    monkeypatch.chdir(tmp_path)
    assert call(capsys, "predict", video, "--student", "synthetic", "--video", "12:30.mp4")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["12:30.mp4"]


def test_names_of_all_kinds(capsys, folder, tmp_path):
    """One that is not UTF-8 is answered; a link to nowhere is named."""
    os.link(folder / f"{CLIPS[0].name}.avi", os.fsencode(tmp_path) + b"/caf\xe9.avi")
    (tmp_path / "lost.avi").symlink_to(tmp_path / "elsewhere.avi")
    for form in ("table", "json"):
        code, out, lines = call(capsys, "predict", tmp_path, "--student", "synthetic", "--format", form)
        assert code == 2 and "caf\ufffd.avi" in out
        assert len(lines) == 1 and "lost.avi" in lines[0]
