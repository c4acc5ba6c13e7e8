"""What the explorer shows is what the networks saw and said."""

import dataclasses

import cv2
import numpy as np
import pytest
import small_experiments
import torch

from lrar import explorer
from lrar.degrade import downsample
from lrar.experiment import identity
from lrar.pooling import fused_records
from lrar.recognizer import fuse
from lrar.records import Record, Store
from lrar.replay import Runs
from lrar.running import fold_of, load_data, run, trained_recognizer
from lrar.streams import Stream
from lrar.studies import STREAMS
from lrar.training import evaluate
from lrar.weights import I3D_FILE, check


@dataclasses.dataclass(frozen=True)
class Trained:
    """Small networks that were trained for real, and what the explorer makes of them."""

    root: object
    runs: Runs
    records: dict[tuple[str, str], Record]
    networks: dict[tuple[str, str], explorer.Trained]


@pytest.fixture(scope="module")
def trained(tiny_data, tmp_path_factory) -> Trained:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRAR_DATA", str(tiny_data))
        patch.setenv("LRAR_CACHE", str(tmp_path_factory.mktemp("cache")))
        load_data.cache_clear()
        root = tmp_path_factory.mktemp("records")
        records = []
        for stream in STREAMS:
            plain = small_experiments.student(
                stream=stream,
                source="bicubic",
                super_resolution=None,
                attention="mean",
                teacher=None,
                distillation=None,
            )
            full = small_experiments.student(stream=stream)
            for row, experiment in {"plain": plain, "teacher": full.teacher, "full": full}.items():
                records.append(run(experiment, store=Store(root), study="full", row=row))
        runs = Runs(
            dataset="ixmas6", profile="quick", protocol="actor", rows=explorer.ROWS, folds=3, records=tuple(records)
        )
        chosen = explorer.chosen_records(runs)
        clips = explorer.chosen_clips(small_experiments.student())
        yield Trained(root, runs, chosen, explorer.trained(chosen, store=Store(root), clips=clips))
        load_data.cache_clear()


@pytest.fixture(scope="module")
def clip(trained) -> int:
    return explorer.chosen_clips(small_experiments.student())[1]


def test_it_shows_nothing_unless_all_networks_are_there(trained):
    assert set(trained.records) == {(row, stream) for row in explorer.ROWS for stream in STREAMS}
    for left_out in trained.runs.records:
        records = tuple(record for record in trained.runs.records if record is not left_out)
        assert explorer.chosen_records(dataclasses.replace(trained.runs, records=records)) == {}


def test_its_clips_are_the_first_of_each_class_that_no_network_has_trained_on(trained):
    videos, fold = fold_of(small_experiments.DATA)
    clips = explorer.chosen_clips(small_experiments.student())
    assert set(clips) <= set(fold.test.tolist()) and not set(clips) & set(fold.train.tolist())
    assert videos.labels[clips].tolist() == [0, 1, 2]
    for chosen in clips:
        same = [i for i in fold.test if videos.labels[i] == videos.labels[chosen]]
        assert chosen == min(same)


@pytest.mark.parametrize("length", [2, 3, 10, 24, 47, 200])
def test_a_clip_grows_to_its_whole_length(length):
    seen = explorer.ends(length)
    assert len(seen) == explorer.MOMENTS
    assert seen[0] >= 2 and seen[-1] == length
    assert (np.diff(seen) >= 0).all()


