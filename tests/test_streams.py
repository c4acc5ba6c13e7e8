"""What a stream may see. Above all: LR never leaks HR."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lrar import provenance, streams
from lrar.clips import Clip, ClipSet
from lrar.datasets import load_clip_set
from lrar.flow import optical_flow
from lrar.running import load_data
from lrar.streams import low_resolution, make_stream, seen_frames, to_tensor, to_video
from lrar.studies import FLOW_METHOD
from lrar.super_resolution import VideoSuperResolution
from lrar.videos import Videos, load_videos
from lrar.weights import check

SOURCES = ("nearest", "bicubic", "area", "espcn", "fsrcnn", "sr")


def untrained_network(channels: int = 1) -> VideoSuperResolution:
    """Its last layer is not zero, so that it is more than bicubic."""
    torch.manual_seed(0)
    network = VideoSuperResolution(channels=channels, width=8, blocks=1).eval()
    torch.nn.init.normal_(network.tail.weight, std=0.02)
    return network


def videos_of(*frames: np.ndarray, fingerprint: str) -> Videos:
    clips = tuple(Clip(name=f"clip{i}", label=0, group="a") for i in range(len(frames)))
    sizes = [video.size for video in frames]
    return Videos(
        clip_set=ClipSet(dataset="made-up", classes=("all",), clips=clips, grey=True),
        fingerprint=fingerprint,
        key=fingerprint,
        flat=np.concatenate([video.reshape(-1) for video in frames]),
        shapes=tuple(video.shape for video in frames),
        starts=tuple(np.cumsum([0, *sizes[:-1]]).tolist()),
    )


def twins(channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Two HR clips that differ in every pixel and have the same LR, bit for bit.

    The antialiasing kernel has an even number of taps and is symmetric, so a checkerboard vanishes in it; all but at
    the four corners, where the kernel is cut off. There the frames are flat, and what is left is rounded away.
    """
    random = np.random.default_rng(0)
    first = np.full((5, 64, 48, channels), 128)
    patch = 16 * random.integers(4, 13, (32, 12, channels))  # in steps of 16, so that no mean of 4x4 is a half
    for t in range(5):
        first[t, 16:48, 16 + t : 28 + t] = patch
    rows, columns = np.mgrid[:64, :48]
    checkerboard = (1 - 2 * ((rows + columns) % 2))[None, :, :, None]
    return first.astype(np.uint8), (first + 40 * checkerboard).astype(np.uint8)


@pytest.mark.parametrize("kernel", ["bicubic", "area"])
@pytest.mark.parametrize("channels", [1, 3])
def test_twins_have_the_same_lr(kernel, channels):
    first, second = twins(channels)
    assert np.abs(first.astype(int) - second).min() == 40
    assert torch.equal(low_resolution(first, kernel=kernel), low_resolution(second, kernel=kernel))
    assert low_resolution(first, kernel=kernel).std() > 0.005


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_student_never_sees_more_than_lr(source, channels, tmp_path):
    if source in streams.PUBLISHED and check()[f"{source}_x4.safetensors"] == "missing":
        pytest.skip(f"no weights of {source} on this machine")
    network = untrained_network(channels) if source == "sr" else None
    first, second = (
        videos_of(video, video[:3], fingerprint=name) for name, video in zip("ab", twins(channels), strict=True)
    )
    for stream, method in FLOW_METHOD.items():
        options = {"source": source, "stream": stream, "flow_method": method, "network": network, "cache": tmp_path}
        a, b = make_stream(first, **options), make_stream(second, **options)
        assert a.frames.tobytes() == b.frames.tobytes()
        assert np.ptp(a.frames.astype(np.float32)) > 0
        assert len(list((tmp_path / "streams").glob(f"{source}-{stream}-*.npy"))) == 2  # each was made by itself


def test_a_teacher_does_see_it(tmp_path):
    """The check above can fail."""
    first, second = (videos_of(video, fingerprint=name) for name, video in zip("ab", twins(), strict=True))
    for stream, method in FLOW_METHOD.items():
        options = {"source": "hr", "stream": stream, "flow_method": method, "cache": tmp_path}
        a, b = make_stream(first, **options), make_stream(second, **options)
        assert a.frames.tobytes() != b.frames.tobytes()


def test_hr_is_the_video_itself(ixmas):
    videos = load_videos(load_clip_set("ixmas6"))
    stream = make_stream(videos, source="hr", stream="rgb")
    assert (stream.size, stream.channels) == ((32, 24), 1)
    assert len(stream.lengths) == 18
    for i, video in enumerate(videos):
        assert np.array_equal(stream[i], video)


def test_flow_is_that_of_the_seen_frames(ixmas):
    videos = load_videos(load_clip_set("ixmas6").thinned(2))
    rgb = make_stream(videos, source="bicubic", stream="rgb")
    flow = make_stream(videos, source="bicubic", stream="flow", flow_method="dis")
    assert flow.frames.dtype == np.float16
    assert flow.channels == 2
    assert flow.lengths.tolist() == [9] * 9
    for i in range(len(videos)):
        assert np.array_equal(flow[i], optical_flow(rgb[i]))
        assert np.array_equal(rgb[i], seen_frames(videos[i], source="bicubic"))


