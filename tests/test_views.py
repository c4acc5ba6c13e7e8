"""Stored views: what they show, that they are computed once, and that a network above them is the whole network."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_experiments import RECIPE, student, teacher

from lrar import backbones, provenance, views
from lrar.cache import cache_folder
from lrar.draws import cut, test_draws, training_draws
from lrar.experiment import Recipe
from lrar.i3d import I3D
from lrar.records import Store
from lrar.running import fold_of, run, stream_of, trained_recognizer
from lrar.streams import Stream
from lrar.views import store_views, view
from lrar.weights import I3D_FILE, check

FROZEN = Recipe(epochs=1, batch=4, frames=8, bfloat16=False, frozen="Mixed_4f", views=2, zoom=0.7)


@pytest.fixture
def i3d(monkeypatch):
    """Kinetics' weights where they are, else random ones: which views are made, kept and drawn does not depend on them."""
    if check()[I3D_FILE] != "missing":
        return

    def random(network, _):
        torch.manual_seed(0)
        network.load_state_dict(I3D(in_channels=network.Conv3d_1a_7x7.conv.in_channels).state_dict())
        return network

    for module in (views, backbones):
        monkeypatch.setattr(module, "weights_file", lambda name: name)
        monkeypatch.setattr(module, "load_kinetics", random)


needs_weights = pytest.mark.usefixtures("i3d")


def stream_of_frames(frames: np.ndarray, *, clips: int = 2) -> Stream:
    length = len(frames) // clips
    return Stream(frames=frames, starts=np.arange(clips) * length, lengths=np.full(clips, length))


def ramp(height: int, width: int, *, steps: int = 20) -> np.ndarray:
    """Frames that tell where and when: one channel across, one down, one in time."""
    rows, columns = np.mgrid[:height, :width]
    across, down = (columns + 0.5) / width, (rows + 0.5) / height
    frames = [np.stack([across, down, np.full((height, width), t / steps)], axis=-1) for t in range(steps)]
    return (255 * np.stack(frames)).round().astype(np.uint8)


def test_two_sizes_of_a_clip_show_the_same():
    small, large = stream_of_frames(ramp(48, 64)), stream_of_frames(ramp(96, 128))
    for clip in (0, 1):
        for number in range(4):
            seen = [view(stream, clip, number, views=2, recipe=FROZEN) for stream in (small, large)]
            assert seen[0].shape == (3, 8, 112, 144)
            inner = (slice(None), slice(None), slice(4, -4), slice(4, -4))  # at the border edges are repeated
            torch.testing.assert_close(seen[0][inner], seen[1][inner], rtol=0, atol=0.03)


def test_views_differ_and_come_again():
    stream = stream_of_frames(ramp(48, 64))
    first, second = (view(stream, 0, number, views=2, recipe=FROZEN) for number in (0, 1))
    assert not torch.equal(first, second)
    assert torch.equal(first, view(stream, 0, 0, views=2, recipe=FROZEN))
    across = first[0, 0, 50]
    assert across.max() - across.min() < 2 * 0.999  # a part of the picture
    whole, mirrored = (view(stream, 0, number, views=2, recipe=FROZEN) for number in (2, 3))
    torch.testing.assert_close(whole.flip(-1), mirrored, rtol=0, atol=1e-5)


@needs_weights
def test_a_view_has_the_rows_of_its_recipe(cache):
    """Twice the rows show the same in twice the detail, and are kept apart from others."""
    stream, large = stream_of_frames(ramp(112, 144)), replace(FROZEN, rows=224)
    for number in range(4):
        seen, larger = (view(stream, 1, number, views=2, recipe=recipe) for recipe in (FROZEN, large))
        assert larger.shape == (3, 8, 224, 288)
        torch.testing.assert_close(F.avg_pool2d(larger, 2), seen, rtol=0, atol=0.02)
    for recipe, size in ((FROZEN, (7, 9)), (large, (14, 18)), (replace(FROZEN, rows=112), (7, 9))):
        stored = store_views(stream, wanted=[(0, 2)], recipe=recipe)
        assert stored.maps.shape == (2, 4, 832, 2, *size) and stored.maps[0, 2].any()
    assert len(list(cache.glob("views/*"))) == 2, "112 rows are those that are meant where none are named"


