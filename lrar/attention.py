"""Spatial-temporal multi-head self-attention over the feature maps of a clip.

The paper's third part. Each position of the `T' x H' x W'` feature volume is a token; tokens look at each other by
scaled dot-product attention (Vaswani et al. 2017), and what they see is added to them, normalised and averaged into
one vector a clip. Which tokens may look at which makes the variants:

- `mean`: none. Plain average pooling, the baseline.
- `temporal`: the same place at other times.
- `spatial`: other places at the same time.
- `joint`: every place at every time.
- `factorised`: other places first, then other times.
"""

import math

import torch
from torch import nn

VARIANTS = ("mean", "temporal", "spatial", "joint", "factorised")


class MultiHeadSelfAttention(nn.Module):
    """Multi-head self-attention with a residual connection and layer norm: `LayerNorm(x + Attention(x))`."""

    def __init__(self, *, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}.")
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Let tokens look at each other.

        Args:
            tokens: `(B, N, D)`.

        Returns:
            tokens `(B, N, D)`, and the weights `(B, heads, N, N)`, rows summing to 1.
        """
        batch, count, width = tokens.shape
        query, key, value = (
            self.query_key_value(tokens)
            .view(batch, count, 3, self.heads, width // self.heads)
            .permute(2, 0, 3, 1, 4)  # 3 x (B, heads, N, D / heads)
        )
        # In the open rather than by `scaled_dot_product_attention`: with tens of tokens it is four times as fast to
        # train on a CPU, and the weights are there to be looked at.
        weights = (query @ key.transpose(-2, -1) / math.sqrt(width // self.heads)).softmax(dim=-1)
        seen = weights @ value
        seen = seen.transpose(1, 2).reshape(batch, count, width)  # (B, N, D)
        return self.norm(tokens + self.project(seen)), weights


class SpaceTimeAttention(nn.Module):
    """Pool a feature volume into one vector through self-attention."""

    def __init__(self, *, variant: str, width: int, shape: tuple[int, int, int], heads: int = 4):
        """Make the module.

        Args:
            variant: one of `VARIANTS`.
            width: D, channels of the feature maps.
            shape: `(T', H', W')` of the feature maps.
            heads: attention heads; D must divide by it.

        Raises:
            ValueError: an unknown variant, or a width that does not divide by the heads.
        """
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"{variant!r} is no attention variant; known: {', '.join(VARIANTS)}.")
        self.variant = variant
        self.shape = shape
        steps, height, columns = shape
        if variant == "mean":
            return
        # Learned, and apart for time and space: T' + H'W' vectors instead of T'H'W'.
        self.time_position = nn.Parameter(torch.randn(steps, 1, width) * 0.02)
        self.space_position = nn.Parameter(torch.randn(1, height * columns, width) * 0.02)
        self.first = MultiHeadSelfAttention(width=width, heads=heads)
        if variant == "factorised":
            self.second = MultiHeadSelfAttention(width=width, heads=heads)

    def forward(self, features: torch.Tensor, *, return_maps: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Pool.

        Args:
            features: `(B, D, T', H', W')`.
            return_maps: also give the attention that each position receives.

        Returns:
            pooled `(B, D)`, and maps `(B, heads, T', H', W')` summing to 1 over space and time, or None
            (always None for `mean`).
        """
        batch, width, steps, height, columns = features.shape
        assert (steps, height, columns) == self.shape, (features.shape, self.shape)
        if self.variant == "mean":
            return features.mean(dim=(2, 3, 4)), None
        places = height * columns
        x = features.flatten(3).permute(0, 2, 3, 1)  # (B, T', S, D) with S = H'W'
        x = x + self.time_position + self.space_position
        if self.variant == "joint":
            x, weights = self.first(x.reshape(batch, steps * places, width))
            received = weights.mean(dim=2)  # (B, heads, T'S), mean over queries
        elif self.variant == "temporal":
            x, received = self._over_time(self.first, x)
        elif self.variant == "spatial":
            x, received = self._over_space(self.first, x)
        else:
            x, _ = self._over_space(self.first, x)
            x, received = self._over_time(self.second, x)
        pooled = x.reshape(batch, steps * places, width).mean(dim=1)  # (B, D)
        if not return_maps:
            return pooled, None
        return pooled, received.reshape(batch, -1, steps, height, columns)

    @staticmethod
    def _over_time(block: MultiHeadSelfAttention, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        batch, steps, places, width = x.shape
        x = x.transpose(1, 2).reshape(batch * places, steps, width)
        x, weights = block(x)  # weights (B S, heads, T', T')
        x = x.view(batch, places, steps, width).transpose(1, 2)  # (B, T', S, D)
        received = weights.mean(dim=2).view(batch, places, -1, steps) / places  # (B, S, heads, T')
        return x, received.permute(0, 2, 3, 1)  # (B, heads, T', S)

    @staticmethod
    def _over_space(block: MultiHeadSelfAttention, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        batch, steps, places, width = x.shape
        x, weights = block(x.reshape(batch * steps, places, width))
        x = x.view(batch, steps, places, width)
        received = weights.mean(dim=2).view(batch, steps, -1, places) / steps  # (B, T', heads, S)
        return x, received.transpose(1, 2)  # (B, heads, T', S)
