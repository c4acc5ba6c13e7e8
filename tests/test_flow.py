"""Optical flow: a known motion gives that flow, in px of the given frames."""

import cv2
import numpy as np
import pytest

from lrar.flow import optical_flow

METHODS = ("dis", "dis-fast", "tvl1")


def moving(u: float, v: float, *, frames: int = 3, channels: int = 1, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A smooth texture that moves by (u, v) px a frame, uint8 `(T, H, W, C)`."""
    height, width = size
    texture = cv2.GaussianBlur(np.random.default_rng(0).random((height + 40, width + 40)), (0, 0), 2)
    texture = (texture - texture.min()) / np.ptp(texture) * 255
    shifts = [np.array([[1, 0, u * t - 20], [0, 1, v * t - 20]], float) for t in range(frames)]
    video = [cv2.warpAffine(texture, shift, (width, height)) for shift in shifts]
    return np.repeat(np.round(video).astype(np.uint8)[..., None], channels, axis=-1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("u", "v"), [(2, 0), (0, -1.5), (-1, 1), (0, 0)])
def test_known_motion(method, u, v):
    flow = optical_flow(moving(u, v), method=method)
    interior = flow[:, 8:-8, 8:-8].astype(np.float32)
    assert np.abs(np.median(interior, axis=(1, 2)) - (u, v)).max() < 0.3
    assert np.abs(interior - (u, v)).mean() < 0.3


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_shapes_and_type(method, channels):
    flow = optical_flow(moving(1, 0, frames=4, channels=channels), method=method)
    assert flow.shape == (3, 64, 48, 2)
    assert flow.dtype == np.float16


@pytest.mark.parametrize("size", [(32, 24), (48, 64), (33, 25)])
def test_small_and_odd_frames(size):
    flow = optical_flow(moving(1, 0, size=size))
    assert flow.shape == (2, *size, 2)
    assert np.isfinite(flow).all()
    assert np.abs(np.median(flow.astype(np.float32), axis=(0, 1, 2)) - (1, 0)).max() < 0.3


def test_colour_is_read_as_rgb():
    grey = moving(1, 0)
    red = np.zeros((*grey.shape[:3], 3), np.uint8)
    red[..., 0] = grey[..., 0]
    as_grey = np.round(grey * 0.299).astype(np.uint8)
    assert np.array_equal(optical_flow(red), optical_flow(as_grey))


def test_each_pair_stands_for_itself():
    video = moving(1, 1, frames=4)
    whole = optical_flow(video)
    for t in range(3):
        assert np.array_equal(whole[t], optical_flow(video[t : t + 2])[0])


@pytest.mark.parametrize(("method", "finest", "stride", "steps"), [("dis", 1, 3, 25), ("dis-fast", 2, 4, 16)])
def test_presets(method, finest, stride, steps):
    """How fine each method looks: down to half or a quarter of the enlarged frame, patches 3 or 4 px apart."""
    video = moving(1.5, 1)
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    estimator.setFinestScale(finest)
    estimator.setPatchStride(stride)
    estimator.setGradientDescentIterations(steps)
    estimator.setVariationalRefinementIterations(5)
    first, second = (cv2.resize(frame, (96, 128), interpolation=cv2.INTER_LINEAR) for frame in video[:2, ..., 0])
    field = cv2.resize(estimator.calc(first, second, None), (48, 64), interpolation=cv2.INTER_AREA) / 2
    assert np.array_equal(optical_flow(video, method=method)[0], field.astype(np.float16))


def test_the_fast_method_is_one_of_its_own():
    video = moving(1, 1)
    assert not np.array_equal(optical_flow(video, method="dis"), optical_flow(video, method="dis-fast"))


def test_errors():
    with pytest.raises(ValueError, match="two frames"):
        optical_flow(moving(1, 0, frames=1))
    with pytest.raises(ValueError, match="'raft' is no flow method; known: dis, dis-fast, tvl1"):
        optical_flow(moving(1, 0), method="raft")