def test_differences_are_those_of_the_seen_frames(ixmas):
    videos = load_videos(load_clip_set("ixmas6").thinned(2))
    rgb = make_stream(videos, source="bicubic", stream="rgb")
    difference = make_stream(videos, source="bicubic", stream="difference")
    assert (difference.channels, difference.is_flow) == (1, False)
    assert difference.lengths.tolist() == [9] * 9
    for i in range(len(videos)):
        expected = (rgb[i][1:].astype(int) - rgb[i][:-1]) / 255
        np.testing.assert_allclose(difference[i].astype(float), expected, atol=1e-3)
    assert difference.frames.min() < 0 < difference.frames.max()


def test_clips_of_different_length_keep_their_frames(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (9, 32, 24, 1), np.uint8)
    stream = make_stream(videos_of(frames[:2], frames[2:7], frames[7:], fingerprint="a"), source="hr", stream="rgb")
    assert [len(stream[i]) for i in range(3)] == [2, 5, 2]
    assert np.array_equal(np.concatenate([stream[i] for i in range(3)]), frames)


def test_made_once_and_keyed_by_what_decides_it(tmp_path, monkeypatch):
    made = []
    write = streams._write
    monkeypatch.setattr(streams, "_write", lambda *arguments: made.append(arguments) or write(*arguments))
    videos = videos_of(twins()[0], fingerprint="a")
    base = {"source": "bicubic", "stream": "rgb", "cache": tmp_path}
    network = {"source": "sr", "network": untrained_network(), "network_key": "one"}
    changes = [
        {},
        {"source": "nearest"},
        {"kernel": "area"},
        {"stream": "flow", "flow_method": "dis"},
        {"stream": "flow", "flow_method": "dis-fast"},
        network,
        network | {"network_key": "two"},
    ]
    for number, change in enumerate(changes, start=1):
        for _ in range(2):
            stream = make_stream(videos, **(base | change))
            assert isinstance(stream.frames, np.memmap)
            assert not stream.frames.flags.writeable
            assert len(made) == number, change
    make_stream(replace(videos, key="b"), **base)
    assert len(made) == len(changes) + 1


def test_a_failure_leaves_nothing_half_written(tmp_path, monkeypatch):
    videos = videos_of(*twins(), fingerprint="a")
    seen = streams.seen_frames
    calls = []

    def fails_at_the_second(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("power cut")
        return seen(*arguments, **options)

    monkeypatch.setattr(streams, "seen_frames", fails_at_the_second)
    with pytest.raises(RuntimeError, match="power cut"):
        make_stream(videos, source="nearest", stream="rgb", cache=tmp_path)
    assert {path.suffix for path in (tmp_path / "streams").iterdir()} <= {".lock"}
    stream = make_stream(videos, source="nearest", stream="rgb", cache=tmp_path)
    assert np.array_equal(stream[1], seen(videos[1], source="nearest"))


def test_tensors_and_videos_are_each_other():
    video = np.random.default_rng(0).integers(0, 256, (2, 8, 6, 3), np.uint8)
    frames = to_tensor(video)
    assert frames.shape == (2, 3, 8, 6)
    assert frames[1, 2, 5, 4] == video[1, 5, 4, 2] / np.float32(255)
    assert np.array_equal(to_video(frames), video)


def test_unknown_names(tmp_path):
    videos = videos_of(twins()[0], fingerprint="a")
    with pytest.raises(ValueError, match="'magic' is no source of frames; known: hr, nearest, area, bicubic, espcn"):
        make_stream(videos, source="magic", stream="rgb", cache=tmp_path)
    with pytest.raises(ValueError, match="'magic' is no stream"):
        make_stream(videos, source="hr", stream="magic", cache=tmp_path)
    with pytest.raises(ValueError, match="'magic' is no downsampler"):
        make_stream(videos, source="bicubic", stream="rgb", kernel="magic", cache=tmp_path)
    with pytest.raises(ValueError, match="'magic' is no flow method"):
        make_stream(videos, source="bicubic", stream="flow", flow_method="magic", cache=tmp_path)
    assert not list((tmp_path / "streams").glob("*.npy"))


def test_streams_go_by_size_and_code(ixmas, monkeypatch):
    videos, now = load_data("ixmas6", 1), provenance.code_digest()
    keys = [
        streams.make_stream(videos, source=source, stream="rgb", **options).key
        for source, options in (
            ("hr", {}),
            ("hr", {"rows": 16}),
            ("nearest", {}),
            ("nearest", {"enlarge": 1}),
            ("nearest", {"shrink": 8}),
        )
    ]
    for module in ("degrade", "flow", "streams", "super_resolution"):
        monkeypatch.setattr(provenance, "code_digest", lambda module=module: now | {module: "another"})
        keys.append(streams.make_stream(videos, source="nearest", stream="rgb").key)
    assert len(set(keys)) == len(keys)
