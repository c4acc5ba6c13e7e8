"""Optical flow between neighbouring frames.

The paper's flow is probably TV-L1 (the published flow weights of I3D are); ours is OpenCV's DIS by default, which is
much faster, with TV-L1 as an option. Frames of 48 to 64 rows are smaller than DIS's coarsest patches want, so
flow is computed on frames enlarged twice and scaled back.
"""

from itertools import pairwise

import cv2
import numpy as np

ENLARGE = 2

# Frames this small are not worth sharing out: with its own threads OpenCV takes the cores from training.
cv2.setNumThreads(1)


def optical_flow(frames: np.ndarray, *, method: str = "dis") -> np.ndarray:
    """Flow from each frame to the next.

    Args:
        frames: uint8 `(T, H, W, C)`, C = 1 (grey) or 3 (RGB).
        method: `dis` (OpenCV's preset medium), `dis-fast` (preset fast: coarser, fewer steps) or `tvl1`.

    Returns:
        float16 `(T - 1, H, W, 2)`: u (to the right) and v (downwards) in px of the given frames.

    Raises:
        ValueError: fewer than two frames, or an unknown method.
    """
    length, height, width, channels = frames.shape
    if length < 2:
        raise ValueError("Flow needs two frames or more.")
    grey = [frame[..., 0] if channels == 1 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    large = [cv2.resize(image, (width * ENLARGE, height * ENLARGE), interpolation=cv2.INTER_LINEAR) for image in grey]
    if method == "dis":
        estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    elif method == "dis-fast":
        estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    elif method == "tvl1":
        estimator = cv2.optflow.DualTVL1OpticalFlow.create()
    else:
        raise ValueError(f"{method!r} is no flow method; known: dis, dis-fast, tvl1.")
    flow = np.empty((length - 1, height, width, 2), np.float16)
    for t, (first, second) in enumerate(pairwise(large)):
        field = estimator.calc(first, second, None)  # (2H, 2W, 2), px of the enlarged frames
        flow[t] = cv2.resize(field, (width, height), interpolation=cv2.INTER_AREA) / ENLARGE
    return flow