def test_mirrored_flow_changes_the_sign_of_u_and_grows_with_the_picture():
    flow = np.zeros((20, 56, 72, 2), np.float16)
    flow[..., 0], flow[..., 1] = 2, 1
    stream = stream_of_frames(flow)
    whole, mirrored = (view(stream, 0, number, views=2, recipe=FROZEN) for number in (2, 3))
    assert whole[0].unique().tolist() == pytest.approx([4 / 20])  # 2 px of 72 columns are 4 of 144
    assert whole[1].unique().tolist() == pytest.approx([2 / 20])
    torch.testing.assert_close(mirrored[0], -whole[0])
    torch.testing.assert_close(mirrored[1], whole[1])


@needs_weights
def test_only_what_is_wanted_is_computed_and_only_once(cache, monkeypatch):
    stream = stream_of_frames(ramp(48, 64))
    options = {"recipe": FROZEN}
    stored = store_views(stream, wanted=[(0, 0), (1, 2)], **options)
    assert stored.maps.shape == (2, 4, 832, 2, 7, 9)
    there = np.abs(stored.maps).sum(axis=(2, 3, 4, 5)) > 0
    assert np.argwhere(there).tolist() == [[0, 0], [1, 2]]

    def load(*_):
        raise AssertionError("computed again")

    with monkeypatch.context() as patch:
        patch.setattr(views, "load_kinetics", load)
        store_views(stream, wanted=[(1, 2)], **options)
        with pytest.raises(AssertionError, match="computed again"):
            store_views(stream, wanted=[(1, 3)], **options)
    more = store_views(stream, wanted=[(1, 3)], **options)
    assert np.array_equal(more.maps[0, 0], stored.maps[0, 0])
    assert np.abs(more.maps[1, 3]).sum() > 0

    (lost,) = cache.glob("views/*/maps.npy")
    lost.unlink()
    again = store_views(stream, wanted=[(1, 2)], **options)
    np.testing.assert_allclose(again.maps[1, 2], more.maps[1, 2], atol=0.02)
    assert not again.maps[0, 0].any(), "what was lost and is not wanted now"
    assert np.abs(store_views(stream, wanted=[(0, 0)], **options).maps[0, 0]).sum() > 0


@needs_weights
@torch.no_grad()
def test_a_network_above_stored_maps_is_the_whole_network(cache):
    stream = stream_of_frames(ramp(48, 64))
    stored = store_views(stream, wanted=[(0, 2), (1, 2), (0, 3), (1, 3)], recipe=FROZEN)
    whole = views.load_kinetics(I3D(), views.weights_file(I3D_FILE)).eval()
    from lrar.backbones import make_backbone

    upper = make_backbone("i3d", in_channels=832, stream="rgb", frozen="Mixed_4f").eval()
    for flip in (False, True):
        (draw,) = test_draws(stored, np.array([1, 0]), frames=8, batch=4, flip=flip)
        expected = whole(torch.stack([view(stream, clip, 2 + flip, views=2, recipe=FROZEN) for clip in (1, 0)]))
        found = upper(cut(stored, draw))
        assert (found - expected).norm() < 0.01 * expected.norm()  # maps are stored in float16


def test_only_i3d_has_blocks_to_freeze():
    from lrar.backbones import make_backbone

    with pytest.raises(ValueError, match="'compact' has no blocks to freeze"):
        make_backbone("compact", in_channels=3, stream="rgb", frozen="Mixed_4f")


@needs_weights
@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_teacher_and_student_draw_the_same_views(ixmas, stream, tmp_path):
    frozen = replace(RECIPE, frames=8, frozen="Mixed_4f", views=2, zoom=0.7)
    own = student(
        stream=stream, recipe=frozen, backbone="i3d", teacher=teacher(stream=stream, recipe=frozen, backbone="i3d")
    )
    store = Store(tmp_path / "records")
    record = run(own, store=store)
    assert len(record.probabilities) == len(record.clips) > 0
    model, seen = trained_recognizer(own, store=store)
    assert not any("Mixed_4" in name or "Conv3d_1a" in name for name in model.state_dict())
    taught = stream_of(own.teacher, store=store)
    assert taught.views == seen.views
    clips = np.arange(4)
    draws = [
        [draw.views.tolist() for draw in training_draws(s, clips, recipe=frozen, generator=np.random.default_rng(0))]
        for s in (seen, taught)
    ]
    assert draws[0] == draws[1]
    assert len({view for draw in draws[0] for view in draw}) == 2, "each view is drawn"

    shutil.rmtree(cache_folder() / "views")
    _, few = trained_recognizer(own, store=store, clips=[5])  # to look at one clip, no others are made
    made = np.abs(few.maps).sum(axis=(2, 3, 4, 5)) > 0
    assert np.argwhere(made).tolist() == [[5, 2], [5, 3]]


