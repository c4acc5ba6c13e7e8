"""The command: bad input is one line with the remedy and exit code 2, and every help page has an example that holds."""

import argparse
import csv
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import render, write_video
from made_up import write_records

from lrar import commands, distributed, provenance, vouching
from lrar.cli import main, parser
from lrar.clips import DataError
from lrar.records import Store
from lrar.running import load_data
from lrar.vouching import older_than_code

QUICK = ("--dataset", "ixmas6", "--profile", "quick")


def call(capsys, *arguments) -> tuple[int, str, list[str]]:
    """Exit code, what was printed, and the lines of complaint."""
    try:
        code = main(list(map(str, arguments)))
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err.splitlines()


def complaint(capsys, *arguments) -> str:
    """The one line that a command with bad input leaves."""
    code, out, lines = call(capsys, *arguments)
    assert code == 2, (code, out, lines)
    assert len(lines) == 1, lines
    assert "Traceback" not in out
    return lines[0]


@pytest.fixture
def folder(tmp_path, cache):
    """A good folder of class folders."""
    for label, name in enumerate(("run", "jump")):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for actor, person in enumerate(("anna", "bob")):
            video = np.repeat(np.repeat(render(action=label, actor=actor), 2, axis=1), 2, axis=2)
            write_video(tmp_path / "mine" / name / f"{person}_{name}.avi", video)
    load_data.cache_clear()
    yield tmp_path / "mine"
    load_data.cache_clear()


