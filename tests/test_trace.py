"""Each record is on the page of runs, with a file that exists and a command that the command line takes."""

import csv
import re
import shlex

import pytest
from made_up import make_record, write_records

from lrar import cli, tables, trace
from lrar.chapters import write_runs
from lrar.records import Store
from lrar.replay import existing
from lrar.studies import rows_of


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    root = folder / "records"
    write_records(root, {"plain": 6, "attention_transfer": 9}, folds=3)
    runs = existing("ixmas6", profile="full", records=root)
    return trace.write_runs_page(runs, root=root, folder=folder / "chapters" / "ixmas6"), root


def test_runs_under_another_protocol_have_sections_of_their_own(tmp_path):
    write_records(tmp_path / "records", {"plain": 6}, folds=1)
    made = [
        Store(tmp_path / "records").write(make_record("plain", "rgb", draw, protocol="random")) for draw in range(2)
    ]
    write_runs(
        tmp_path / "chapters", parameters={"dataset": "ixmas6", "profile": "full", "records": tmp_path / "records"}
    )
    text = (tmp_path / "chapters" / "runs.md").read_text()
    actor, random = text.split("(runs-ixmas6-random-plain)=")
    assert actor.count("plain-rgb-fold0-seed0-") == 2 and all(path.name not in actor for path in made)
    assert all(f"records/ixmas6/full/{path.name}>" in random for path in made)
    assert "## plain (bicubic), random clips" in random
    assert "lrar study full --dataset ixmas6 --protocol random --rows plain" in random
    assert "2 of 30 runs exist" in random


def test_each_record_is_listed_with_its_file(page):
    path, root = page
    linked = re.findall(r"\{download\}`\S+ <(\S+)>`", path.read_text())
    files = {(path.parent / address).resolve() for address in linked if address.endswith(".json")}
    assert files == {file.resolve() for file in root.glob("*/*/*.json")}
    assert len(files) == 15, "three networks, twelve runs"


def test_each_row_has_a_section(page):
    text = page[0].read_text()
    for row in (*rows_of("ixmas6"), "own"):
        assert f"({trace.anchor('ixmas6', row)})=" in text
    assert "large_full" not in text and "sr8" not in text, "they are rows of HMDB alone"
    assert "Every run of attention transfer." in text
    assert "Every run of ESPCN." not in text, "it has no run"
    assert text.count("9\u00a0of\u00a012") == 6


def test_anchors_are_what_the_pages_make_of_them():
    assert trace.anchor("ixmas6", "attention_transfer") == "runs-ixmas6-attention-transfer"
    assert trace.beside_chapter("folder-my-clips")("sr") == "runs.html#runs-folder-my-clips-sr"
    # What is left of a name when all else is taken out may be that of another.
    names = ("folder-видео", "folder-фото", "folder-My Clips", "folder-my_clips", "folder-my-clips")
    anchors = {trace.anchor(name, "plain") for name in names}
    assert len(anchors) == len(names) and all(re.fullmatch("[a-z0-9-]+", anchor) for anchor in anchors)


def test_the_commands_are_good(page):
    commands = re.findall(r"lrar (?:study|run|audit) -{0,2}\w[^`\n]*", page[0].read_text())
    wanted = {"study": len(rows_of("ixmas6")) + 1, "run": 2 + 15, "audit": 2}
    parsed = [cli.parser().parse_args(shlex.split(command)[1:]) for command in commands]
    assert {name: sum(f" {name} " in command[:12] for command in commands) for name in wanted} == wanted
    again = [each for each in parsed if getattr(each, "row", None) == "attention_transfer"]
    assert {(each.stream, each.fold, each.seed) for each in again} == {
        (s, f, 0) for s in ("rgb", "flow") for f in range(3)
    }


def test_its_runs_can_be_downloaded(page):
    with open(page[0].with_name("results.csv"), newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 18, "the fused ones too"
    assert {line["row"] for line in lines} == {"plain", "attention_transfer"}


def test_a_data_set_without_runs_has_a_page_too(tmp_path):
    runs = existing("ixmas6", profile="quick", records=tmp_path)
    text = trace.write_runs_page(runs, root=tmp_path, folder=tmp_path / "chapters").read_text()
    assert "lrar study full --dataset ixmas6 --profile quick --rows plain" in text
    assert "Machines" not in text


def test_a_network_that_enlarges_by_8_goes_with_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    for row in ("own", "own8"):
        Store(tmp_path).write(make_record(row, "network", 1, dataset="hmdb21"))
    runs, without = (
        existing("hmdb21", profile="full", records=tmp_path, rows=rows) for rows in (("sr", "sr8"), ("sr", "joint"))
    )
    assert [record.row for record in without.records] == ["own"]
    commands = {record.row: trace.run_command(runs, record) for record in runs.records}
    assert commands == {
        network: f"lrar run {row} --dataset hmdb21 --fold 1 --records again"
        for network, row in (("own", "sr"), ("own8", "sr8"))
    }
    assert [line[0] for line in tables.cost(runs).body] == ["our SR network", "our SR network, x8"]
