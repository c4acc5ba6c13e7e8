"""One run on several processes, as `torchrun` starts them, and the device on which each computes.

Each process takes its share of every batch. How many there are must not decide a result, so what looks across a batch
looks across processes: gradients are averaged, batch norm takes its moments over all shares (`lrar.i3d.ShiftedBatchNorm`), and
dropout draws the mask of the whole batch (`lrar.recognizer.Dropout`). What stays of a difference is the order in which
numbers are added, and a last batch with fewer clips than processes, which is left out.
"""

import contextlib
import datetime
import os
from typing import Any

import numpy as np
import torch
import torch.distributed as processes
from torch import nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel

from lrar.clips import DataError

# The others wait while the first makes a super-resolution network or another study's process has the same run.
PATIENCE = datetime.timedelta(hours=24)


def start() -> None:
    """Join the other processes where `torchrun` has started several; else nothing.

    Raises:
        DataError: something else has set `WORLD_SIZE`, or there are more processes than GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or processes.is_initialized():
        return
    for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        if name not in os.environ:
            raise DataError(f"WORLD_SIZE is set and {name} is not. Start several processes by torchrun, or unset it.")
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        here, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
        if here > gpus:
            raise DataError(
                f"{here} processes for {gpus} GPU(s): each wants its own. Give torchrun --nproc-per-node {gpus}, or hide the "
                "GPUs (CUDA_VISIBLE_DEVICES=)."
            )
        torch.cuda.set_device(device())
    processes.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)


def stop() -> None:
    """Leave the others."""
    if processes.is_initialized():
        processes.destroy_process_group()


def count() -> int:
    """How many processes share a run."""
    return processes.get_world_size() if processes.is_initialized() else 1


def rank() -> int:
    """Which of them this is; the first, 0, is the one that writes."""
    return processes.get_rank() if processes.is_initialized() else 0


def device() -> torch.device:
    """Where this process computes: a GPU where there is one, each process its own. `CUDA_VISIBLE_DEVICES` hides them."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def agreed(value: Any) -> Any:
    """What the first process has found; so that no two go different ways. All of them must ask."""
    if count() == 1:
        return value
    box = [value]
    processes.broadcast_object_list(box, device=device())
    return box[0]


def joined(parts: np.ndarray) -> np.ndarray:
    """The parts of all processes, one after the other."""
    if count() == 1:
        return parts
    gathered: list = [None] * count()
    processes.all_gather_object(gathered, parts)
    return np.concatenate(gathered)


def places(length: int) -> tuple[int, int]:
    """Where this process's clips begin among those of all processes, and how many there are in all."""
    if count() == 1:
        return 0, length
    lengths: list = [None] * count()
    processes.all_gather_object(lengths, length)
    return sum(lengths[: rank()]), sum(lengths)


def summed(value: float) -> float:
    """The sum over processes."""
    if count() == 1:
        return value
    total = torch.tensor(value, dtype=torch.float64, device=device())
    processes.all_reduce(total)
    return total.item()


def share(length: int) -> slice:
    """Which of so many clips are this process's: equal shares, the first ones larger by one where they must be."""
    each, more = divmod(length, count())
    first = rank() * each + min(rank(), more)
    return slice(first, first + each + (rank() < more))


def spread(model: nn.Module) -> nn.Module:
    """The model as it is trained: its gradients are averaged over processes, and its batch norm looks across them.

    Raises:
        DataError: its batch norm cannot look across processes here.
    """
    if count() == 1:
        return model
    library = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if library and device().type != "cuda":
        raise DataError(
            "PyTorch's batch norm looks across processes on GPUs only. Without one start `lrar study` without torchrun: "
            "its --workers do many runs at once."
        )
    on_gpu = [device().index] if device().type == "cuda" else None
    return DistributedDataParallel(
        nn.SyncBatchNorm.convert_sync_batchnorm(model), device_ids=on_gpu, broadcast_buffers=False
    )


def gradients_kept(model: nn.Module) -> contextlib.AbstractContextManager:
    """Within it, gradients add up and are not averaged yet."""
    return model.no_sync() if isinstance(model, DistributedDataParallel) else contextlib.nullcontext()


def moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Mean and variance of each channel over all processes' `(B, C, ...)`, each `(C,)`, and over how many values.

    Gradients flow through both, to all processes.
    """
    axes = [axis for axis in range(x.dim()) if axis != 1]
    size = torch.tensor(float(x.numel() // x.shape[1]), device=x.device)
    processes.all_reduce(size)
    mean = all_reduce(x.sum(axes)) / size  # (C,)
    around = x - mean.view(-1, *[1] * (x.dim() - 2))
    return mean, all_reduce((around**2).sum(axes)) / size, int(size)