def add_bad_file(folder, kind: str):
    path = folder / "run" / "carl_run.avi"
    noise = np.random.default_rng(0).integers(0, 255, (10, 64, 48), np.uint8)
    if kind == "truncated":
        content = write_video(path, noise).read_bytes()
        path.write_bytes(content[: len(content) * 2 // 3])
    elif kind == "one frame":
        write_video(path, noise[:1])
    elif kind == "text":
        path.write_text("no video\n" * 100)
    else:
        path.touch()
    return path


COMMANDS = [
    ("data", "check", "{}"),
    ("data", "prepare", "{}"),
    ("study", "full", "--dataset", "{}", "--profile", "quick", "--workers", "1"),
    ("run", "plain", "--dataset", "{}", "--profile", "quick"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
@pytest.mark.parametrize("kind", ["truncated", "one frame", "text", "empty"])
def test_a_bad_video_is_named(capsys, folder, tmp_path, trainings, command, kind):
    path = add_bad_file(folder, kind)
    records = ("--records", tmp_path / "records") if command[0] in ("study", "run") else ()
    line = complaint(capsys, *(part.format(folder) for part in command), *records)
    assert str(path) in line
    assert re.search(r"\. (Copy it again|Remove)", line)
    assert trainings == []
    assert not list(tmp_path.glob("cache/videos/*/frames.u8"))
    assert not list((tmp_path / "records").rglob("*.json"))


def test_check_lists_everything_that_is_wrong(capsys, folder):
    paths = [
        add_bad_file(folder, "text"),
        write_video(folder / "jump" / "carl_jump.avi", np.zeros((1, 64, 48), np.uint8)),
    ]
    code, _, lines = call(capsys, "data", "check", folder)
    assert code == 2
    assert len(lines) == 2
    assert all(any(str(path) in line for line in lines) for path in paths)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_a_wrong_path_and_an_empty_folder_are_named(capsys, tmp_path, cache, command):
    records = ("--records", tmp_path / "records") if command[0] in ("study", "run") else ()
    (tmp_path / "empty").mkdir()
    for name, fault in (("nowhere", "no such folder"), ("empty", "0 class folder(s)")):
        line = complaint(capsys, *(part.format(tmp_path / name) for part in command), *records)
        assert str(tmp_path / name) in line
        assert fault in line
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("study width", ("width: no such study", "Known: full")),
        ("study full --rows magic", ("magic: no such row in study full", "Known: teacher")),
        ("study full --rows joint", ("joint: no such row in study full", "Known: teacher")),
        ("study full --dataset ucf101", ("ucf101: no such data set", "Known: synthetic")),
        ("study full --protocol magic", ("magic: no such protocol", "Known: actor", "official")),
        ("study full --profile huge", ("huge", "quick", "full")),
        ("study full --folds -1", ("--folds", "-1")),
        ("study full --workers 0", ("--workers", "0")),
        ("study full --workers none", ("none", "workers")),
        ("run magic", ("magic: no such row", "Known: teacher")),
        ("run plain --fold 99", ("fold 99", "Folds")),
        ("run plain --fold -1", ("--fold", "-1")),
        ("run plain --seed -1", ("--seed", "-1")),
        ("run plain --stream depth", ("depth", "rgb", "flow")),
        ("data check ucf101", ("ucf101: no such data set", "Known: synthetic")),
        ("audit", ("no records",)),
        ("records", ("no such folder",)),
        ("records --write", ("no such folder",)),
        ("dance", ("dance", "study")),
        ("", ("COMMAND",)),
    ],
)
def test_unknown_names(capsys, ixmas, tmp_path, trainings, arguments, parts):
    words = arguments.split()
    if words[:1] in (["study"], ["run"]):
        words += [] if "--dataset" in words else ["--dataset", "ixmas6"]
        words += [] if "--profile" in words else ["--profile", "quick"]
    if words[:1] in (["study"], ["run"], ["audit"], ["records"]):
        words += ["--records", str(tmp_path / "records")]
    line = complaint(capsys, *words)
    assert all(part in line for part in parts), line
    assert trainings == []


def subcommands(of: argparse.ArgumentParser):
    """Every command that does something, with its parser."""
    inner = [action for action in of._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield of
    for action in inner:
        for made in action.choices.values():
            yield from subcommands(made)


@pytest.mark.parametrize("command", list(subcommands(parser())), ids=lambda command: command.prog)
def test_each_help_has_an_example_that_holds(capsys, command):
    words = command.prog.split()[1:]
    code, out, _ = call(capsys, *words, "--help")
    assert code == 0
    example = re.search(r"example: lrar (.+)", out)[1]
    assert example.split()[: len(words)] == words
    assert callable(parser().parse_args(shlex.split(example)).action)


def test_data_that_is_good(capsys, folder, ixmas):
    code, out, lines = call(capsys, "data", "check", folder)
    assert (code, lines) == (0, [])
    assert "folder-mine: 4 clips, all of them good\n2 groups (" in out
    code, out, lines = call(capsys, "data", "prepare", "ixmas6")
    assert (code, lines) == (0, [])
    assert "ixmas6: 18 clips, 180 frames, 3 classes, 3 groups" in out


def test_a_colon_in_a_folder_s_name(capsys, folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "my:videos")
    monkeypatch.chdir(tmp_path)
    assert call(capsys, "data", "check", "my:videos/")[0] == 0


def test_study_then_index_then_audit(capsys, ixmas, tmp_path, trainings):
    records = ("--records", tmp_path / "records")
    study = ("study", "full", *QUICK, "--rows", "plain,teacher", "--workers", "1", *records)
    code, out, lines = call(capsys, *study)
    assert (code, lines) == (0, [])
    assert "4 runs" in out
    assert re.search(r"4/4 +\w+ \w+ fold 0 seed 0: \d+\.\d %", out)
    assert len(trainings) == 4
    assert call(capsys, *study)[0] == 0
    assert len(trainings) == 4

    code, out, lines = call(capsys, "records", *records)
    assert (code, lines) == (0, [])
    assert out == "4 records, 0 not as in the manifest, 0 older than the code\n"

    code, out, lines = call(capsys, "audit", "--sample", "2", "--seed", "1", *records)
    assert (code, lines) == (0, [])
    assert len(re.findall(r"recorded (\d) of 3, now \1", out)) == 2
    assert len(trainings) == 6  # from nothing, in a cache of its own

    identity = next((tmp_path / "records").glob("*/*/plain-flow-*.json")).stem.rsplit("-", 1)[-1]
    code, out, lines = call(capsys, "audit", "--sample", "2", "--experiment", identity, *records)
    assert (code, lines) == (0, [])
    assert "plain flow fold 0" in out
    assert len(out.splitlines()) == 1
    line = complaint(capsys, "audit", "--experiment", "f00", *records)
    assert "no records whose hash begins with f00" in line
    assert line.endswith("Check the folder, --dataset and --experiment.")

    path = next((tmp_path / "records").glob("*/*/*.json"))
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"labels": [(label + 1) % 3 for label in content["labels"]]}))
    code, out, lines = call(capsys, "records", *records)
    assert code == 1
    assert len(lines) == 1
    assert path.name in lines[0]
    assert "1 not as in the manifest" in out


