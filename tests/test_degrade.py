"""How LR is made and brought back up: the kernel against one written out by hand."""

import numpy as np
import pytest
import torch

from lrar.degrade import DOWNSAMPLERS, UPSCALERS, downsample, quantize, shrink_to, upscale


def keys(x: np.ndarray) -> np.ndarray:
    """Keys' cubic kernel with a = -0.5."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def antialiased_matrix(size: int, *, scale: int) -> np.ndarray:
    """`(size / scale, size)`: the kernel stretched by the scale, cut off at the border, each row summing to 1."""
    centres = (np.arange(size // scale) + 0.5) * scale - 0.5
    weights = keys((np.arange(size) - centres[:, None]) / scale)
    return weights / weights.sum(axis=1, keepdims=True)


def test_bicubic_is_the_antialiased_kernel_of_keys():
    image = np.random.default_rng(0).random((1, 2, 24, 32))
    expected = antialiased_matrix(24, scale=4) @ image @ antialiased_matrix(32, scale=4).T
    low = downsample(torch.from_numpy(image).float())
    assert low.shape == (1, 2, 6, 8)
    assert np.abs(low.numpy() - expected.clip(0, 1)).max() <= 0.5 / 255 + 1e-5  # rounded to 8 bits
    assert torch.equal(low, quantize(low))


def test_bicubic_weights_by_hand():
    # An impulse far from the border is seen by four LR pixels, at 5/8, 3/8, 11/8 and 13/8 of an LR pixel.
    image = torch.zeros(1, 1, 1 * 4, 32)
    image[..., 17] = 1  # LR pixel 4 stands at 17.5, so 17 is 1/8 to its left
    seen = downsample(image)[0, 0, 0] * 255
    expected = keys((17 - (np.arange(8) * 4 + 1.5)) / 4) / 4 * 255
    assert np.abs(seen.numpy() - expected.clip(0)).max() <= 0.5 + 1e-4
    assert keys(np.array([1 / 8])) * 1024 == 987


def test_aliased_kernel_keeps_stripes_that_antialiasing_averages():
    stripes = (torch.arange(64) // 2 % 2).float().expand(1, 1, 64, 64)  # two columns dark, two bright
    spread = {kernel: downsample(stripes, kernel=kernel)[..., 4:-4, 4:-4].std().item() for kernel in DOWNSAMPLERS}
    assert spread["bicubic"] == spread["area"] == 0
    shifted = stripes.roll(1, dims=-1)
    assert downsample(shifted, kernel="nearest")[..., 4:-4].mean() != downsample(stripes, kernel="nearest").mean()
    edges = {kernel: downsample(shifted, kernel=kernel)[0, 0, 8, 8].item() for kernel in DOWNSAMPLERS}
    assert abs(edges["bicubic"] - 0.5) < 0.01
    assert abs(edges["bicubic-aliased"] - 0.5) > 0.4


def test_area_and_nearest_by_hand():
    image = torch.arange(16.0).view(1, 1, 4, 4) / 255
    assert downsample(image, scale=2, kernel="area")[0, 0].mul(255).round().tolist() == [[2, 4], [10, 12]]
    assert downsample(image, scale=2, kernel="nearest")[0, 0].mul(255).round().tolist() == [[0, 2], [8, 10]]


@pytest.mark.parametrize("kernel", DOWNSAMPLERS)
def test_ixmas_becomes_12_columns_and_a_constant_stays(kernel):
    frames = torch.full((3, 1, 64, 48), 77 / 255)
    low = downsample(frames, kernel=kernel)
    assert low.shape == (3, 1, 16, 12)
    assert torch.equal(low, torch.full_like(low, 77 / 255))


@pytest.mark.parametrize("method", UPSCALERS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_upscalers_give_the_size_keep_a_constant_and_the_grid(method, scale):
    low = torch.full((2, 3, 5, 4), 200 / 255)
    high = upscale(low, scale=scale, method=method)
    assert high.shape == (2, 3, 5 * scale, 4 * scale)
    assert torch.equal(high, torch.full_like(high, 200 / 255))
    noisy = upscale(torch.rand(2, 3, 5, 4), scale=scale, method=method)
    assert torch.equal(noisy, quantize(noisy))
    assert noisy.min() >= 0
    assert noisy.max() <= 1


def test_nearest_repeats_and_area_blends():
    row = torch.tensor([0.0, 80, 160]).view(1, 1, 1, 3).div(255).expand(1, 1, 3, 3)
    repeated = upscale(row, method="nearest")[0, 0, 5].mul(255).round()
    assert repeated.tolist() == [0] * 4 + [80] * 4 + [160] * 4
    blended = upscale(row, method="area")[0, 0, 5].mul(255).round()
    # Windows of 4 columns to both sides of a pixel, averaged: weights 1, 2, 2, 2, 1 of 8 over the repeated columns.
    assert blended.tolist() == [0, 0, 10, 30, 50, 70, 90, 110, 130, 150, 160, 160]


@pytest.mark.parametrize("method", UPSCALERS)
def test_upscaling_is_centred(method):
    """Mirrored LR gives the mirrored frame: no half-pixel shift."""
    low = quantize(torch.rand(1, 1, 6, 5, generator=torch.Generator().manual_seed(0)))
    high, mirrored = upscale(low, method=method), upscale(low.flip(-1), method=method).flip(-1)
    assert (high - mirrored).abs().max() <= 1.01 / 255
    upside = upscale(low.flip(-2), method=method).flip(-2)
    assert (high - upside).abs().max() <= 1.01 / 255


def test_quantize_clamps_and_rounds():
    values = quantize(torch.tensor([-0.5, 0.0, 0.499 / 255, 0.501 / 255, 1.0, 1.5]))
    assert (values * 255).round().tolist() == [0, 0, 0, 1, 255, 255]


def test_errors():
    with pytest.raises(ValueError, match="62x48 frames do not divide by 4; crop or resize"):
        downsample(torch.zeros(1, 1, 62, 48))
    with pytest.raises(ValueError, match="'lanczos' is no downsampler; known: bicubic, "):
        downsample(torch.zeros(1, 1, 64, 48), kernel="lanczos")
    with pytest.raises(ValueError, match="'lanczos' is no upscaler; known: nearest, area, bicubic"):
        upscale(torch.zeros(1, 1, 16, 12), method="lanczos")


def test_shrunk_by_a_whole_number_it_is_the_downsampler():
    frames = torch.rand(2, 1, 64, 48, generator=torch.Generator().manual_seed(0))
    assert torch.equal(shrink_to(frames, size=(16, 12)), downsample(frames))


def test_bicubic_by_hand():
    row = torch.tensor([0.0, 0, 1, 0, 0, 0, 0, 0]).expand(1, 1, 8, 8)
    x = 3 / 8  # pixel 8 of HR stands at (8 + 0.5) / 4 - 0.5 = 1.625 of LR; a = -0.75
    assert (upscale(row)[0, 0, 16, 8] * 255).item() == round(255 * (1.25 * x**3 - 2.25 * x**2 + 1))
