"""Inflated 3-D Inception-v1 (I3D): the backbone that sees a clip as a box of pixels.

Carreira and Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset", CVPR 2017, figure 3,
with the widths of GoogLeNet (Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, table 1): every square
filter of that image network becomes a cube, and time is pooled later than space, because a clip has fewer frames
than rows.

Modules carry the names of the published endpoints (`Mixed_4f.Branch_1.Conv3d_0b_3x3.conv.weight`), so that the
published weights load by name. Two habits of the original have to be kept for those weights to mean anything:
TensorFlow's SAME padding, which is lopsided under a stride, and a batch norm without scale.
"""

from collections import OrderedDict
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lrar import distributed
from lrar.clips import DataError

FIRST_LAYER = "Conv3d_1a_7x7.conv.weight"

# In the order in which a clip passes through them.
ENDPOINTS = (
    "Conv3d_1a_7x7",
    "MaxPool3d_2a_3x3",
    "Conv3d_2b_1x1",
    "Conv3d_2c_3x3",
    "MaxPool3d_3a_3x3",
    "Mixed_3b",
    "Mixed_3c",
    "MaxPool3d_4a_3x3",
    "Mixed_4b",
    "Mixed_4c",
    "Mixed_4d",
    "Mixed_4e",
    "Mixed_4f",
    "MaxPool3d_5a_2x2",
    "Mixed_5b",
    "Mixed_5c",
)


def rgb_input(video: Tensor) -> Tensor:
    """RGB or grey in [0, 1], any shape -> [-1, 1], what the network was trained on."""
    return video * 2 - 1


def flow_input(flow: Tensor) -> Tensor:
    """Flow in px a frame, any shape -> [-1, 1]: clipped at 20 px and divided by 20, as the published flow network."""
    return flow.clamp(-20, 20) / 20


