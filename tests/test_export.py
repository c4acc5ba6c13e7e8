"""ONNX answers as PyTorch does, on real clips; and the command that writes it."""

import dataclasses
import json
import sys

import numpy as np
import pytest
import torch
from conftest import names_file_and_remedy
from test_cli import call, complaint

from lrar import small, student_commands
from lrar.clips import DataError
from lrar.datasets.synthetic import load_synthetic, render_clip
from lrar.export import OUTPUTS, export_student
from lrar.small import SHIPPED, load_student, read
from lrar.streams import low_resolution, to_video

CLIPS = [clip for clip in load_synthetic().clips if clip.group == "actor0"][::30]


@pytest.fixture(scope="module", params=SHIPPED)
def exported(request, tmp_path_factory):
    model, card = load_student(request.param)
    return model, card, export_student(model, card, tmp_path_factory.mktemp("onnx"))


def compare(model, path, *, tolerance: float) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    assert [output.name for output in session.get_outputs()] == list(OUTPUTS)
    answers = set()
    for clip in CLIPS:
        low = read(to_video(low_resolution(render_clip(clip))))
        with torch.no_grad():
            expected = model(low)
        probabilities, maps, frames = session.run(None, {"low": low.numpy()})
        assert np.abs(probabilities - expected.probabilities.numpy()).max() < tolerance
        assert np.abs(maps - expected.maps.numpy()).max() < tolerance
        off = np.abs(frames - expected.frames.numpy())
        assert off.max() < 1.01 / 255 and (off > 1e-4).mean() < 1e-3
        answers.add(int(probabilities.argmax()))
    assert len(answers) > 1, "the clips get different answers"


def test_onnx_answers_as_pytorch(exported):
    """To 0.001: of the restored pixels that are rounded to 8 bits, a few lie a hair on either side of a half."""
    model, _, (path, _) = exported
    compare(model, path, tolerance=1e-3)


def test_but_for_rounding_it_is_the_same(exported, tmp_path, monkeypatch):
    model, card, _ = exported
    monkeypatch.setattr(small, "quantize", lambda frames: frames.clamp(0, 1))
    path, _ = export_student(model, card, tmp_path)
    compare(model, path, tolerance=1e-5)


def test_what_stands_beside_it(exported):
    _, card, (path, beside) = exported
    assert path.name == f"{card.dataset}.onnx" and path.stat().st_size < 4_000_000
    said = json.loads(beside.read_text())
    assert said == dataclasses.asdict(card)


def test_without_the_packages(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(DataError) as error:
        export_student(*load_student("ixmas6"), tmp_path)
    assert names_file_and_remedy(error, "onnxscript", "pip install")
    assert list(tmp_path.iterdir()) == []


def test_the_command(capsys, tmp_path, monkeypatch):
    code, out, lines = call(capsys, "export", "--student", "ixmas6", "--out", tmp_path)
    assert (code, lines) == (0, [])
    assert out.split() == [str(tmp_path / f"ixmas6.{kind}") for kind in ("onnx", "json")]
    assert sorted(map(str, tmp_path.iterdir())) == sorted(out.split())

    made = []
    monkeypatch.setattr(student_commands, "make_student", lambda data, **_: made.append(data.dataset))
    records = tmp_path / "records"
    arguments = ("--student", "ixmas6", "--retrain", "--records", records, "--out", tmp_path)
    assert call(capsys, "export", *arguments)[0] == 0
    assert made == ["ixmas6"]
    assert json.loads((records / "manifest.json").read_text()) == {}, "what was trained is listed"


def test_bad_arguments(capsys, tmp_path):
    assert "huge: no such student" in complaint(capsys, "export", "--student", "huge", "--out", tmp_path)
    assert "--retrain knows" in complaint(capsys, "export", "--student", "huge", "--retrain", "--out", tmp_path)
