"""Super resolution: our own video network, and the published ESPCN and FSRCNN for comparison.

The paper does not say which network it used. Ours is the plainest that reads motion: neighbouring LR frames go in
together, residual blocks work at low resolution, a sub-pixel convolution (Shi et al. 2016) enlarges, and the result is
added to the bicubic frame.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from skimage.metrics import structural_similarity
from torch import nn

from lrar.degrade import quantize, upscale
from lrar.distributed import device
from lrar.precision import in_bfloat16


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a skip connection, without batch norm (Lim et al. 2017)."""

    def __init__(self, *, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(F.relu(self.first(x)))


class VideoSuperResolution(nn.Module):
    """Several LR frames to one HR frame."""

    def __init__(self, *, channels: int, window: int = 3, width: int = 48, blocks: int = 3, scale: int = 4):
        """Make the network.

        Args:
            channels: C of the frames.
            window: LR frames that it sees, the middle one of which it enlarges; odd.
            width: channels of the hidden layers.
            blocks: residual blocks.
            scale: HR rows per LR row.
        """
        super().__init__()
        self.window, self.scale = window, scale
        self.head = nn.Conv2d(window * channels, width, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(width=width) for _ in range(blocks)))
        self.tail = nn.Conv2d(width, channels * scale**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)  # training starts from plain bicubic
        nn.init.zeros_(self.tail.bias)

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        """Enlarge.

        Args:
            low: windows of LR frames `(N, window, C, h, w)`, values in [0, 1].

        Returns:
            `(N, C, h * scale, w * scale)`.
        """
        middle = low[:, self.window // 2]  # (N, C, h, w)
        x = self.head(low.flatten(1, 2) - 0.5)  # (N, width, h, w)
        x = self.tail(self.body(x))  # (N, C scale^2, h, w)
        enlarged = F.interpolate(middle, scale_factor=self.scale, mode="bicubic", align_corners=False)
        return enlarged + F.pixel_shuffle(x, self.scale)


def windows(low: torch.Tensor, *, window: int) -> torch.Tensor:
    """Each frame of a clip with its neighbours: `(T, C, h, w)` to `(T, window, C, h, w)`; ends are repeated."""
    return low[_neighbours(len(low), window)]


def _neighbours(length: int, window: int) -> np.ndarray:
    """The numbers of the frames in each window of a clip, `(T, window)`."""
    offsets = np.arange(window) - window // 2
    return (np.arange(length)[:, None] + offsets).clip(0, length - 1)


def train_super_resolution(
    *,
    low: Sequence[np.ndarray],
    high: Sequence[np.ndarray],
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    window: int,
    width: int,
    blocks: int,
    progress: Callable = iter,
) -> tuple[VideoSuperResolution, list[float]]:
    """Train on the frames of training clips, which may be mapped files: only a batch of them is ever read at once.

    Args:
        low: LR clips, uint8 `(T, h, w, C)`.
        high: the same clips in HR, uint8 `(T, H, W, C)`.
        steps: optimiser steps.
        batch: frames a step, drawn from all clips alike.
        learning_rate: the highest of a one-cycle schedule, of Adam.
        seed: decides initial weights, draws and mirroring.
        window: neighbouring LR frames that go in together, odd.
        width: channels of the residual blocks.
        blocks: residual blocks.
        progress: wraps the iterator over steps.

    Returns:
        the network, and the mean L1 loss over each tenth of the steps.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    scale = high[0].shape[2] // low[0].shape[2]
    network = VideoSuperResolution(channels=low[0].shape[3], window=window, width=width, blocks=blocks, scale=scale)
    where = device()
    network = network.to(where, memory_format=torch.channels_last)
    owners = np.repeat(np.arange(len(low)), [len(clip) for clip in low])  # (ΣT,), the clip of each frame
    numbers = np.concatenate([_neighbours(len(clip), window) for clip in low])  # (ΣT, window)
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=learning_rate, total_steps=steps)
    losses = []
    network.train()
    for _ in progress(range(steps)):
        chosen = torch.randint(len(owners), (batch,), generator=generator).tolist()
        frames = _stacked([low[owners[i]][numbers[i]] for i in chosen], where)  # (B, window, C, h, w)
        target = _stacked([high[owners[i]][numbers[i, window // 2]] for i in chosen], where)  # (B, C, H, W)
        if torch.rand((), generator=generator) < 0.5:
            frames, target = frames.flip(-1), target.flip(-1)
        with in_bfloat16(where):
            output = network(frames)
        loss = F.l1_loss(output.float(), target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return network.eval(), [float(np.mean(part)) for part in np.array_split(losses, min(10, len(losses)))]


def _stacked(frames: list[np.ndarray], where: torch.device) -> torch.Tensor:
    """uint8 `(..., H, W, C)` each, to one `(B, ..., C, H, W)` in [0, 1]."""
    return torch.from_numpy(np.stack(frames)).movedim(-1, -3).contiguous().to(where).float() / 255


@torch.no_grad()
def super_resolve(network: VideoSuperResolution, low: torch.Tensor) -> torch.Tensor:
    """Enlarge a clip.

    Args:
        low: `(T, C, h, w)`, values in [0, 1].

    Returns:
        `(T, C, h * scale, w * scale)`, values in [0, 1] on the grid of 8 bits.
    """
    where = network.head.weight.device
    parts = windows(low, window=network.window).split(256)
    return quantize(torch.cat([network(part.to(where)).to(low.device) for part in parts]))


def espcn(path: Path) -> nn.Module:
    """ESPCN x4 (Shi et al. 2016) with published weights; luma `(N, 1, h, w)` in, `(N, 1, 4h, 4w)` out."""
    network = nn.Sequential(
        nn.Conv2d(1, 64, 5, padding=2),
        nn.ReLU(),
        nn.Conv2d(64, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 16, 3, padding=1),
        nn.PixelShuffle(4),
        nn.Tanh(),
    )
    return _load(network, path)


def enlarge_with_luma_network(network: nn.Module, frames: torch.Tensor) -> torch.Tensor:
    """Enlarge grey or RGB frames with a network for luma; chroma is enlarged by bicubic interpolation.

    Args:
        network: luma `(N, 1, h, w)` to `(N, 1, 4h, 4w)`.
        frames: `(T, C, h, w)`, C = 1 or 3, values in [0, 1].

    Returns:
        `(T, C, 4h, 4w)`, values in [0, 1] on the grid of 8 bits.
    """
    if frames.shape[1] == 1:
        with torch.no_grad():
            return quantize(network(frames))
    # BT.601 luma. Adding the change of luma to each colour leaves the chroma of the bicubic frame as it is.
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    enlarged = upscale(frames, scale=4, method="bicubic")
    with torch.no_grad():
        luma = network((frames * weights).sum(dim=1, keepdim=True))
    return quantize(enlarged + luma - (enlarged * weights).sum(dim=1, keepdim=True))


class _Shift(nn.Module):
    """Add one learned number."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.bias


def fsrcnn(path: Path) -> nn.Module:
    """FSRCNN x4 (Dong et al. 2016) with published weights; luma `(N, 1, h, w)` in, `(N, 1, 4h, 4w)` out."""
    # (channels, kernel) of the convolutions: extract, shrink, map four times, expand.
    plan = [(56, 5), (12, 1), (12, 3), (12, 3), (12, 3), (12, 3), (56, 1)]
    layers: list[nn.Module] = []
    channels = 1
    for width, kernel in plan:
        layers += [nn.Conv2d(channels, width, kernel, padding=kernel // 2), nn.PReLU(width)]
        channels = width
    # The published export has the enlarging deconvolution as a 1x1 convolution and a pixel shuffle.
    layers += [nn.Conv2d(channels, 16, 1, bias=False), nn.PixelShuffle(4), _Shift()]
    return _load(nn.Sequential(*layers), path)


def _load(network: nn.Sequential, path: Path) -> nn.Module:
    """Load tensors in the order of the network's own parameters; the published names number the layers from 1."""
    published = load_file(path)

    def order(name: str) -> tuple[int, bool, bool]:
        layer, kind = name.split(".")
        number = int("".join(filter(str.isdigit, layer)))
        return number, layer.startswith("prelu"), kind == "bias"

    tensors = [published[name] for name in sorted(published, key=order)]
    own = network.state_dict()
    network.load_state_dict(dict(zip(own, tensors, strict=True)))
    return network.eval().requires_grad_(False)


def quality(high: np.ndarray, restored: np.ndarray) -> tuple[float, float]:
    """How near restored frames are to HR frames.

    Args:
        high: uint8 `(T, H, W, C)`.
        restored: uint8 of the same shape.

    Returns:
        PSNR in dB of the mean squared error over all frames, and the mean SSIM (Wang et al. 2004, 7x7 window).
    """
    error = np.mean((high.astype(np.float64) - restored) ** 2)
    psnr = 10 * np.log10(255**2 / error) if error else float("inf")
    ssim = np.mean(
        [structural_similarity(a, b, channel_axis=-1, data_range=255) for a, b in zip(high, restored, strict=True)]
    )
    return float(psnr), float(ssim)