def same_padding(size: int, *, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after one axis under TensorFlow's SAME rule.

    The output has `ceil(size / stride)` entries; where the zeros do not split evenly, the odd one goes after.
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(x: Tensor, *, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Pad `(B, C, T, H, W)` so that a window without padding of its own gives the SAME output."""
    sides = [same_padding(size, kernel=k, stride=s) for size, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    # F.pad wants the last axis first: (W before, W after, H before, H after, T before, T after).
    return F.pad(x, [zeros for pair in reversed(sides) for zeros in pair])


class ShiftedBatchNorm(nn.Module):
    """Batch norm with a learned shift and no scale, as published: the layer after it can scale as well.

    `nn.BatchNorm3d` cannot leave out the scale alone, and stores two more tensors than the published weights hold.
    """

    def __init__(self, *, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        # Always one, neither trained nor stored: the fused kernels (cuDNN) want a scale whenever there is a shift.
        self.register_buffer("scale", torch.ones(channels), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # Momentum 0.1 and not the published, slower one: fine-tuning lasts hundreds of steps, not a hundred thousand.
        if not self.training or distributed.count() == 1:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.scale, self.bias, self.training, momentum=0.1, eps=1e-3
            )
        mean, variance, size = distributed.moments(x.float())
        with torch.no_grad():
            self.running_mean.lerp_(mean, 0.1)
            self.running_var.lerp_(variance * size / (size - 1), 0.1)
        places = (-1, 1, 1, 1)  # (C, T, H, W)
        normed = (x - mean.view(places)) * (variance + 1e-3).rsqrt().view(places) + self.bias.view(places)
        return normed.to(x.dtype)


class Unit(nn.Module):
    """Convolution with a cubic kernel, batch norm, ReLU.

    `(B, C, T, H, W)` -> `(B, D, T/stride, H/stride, W/stride)`, rounded up.
    """

    def __init__(self, *, inputs: int, outputs: int, kernel: int = 1, stride: int = 1):
        super().__init__()
        # Without a stride SAME is symmetric and the convolution pads by itself, which saves a copy of the map.
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.bn = ShiftedBatchNorm(channels=outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.conv.stride != (1, 1, 1):
            x = pad_same(x, kernel=self.conv.kernel_size, stride=self.conv.stride)
        if x.shape[2] < self.conv.kernel_size[0]:
            # Fewer time steps than the kernel is long (a clip of 16 frames, after the last pooling): in bfloat16 oneDNN
            # then gives weight gradients of up to 1e35, memory that nobody wrote to. In float32 they are right.
            with torch.autocast(x.device.type, enabled=False):
                x = self.conv(x.float()).to(x.dtype, memory_format=torch.channels_last_3d)
        else:
            x = self.conv(x)
        return F.relu(self.bn(x), inplace=True)


class MaxPool(nn.Module):
    """Max pooling under the SAME rule. What lies outside is left out, not zero: the same after a ReLU, without a copy."""

    def __init__(self, *, kernel: tuple[int, int, int], stride: tuple[int, int, int] = (1, 1, 1)):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        sizes = zip(x.shape[2:], self.kernel, self.stride, strict=True)
        before = [same_padding(size, kernel=k, stride=s)[0] for size, k, s in sizes]
        # On a CPU autocast pools in float32. Gradients are summed there and want it; a maximum alone is the same number
        # in bfloat16, in less than half the time.
        with nullcontext() if torch.is_grad_enabled() else torch.autocast(x.device.type, enabled=False):
            # `ceil_mode` lets the last of this network's windows reach past the end, as far as SAME pads after it.
            return F.max_pool3d(x, self.kernel, self.stride, padding=before, ceil_mode=True)


class Mixed(nn.Module):
    """Inception block: four views of the same map, side by side in the channels.

    Args:
        inputs: channels in.
        widths: channels of the plain 1x1x1 branch; of the second branch before and after its 3x3x3; of the third,
            likewise; of the pooled branch.
    """

    def __init__(self, *, inputs: int, widths: tuple[int, int, int, int, int, int]):
        super().__init__()
        plain, narrow_1, wide_1, narrow_2, wide_2, pooled = widths
        self.Branch_0 = nn.Sequential(OrderedDict(Conv3d_0a_1x1=Unit(inputs=inputs, outputs=plain)))
        self.Branch_1 = nn.Sequential(
            OrderedDict(
                Conv3d_0a_1x1=Unit(inputs=inputs, outputs=narrow_1),
                Conv3d_0b_3x3=Unit(inputs=narrow_1, outputs=wide_1, kernel=3),
            )
        )
        # 5x5 in GoogLeNet; 3x3x3 in I3D.
        self.Branch_2 = nn.Sequential(
            OrderedDict(
                Conv3d_0a_1x1=Unit(inputs=inputs, outputs=narrow_2),
                Conv3d_0b_3x3=Unit(inputs=narrow_2, outputs=wide_2, kernel=3),
            )
        )
        self.Branch_3 = nn.Sequential(
            OrderedDict(
                MaxPool3d_0a_3x3=MaxPool(kernel=(3, 3, 3)),
                Conv3d_0b_1x1=Unit(inputs=inputs, outputs=pooled),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.Branch_0(x), self.Branch_1(x), self.Branch_2(x), self.Branch_3(x)]
        return torch.cat(branches, dim=1)  # (B, plain + wide_1 + wide_2 + pooled, T, H, W)


class I3D(nn.Module):
    """The network up to `Mixed_5c`, with the Kinetics-400 head beside it.

    Args:
        in_channels: 3 for RGB, 2 for flow, 1 for grey.
    """

    def __init__(self, *, in_channels: int = 3):
        super().__init__()
        # Shapes for a clip of 16 frames, 112 x 144 px.
        self.Conv3d_1a_7x7 = Unit(inputs=in_channels, outputs=64, kernel=7, stride=2)  # (B, 64, 8, 56, 72)
        self.MaxPool3d_2a_3x3 = MaxPool(kernel=(1, 3, 3), stride=(1, 2, 2))  # (B, 64, 8, 28, 36)
        self.Conv3d_2b_1x1 = Unit(inputs=64, outputs=64)
        self.Conv3d_2c_3x3 = Unit(inputs=64, outputs=192, kernel=3)
        self.MaxPool3d_3a_3x3 = MaxPool(kernel=(1, 3, 3), stride=(1, 2, 2))  # (B, 192, 8, 14, 18)
        self.Mixed_3b = Mixed(inputs=192, widths=(64, 96, 128, 16, 32, 32))
        self.Mixed_3c = Mixed(inputs=256, widths=(128, 128, 192, 32, 96, 64))
        self.MaxPool3d_4a_3x3 = MaxPool(kernel=(3, 3, 3), stride=(2, 2, 2))  # (B, 480, 4, 7, 9)
        self.Mixed_4b = Mixed(inputs=480, widths=(192, 96, 208, 16, 48, 64))
        self.Mixed_4c = Mixed(inputs=512, widths=(160, 112, 224, 24, 64, 64))
        self.Mixed_4d = Mixed(inputs=512, widths=(128, 128, 256, 24, 64, 64))
        self.Mixed_4e = Mixed(inputs=512, widths=(112, 144, 288, 32, 64, 64))
        self.Mixed_4f = Mixed(inputs=528, widths=(256, 160, 320, 32, 128, 128))
        self.MaxPool3d_5a_2x2 = MaxPool(kernel=(2, 2, 2), stride=(2, 2, 2))  # (B, 832, 2, 4, 5)
        self.Mixed_5b = Mixed(inputs=832, widths=(256, 160, 320, 32, 128, 128))
        self.Mixed_5c = Mixed(inputs=832, widths=(384, 192, 384, 48, 128, 128))  # (B, 1024, 2, 4, 5)
        self.Logits = nn.ModuleDict({"Conv3d_0c_1x1": nn.Linear(1024, 400)})
        # The head is there to check the weights, not to be trained: frozen, it is no unused parameter of a training.
        self.Logits.requires_grad_(False)

    def forward(self, x: Tensor, *, after: str | None = None, until: str = "Mixed_5c") -> Tensor:
        """Feature maps of a clip.

        A run that trains only the upper blocks can keep the maps of `until="Mixed_4b"` and go on from there.

        Args:
            x: `(B, C, T, H, W)` in [-1, 1], see `rgb_input` and `flow_input`; or, with `after`, that endpoint's map.
            after: the endpoint that gave `x`; None for a clip.
            until: the endpoint to stop at, one of `ENDPOINTS`.

        Returns:
            For `Mixed_5c`, `(B, 1024, T/8, H/32, W/32)`, each rounded up.
        """
        assert x.ndim == 5, x.shape
        assert after or x.shape[1] == self.Conv3d_1a_7x7.conv.in_channels, x.shape
        first = ENDPOINTS.index(after) + 1 if after else 0
        for name in ENDPOINTS[first : ENDPOINTS.index(until) + 1]:
            x = getattr(self, name)(x)
        return x

    def kinetics_logits(self, x: Tensor) -> Tensor:
        """Scores of the 400 Kinetics classes.

        The published head averages 2 x 7 x 7 windows, then the scores over time; here it is one mean over all places
        and times, which takes clips of any size and differs only in how often the inner time steps count.

        Args:
            x: `(B, C, T, H, W)` in [-1, 1].

        Returns:
            `(B, 400)`, before the softmax.
        """
        pooled = self(x).mean(dim=(2, 3, 4))  # (B, 1024, T', H', W') -> (B, 1024)
        return self.Logits["Conv3d_0c_1x1"](pooled)


def inflate_for(weight: Tensor, *, in_channels: int) -> Tensor:
    """Fit the first layer's weights to another number of input channels.

    The mean over the channels, repeated, and scaled so that the sum over channels stays: a grey clip gets the same
    answer from one channel as from three equal ones. For flow this is the cross-modality pre-training of Wang et al.,
    "Temporal Segment Networks", ECCV 2016, which does not scale.

    Args:
        weight: `(D, C, t, h, w)`.
        in_channels: 2 for flow, 1 for grey.

    Returns:
        `(D, in_channels, t, h, w)`; `weight` itself where the number fits.
    """
    channels = weight.shape[1]
    if in_channels == channels:
        return weight
    mean = weight.mean(dim=1, keepdim=True)  # (D, 1, t, h, w)
    return mean.repeat(1, in_channels, 1, 1, 1) * (channels / in_channels)  # (D, in_channels, t, h, w)


def load_kinetics(model: I3D, path: Path) -> I3D:
    """Give a network the weights of the published one, pre-trained on Kinetics-400 RGB.

    Args:
        model: changed in place; its first layer is fitted to its input channels by `inflate_for`.
        path: the safetensors file, see `lrar.weights.weights_file`.

    Returns:
        The same model.

    Raises:
        DataError: the file is missing, damaged, or holds another network.
    """
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: missing or damaged weights file. Fetch it with `lrar weights get`.") from error
    try:
        state[FIRST_LAYER] = inflate_for(state[FIRST_LAYER], in_channels=model.Conv3d_1a_7x7.conv.in_channels)
        model.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise DataError(f"{path}: holds another network than I3D. Fetch it with `lrar weights get`.") from error
    return model