def test_lr_frames_are_what_the_downsampler_makes(trained, clip):
    video = fold_of(small_experiments.DATA)[0][clip]  # (10, 32, 24, 1)
    seen = explorer.ends(len(video))
    views = explorer.views(video, trained.networks, clip, seen)
    high = torch.from_numpy(np.array(video)).permute(0, 3, 1, 2) / 255
    low = (downsample(high) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    assert views["lr"].shape == (explorer.MOMENTS, 8, 6, 1)
    assert np.array_equal(views["lr"], low[seen - 1])
    assert np.array_equal(views["hr"], video[seen - 1])
    smooth = [cv2.resize(frame, (24, 32), interpolation=cv2.INTER_CUBIC) for frame in low[seen - 1]]
    assert np.abs(views["bicubic"][..., 0].astype(int) - smooth).max() <= 1
    assert not np.array_equal(views["sr"], views["bicubic"])
    assert views["flow"].shape == (explorer.MOMENTS, 32, 24, 3)


def test_last_answers_are_those_of_the_records(trained, clip):
    videos, _ = fold_of(small_experiments.DATA)
    last = {
        row: values[-1]
        for row, values in explorer.answers(trained.networks, clip, explorer.ends(len(videos[clip]))).items()
    }
    for record in fused_records(trained.records.values()):
        position = record.clips.index(videos.clip_set.clips[clip].name)
        assert last[record.row] == pytest.approx(record.probabilities[position], abs=1e-4)


def test_an_answer_knows_nothing_of_what_comes_later(trained, clip):
    """The same as evaluating a video that ends there."""
    seen = explorer.ends(10)
    found = explorer.answers(trained.networks, clip, seen)["teacher"]
    for moment in (0, 9, 17):
        cut = []
        for stream in STREAMS:
            network = trained.networks["teacher", stream]
            frames = np.array(network.stream[clip][: seen[moment] - (stream == "flow")])
            alone = Stream(frames=frames, starts=np.array([0]), lengths=np.array([len(frames)]))
            cut.append(evaluate(network.model, alone, np.array([0]), recipe=network.experiment.recipe)[0])
        assert found[moment] == pytest.approx((cut[0] + cut[1]) / 2, abs=1e-4)
    assert np.abs(found[0] - found[-1]).max() > 1e-4, "answers change as the clip goes on"


@pytest.mark.skipif(check()[I3D_FILE] == "missing", reason="no I3D weights here: `lrar weights get`")
def test_networks_above_frozen_blocks_and_frames_of_other_sizes(ixmas, tmp_path):
    store = Store(tmp_path / "records")
    recipe = dataclasses.replace(small_experiments.RECIPE, frames=8, frozen="Mixed_4f", views=1, zoom=0.7)
    data = dataclasses.replace(small_experiments.DATA, shrink=8)
    networks, records = {}, {}
    for stream in STREAMS:
        experiment = small_experiments.teacher(data, stream=stream, recipe=recipe, backbone="i3d", rows=16)
        records[stream] = run(experiment, store=store)
        clip = explorer.chosen_clips(experiment)[0]
        model, seen = trained_recognizer(experiment, store=store, clips=[clip])
        networks |= {
            (row, stream): explorer.Trained(experiment=experiment, model=model, stream=seen) for row in explorer.ROWS
        }
    videos, _ = fold_of(data)
    seen = explorer.ends(len(videos[clip]))

    answers = explorer.answers(networks, clip, seen)["full"]
    position = records["rgb"].clips.index(videos.clip_set.clips[clip].name)
    recorded = fuse(*(np.array(records[stream].probabilities[position]) for stream in STREAMS))
    assert answers[-1] == pytest.approx(recorded, abs=1e-3)
    assert np.abs(answers[0] - answers[-1]).max() > 1e-3, "answers change as the clip goes on"

    sizes = {name: frames.shape[1:3] for name, frames in explorer.views(videos[clip], networks, clip, seen).items()}
    assert sizes == {"hr": (16, 12), "lr": (4, 3), "bicubic": (16, 12), "sr": (16, 12), "flow": (16, 12)}
    colours, peaks = explorer.attention(networks["full", "flow"], clip)
    assert len(colours) == len(peaks) == 1 + 4


def test_attention_is_coloured_by_what_each_place_receives(trained, clip):
    colours, peaks = explorer.attention(trained.networks["full", "rgb"], clip)
    heads, steps, rows, columns, channels = colours.shape
    assert (heads, channels) == (1 + 4, 3) and (steps, rows, columns) == trained.networks[
        "full", "rgb"
    ].model.attention.shape
    assert len(peaks) == heads and min(peaks) >= 1, "something gets at least what all would get"
    yellow = colours[..., :2].astype(int).sum(-1) - colours[..., 2]
    assert (yellow.reshape(heads, -1).max(1) > 300).all(), "each map has its brightest place"


def test_the_networks_are_those_of_the_records(trained):
    for key, network in trained.networks.items():
        assert identity(network.experiment) == trained.records[key].id
