"""The precision in which networks are run: bfloat16 where the machine computes in it, float32 elsewhere.

A processor without instructions for bfloat16 imitates it, many times slower than it computes in float32; many laptops
are such. A run in the other precision rounds otherwise, so it comes out as one with another seed might.
"""

import torch


def computes_in_bfloat16(where: torch.device) -> bool:
    """Whether a device computes in bfloat16 rather than imitating it: GPUs that can, and processors with AVX-512."""
    if where.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


def in_bfloat16(where: torch.device, *, wanted: bool = True) -> torch.autocast:
    """A context in which networks are run in bfloat16, if that is wanted and the device computes in it."""
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=wanted and computes_in_bfloat16(where))
