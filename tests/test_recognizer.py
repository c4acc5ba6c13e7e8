"""One stream, and the fusion of two."""

import pytest
import torch

from lrar.recognizer import Recognizer, fuse


def make(**options) -> Recognizer:
    torch.manual_seed(0)
    return Recognizer(**({"stream": "rgb", "classes": 5, "clip": (8, 32, 24), "in_channels": 1} | options))


@torch.no_grad()
@pytest.mark.parametrize(("stream", "in_channels"), [("rgb", 1), ("rgb", 3), ("flow", 2)])
def test_shapes(stream, in_channels):
    seen = make(stream=stream, in_channels=in_channels).eval()(torch.rand(2, in_channels, 8, 32, 24))
    assert seen.logits.shape == (2, 5)
    assert seen.pooled.shape == (2, 192)
    assert seen.features.shape == (2, 192, 2, 2, 2)
    assert seen.maps is None
    torch.testing.assert_close(seen.pooled, seen.features.mean(dim=(2, 3, 4)))


@torch.no_grad()
@pytest.mark.parametrize("heads", [1, 8])
def test_maps_on_request(heads):
    model = make(attention="joint", heads=heads).eval()
    frames = torch.rand(2, 1, 8, 32, 24)
    assert model(frames).maps is None
    seen = model(frames, return_maps=True)
    assert seen.maps.shape == (2, heads, 2, 2, 2)
    torch.testing.assert_close(seen.logits, model(frames).logits, rtol=0, atol=1e-5)


@torch.no_grad()
def test_dropout_is_on_pooled_features_in_training_only():
    model = make(dropout=0.9)
    frames = torch.rand(2, 1, 8, 32, 24)
    assert torch.equal(model.eval()(frames).logits, model(frames).logits)
    model.train()
    first, second = model(frames), model(frames)
    assert torch.equal(first.pooled, second.pooled)
    assert not torch.equal(first.logits, second.logits)


def test_fusion_is_the_mean():
    rgb, flow = torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([[0.3, 0.7], [0.6, 0.4]])
    torch.testing.assert_close(fuse(rgb, flow), torch.tensor([[0.6, 0.4], [0.4, 0.6]]))
