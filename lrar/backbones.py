"""Networks that turn frames into feature maps, by name.

Each takes `(B, C, T, H, W)`: RGB or grey in [0, 1], flow in px, differences in [-1, 1]; and gives `(B, D, T', H', W')`. A backbone resizes and
normalises its input itself, so a recognizer need not know which one it holds.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from lrar.i3d import ENDPOINTS, I3D, flow_input, load_kinetics, rgb_input
from lrar.weights import weights_file


def convolution(
    inputs: int, outputs: int, *, kernel: tuple[int, int, int] = (3, 3, 3), stride: tuple[int, int, int] = (1, 1, 1)
) -> nn.Sequential:
    """3-D convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride=stride, padding=tuple(k // 2 for k in kernel), bias=False),
        nn.BatchNorm3d(outputs),
        nn.ReLU(inplace=True),
    )


class CompactConvNet(nn.Module):
    """A small 3-D ConvNet for 64x48 frames: `(B, C, 16, 64, 48)` to `(B, 192, 4, 4, 3)`, or half as many channels.

    For the synthetic data, for IXMAS, and for whoever has no pre-trained weights. Half of I3D's strides on a sixth of
    its width: on two cores a step on 16 clips takes a twentieth of a second.
    """

    def __init__(self, *, in_channels: int, stream: str, width: int = 192):
        super().__init__()
        self.stream = stream
        self.width = width
        self.layers = nn.Sequential(
            # Nearly all of the cost lies in the first two layers, so they are thin, and time is halved at once.
            convolution(in_channels, width // 6, kernel=(3, 5, 5), stride=(2, 2, 2)),  # 8 x 32 x 24
            convolution(width // 6, width // 4, kernel=(1, 3, 3), stride=(1, 2, 2)),  # 8 x 16 x 12
            convolution(width // 4, width // 2, stride=(2, 2, 2)),  # 4 x 8 x 6
            convolution(width // 2, width // 2),
            convolution(width // 2, width, stride=(1, 2, 2)),  # 4 x 4 x 3
        )

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        # Flow stays in px: on frames this small, motion is of the order of one.
        return self.layers(frames * 2 - 1 if self.stream == "rgb" else frames)


class KineticsI3D(nn.Module):
    """I3D that starts from Kinetics-400 weights: `(B, C, T, H, W)` to `(B, 1024, T/8, 4, W'/32)`.

    Frames are enlarged to 112 rows, as the preparation scripts of the paper's year do.
    """

    width = 1024
    rows = 112

    def __init__(self, *, in_channels: int, stream: str):
        super().__init__()
        self.stream = stream
        self.network = I3D(in_channels=in_channels)
        load_kinetics(self.network, weights_file("i3d_rgb_kinetics400.safetensors"))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.network(prepare(frames, rows=self.rows, stream=self.stream))


class UpperI3D(nn.Module):
    """I3D above blocks that stay as Kinetics-400 left them: their maps `(B, D, T', H', W')` to `(B, 1024, T/8, H/32, W/32)`."""

    width = 1024

    def __init__(self, *, frozen: str):
        super().__init__()
        self.frozen = frozen
        self.network = load_kinetics(I3D(), weights_file("i3d_rgb_kinetics400.safetensors"))
        for name in ENDPOINTS[: ENDPOINTS.index(frozen) + 1]:
            delattr(self.network, name)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.network(maps, after=self.frozen)


def prepare(frames: torch.Tensor, *, rows: int, stream: str) -> torch.Tensor:
    """Resize `(B, C, T, H, W)` bilinearly to so many rows, keeping the aspect ratio, and normalise to [-1, 1].

    Flow is in px, so it grows with the frame. Differences lie in [-1, 1] as they are.
    """
    _, _, steps, height, width = frames.shape
    if height != rows:
        frames = F.interpolate(frames, size=(steps, rows, round(width * rows / height)), mode="trilinear")
    if stream == "difference":
        return frames
    return flow_input(frames * (rows / height)) if stream == "flow" else rgb_input(frames)


class TorchvisionVideo(nn.Module):
    """A torchvision video network without its head, untrained: `r3d_18`, `mc3_18` or `r2plus1d_18`."""

    width = 512
    rows = 112

    def __init__(self, *, name: str, in_channels: int, stream: str):
        super().__init__()
        self.stream = stream
        network = getattr(torchvision.models.video, name)(weights=None)
        first = network.stem[0]
        network.stem[0] = nn.Conv3d(
            in_channels,
            first.out_channels,
            first.kernel_size,
            stride=first.stride,
            padding=first.padding,
            bias=False,
        )
        self.layers = nn.Sequential(network.stem, network.layer1, network.layer2, network.layer3, network.layer4)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.layers(prepare(frames, rows=self.rows, stream=self.stream))


def _torchvision(name: str) -> Callable[..., nn.Module]:
    return lambda **options: TorchvisionVideo(name=name, **options)


BACKBONES: dict[str, Callable[..., nn.Module]] = {
    "compact": CompactConvNet,
    "tiny": lambda **options: CompactConvNet(**options, width=96),
    "i3d": KineticsI3D,
    "r3d_18": _torchvision("r3d_18"),
    "mc3_18": _torchvision("mc3_18"),
    "r2plus1d_18": _torchvision("r2plus1d_18"),
}


def make_backbone(name: str, *, in_channels: int, stream: str, frozen: str | None = None) -> nn.Module:
    """Make a backbone by name.

    Args:
        name: a key of `BACKBONES`.
        in_channels: C of the frames: 3 for RGB, 1 for grey, 2 for flow.
        stream: `rgb`, `flow` or `difference`; decides how frames are normalised.
        frozen: the endpoint of I3D whose stored maps it takes in place of frames; None for a whole network.

    Raises:
        ValueError: an unknown name, or blocks to freeze in a backbone that has none.
        DataError: the published weights that it starts from are not here.
    """
    if frozen is not None:
        if name != "i3d":
            raise ValueError(f"{name!r} has no blocks to freeze; i3d has.")
        return UpperI3D(frozen=frozen)
    if name not in BACKBONES:
        raise ValueError(f"{name!r} is no backbone; known: {', '.join(BACKBONES)}.")
    return BACKBONES[name](in_channels=in_channels, stream=stream)


@torch.no_grad()
def feature_shape(backbone: nn.Module, *, in_channels: int, clip: tuple[int, int, int]) -> tuple[int, int, int]:
    """`(T', H', W')` that a backbone gives for clips of `(T, H, W)`."""
    training = backbone.training
    backbone.eval()
    features = backbone(torch.zeros(1, in_channels, *clip))
    backbone.train(training)
    assert features.shape[1] == backbone.width, (features.shape, backbone.width)
    return tuple(features.shape[2:])