def test_audit_notices_a_record_that_is_not_real(capsys, ixmas, tmp_path, trainings):
    records = ("--records", tmp_path / "records")
    assert call(capsys, "run", "plain", *QUICK, *records)[0] == 0
    (path,) = (tmp_path / "records").glob("*/*/*.json")
    content = json.loads(path.read_text())
    codes = set()
    for turn in (0, 1):  # all clips right, all clips wrong: one of them is not what training gives
        probabilities = [[float((label + turn) % 3 == c) for c in range(3)] for label in content["labels"]]
        path.write_text(json.dumps(content | {"probabilities": probabilities}))
        code, out, _ = call(capsys, "audit", "--tolerance", "0", *records)
        recorded, now = re.search(r"recorded (\d) of 3, now (\d)", out).groups()
        assert recorded == ("3", "0")[turn]
        assert code == (0 if recorded == now else 1)
        codes.add(code)
    assert 1 in codes


def test_vouching_for_code_that_gives_the_same_results(capsys, ixmas, tmp_path, trainings, monkeypatch):
    package = tmp_path / "lrar"
    shutil.copytree(
        Path(provenance.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors")
    )
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    records = ("--records", tmp_path / "records")
    shown = package / "same_results.json"
    before = shown.read_text()
    vouching.same_results.cache_clear()
    audit = ("audit", "--vouch", *records)
    for stream in ("rgb", "flow"):
        assert call(capsys, "run", "plain", *QUICK, "--stream", stream, *records)[0] == 0
    assert "Nothing needs to be vouched for" in complaint(capsys, *audit)
    try:
        training = package / "training.py"
        training.write_text(training.read_text() + "\nunused = 0\n")
        provenance.code_digest.cache_clear()
        store = Store(tmp_path / "records")
        assert [older_than_code(record) for record in store.records()] == [["training"]] * 2

        paths = sorted((tmp_path / "records").glob("*/*/*.json"))
        genuine = paths[0].read_text()
        content = json.loads(genuine)
        content["probabilities"][0][0] += 0.00001
        paths[0].write_text(json.dumps(content))
        code, out, lines = call(capsys, *audit)
        assert (code, len(lines)) == (1, 1)
        assert "probabilities differ, made by older code (training)" in out
        assert shown.read_text() == before

        paths[0].write_text(genuine)
        code, out, lines = call(capsys, *audit)
        assert (code, lines) == (0, [])
        assert out.count("probabilities the same") == 2
        assert [older_than_code(record) for record in store.records()] == [[], []]
        new = json.loads(shown.read_text())[len(json.loads(before)) :]
        assert sorted(entry["shown_by"] for entry in new) == sorted(record.id for record in store.records())
        assert all(entry["modules"].keys() == {"training"} for entry in new)

        training.write_text(training.read_text() + "\nunused = 1\n")
        provenance.code_digest.cache_clear()
        assert older_than_code(store.records()[0]) == ["training"], "what was shown holds for that code alone"
        monkeypatch.setenv("LRAR_DATA", str(tmp_path / "nowhere"))
        assert "older than the code, of data that is on this machine. Set LRAR_DATA" in complaint(capsys, *audit)
    finally:
        provenance.code_digest.cache_clear()
        vouching.same_results.cache_clear()


def test_a_study_prints_its_own_profile_and_protocol(capsys, ixmas, tmp_path, trainings):
    """Runs of another protocol in the same store say nothing about this one."""
    study = ("study", "full", *QUICK, "--rows", "plain", "--workers", "1", "--records", tmp_path / "records")
    for protocol in ("actor", "random"):
        code, out, _ = call(capsys, *study, "--protocol", protocol)
        assert code == 0
        lines = [line.split() for line in out.splitlines() if line.split()[:2] == ["plain", "rgb"]]
        assert [line[-3:] for line in lines] == [["1", "1", "3"]], protocol  # folds, seeds, clips


def test_a_row_without_its_weights(capsys, ixmas, tmp_path, trainings, monkeypatch):
    monkeypatch.setenv("LRAR_WEIGHTS", str(tmp_path))
    records = ("--records", tmp_path / "records")
    for command in (("study", "super_resolution", "--rows", "espcn"), ("run", "espcn")):
        line = complaint(capsys, *command, *QUICK, *records)
        assert str(tmp_path / "espcn_x4.safetensors") in line
        assert "missing" in line


def test_a_row_without_that_stream(capsys):
    line = complaint(capsys, "run", "large_plain", "--dataset", "hmdb21", "--stream", "flow")
    assert line.endswith("large_plain has no flow stream. Take one it has: --stream rgb.")


def test_records_without_a_manifest(capsys, tmp_path):
    assert "no manifest. Run a study" in complaint(capsys, "records", "--records", tmp_path)
    (tmp_path / "manifest.json").write_text("<<<<<<< ours\n{}\n")
    assert "cannot be read" in (line := complaint(capsys, "records", "--records", tmp_path))
    assert line.endswith("lrar records --write.")


def test_records_without_the_packages_of_the_book(capsys, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "lrar.freshness", raising=False)
    monkeypatch.setitem(sys.modules, "nbformat", None)
    assert "pip install 'lrar[book]'" in complaint(capsys, "records", "--records", tmp_path)


def test_one_run(capsys, ixmas, tmp_path, trainings):
    records = ("--records", tmp_path / "records")
    code, out, lines = call(capsys, "run", "plain", *QUICK, "--stream", "flow", "--seed", "7", *records)
    assert (code, lines) == (0, [])
    assert re.match(r"plain flow fold 0 \(alba\) seed 7: \d of 3 clips", out)
    (record,) = Store(tmp_path / "records").records()
    assert (record.row, record.stream, record.seed) == ("plain", "flow", 7)
    assert str(Store(tmp_path / "records").path(record)) in out


def test_audit_of_changed_clips(capsys, ixmas, tmp_path, trainings, monkeypatch):
    """A copy in other files is compared, and the line says so; other clips are refused before anything is trained."""
    shutil.copytree(ixmas, tmp_path / "data" / "ixmas")
    monkeypatch.setenv("LRAR_DATA", str(tmp_path / "data"))
    load_data.cache_clear()
    records = ("--records", tmp_path / "records")
    call(capsys, "run", "plain", *QUICK, *records)
    clips = tmp_path / "data" / "ixmas"
    shutil.copy(min(clips.glob("amel1_07_*")), min(clips.glob("alba1_07_*")))
    load_data.cache_clear()
    _, out, _ = call(capsys, "audit", "--tolerance", "3", *records)
    assert out.splitlines()[-1].endswith(", from other files of the same clips")
    assert len(trainings) == 2
    monkeypatch.setattr("lrar.auditing.to_be_shown", list)
    monkeypatch.setattr("lrar.auditing.older_than_code", lambda record: ["training"])
    assert "its clips have changed since, so it shows nothing" in complaint(capsys, "audit", "--vouch", *records)
    min(clips.glob("alba1_07_*")).unlink()
    load_data.cache_clear()
    assert "its fold has other clips now" in complaint(capsys, "audit", *records)
    assert len(trainings) == 2
    load_data.cache_clear()


def test_variables_hold_from_any_folder(capsys, folder, tmp_path, monkeypatch):
    """Notebooks run in a folder of their own, where a relative path leads elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRAR_DATA", ".")
    monkeypatch.setenv("LRAR_CACHE", "kept")
    assert call(capsys, "data", "prepare", "folder-mine")[0] == 0
    assert (os.environ["LRAR_DATA"], os.environ["LRAR_CACHE"]) == (str(tmp_path), str(tmp_path / "kept"))


@pytest.mark.parametrize(
    "name, instructions", [("AMD EPYC", "AVX512"), ("Intel(R) Xeon(R)", "AVX2")], ids=["instructions", "make"]
)
def test_audit_on_another_processor_says_so(capsys, ixmas, tmp_path, trainings, monkeypatch, name, instructions):
    records = ("--records", tmp_path / "records")
    monkeypatch.setattr(provenance, "processor", lambda: "AMD EPYC")
    monkeypatch.setattr(provenance, "instructions", lambda: "AVX2")
    assert call(capsys, "run", "plain", *QUICK, *records)[0] == 0
    assert "another processor" not in call(capsys, "audit", *records)[1]
    monkeypatch.setattr(provenance, "processor", lambda: name)
    monkeypatch.setattr(provenance, "instructions", lambda: instructions)
    code, out, _ = call(capsys, "audit", *records)
    assert code == 0 and f"on another processor (AMD EPYC, AVX2 then, {name}, {instructions} now)" in out


def test_audit_without_the_clips(capsys, ixmas, tmp_path, trainings, monkeypatch):
    records = ("--records", tmp_path / "records")
    call(capsys, "run", "plain", *QUICK, *records)
    monkeypatch.setenv("LRAR_DATA", str(tmp_path / "nothing"))
    code, out, lines = call(capsys, "audit", *records)
    assert code == 2
    assert "ixmas6: not audited" in out
    assert len(lines) == 1
    assert "LRAR_DATA" in lines[0]


def test_interruption_is_no_traceback(capsys, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "weights_check", interrupted)
    code, _, lines = call(capsys, "weights", "check")
    assert code == 130
    assert len(lines) == 1


def test_errors_of_weights(capsys, monkeypatch, tmp_path):
    def unreachable(_):
        raise DataError("i3d.tar.gz: pip could not download it. Check the network.")

    monkeypatch.setattr(commands, "get_i3d", unreachable)
    monkeypatch.setenv("LRAR_WEIGHTS", str(tmp_path))
    assert complaint(capsys, "weights", "get").startswith("lrar: i3d.tar.gz")
    code, out, lines = call(capsys, "weights", "check")
    assert (code, lines) == (2, [])
    assert out.count("missing") == 3


def test_the_index_of_other_records_leaves_the_readme_alone(capsys, tmp_path, monkeypatch):
    """It tells of the committed records."""
    told = []
    monkeypatch.setattr("lrar.readme.update_readme", told.append)
    write_records(tmp_path, {"plain": 6}, folds=1)
    call(capsys, "records", "--write", "--records", tmp_path)
    assert (tmp_path / "manifest.json").exists()
    assert told == []
    monkeypatch.setattr("lrar.commands.COMMITTED", tmp_path)
    call(capsys, "records", "--write", "--records", tmp_path)
    assert told == [tmp_path]


def test_audit_uses_nothing_that_was_trained_before(capsys, ixmas, tmp_path, trainings):
    records = ("--records", tmp_path / "records")
    assert call(capsys, "run", "full", *QUICK, *records)[0] == 0
    (path,) = (tmp_path / "records").glob("*/full/full-*.json")
    trainings.clear()
    assert call(capsys, "audit", "--experiment", path.stem.rsplit("-", 1)[-1], *records)[0] == 0
    assert sorted(training.kind for training in trainings) == ["recognizer", "recognizer", "super_resolution"]


def test_a_record_that_was_taken_away_or_put_in_is_named(capsys, ixmas, tmp_path, trainings):
    records = ("--records", tmp_path / "records")
    assert call(capsys, "run", "plain", *QUICK, *records)[0] == 0
    (path,) = (tmp_path / "records").glob("*/*/*.json")
    added = path.with_name(f"added-{path.name}")
    shutil.copy(path, added)
    code, _, lines = call(capsys, "records", *records)
    assert code == 1 and len(lines) == 1 and added.name in lines[0]
    added.unlink()
    path.unlink()
    code, _, lines = call(capsys, "records", *records)
    assert code == 1 and len(lines) == 1 and path.name in lines[0]


def test_check_names_frames_of_odd_and_of_other_sizes(capsys, ixmas, tmp_path, monkeypatch):
    folder = tmp_path / "data" / "ixmas"
    shutil.copytree(ixmas, folder)
    odd = write_video(folder / "alba2_07_walk_cam0_frames_0101_0110.avi", render(action=0, actor=0)[:, :31, :23])
    monkeypatch.setenv("LRAR_DATA", str(folder.parent))
    code, _, lines = call(capsys, "data", "check", "ixmas6")
    assert code == 2 and len(lines) == 2
    assert str(odd) in lines[0] and "31x23 frames do not divide by 4" in lines[0]
    assert "several frame sizes (1 of 31x23, 18 of 32x24)" in lines[1]


def test_a_study_of_changed_clips_shows_those_alone(capsys, ixmas, tmp_path, monkeypatch, trainings):
    """The older records are kept; pooled with the new ones they would end the study with a complaint."""
    shutil.copytree(ixmas, tmp_path / "data" / "ixmas")
    monkeypatch.setenv("LRAR_DATA", str(tmp_path / "data"))
    command = ("study", "full", *QUICK, "--rows", "plain", "--workers", 1, "--records", tmp_path / "records")
    for changed in (False, True):
        if changed:
            clips = tmp_path / "data" / "ixmas"
            shutil.copy(min(clips.glob("amel1_07_*")), min(clips.glob("alba1_07_*")))
        load_data.cache_clear()
        code, out, lines = call(capsys, *command)
        assert (code, lines) == (0, []), lines
        assert "plain" in out
    assert len(list((tmp_path / "records").glob("*/full/*.json"))) == 4
    with open(tmp_path / "records" / "results.csv") as file:
        listed = list(csv.DictReader(file))
    assert len({(row["stream"], row["fingerprint"]) for row in listed}) == len(listed) == 6, (
        "before and after, each by itself"
    )
    load_data.cache_clear()


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (FileExistsError(17, "File exists", "/a/place"), "lrar: /a/place: File exists. Check the path"),
        (torch.OutOfMemoryError("CUDA out of memory."), "fewer at once (--workers)"),
    ],
)
def test_what_the_system_refuses_is_no_traceback(capsys, monkeypatch, error, part):
    def refused(_):
        raise error

    monkeypatch.setattr(commands, "weights_check", refused)
    assert part in complaint(capsys, "weights", "check")


def test_what_several_processes_do_not_share(capsys, monkeypatch):
    monkeypatch.setattr(distributed, "count", lambda: 2)
    assert "without torchrun" in complaint(capsys, "audit", "--sample", "1")


def test_world_size_alone_starts_nothing(capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "WORLD_SIZE is set and RANK is not" in complaint(capsys, "weights", "check")


def test_the_book_without_its_packages(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "papermill", None)
    for name in [name for name in sys.modules if name in ("lrar.book", "lrar.chapters", "lrar.notebooks")]:
        monkeypatch.delitem(sys.modules, name)
    assert "papermill is not installed. Install it: pip install 'lrar[book]'" in complaint(capsys, "book")


def test_as_many_seeds_and_folds_as_are_asked_for(capsys, ixmas, tmp_path, trainings):
    study = ("study", "full", "--dataset", "ixmas6", "--rows", "plain", "--seeds", 2, "--folds", 1, "--workers", 1)
    assert call(capsys, *study, "--records", tmp_path)[0] == 0
    assert {(record.fold, record.seed) for record in Store(tmp_path).records()} == {(0, 0), (0, 1)}
