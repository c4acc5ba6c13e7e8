"""Backbones: each name gives the feature maps that it promises."""

import pytest
import torch

from lrar.backbones import BACKBONES, CompactConvNet, feature_shape, make_backbone, prepare
from lrar.weights import I3D_FILE, check

# Frames of 24x12 are enlarged to 112x56 by the larger ones.
SHAPES = {
    "compact": (2, 2, 1),
    "tiny": (2, 2, 1),
    "i3d": (1, 4, 2),
    "r3d_18": (1, 7, 4),
    "mc3_18": (8, 7, 4),
    "r2plus1d_18": (1, 7, 4),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_gives_its_feature_maps(name):
    if name == "i3d" and check()[I3D_FILE] == "missing":
        pytest.skip("no I3D weights on this machine: `lrar weights get`")
    torch.manual_seed(0)
    backbone = make_backbone(name, in_channels=2, stream="flow").eval()
    with torch.no_grad():
        features = backbone(torch.randn(1, 2, 8, 24, 12))
    assert features.shape == (1, backbone.width, *SHAPES[name])
    assert features.isfinite().all()
    assert features.std() > 0


@pytest.mark.parametrize("in_channels", [1, 2, 3])
def test_compact_network_on_ixmas_frames(in_channels):
    stream = "flow" if in_channels == 2 else "rgb"
    backbone = CompactConvNet(in_channels=in_channels, stream=stream)
    assert feature_shape(backbone, in_channels=in_channels, clip=(16, 64, 48)) == (4, 4, 3)
    assert backbone.training, "asking for the shape leaves the mode as it was"
    assert feature_shape(backbone.eval(), in_channels=in_channels, clip=(8, 32, 24)) == (2, 2, 2)
    assert not backbone.training


def test_asking_for_the_shape_leaves_batch_norm_alone():
    backbone = CompactConvNet(in_channels=1, stream="rgb")
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    feature_shape(backbone, in_channels=1, clip=(8, 32, 24))
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())


def test_every_parameter_of_the_compact_network_learns():
    torch.manual_seed(0)
    backbone = CompactConvNet(in_channels=1, stream="rgb")
    backbone(torch.rand(4, 1, 8, 32, 24)).square().sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_the_tiny_network_is_a_quarter_of_the_compact_one():
    sizes = [
        sum(parameter.numel() for parameter in make_backbone(name, in_channels=1, stream="rgb").parameters())
        for name in ("compact", "tiny")
    ]
    assert 3.8 < sizes[0] / sizes[1] < 4.2


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "stream", "values", "expected"),
    [
        ("compact", "rgb", [0.0, 0.5, 1.0], [-1, 0, 1]),
        ("compact", "flow", [-30.0, 0.5, 5.0], [-30, 0.5, 5]),  # stays in px
        ("compact", "difference", [-1.0, 0.0, 0.5], [-1, 0, 0.5]),  # is centred as it is
        ("mc3_18", "difference", [-1.0, 0.0, 0.5], [-1, 0, 0.5]),
        ("mc3_18", "rgb", [0.0, 0.5, 1.0], [-1, 0, 1]),
        ("mc3_18", "flow", [-30.0, 0.0, 5.0], [-1, 0, 0.25]),  # clipped at 20 px
    ],
)
def test_what_the_first_layer_is_given(name, stream, values, expected):
    backbone = make_backbone(name, in_channels=1, stream=stream).eval()
    given = []
    backbone.layers[0].register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    backbone(torch.tensor(values).view(3, 1, 1, 1, 1).expand(3, 1, 2, 112, 8))
    torch.testing.assert_close(given[0][:, 0, 0, 50, 4], torch.tensor(expected, dtype=torch.float))


def test_preparation_enlarges_and_normalises():
    frames = torch.rand(1, 3, 5, 24, 12, generator=torch.Generator().manual_seed(0))  # (B, C, T, H, W)
    large = prepare(frames, rows=48, stream="rgb")
    assert large.shape == (1, 3, 5, 48, 24)
    assert torch.equal(prepare(frames, rows=24, stream="rgb"), frames * 2 - 1)
    # Frames are enlarged one by one: neighbours in time do not mix.
    torch.testing.assert_close(large[:, :, 3:4], prepare(frames[:, :, 3:4], rows=48, stream="rgb"))


def test_flow_grows_with_the_frame():
    flow = torch.full((1, 2, 4, 24, 12), 3.0)
    torch.testing.assert_close(prepare(flow, rows=48, stream="flow"), torch.full((1, 2, 4, 48, 24), 6 / 20))


def test_unknown_name():
    with pytest.raises(
        ValueError, match="'c3d' is no backbone; known: compact, tiny, i3d, r3d_18, mc3_18, r2plus1d_18"
    ):
        make_backbone("c3d", in_channels=3, stream="rgb")


def test_the_whole_of_i3d_begins_with_kinetics_and_reads_its_stream(monkeypatch):
    loaded = []
    monkeypatch.setattr("lrar.backbones.weights_file", lambda name: name)
    monkeypatch.setattr("lrar.backbones.load_kinetics", lambda network, path: loaded.append(path) or network)
    for stream, value, expected in (("rgb", 1.0, 1.0), ("flow", 5.0, 0.25)):
        backbone, given = make_backbone("i3d", in_channels=1, stream=stream).eval(), []
        backbone.network.register_forward_pre_hook(lambda _, inputs, given=given: given.append(inputs[0]))
        with torch.no_grad():
            backbone(torch.full((1, 1, 8, 112, 32), value))
        assert given[0].unique().tolist() == [expected]
    assert loaded == [I3D_FILE] * 2
