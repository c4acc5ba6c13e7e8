"""What would stop on a GPU is noticed without one: tensors that say they are there, and have shapes but no values."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call

from lrar.attention import VARIANTS
from lrar.distillation import attention_transfer_loss, feature_loss, logit_loss
from lrar.recognizer import Recognizer
from lrar.super_resolution import VideoSuperResolution

GPU = torch.device("cuda", 0)


@pytest.fixture
def pretended() -> FakeTensorMode:
    return FakeTensorMode()


def on_a_gpu(network: nn.Module, pretended: FakeTensorMode, seen: torch.Tensor):
    """What a network makes of its input where its weights are on a GPU."""
    named = [*network.named_parameters(), *network.named_buffers()]
    weights = {name: pretended.from_tensor(tensor.detach()) for name, tensor in named}
    seen = pretended.from_tensor(seen)
    with pretended:
        there = {name: tensor.to(GPU) for name, tensor in weights.items()}
        return functional_call(network, there, (seen.to(GPU),))


def test_a_tensor_that_stays_behind_is_noticed(pretended):
    class Careless(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) + torch.ones(4)

    assert on_a_gpu(nn.Linear(4, 4), pretended, torch.rand(2, 4)).device == GPU
    with pytest.raises(RuntimeError, match="device"):
        on_a_gpu(Careless(4, 4), pretended, torch.rand(2, 4))


@pytest.mark.parametrize(
    ("attention", "backbone", "frozen", "channels", "clip"),
    [
        *((variant, "compact", None, 1, (16, 48, 64)) for variant in VARIANTS),
        ("joint", "i3d", None, 3, (16, 48, 64)),
        ("joint", "i3d", "Mixed_4d", 512, (4, 3, 4)),
    ],
)
def test_recognizers_and_losses(monkeypatch, pretended, attention, backbone, frozen, channels, clip):
    monkeypatch.setattr("lrar.backbones.weights_file", lambda name: name)
    monkeypatch.setattr("lrar.backbones.load_kinetics", lambda network, path: network)
    network = Recognizer(
        stream="rgb", classes=6, clip=clip, in_channels=channels, backbone=backbone, attention=attention, frozen=frozen
    )
    logits, pooled, features, _ = on_a_gpu(network, pretended, torch.rand(2, channels, *clip))
    assert {logits.device, pooled.device, features.device} == {GPU}
    with pretended:
        assert logit_loss(logits, logits, temperature=4.0).device == GPU
        assert feature_loss(pooled, pooled).device == GPU
        assert attention_transfer_loss(features, features).device == GPU


def test_super_resolution(pretended):
    network = VideoSuperResolution(channels=3, window=3, width=16, blocks=2, scale=4)
    assert on_a_gpu(network, pretended, torch.rand(5, 3, 3, 12, 16)).device == GPU
