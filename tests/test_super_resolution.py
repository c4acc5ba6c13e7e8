"""Super resolution: starts as bicubic, learns, and the published networks are the published ones."""

import numpy as np
import pytest
import torch
from conftest import render

from lrar.degrade import downsample, quantize, upscale
from lrar.streams import to_tensor, to_video
from lrar.super_resolution import (
    VideoSuperResolution,
    enlarge_with_luma_network,
    espcn,
    fsrcnn,
    quality,
    super_resolve,
    train_super_resolution,
    windows,
)
from lrar.weights import check, weights_file

PUBLISHED = {"espcn": espcn, "fsrcnn": fsrcnn}


def published(name: str):
    file = f"{name}_x4.safetensors"
    if check()[file] == "missing":
        pytest.skip(f"no {file} on this machine")
    return PUBLISHED[name](weights_file(file))


def natural_image(rows: int = 96, columns: int = 96) -> torch.Tensor:
    """Shaded shapes with sharp edges over a smooth background, `(1, 1, rows, columns)` on the grid of 8 bits."""
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    image = 0.45 + 0.15 * np.sin(x / 31) + 0.1 * np.cos(y / 23)
    random = np.random.default_rng(1)
    for _ in range(14):
        row, column = random.uniform(0, rows), random.uniform(0, columns)
        across, along, angle = random.uniform(5, 12), random.uniform(8, 26), random.uniform(0, np.pi)
        u = (x - column) * np.cos(angle) + (y - row) * np.sin(angle)
        v = (y - row) * np.cos(angle) - (x - column) * np.sin(angle)
        inside = np.clip((1 - np.hypot(u / along, v / across)) * across + 0.5, 0, 1)
        image += inside * (random.uniform(0.05, 0.95) + 0.004 * u - image)
    return quantize(torch.from_numpy(image)[None, None])


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean()))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("window", [1, 3, 5])
def test_untrained_network_is_bicubic(channels, window):
    network = VideoSuperResolution(channels=channels, window=window, width=8, blocks=1).eval()
    low = quantize(torch.rand(4, channels, 8, 6))
    assert torch.equal(super_resolve(network, low), upscale(low, method="bicubic"))


def test_windows_repeat_the_ends():
    low = torch.arange(4.0).view(4, 1, 1, 1)
    assert windows(low, window=1).flatten(1).tolist() == [[0], [1], [2], [3]]
    assert windows(low, window=3).flatten(1).tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]
    assert windows(low[:2], window=5).flatten(1).tolist() == [[0, 0, 0, 1, 1], [0, 0, 1, 1, 1]]
    assert windows(torch.zeros(4, 3, 8, 6), window=3).shape == (4, 3, 3, 8, 6)


def test_network_sees_its_window_and_no_more():
    network = VideoSuperResolution(channels=1, window=3, width=8, blocks=1)
    torch.nn.init.normal_(network.tail.weight)
    low = torch.rand(6, 1, 8, 6)
    changed = low.clone()
    changed[1] = 0
    with torch.no_grad():
        difference = (super_resolve(network, low) - super_resolve(network, changed)).abs().amax(dim=(1, 2, 3))
    assert (difference > 0).tolist() == [True, True, True, False, False, False]


def clips(count: int = 4) -> tuple[list[np.ndarray], list[np.ndarray]]:
    high = [render(action=i % 3, actor=i % 2, view=i)[..., None] for i in range(count)]  # uint8 (T, 32, 24, 1)
    return [to_video(downsample(to_tensor(clip))) for clip in high], high


def test_training_learns_and_depends_on_its_seed_alone(one_thread):
    low, high = clips()
    options = {"steps": 80, "batch": 16, "learning_rate": 1e-2, "window": 3, "width": 16, "blocks": 1}
    calls = []

    def progress(steps):
        calls.append(len(steps))
        return iter(steps)

    network, losses = train_super_resolution(low=low, high=high, seed=0, progress=progress, **options)
    assert calls == [80]
    assert len(losses) == 10
    assert losses[-1] < 0.9 * losses[0]
    assert not network.training
    frames, target = to_tensor(low[0]), to_tensor(high[0])
    assert psnr(super_resolve(network, frames), target) > psnr(upscale(frames, method="bicubic"), target) + 0.5
    again, same_losses = train_super_resolution(low=low, high=high, seed=0, **options)
    other, other_losses = train_super_resolution(low=low, high=high, seed=1, **options)
    assert same_losses == losses
    assert other_losses != losses
    state = network.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in again.state_dict().items())
    assert not torch.equal(other.head.weight, network.head.weight)


def test_the_rate_is_one_cycle_up_to_what_is_asked_for(monkeypatch):
    rates = []

    class Noted(torch.optim.lr_scheduler.OneCycleLR):
        def step(self, *given):
            super().step(*given)
            rates.append(self.get_last_lr()[0])

    monkeypatch.setattr(torch.optim.lr_scheduler, "OneCycleLR", Noted)
    low, high = clips()
    small = {"window": 1, "width": 4, "blocks": 1}
    train_super_resolution(low=low, high=high, steps=40, batch=2, learning_rate=3e-3, seed=0, **small)
    assert max(rates) == pytest.approx(3e-3, rel=0.05) and min(rates) < 1e-6


