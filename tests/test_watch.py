"""Any video as a student sees it: the same LR as in the data sets, every frame once, and a line where it cannot be."""

from pathlib import Path

import av
import numpy as np
import pytest
from conftest import film_upright, names_file_and_remedy, write_video

from lrar.clips import DataError
from lrar.datasets.synthetic import load_synthetic, render_clip
from lrar.small import Card
from lrar.streams import low_resolution, to_video
from lrar.watch import Region, windows

CARD = Card(
    dataset="test", classes=["a", "b"], channels=1, size=[16, 12], experiments={}, records={}, held_out="nobody"
)
NOISE = np.random.default_rng(0).integers(0, 256, (301, 64, 48), np.uint8)


def all_of(path, **options):
    return list(windows(path, CARD, **options))


@pytest.fixture(scope="module")
def rendered():
    return render_clip(load_synthetic().clips[100])


def test_frames_are_made_as_those_of_the_data_sets(tmp_path, rendered):
    path = write_video(tmp_path / "clip.avi", rendered[..., 0], rate=25)
    (window,) = all_of(path)
    assert np.array_equal(window.low, to_video(low_resolution(rendered)))
    assert (window.start, window.end, window.rate) == (0, pytest.approx((len(rendered) - 1) / 25), 25)


@pytest.mark.parametrize("whole", [0, 12])
@pytest.mark.parametrize("length", [2, 75, 99, 100, 124, 125, 149, 150, 200, 299, 300, 301])
@pytest.mark.parametrize("rate", [1, 25])
def test_each_frame_belongs_to_one_window(tmp_path, length, whole, rate):
    path = write_video(tmp_path / "clip.avi", NOISE[:length], rate=rate)
    found = all_of(path, whole=whole)
    low = to_video(low_resolution(NOISE[:length, ..., None]))
    assert np.array_equal(np.concatenate([window.low[window.own] for window in found]), low)
    assert all(len(window.low[window.own]) for window in found)
    if whole == 12 and length <= 12 * rate:
        assert len(found) == 1
    elif rate == 25 and length >= 100:
        assert [len(window.low) for window in found] == [75] * len(found)
        assert [round(window.start * 25) for window in found[:-1]] == [25 * k for k in range(len(found) - 1)]
        assert found[-1].end == pytest.approx((length - 1) / 25)


def test_fast_videos_are_thinned(tmp_path):
    (window,) = all_of(write_video(tmp_path / "fast.avi", NOISE[:100], rate=50))
    assert np.array_equal(window.low, to_video(low_resolution(NOISE[:100:2, ..., None])))
    (window,) = all_of(write_video(tmp_path / "thirty.avi", NOISE[:60], rate=30))
    assert abs(len(window.low) - 50) <= 1


def test_the_middle_of_a_wide_frame(tmp_path):
    wide = np.zeros((4, 128, 400), np.uint8)
    wide[:, :, 152:248] = 200  # 128 x 96 in the middle
    (window,) = all_of(write_video(tmp_path / "wide.avi", wide))
    assert window.low.min() > 190
    (window,) = all_of(write_video(tmp_path / "left.avi", wide), region=Region(top=0, left=0, rows=128, columns=96))
    assert window.low.max() == 0


def test_a_region_beyond_the_frame_is_named(tmp_path):
    path = write_video(tmp_path / "clip.avi", NOISE[:4])
    for region in (Region(top=1, left=0, rows=64, columns=48), Region(top=0, left=40, rows=4, columns=9)):
        with pytest.raises(DataError) as error:
            all_of(path, region=region)
        assert names_file_and_remedy(error, path, "--crop", "64x48")


def test_a_video_filmed_upright(tmp_path, rendered):
    (window,) = all_of(film_upright(tmp_path / "upright.mp4", rendered[..., 0]))
    expected = to_video(low_resolution(rendered)).astype(int)
    assert np.abs(window.low - expected).mean() < 4, "compressed, but the same way up"


def add_bad_file(path, kind: str) -> None:
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("no video\n" * 100)
    elif kind == "truncated":
        content = write_video(path, NOISE[:50]).read_bytes()
        path.write_bytes(content[: len(content) // 2])
    elif kind == "one frame":
        write_video(path, NOISE[:1])
    elif kind == "sound alone":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.int16), format="s16", layout="mono")
            frame.rate = 8000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "truncated", "one frame", "sound alone"])
def test_what_is_no_video_is_named(tmp_path, kind):
    path = tmp_path / "clip.avi"
    add_bad_file(path, kind)
    with pytest.raises(DataError) as error:
        all_of(path)
    assert names_file_and_remedy(error, path)


def test_a_video_that_was_joined_is_seen_to_its_end(tmp_path):
    """Where files are put one behind the other, times begin anew; every frame counts all the same."""
    one = write_video(tmp_path / "one.ts", NOISE[:100], codec="mpeg2video", pixels="yuv420p", rate=25)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() * 3)
    found = all_of(joined, whole=0)
    assert sum(len(window.low[window.own]) for window in found) == 300
    assert found[-1].end - found[0].start == pytest.approx(299 / 25, abs=0.1)


def test_a_colon_in_a_name_is_no_protocol(tmp_path, monkeypatch):
    write_video(tmp_path / "clip.avi", NOISE[:10]).rename(tmp_path / "12:30.avi")
    monkeypatch.chdir(tmp_path)
    assert len(all_of(Path("12:30.avi"))) == 1
