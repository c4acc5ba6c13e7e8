"""Attention: both paths agree, maps are distributions, and each variant looks where its name says."""

import pytest
import torch
import torch.nn.functional as F

from lrar.attention import VARIANTS, MultiHeadSelfAttention, SpaceTimeAttention

SHAPE = (3, 2, 4)  # T', H', W'
WIDTH = 16
LOOKING = tuple(variant for variant in VARIANTS if variant != "mean")


def make(variant: str, *, heads: int = 4) -> SpaceTimeAttention:
    torch.manual_seed(0)
    module = SpaceTimeAttention(variant=variant, width=WIDTH, shape=SHAPE, heads=heads).eval()
    for parameter in module.parameters():  # sharp enough that tokens do not all look alike
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.5)
    return module


def features(seed: int = 1) -> torch.Tensor:
    return torch.randn(2, WIDTH, *SHAPE, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
@pytest.mark.parametrize("heads", [1, 2, 4, 8])
@pytest.mark.parametrize("variant", VARIANTS)
def test_maps_come_on_request_and_sum_to_one(variant, heads):
    module = make(variant, heads=heads)
    alone, no_maps = module(features())
    pooled, maps = module(features(), return_maps=True)
    assert alone.shape == (2, WIDTH)
    assert no_maps is None
    assert torch.equal(alone, pooled)
    if variant == "mean":
        assert maps is None
    else:
        assert maps.shape == (2, heads, *SHAPE)
        assert maps.min() >= 0
        torch.testing.assert_close(maps.sum(dim=(2, 3, 4)), torch.ones(2, heads))
        assert maps.std() > 1e-3


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_our_attention_equals_scaled_dot_product_attention(heads):
    """Values to 1e-5, and gradients as well."""
    torch.manual_seed(0)
    block = MultiHeadSelfAttention(width=WIDTH, heads=heads)

    def fused(tokens: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            part.view(2, 24, heads, WIDTH // heads).transpose(1, 2)
            for part in block.query_key_value(tokens).chunk(3, dim=-1)
        )
        seen = F.scaled_dot_product_attention(query, key, value)
        return F.layer_norm(tokens + block.project(seen.transpose(1, 2).reshape(2, 24, WIDTH)), (WIDTH,))

    outputs, gradients = [], []
    for compute in (fused, lambda tokens: block(tokens)[0]):
        tokens = torch.randn(2, 24, WIDTH, generator=torch.Generator().manual_seed(1)).requires_grad_()
        outputs.append(compute(tokens))
        (outputs[-1] ** 3).sum().backward()
        gradients.append(tokens.grad)
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-5)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)
    assert gradients[0].std() > 0.1
    torch.testing.assert_close(block(tokens)[1].sum(dim=-1), torch.ones(2, heads, 24))


def touched(variant: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Change one token, at time 1 and place (1, 2): where the map changes, and which tokens of the first block do."""
    module, outputs = make(variant), []
    module.first.register_forward_hook(lambda _, inputs, output: outputs.append(output[0]))
    one, other = features()[:1], features()[:1].clone()
    other[0, :, 1, 1, 2] += 3
    with torch.no_grad():
        maps = [module(x, return_maps=True)[1] for x in (one, other)]
    return (maps[0] - maps[1]).abs().amax(dim=(0, 1)) > 1e-7, (outputs[0] - outputs[1]).abs().amax(dim=-1) > 1e-7


def test_temporal_never_mixes_places():
    where, tokens = touched("temporal")
    assert where[:, 1, 2].all()
    assert where.sum() == 3
    assert tokens.shape == (2 * 4, 3)  # a row a place: its number is 1 * 4 + 2
    assert tokens[6].all()
    assert tokens.sum() == 3


def test_spatial_never_mixes_times():
    where, tokens = touched("spatial")
    assert where[1].all()
    assert where.sum() == 8
    assert tokens.shape == (3, 2 * 4)  # a row a time
    assert tokens[1].all()
    assert tokens.sum() == 8


@torch.no_grad()
def test_maps_show_what_each_position_receives():
    """Position by position: the mean over those that look, of the weights that the block gave."""
    steps, *places = SHAPE
    for variant in ("joint", "temporal", "spatial"):
        module, weights = make(variant), []
        module.first.register_forward_hook(lambda _, inputs, output, kept=weights: kept.append(output[1]))
        _, maps = module(features(), return_maps=True)
        received = weights[0].mean(dim=2)  # from all that look
        if variant == "joint":
            expected = received.view(2, 4, *SHAPE)
        elif variant == "temporal":
            expected = received.view(2, *places, 4, steps).permute(0, 3, 4, 1, 2) / (places[0] * places[1])
        else:
            expected = received.view(2, steps, 4, *places).transpose(1, 2) / steps
        torch.testing.assert_close(maps, expected)


def test_joint_and_factorised_reach_everywhere():
    for variant in ("joint", "factorised"):
        where, _ = touched(variant)
        assert where.all(), variant
    _, tokens = touched("factorised")
    assert tokens.sum() == 8, "space comes first"


def test_mean_is_the_plain_average():
    module = make("mean")
    assert not list(module.parameters())
    x = features()
    torch.testing.assert_close(module(x)[0], x.flatten(2).mean(dim=2))


@torch.no_grad()
def test_positions_tell_places_and_times_apart():
    """Without positions attention would not notice where things are; with them a shuffled volume is another one."""
    for variant, axis in (("joint", 2), ("temporal", 2), ("spatial", 4), ("factorised", 4)):
        module = make(variant)
        torch.nn.init.normal_(module.time_position)
        torch.nn.init.normal_(module.space_position)
        x = features()
        assert not torch.allclose(module(x)[0], module(x.flip(axis))[0], atol=1e-3), variant
        torch.nn.init.zeros_(module.time_position)
        torch.nn.init.zeros_(module.space_position)
        torch.testing.assert_close(module(x)[0], module(x.flip(axis))[0], rtol=0, atol=1e-5)


def test_errors():
    with pytest.raises(ValueError, match="'global' is no attention variant; known: mean, temporal, spatial, joint"):
        SpaceTimeAttention(variant="global", width=WIDTH, shape=SHAPE)
    with pytest.raises(ValueError, match="3 heads do not divide a width of 16"):
        SpaceTimeAttention(variant="joint", width=WIDTH, shape=SHAPE, heads=3)
    with pytest.raises(AssertionError):
        make("joint")(torch.zeros(1, WIDTH, 4, 2, 4))


@torch.no_grad()
@pytest.mark.parametrize("variant", LOOKING)
def test_pooled_is_the_mean_of_what_the_last_block_gives(variant):
    module, given = make(variant), []
    last = module.second if variant == "factorised" else module.first
    last.register_forward_hook(lambda _, seen, answer: given.append(answer[0]))
    pooled, _ = module(features())
    torch.testing.assert_close(pooled, given[0].reshape(2, -1, WIDTH).mean(dim=1))
