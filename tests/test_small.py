"""The shipped student: one graph that answers as the recorded pipeline does, and files that hold what they say."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import names_file_and_remedy
from safetensors.torch import save_file

from lrar import small, small_study
from lrar.clips import DataError
from lrar.datasets import available
from lrar.draws import cut, segment_times, test_draws
from lrar.experiment import Data, Recipe, from_dict, identity
from lrar.records import COMMITTED, Store
from lrar.running import fold_of, trained_recognizer
from lrar.small import SHIPPED, Answer, load_student, moments, read
from lrar.small_study import STREAMS, answers, make_student, student

DATA = Data(dataset="ixmas6", fold=1)
BRIEF = Recipe(epochs=12, batch=4, bfloat16=False)


def test_moments_are_the_centres_of_the_pairs():
    for length in (1, 2, 5, 17, 40, 281):
        chosen = moments(length)
        assert chosen.shape == (16, 4)
        assert chosen.min() >= 0 and chosen.max() <= length - 1
        assert (np.diff(chosen, axis=1) >= 0).all()
        if length > 4:
            assert chosen[:, 1].tolist() == segment_times(length - 1, count=16).tolist()
            assert (chosen[:, 2] - chosen[:, 1] == 1).all()
    assert moments(20)[0].tolist() == [0, 0, 1, 2], "the first frame is its own neighbour"


def test_what_is_read_is_what_the_clip_has():
    low = np.random.default_rng(0).integers(0, 256, (30, 16, 12, 1), np.uint8)
    seen = read(low)
    assert seen.shape == (1, 16, 4, 1, 16, 12)
    assert torch.equal((seen[0, 5, 1] * 255).round().byte()[0], torch.from_numpy(low[moments(30)[5, 1], ..., 0]))


@pytest.fixture
def made(ixmas, tmp_path, one_thread):
    """A student trained for a moment on the tiny videos: its file and the store of its parts."""
    store = Store(tmp_path / "records")
    lines = []
    path = make_student(DATA, store=store, recipe=BRIEF, folder=tmp_path, say=lines.append)
    return path, store, lines


def test_a_student_answers_as_the_recorded_pipeline(made):
    path, store, lines = made
    rows = sorted((record.row, record.stream) for record in store.records() if record.study == "small")
    both = [(row, stream) for row in ("small", "small-teacher") for stream in ("difference", "rgb")]
    assert rows == sorted([*both, ("small-network", "network")])
    model, card = load_student(str(path))
    videos, fold = fold_of(DATA)
    expected = []
    for stream in STREAMS:
        recognizer, frames = trained_recognizer(student(DATA, stream, recipe=BRIEF), store=store)
        if stream == "rgb":  # both streams read the pair of frames at a segment's centre
            frames = dataclasses.replace(frames, lengths=frames.lengths - 1)
        views = [
            recognizer(cut(frames, draw)).logits.softmax(dim=1)
            for draw in test_draws(frames, fold.test, frames=16, batch=4, flip=False)
        ]
        expected.append(torch.cat(views).detach().numpy())
    assert np.ptp(expected, axis=1).max() > 0.05, "the clips get different answers"
    got = answers(model, videos, fold.test)
    assert np.abs(got - np.mean(expected, axis=0)).max() < 1e-3
    assert card.correct == int((got.argmax(axis=1) == videos.labels[fold.test]).sum())
    assert (card.clips, card.held_out, card.classes) == (len(fold.test), fold.name, list(videos.clip_set.classes))
    assert lines[-1].startswith(str(path))
    content = path.read_bytes()
    assert make_student(DATA, store=store, recipe=BRIEF, folder=path.parent, say=str).read_bytes() == content


@pytest.fixture(params=SHIPPED)
def shipped(request):
    return load_student(request.param)


def test_what_it_gives(shipped):
    model, card = shipped
    rows, columns = card.size
    low = torch.rand(3, 16, 4, card.channels, rows, columns)
    with torch.no_grad():
        answer = model(low)
    assert isinstance(answer, Answer)
    assert answer.probabilities.shape == (3, len(card.classes))
    assert answer.maps.shape == (3, 4, 4, 3)
    assert answer.frames.shape == (3, 16, card.channels, 4 * rows, 4 * columns)
    ones = torch.ones(3)
    torch.testing.assert_close(answer.probabilities.sum(dim=1), ones)
    torch.testing.assert_close(answer.maps.sum(dim=(1, 2, 3)), ones)
    assert answer.frames.min() >= 0 and answer.frames.max() <= 1


def test_the_shipped_files_are_small_and_rest_on_records(shipped):
    _, card = shipped
    assert (small.FOLDER / f"{card.dataset}.safetensors").stat().st_size < 2_000_000
    store = Store(COMMITTED)
    records = {part: store.find(identity) for part, identity in card.records.items()}
    for stream in STREAMS:
        assert records[stream].experiment == card.experiments[stream]
        assert identity(from_dict(card.experiments[stream])) == card.records[stream]
    assert records["network"].experiment == card.experiments["rgb"]["super_resolution"]
    # The records are in bfloat16 and average each clip with its mirror image; the file is neither. It costs little.
    both = np.mean([records[stream].probabilities for stream in STREAMS], axis=0)
    recorded = int((both.argmax(axis=1) == np.array(records["rgb"].labels)).sum())
    assert card.clips == len(records["rgb"].labels)
    assert abs(card.correct - recorded) <= 0.05 * card.clips


def test_the_file_gives_what_it_says_of_held_out_clips(shipped):
    model, card = shipped
    if not available(card.dataset):
        pytest.skip(f"the clips of {card.dataset} are not on this machine")
    data = small_study.DATA[card.dataset]
    videos, fold = fold_of(data)
    got = answers(model, videos, fold.test)
    assert int((got.argmax(axis=1) == videos.labels[fold.test]).sum()) == card.correct
    assert fold.name == card.held_out


@pytest.mark.parametrize("content", [None, b"", b"text", "other"])
def test_what_is_no_student_is_named(tmp_path, content):
    path = tmp_path / "mine.safetensors"
    if content == "other":
        save_file({"weight": torch.zeros(2)}, path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as error:
        load_student(str(path))
    assert names_file_and_remedy(error, path)
