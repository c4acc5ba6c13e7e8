"""The cache of decoded clips: every video is decoded once, bad files are named, nothing half-written remains."""

import json
from dataclasses import replace

import av
import numpy as np
import pytest
from conftest import clip_set_of, names_file_and_remedy, render, write_video

from lrar import provenance, videos
from lrar.clips import DataError
from lrar.datasets import load_clip_set
from lrar.decoding import decode
from lrar.videos import load_videos

VIDEO = render(action=0, actor=0)


def files_of(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


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


@pytest.mark.parametrize("module", ["decoding", "videos"])
def test_videos_are_decoded_again_by_other_code(ixmas, cache, monkeypatch, module):
    first = load_videos(load_clip_set("ixmas6"))
    other = provenance.code_digest() | {module: "0123456789ab"}
    monkeypatch.setattr(provenance, "code_digest", lambda: other)
    monkeypatch.setattr(videos, "decode", lambda *_, **__: np.zeros((2, 32, 24, 1), np.uint8))
    second = load_videos(load_clip_set("ixmas6"))
    assert first[0].any() and not second[0].any()
    assert first.fingerprint == second.fingerprint and first.key != second.key


def test_videos_are_decoded_once_and_mapped(ixmas, cache, monkeypatch):
    clip_set = load_clip_set("ixmas6")
    first = load_videos(clip_set)
    monkeypatch.setattr(videos, "decode", lambda *_, **__: pytest.fail("decoded again"))
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


def test_shapes_are_readable(ixmas, cache):
    load_videos(load_clip_set("ixmas6"))
    (shapes,) = cache.glob("videos/ixmas6-*/shapes.json")
    assert json.loads(shapes.read_text()) == [[10, 32, 24, 1]] * 18


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


def test_rendered_videos_go_by_the_code_that_renders_them(cache, monkeypatch):
    clip_set = load_clip_set("synthetic").thinned(8)
    first, now = load_videos(clip_set), provenance.code_digest()
    monkeypatch.setattr(provenance, "code_digest", lambda: now | {"datasets/performer": "another"})
    assert load_videos(clip_set).key != first.key