def test_long_clips_have_no_seam():
    """They are restored in parts, for memory; at the ends of a part frames keep their neighbours."""
    torch.manual_seed(0)
    network = VideoSuperResolution(channels=1, width=4, blocks=1).eval()
    torch.nn.init.normal_(network.tail.weight)
    low = torch.rand(300, 1, 4, 3)
    around = super_resolve(network, low)[250:262]
    torch.testing.assert_close(around, super_resolve(network, low[248:264])[2:14], atol=1.01 / 255, rtol=0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_network_beats_bicubic(name):
    """Both were trained on LR that was made without antialiasing."""
    network = published(name)
    high = natural_image()
    low = downsample(high, kernel="bicubic-aliased")
    with torch.no_grad():
        restored = enlarge_with_luma_network(network, low)
    assert restored.shape == high.shape
    assert psnr(restored, high) > psnr(upscale(low, method="bicubic"), high) + 0.5
    assert not any(parameter.requires_grad for parameter in network.parameters())


class BicubicPlus(torch.nn.Module):
    """Stands for a luma network: the bicubic frame, a tenth brighter."""

    def forward(self, luma: torch.Tensor) -> torch.Tensor:
        assert luma.shape[1] == 1, "a luma network sees luma alone"
        return torch.nn.functional.interpolate(luma, scale_factor=4, mode="bicubic") + 0.1


def test_colour_keeps_its_chroma():
    low = quantize(torch.rand(2, 3, 8, 6, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.2)
    bicubic = upscale(low, method="bicubic")
    restored = enlarge_with_luma_network(BicubicPlus(), low)
    assert restored.shape == (2, 3, 32, 24)
    # The same change in all three colours: differences between colours stay, luma rises.
    change = restored - bicubic
    assert (change - change.mean(dim=1, keepdim=True)).abs().max() < 2 / 255
    assert change.mean() == pytest.approx(0.1, abs=1 / 255)


def test_grey_takes_the_network_as_it_is():
    low = quantize(torch.rand(2, 1, 8, 6) * 0.4 + 0.2)
    assert torch.equal(enlarge_with_luma_network(BicubicPlus(), low), quantize(BicubicPlus()(low)))


def test_quality_by_hand():
    high = np.random.default_rng(0).integers(10, 245, (3, 16, 12, 1), np.uint8)
    psnr_off_by_4, ssim_off_by_4 = quality(high, high + 4)
    assert psnr_off_by_4 == pytest.approx(10 * np.log10(255**2 / 16))
    assert 0.99 < ssim_off_by_4 < 1
    assert quality(high, high) == (float("inf"), 1.0)
    assert quality(high, 255 - high)[1] < 0
    mixed = high.copy()
    mixed[0] += 6  # the error is averaged over all frames before the logarithm
    assert quality(high, mixed)[0] == pytest.approx(10 * np.log10(255**2 / 12))


class Listening(BicubicPlus):
    """Keeps the luma that it was given."""

    def forward(self, luma: torch.Tensor) -> torch.Tensor:
        self.heard = luma
        return super().forward(luma)


def test_luma_is_that_of_bt_601():
    frames, network = torch.rand(2, 3, 8, 6), Listening()
    enlarge_with_luma_network(network, frames)
    red, green, blue = frames.unbind(dim=1)
    torch.testing.assert_close(network.heard[:, 0], 0.299 * red + 0.587 * green + 0.114 * blue)


def test_ssim_by_hand():
    """Of two flat frames only the means count, with (0.01 * 255)^2 as the constant beside them."""
    a, b = (np.full((1, 16, 16, 1), value, np.uint8) for value in (100, 120))
    constant = (0.01 * 255) ** 2
    expected = (2 * 100 * 120 + constant) / (100**2 + 120**2 + constant)
    psnr, ssim = quality(a, b)
    assert ssim == pytest.approx(expected, abs=1e-4)
    assert psnr == pytest.approx(20 * np.log10(255 / 20), abs=1e-3)


def test_steps_see_every_clip_its_own_target_and_both_sides(one_thread, monkeypatch):
    """Frames that tell clip, time and column: each window stands beside the HR frame of its middle."""
    columns = np.arange(6)
    low = [
        np.broadcast_to((60 * clip + 6 * np.arange(5)[:, None, None] + columns)[..., None], (5, 4, 6, 1)).astype(
            np.uint8
        )
        for clip in range(4)
    ]
    high = [clip.repeat(4, axis=1).repeat(4, axis=2) for clip in low]
    pairs = []

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        pairs.append(target)
        return (output - target).abs().mean()

    windows_seen = []
    forward = VideoSuperResolution.forward
    monkeypatch.setattr(
        VideoSuperResolution, "forward", lambda self, frames: windows_seen.append(frames) or forward(self, frames)
    )
    monkeypatch.setattr("torch.nn.functional.l1_loss", loss)
    train_super_resolution(
        low=low, high=high, steps=30, batch=8, learning_rate=1e-3, seed=0, window=3, width=8, blocks=1
    )
    for frames, target in zip(windows_seen, pairs, strict=True):
        assert torch.equal(frames[:, 1], target[..., ::4, ::4]), "the middle of the window is what is enlarged"
    firsts = torch.cat([target[:, 0, 0, 0] < target[:, 0, 0, -1] for target in pairs])
    assert 0.2 < firsts.float().mean() < 0.8, "half of the batches are mirrored"
    corners = torch.cat([target[:, 0, 0].amin(dim=-1) for target in pairs]).mul(255).round().int()
    assert {value // 60 for value in corners.tolist()} == {0, 1, 2, 3}, "each clip is drawn"