def test_random_views_show_parts_of_all_sizes_mirrored_or_not_at_other_times():
    stream = stream_of_frames(ramp(48, 64))
    shown = [view(stream, 0, number, views=60, recipe=FROZEN) for number in range(60)]
    spans = torch.tensor([float(one[0].max() - one[0].min()) for one in shown]) / 2
    assert 0.66 < spans.min() < 0.74 and 0.96 < spans.max() <= 1
    mirrored = [bool(one[0, 0, 0, 0] > one[0, 0, 0, -1]) for one in shown]
    assert 15 < sum(mirrored) < 45
    assert len({tuple(one[2, :, 0, 0].tolist()) for one in shown}) > 30, "frames are drawn anew"
    whole = view(stream, 0, 60, views=60, recipe=FROZEN)
    assert (whole[:2].min(), whole[:2].max()) == (pytest.approx(-1, abs=0.05), pytest.approx(1, abs=0.05))
    assert not torch.equal(view(stream, 0, 3, views=60, recipe=FROZEN), view(stream, 1, 3, views=60, recipe=FROZEN))


def test_a_random_view_is_the_part_that_its_generator_draws():
    stream = stream_of_frames(ramp(48, 64))
    for number in range(8):
        generator = np.random.default_rng([1, number])
        part, flip = generator.uniform(0.7, 1), generator.random() < 0.5
        down, across = generator.uniform(part - 1, 1 - part, 2)
        seen = view(stream, 1, number, views=8, recipe=FROZEN)
        assert seen[0].mean().item() == pytest.approx(across, abs=0.03)
        assert seen[1].mean().item() == pytest.approx(down, abs=0.03)
        assert (seen[0, 0, 0, 0] > seen[0, 0, 0, -1]) == flip


def test_flow_grows_with_what_is_shown_larger():
    flow = np.zeros((20, 48, 64, 2), np.float16)
    flow[..., 0], flow[..., 1] = 2, 1
    for number in range(4):
        part = np.random.default_rng([0, number]).uniform(0.7, 1)
        seen = view(stream_of_frames(flow), 0, number, views=4, recipe=FROZEN)
        assert seen[0].abs().mean().item() == pytest.approx(2 * 144 / 64 / part / 20, rel=1e-3)
        assert seen[1].mean().item() == pytest.approx(112 / 48 / part / 20, rel=1e-3)


@needs_weights
def test_stored_views_go_by_all_that_decides_them(cache, monkeypatch):
    monkeypatch.setattr(views, "computes_in_bfloat16", lambda where: True)
    stream, now = stream_of_frames(ramp(48, 64)), provenance.code_digest()

    def folders(stream: Stream = stream, **changes) -> set[str]:
        store_views(stream, wanted=[(0, 0)], recipe=replace(FROZEN, **changes))
        return {path.name for path in (cache / "views").iterdir()}

    seen = [folders(), folders(replace(stream, key="of another network"))]
    seen += [folders(zoom=0.8), folders(frozen="Mixed_4e"), folders(views=3), folders(frames=4)]
    seen.append(folders(bfloat16=not FROZEN.bfloat16))
    for module in ("draws", "views", "i3d"):
        monkeypatch.setattr(provenance, "code_digest", lambda module=module: now | {module: "another"})
        seen.append(folders())
    monkeypatch.setattr(provenance, "code_digest", lambda: now)
    monkeypatch.setattr(views, "known_sha256", lambda name: "of other weights")
    seen.append(folders())
    assert [len(names) for names in seen] == list(range(1, len(seen) + 1))


@needs_weights
def test_teacher_and_student_are_never_given_one_anothers_maps(ixmas, tmp_path):
    frozen = replace(RECIPE, frames=8, frozen="Mixed_4f", views=2, zoom=0.7)
    store = Store(tmp_path / "records")
    low = student(
        source="bicubic", super_resolution=None, teacher=None, distillation=None, recipe=frozen, backbone="i3d"
    )
    seen, taught = (stream_of(one, store=store) for one in (low, teacher(recipe=frozen, backbone="i3d")))
    _, fold = fold_of(low.data)
    assert not np.array_equal(seen.maps[fold.train[0], 0], taught.maps[fold.train[0], 0])
    for clip in fold.train:
        assert all(seen.maps[clip, number].any() for number in range(2)), "every view that training may draw is there"
    assert all(seen.maps[clip, number].any() for clip in fold.test for number in (2, 3))
    drawn = np.concatenate(
        [
            draw.views
            for seed in range(20)
            for draw in training_draws(seen, fold.train, recipe=frozen, generator=np.random.default_rng(seed))
        ]
    )
    assert set(drawn) == {0, 1}, "never a view that is for testing"
