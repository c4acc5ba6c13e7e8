"""The precision in which networks are run: bfloat16 where the machine computes in it, float32 elsewhere.

A processor without instructions for bfloat16 imitates it, slower than it computes in float32: three times with AVX-512
alone, sixteen times with AVX2. Many laptops are such. A run in the other precision rounds otherwise, so it comes out as
one with another seed might.
"""

import torch


def instructions() -> str:
    """The widest instructions of the processor: `AVX512_BF16`, or as PyTorch names them (`AVX512`, `AVX2`, `DEFAULT`)."""
    widest = torch.backends.cpu.get_cpu_capability()
    # Private in PyTorch: a test notices if it goes. A processor with AMX has these instructions as well.
    return "AVX512_BF16" if widest == "AVX512" and torch.cpu._is_avx512_bf16_supported() else widest


def computes_in_bfloat16(where: torch.device) -> bool:
    """Whether a device computes in bfloat16 rather than imitating it: GPUs and processors that can."""
    if where.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return instructions() == "AVX512_BF16"


def in_bfloat16(where: torch.device, *, wanted: bool = True) -> torch.autocast:
    """A context in which networks are run in bfloat16, if that is wanted and the device computes in it."""
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=wanted and computes_in_bfloat16(where))
