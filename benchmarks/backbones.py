"""What each backbone costs, forward and in training, and what the caches save.

    python benchmarks/backbones.py

All networks see the same frames in one go, on all cores: I3D and the compact network of this project, R(2+1)D-18 and S3D of
torchvision, in the precision and the memory layout that the studies use. What the caches save is measured on twenty clips of
HMDB-21. Writes `book/records/backbones.json`, from which the book's cost page draws. `gpu.py` measures the same networks on a GPU.
"""

import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from lrar.backbones import CompactConvNet, UpperI3D
from lrar.datasets import load_clip_set
from lrar.decoding import decode
from lrar.degrade import downsample, upscale
from lrar.flow import optical_flow
from lrar.i3d import I3D
from lrar.measured import write_measurement
from lrar.precision import in_bfloat16
from lrar.settings import setting
from lrar.streams import to_tensor, to_video

CPU = torch.device("cpu")
CLASSES, BATCH, REPEATS = 21, 4, 3
# (T, H, W) of the frames: HMDB's setting, twice the frames, and 224 rows.
CLIPS = ((16, 112, 144), (32, 112, 144), (16, 224, 288))
NETWORKS: dict[str, Callable[[], tuple[nn.Module, int]]] = {
    "compact": lambda: (CompactConvNet(in_channels=3, stream="rgb"), 192),
    "i3d": lambda: (I3D(), 1024),
    "r2plus1d_18": lambda: (
        nn.Sequential(*list(torchvision.models.video.r2plus1d_18(weights=None).children())[:-2]),
        512,
    ),
    "s3d": lambda: (torchvision.models.video.s3d(weights=None).features, 1024),
}


class Classifier(nn.Module):
    """A backbone, the mean over its map, and a linear head."""

    def __init__(self, backbone: nn.Module, width: int):
        super().__init__()
        self.backbone, self.head = backbone, nn.Linear(width, CLASSES)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(frames).mean(dim=(2, 3, 4)))


def seconds(call: Callable[[], object]) -> float:
    """The median of some calls, after one that warms up."""
    times = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # a call returns before a GPU has done it
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def cost(backbone: nn.Module, width: int, frames: torch.Tensor, where: torch.device) -> dict[str, float]:
    """Seconds a clip, forward and in training; on a GPU also the most memory in training, in GB."""
    model = Classifier(backbone, width).to(where, memory_format=torch.channels_last_3d)
    frames = frames.to(where, memory_format=torch.channels_last_3d)
    labels = torch.arange(len(frames), device=where) % CLASSES
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, fused=True)

    @torch.no_grad()
    def forward() -> None:
        with in_bfloat16(where):
            model(frames)

    def train() -> None:
        with in_bfloat16(where):
            scores = model(frames)
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(scores.float(), labels).backward()
        optimiser.step()

    model.eval()
    passed = seconds(forward)
    model.train()
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    trained_in = seconds(train)
    memory = {"memory": round(torch.cuda.max_memory_allocated() / 1e9, 2)} if where.type == "cuda" else {}
    # Four digits that count: a GPU needs less than a millisecond.
    times = {"forward": passed / len(frames), "training": trained_in / len(frames)}
    return {name: float(f"{value:.4g}") for name, value in times.items()} | memory


def saved() -> dict[str, dict[str, float]]:
    """Seconds a clip of HMDB-21 to make what the caches hold, and its bytes."""
    clips = load_clip_set("hmdb21").clips[::46][:20]
    shrink = setting("hmdb21").shrink
    videos = [decode(clip.path, grey=False) for clip in clips]
    seen = [to_video(upscale(downsample(to_tensor(video), scale=shrink))) for video in videos]
    flows = [optical_flow(frames, method="dis").astype(np.float16) for frames in seen]
    frozen = setting("hmdb21").recipe.frozen
    lower = I3D().eval().to(memory_format=torch.channels_last_3d)
    clip = torch.rand(1, 3, 16, 112, 144).contiguous(memory_format=torch.channels_last_3d)

    @torch.no_grad()
    def compute() -> torch.Tensor:
        with in_bfloat16(CPU):
            return lower(clip, until=frozen).half()

    maps = compute()
    made = {
        "decoded frames": (lambda: [decode(clip.path, grey=False) for clip in clips], videos),
        "LR, enlarged": (
            lambda: [to_video(upscale(downsample(to_tensor(video), scale=shrink))) for video in videos],
            seen,
        ),
        "flow of it": (lambda: [optical_flow(frames, method="dis") for frames in seen], flows),
        f"I3D's maps at {frozen}": (lambda: [compute() for _ in clips], [maps] * len(clips)),
    }
    return {
        name: {
            "made": round(seconds(make) / len(clips), 5),
            "bytes": round(np.mean([value.nbytes for value in values])),
        }
        for name, (make, values) in made.items()
    }


def costs(where: torch.device, *, batch: int) -> list[dict]:
    """What every network costs on frames of every size, one line each."""
    torch.manual_seed(0)
    frozen = setting("hmdb21").recipe.frozen
    lines = []
    cost(
        *NETWORKS["compact"](), torch.rand(batch, 3, *CLIPS[0]), where
    )  # the first of a process is slow, whatever it is
    for clip in CLIPS:
        frames = torch.rand(batch, 3, *clip)
        for name, make in NETWORKS.items():
            lines.append({"backbone": name, "clip": clip} | cost(*make(), frames, where))
            print(lines[-1], flush=True)
        with torch.no_grad():
            maps = I3D().eval().to(where)(frames.to(where), until=frozen)
        upper = UpperI3D(frozen=frozen)
        lines.append({"backbone": f"i3d above {frozen}", "clip": clip} | cost(upper, 1024, maps, where))
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    torch.set_num_threads(os.cpu_count())
    result = {"networks": costs(CPU, batch=BATCH), "caches": saved()}
    write_measurement("backbones", result)
    print(result["caches"])


if __name__ == "__main__":
    main()
