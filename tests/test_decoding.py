"""Decoding: every frame, exactly, upright."""

import av
import numpy as np
import pytest
from conftest import film_upright, names_file_and_remedy, render, trim, write_video

from lrar.clips import DataError
from lrar.decoding import decode, fit

VIDEO = render(action=0, actor=0)


def test_ffv1_grey_is_decoded_exactly(tmp_path):
    path = write_video(tmp_path / "a.avi", VIDEO)
    frames = decode(path, grey=True)
    assert (frames.dtype, frames.shape) == (np.uint8, (10, 32, 24, 1))
    assert np.array_equal(frames[..., 0], VIDEO)
    assert np.array_equal(decode(path, grey=False), np.repeat(VIDEO[..., None], 3, axis=-1))


@pytest.mark.parametrize(("codec", "pixels"), [("rawvideo", "bgr24"), ("ffv1", "bgr0"), ("rawvideo", "gray")])
def test_three_equal_channels_give_the_same_grey(tmp_path, codec, pixels):
    path = write_video(tmp_path / "a.avi", np.repeat(VIDEO[..., None], 3, axis=-1), codec=codec, pixels=pixels)
    assert np.array_equal(decode(path, grey=True)[..., 0], VIDEO)


def test_colours_keep_their_order_and_become_luma(tmp_path):
    colours = np.zeros((2, 16, 16, 3), np.uint8)
    colours[...] = (200, 100, 50)
    path = write_video(tmp_path / "a.avi", colours, codec="rawvideo", pixels="bgr24")
    assert np.array_equal(decode(path, grey=False), colours)
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert np.abs(decode(path, grey=True).astype(float) - luma).max() < 1.5


def test_size_crops_around_the_centre_and_averages(tmp_path):
    wide = np.zeros((2, 48, 100), np.uint8)
    wide[:, :, 18:82] = 100  # the middle 64 columns
    wide[:, 0:2, 18:20] = ((0, 40), (80, 120))  # averages to 60
    path = write_video(tmp_path / "a.avi", wide)
    frames = decode(path, grey=True, size=(24, 32))
    assert frames.shape == (2, 24, 32, 1)
    assert frames[0, 0, 0, 0] == 60
    assert np.all(frames.reshape(2, -1)[:, 1:] == 100)
    colours = decode(path, grey=False, size=(48, 32))
    assert colours.shape == (2, 48, 32, 3)
    assert np.all(colours[:, 2:] == 100)


def test_a_small_frame_is_the_mean_of_areas():
    frame = np.full((48, 64), 100, np.uint8)
    frame[0, 0] = 180
    assert fit(frame, size=(12, 16))[0, 0] == 105  # one of sixteen pixels


@pytest.mark.parametrize("grey", [True, False])
def test_a_video_filmed_upright(tmp_path, grey):
    video = np.repeat(np.repeat(VIDEO, 4, axis=1), 4, axis=2)
    frames = decode(film_upright(tmp_path / "upright.mp4", video), grey=grey).astype(int)
    assert frames.shape == (10, 128, 96, 1 if grey else 3)
    assert np.abs(frames - video[..., None]).mean() < 4, "compressed, but the same way up"


def test_what_an_edit_list_cuts_away_is_not_shown(tmp_path):
    path = write_video(tmp_path / "a.mp4", VIDEO, codec="libx264", pixels="yuv420p", rate=25)
    whole = decode(path, grey=True)
    trim(path, cut=4)
    assert np.array_equal(decode(path, grey=True), whole[4:])


def test_frames_that_a_decoder_leaves_out_are_missed(tmp_path):
    """A decoder may pass over a frame without a word: a data set wants them all."""
    path = write_video(tmp_path / "a.mp4", VIDEO, codec="mpeg4", pixels="yuv420p", rate=25)
    with av.open(str(path)) as container:
        sixth = [packet for packet in container.demux(video=0) if packet.size][5]
    content = bytearray(path.read_bytes())
    start = sixth.pos
    # MPEG-4's frame that is not coded: its start, type P, times, and the bit that says so.
    content[start : start + sixth.size] = b"\0\0\1\xb6\x52\xc0".ljust(sixth.size, b"\x7f")
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        decode(path, grey=True)
    assert names_file_and_remedy(error, path, "truncated, 9 of 10 frames")


def test_frames_that_a_camera_dropped_are_not_missed(tmp_path):
    """AVI counts them, and holds an empty chunk for each."""
    path = write_video(
        tmp_path / "a.avi", VIDEO, codec="mpeg4", pixels="yuv420p", times=(0, 1, 2, 3, 6, 7, 8, 9, 10, 13)
    )
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 14
        eighth = [packet.pos for packet in container.demux(video=0)][7]
    assert len(decode(path, grey=True)) == 10
    path.write_bytes(path.read_bytes()[:eighth])
    with pytest.raises(DataError) as error:
        decode(path, grey=True)
    assert names_file_and_remedy(error, path, "truncated, 9 of 14 frames")


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.flv"])
def test_a_file_that_announces_its_length_alone(tmp_path, name):
    codec = {"a.webm": "libvpx", "a.flv": "flv"}.get(name, "mpeg4")
    noise = np.random.default_rng(0).integers(0, 256, (20, 32, 32), np.uint8)
    path = write_video(tmp_path / name, noise, codec=codec, pixels="yuv420p", rate=25)
    assert len(decode(path, grey=True)) == 20
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError) as error:
        decode(path, grey=True)
    assert names_file_and_remedy(error, path, "truncated, its video ends after 0.", "of 0.8 s")
    short = write_video(tmp_path / name, noise[:2], codec=codec, pixels="yuv420p", rate=25)
    assert len(decode(short, grey=True)) == 2
