"""Networks are run in bfloat16 where the machine computes in it, and in float32 where it would only imitate it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from eight_clips import TINY, draw_of, eight_clips

from lrar import precision, provenance, training
from lrar.precision import computes_in_bfloat16, in_bfloat16
from lrar.recognizer import Recognizer
from lrar.super_resolution import train_super_resolution

CPU = torch.device("cpu")


def product(where: torch.device, **wanted: bool) -> torch.dtype:
    with in_bfloat16(where, **wanted):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize(
    ("widest", "in_hardware", "instructions"),
    [
        ("AVX512", True, "AVX512_BF16"),
        ("AVX512", False, "AVX512"),
        ("AVX2", True, "AVX2"),  # where `ATEN_CPU_CAPABILITY` asks for less than the processor has
        ("DEFAULT", False, "DEFAULT"),
    ],
)
def test_bfloat16_goes_by_the_processor(monkeypatch, widest, in_hardware, instructions):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: widest)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: in_hardware)
    wanted = instructions == "AVX512_BF16"
    assert computes_in_bfloat16(CPU) is wanted
    assert product(CPU) is (torch.bfloat16 if wanted else torch.float32)
    assert product(CPU, wanted=False) is torch.float32
    said = provenance.provenance()
    assert (said["instructions"], said["bfloat16"]) == (instructions, wanted)


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_goes_by_the_gpu(monkeypatch, native):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native or including_emulation)
    assert computes_in_bfloat16(torch.device("cuda")) is native


@pytest.mark.parametrize("native", [True, False])
def test_super_resolution_is_trained_in_it(monkeypatch, native):
    monkeypatch.setattr(precision, "computes_in_bfloat16", lambda where: native)
    seen = []
    forward = torch.nn.Conv2d.forward

    def noted(layer, x):
        y = forward(layer, x)
        seen.append(y.dtype)
        return y

    monkeypatch.setattr(torch.nn.Conv2d, "forward", noted)
    clip = np.zeros((4, 8, 8, 1), np.uint8)
    options = {"steps": 1, "batch": TINY.batch, "learning_rate": 1e-3, "seed": 0, "window": 3, "width": 4, "blocks": 1}
    train_super_resolution(low=[clip[:, ::4, ::4]], high=[clip], **options)
    assert set(seen) == {torch.bfloat16 if native else torch.float32}


@pytest.mark.parametrize(("native", "wanted"), [(True, True), (True, False), (False, True)])
def test_recognizers_are_run_in_it_where_their_recipe_wants_it(monkeypatch, native, wanted):
    monkeypatch.setattr(precision, "computes_in_bfloat16", lambda where: native)
    model = Recognizer(stream="rgb", classes=2, clip=(4, 32, 24), in_channels=1)
    draw = draw_of([0, 4], [[1, 3, 6, 8]] * 2)
    seen = training.recognise(model, eight_clips()[0], draw, recipe=replace(TINY, bfloat16=wanted))
    assert seen.features.dtype is (torch.bfloat16 if native and wanted else torch.float32)
