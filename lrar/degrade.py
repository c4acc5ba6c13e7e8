"""How low resolution is made from high, and the plain ways back up.

Everything in the project that is called LR comes from `downsample`, with its default kernel: Keys' bicubic kernel
(a = -0.5) stretched by the scale, so that it antialiases, as MATLAB's `imresize` does it inside the frame (at the border
MATLAB mirrors, and this kernel is cut off and renormalised); rounded to 8 bits, because a 12x16 camera would have given
8 bits. IXMAS's 64x48 becomes 16x12. The plain bicubic upscaler is PyTorch's, with a = -0.75.
"""

import torch
import torch.nn.functional as F

DOWNSAMPLERS = ("bicubic", "bicubic-aliased", "area", "nearest")
UPSCALERS = ("nearest", "area", "bicubic")


def downsample(frames: torch.Tensor, *, scale: int = 4, kernel: str = "bicubic") -> torch.Tensor:
    """Make LR frames.

    Args:
        frames: `(T, C, H, W)`, values in [0, 1]. H and W must be multiples of `scale`.
        scale: HR rows per LR row.
        kernel: one of `DOWNSAMPLERS`; `bicubic-aliased` leaves the kernel unstretched, so LR shows moiré.

    Returns:
        `(T, C, H / scale, W / scale)`, values in [0, 1] on the grid of 8 bits.

    Raises:
        ValueError: frames that do not divide by `scale`, or an unknown kernel.
    """
    _, _, height, width = frames.shape
    if height % scale or width % scale:
        raise ValueError(f"{height}x{width} frames do not divide by {scale}; crop or resize them first.")
    size = (height // scale, width // scale)
    if kernel == "bicubic":
        low = F.interpolate(frames, size=size, mode="bicubic", antialias=True)
    elif kernel == "bicubic-aliased":
        low = F.interpolate(frames, size=size, mode="bicubic", antialias=False)
    elif kernel in ("area", "nearest"):
        low = F.interpolate(frames, size=size, mode=kernel)
    else:
        raise ValueError(f"{kernel!r} is no downsampler; known: {', '.join(DOWNSAMPLERS)}.")
    return quantize(low)


def shrink_to(frames: torch.Tensor, *, size: tuple[int, int]) -> torch.Tensor:
    """Shrink HR frames to a size between LR and HR: what a super-resolution network that ends there should give.

    Args:
        frames: `(T, C, H, W)`, values in [0, 1].
        size: rows and columns.

    Returns:
        `(T, C, *size)`, antialiased bicubic, values in [0, 1] on the grid of 8 bits.
    """
    return quantize(F.interpolate(frames, size=size, mode="bicubic", antialias=True))


def upscale(frames: torch.Tensor, *, scale: int = 4, method: str = "bicubic") -> torch.Tensor:
    """Enlarge LR frames without learning anything.

    Args:
        frames: `(T, C, h, w)`, values in [0, 1].
        scale: rows that one LR row becomes.
        method: one of `UPSCALERS`. `area` repeats each pixel and then averages over a window of `scale`.

    Returns:
        `(T, C, h * scale, w * scale)`, values in [0, 1] on the grid of 8 bits.

    Raises:
        ValueError: an unknown method.
    """
    _, _, height, width = frames.shape
    size = (height * scale, width * scale)
    if method == "nearest":
        high = F.interpolate(frames, size=size, mode="nearest")
    elif method == "bicubic":
        high = F.interpolate(frames, size=size, mode="bicubic", align_corners=False)
    elif method == "area":
        repeated = F.interpolate(frames, size=size, mode="nearest")
        # A window of `scale` has no centre pixel when scale is even: average the two half-pixel shifts.
        padded = F.pad(repeated, (scale // 2,) * 4, mode="replicate")
        window = F.avg_pool2d(padded, scale, stride=1)  # (T, C, H + 1, W + 1) for even scales
        high = F.avg_pool2d(window, 2, stride=1) if scale % 2 == 0 else window
    else:
        raise ValueError(f"{method!r} is no upscaler; known: {', '.join(UPSCALERS)}.")
    assert high.shape[-2:] == size, (high.shape, size)
    return quantize(high)


def quantize(frames: torch.Tensor) -> torch.Tensor:
    """Round values in [0, 1] to the grid of 8 bits."""
    return (frames.clamp(0, 1) * 255).round() / 255
