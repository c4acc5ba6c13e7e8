"""Decoding, and the cache: every video is decoded once, bad files are named, nothing half-written remains."""

import json
from dataclasses import replace

import av
import numpy as np
import pytest
from conftest import film_upright, names_file_and_remedy, render, trim, write_video

from lrar import clips, provenance
from lrar.clips import Clip, ClipSet, DataError, atomic_write, cache_folder, decode, fit, load_videos
from lrar.datasets import load_clip_set

VIDEO = render(action=0, actor=0)


def clip_set_of(*paths) -> ClipSet:
    listed = tuple(Clip(name=path.name, label=0, group=path.name[0], path=path) for path in paths)
    return ClipSet(dataset="folder-some", classes=("all",), clips=listed, grey=True)


def files_of(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


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


def test_odd_sizes_are_decoded_but_no_set_may_hold_them(tmp_path):
    path = write_video(tmp_path / "a.avi", VIDEO[:, :31, :23])
    assert np.array_equal(decode(path, grey=True)[..., 0], VIDEO[:, :31, :23])
    with pytest.raises(DataError) as error:
        load_videos(clip_set_of(path), cache=tmp_path / "cache")
    assert names_file_and_remedy(error, path, "31x23", "do not divide by 4")
    sized = replace(clip_set_of(path), size=(16, 12))
    assert load_videos(sized, cache=tmp_path / "cache")[0].shape == (10, 16, 12, 1)


def broken_files(folder) -> dict[str, str]:
    """Files that cannot be used, and what is said of them."""
    whole = write_video(folder / "whole.avi", np.random.default_rng(0).integers(0, 255, VIDEO.shape, np.uint8))
    content = whole.read_bytes()
    with av.open(str(whole)) as container:
        sixth = [packet.pos for packet in container.demux(video=0)][5]
    whole.unlink()
    (folder / "empty.avi").touch()
    (folder / "within.avi").write_bytes(content[: sixth + 500])
    (folder / "between.avi").write_bytes(content[:sixth])
    (folder / "header.avi").write_bytes(content[:100])
    (folder / "text.avi").write_text("no video\n" * 100)
    (folder / "notes.txt").write_text("no video\n" * 100)
    (folder / "garbage.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    write_video(folder / "one.avi", VIDEO[:1])
    write_video(folder / "none.avi", VIDEO[:0])
    return {
        "missing.avi": "no such file",
        "empty.avi": "the file is empty",
        "within.avi": "after 5 frames",
        "between.avi": "truncated, 5 of 10 frames",
        "header.avi": "",
        "text.avi": "cannot be decoded",
        "notes.txt": "",
        "garbage.mp4": "cannot be decoded",
        "one.avi": ": 1 frame(s)",
        "none.avi": ": 0 frame(s)",
    }


def test_each_bad_file_gives_one_line_and_leaves_nothing(tmp_path):
    good = write_video(tmp_path / "good.avi", VIDEO)
    for name, fault in broken_files(tmp_path).items():
        with pytest.raises(DataError) as error:
            decode(tmp_path / name, grey=True)
        assert names_file_and_remedy(error, tmp_path / name, fault), error.value
        with pytest.raises(DataError) as error:
            load_videos(clip_set_of(good, tmp_path / name), cache=tmp_path / "cache")
        assert names_file_and_remedy(error, tmp_path / name), error.value
        assert not [file for file in files_of(tmp_path / "cache") if not file.endswith(".lock")], name
    assert len(load_videos(clip_set_of(good), cache=tmp_path / "cache")) == 1


def test_videos_are_decoded_again_by_other_code(ixmas, cache, monkeypatch):
    first = load_videos(load_clip_set("ixmas6"))
    monkeypatch.setattr(provenance, "code_digest", lambda: {"clips": "0123456789ab"})
    monkeypatch.setattr(clips, "decode", lambda *_, **__: np.zeros((2, 32, 24, 1), np.uint8))
    second = load_videos(load_clip_set("ixmas6"))
    assert first[0].any() and not second[0].any()


def test_videos_are_decoded_once_and_mapped(ixmas, cache, monkeypatch):
    clip_set = load_clip_set("ixmas6")
    first = load_videos(clip_set)
    monkeypatch.setattr(clips, "decode", lambda *_, **__: pytest.fail("decoded again"))
    second = load_videos(clip_set)
    assert isinstance(second.flat, np.memmap)
    assert not second.flat.flags.writeable
    assert len(second) == len(clip_set.clips) == 18
    assert second.labels.tolist() == [clip.label for clip in clip_set.clips]
    for clip, a, b in zip(clip_set.clips, first, second, strict=True):
        actor = ("alba", "amel", "andreas").index(clip.group)
        assert np.array_equal(a, b)
        assert np.array_equal(b[..., 0], render(action=clip.label, actor=actor, view=clip.camera))
        assert np.shares_memory(b, second.flat)


def test_clips_of_different_length(tmp_path):
    paths = [write_video(tmp_path / f"{length}.avi", VIDEO[:length]) for length in (10, 4, 7)]
    for video, length in zip(load_videos(clip_set_of(*paths), cache=tmp_path / "cache"), (10, 4, 7), strict=True):
        assert np.array_equal(video[..., 0], VIDEO[:length])


def test_clips_of_different_size(tmp_path):
    paths = [write_video(tmp_path / "a.avi", VIDEO), write_video(tmp_path / "b.avi", VIDEO[:, :16, :12])]
    with pytest.raises(DataError) as error:
        load_videos(clip_set_of(*paths), cache=tmp_path / "cache")
    assert names_file_and_remedy(error, paths[1], "16x12", "32x24")


def test_cache_is_keyed_by_content_and_labels(tmp_path):
    path = write_video(tmp_path / "a.avi", VIDEO)
    clip_set = clip_set_of(path)
    first = load_videos(clip_set, cache=tmp_path / "cache")
    write_video(path, 255 - VIDEO)
    second = load_videos(clip_set, cache=tmp_path / "cache")
    assert first.fingerprint != second.fingerprint
    assert np.array_equal(second[0], 255 - first[0])
    clip = clip_set.clips[0]
    others = [
        replace(clip_set, clips=(replace(clip, **change),))
        for change in ({"name": "b"}, {"label": 1}, {"group": "b"}, {"camera": 1}, {"take": 1})
    ]
    others += [replace(clip_set, **change) for change in ({"grey": False}, {"size": (8, 8)}, {"version": "2"})]
    assert len({other.fingerprint() for other in [clip_set, *others]}) == 1 + len(others)


def test_one_changed_byte_is_seen(tmp_path):
    path = write_video(tmp_path / "a.avi", VIDEO)
    before = clip_set_of(path).fingerprint()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert clip_set_of(path).fingerprint() != before


def test_a_killed_decoding_is_begun_anew(tmp_path):
    path = write_video(tmp_path / "a.avi", VIDEO)
    load_videos(clip_set_of(path), cache=tmp_path / "cache")
    (whole,) = (tmp_path / "cache" / "videos").glob("*/")
    rest = whole.rename(whole.with_name(f".{whole.name}.part"))
    (rest / "frames.u8").write_bytes(b"half")
    assert np.array_equal(load_videos(clip_set_of(path), cache=tmp_path / "cache")[0][..., 0], VIDEO)
    assert not rest.exists() and whole.exists()


def test_progress_sees_every_clip_once(ixmas):
    seen = []

    def progress(iterator):
        for clip in iterator:
            seen.append(clip.name)
            yield clip

    clip_set = load_clip_set("ixmas6")
    for _ in range(2):
        load_videos(clip_set, progress=progress)
    assert seen == [clip.name for clip in clip_set.clips]


def test_thinned_keeps_every_class_and_group(ixmas):
    clip_set = load_clip_set("ixmas6")
    assert clip_set.thinned(1) == clip_set
    thinned = clip_set.thinned(2)
    assert [clip.camera for clip in thinned.clips] == [0] * 9
    assert len({(clip.label, clip.group) for clip in thinned.clips}) == 9
    assert thinned.fingerprint() != clip_set.fingerprint()


def test_cache_folder_by_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("LRAR_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("LRAR_CACHE")
    assert cache_folder().parts[-1] == "cache"


def test_atomic_write(tmp_path, monkeypatch):
    path = tmp_path / "new" / "file"
    atomic_write(path, b"first")
    atomic_write(path, b"second")
    assert path.read_bytes() == b"second"

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(clips.os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        atomic_write(path, b"third")
    assert path.read_bytes() == b"second"
    assert files_of(tmp_path) == ["new/file"], "a half-written file remains"


def test_shapes_are_readable(ixmas, cache):
    load_videos(load_clip_set("ixmas6"))
    (shapes,) = cache.glob("videos/ixmas6-*/shapes.json")
    assert json.loads(shapes.read_text()) == [[10, 32, 24, 1]] * 18


def test_a_small_frame_is_the_mean_of_areas():
    frame = np.full((48, 64), 100, np.uint8)
    frame[0, 0] = 180
    assert fit(frame, size=(12, 16))[0, 0] == 105  # one of sixteen pixels
