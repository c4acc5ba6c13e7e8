"""One stream of the network: backbone, attention, head. And the fusion of two streams."""

from typing import NamedTuple

import torch
from torch import nn

from lrar import distributed
from lrar.attention import SpaceTimeAttention
from lrar.backbones import feature_shape, make_backbone


class Recognition(NamedTuple):
    """What one stream says of a batch, and what it thought on the way (distillation needs both).

    Attributes:
        logits: `(B, classes)`.
        pooled: `(B, D)`, after attention and pooling.
        features: `(B, D, T', H', W')`, from the backbone.
        maps: attention received by each position, `(B, heads, T', H', W')`, where asked for.
    """

    logits: torch.Tensor
    pooled: torch.Tensor
    features: torch.Tensor
    maps: torch.Tensor | None


class Dropout(nn.Dropout):
    """Dropout on `(B, D)`; where processes share a batch, each takes its own rows of the mask that one would have drawn.

    Their generators must be in one state, as `lrar.training.fit` seeds them.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or distributed.count() == 1:
            return super().forward(x)
        first, total = distributed.places(len(x))
        mask = super().forward(x.new_ones(total, x.shape[1]))  # (B of all processes, D)
        return x * mask[first : first + len(x)]


class Recognizer(nn.Module):
    """One stream."""

    def __init__(
        self,
        *,
        stream: str,
        classes: int,
        clip: tuple[int, int, int],
        in_channels: int,
        backbone: str = "compact",
        attention: str = "mean",
        heads: int = 4,
        dropout: float = 0.5,
        frozen: str | None = None,
    ):
        """Make a stream.

        Args:
            stream: `rgb`, `flow` or `difference`.
            classes: number of classes.
            clip: `(T, H, W)` of the frames, or of the stored maps, that it will see.
            in_channels: C of the same.
            backbone: a key of `lrar.backbones.BACKBONES`.
            attention: one of `lrar.attention.VARIANTS`.
            heads: attention heads.
            dropout: on the pooled features, in training.
            frozen: the endpoint of I3D whose stored maps it sees; None for frames.
        """
        super().__init__()
        self.backbone = make_backbone(backbone, in_channels=in_channels, stream=stream, frozen=frozen)
        self.attention = SpaceTimeAttention(
            variant=attention,
            width=self.backbone.width,
            shape=feature_shape(self.backbone, in_channels=in_channels, clip=clip),
            heads=heads,
        )
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(self.backbone.width, classes)

    def forward(self, frames: torch.Tensor, *, return_maps: bool = False) -> Recognition:
        """Recognise clips.

        Args:
            frames: `(B, C, T, H, W)`; RGB or grey in [0, 1], flow in px, differences in [-1, 1].
            return_maps: also give attention maps.
        """
        features = self.backbone(frames)  # (B, D, T', H', W')
        pooled, maps = self.attention(features, return_maps=return_maps)  # (B, D)
        logits = self.head(self.dropout(pooled))  # (B, classes)
        return Recognition(logits=logits, pooled=pooled, features=features, maps=maps)


def fuse(rgb: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Late fusion: the mean of two streams' class probabilities, each `(B, classes)`."""
    return (rgb + flow) / 2
