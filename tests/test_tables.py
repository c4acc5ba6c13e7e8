"""Tables say what the records hold, and what they do not hold yet."""

import dataclasses

import numpy as np
import pytest
from made_up import make_record, write_records

from lrar import tables, wording
from lrar.records import Store
from lrar.replay import existing
from lrar.tables import Table


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Ten folds of three rows and three of another, where the clips are not at hand."""
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    write_records(tmp_path, {"plain": 6, "sr": 9}, seeds=3)
    write_records(tmp_path, {"nearest": 6})
    write_records(tmp_path, {"joint": 10}, folds=3, seeds=3)
    return existing("ixmas6", profile="full", records=tmp_path, rows=("plain", "nearest", "sr", "joint", "all"))


def cells(table: Table, *start: str) -> tuple[str, ...]:
    (line,) = [line for line in table.body if line[: len(start)] == start]
    return tuple(cell.replace(tables.FIXED_SPACE, " ") for cell in line[len(start) :])


def test_accuracy(runs):
    table = tables.accuracy(runs)
    assert cells(table, "our SR", "rgb")[:6] == ("75.0", "[75.0, 75.0]", "0.0", "10", "3", "120")
    assert cells(table, "joint attention", "both")[3] == "3 of 10"
    assert len(table.body) == 12, "a row without records has no line"


def test_the_papers_values_get_their_own_column(runs):
    table = tables.accuracy(runs, rows=("plain", "sr"), paper={("sr", "both"): "99.9 (Table 3)"})
    assert table.head[-1] == "the paper's, all classes, %"
    assert cells(table, "our SR", "both")[-1] == "99.9 (Table 3)"
    assert cells(table, "our SR", "flow")[-1] == "–"
    assert cells(table, "plain (bicubic)", "both")[-1] == "–"


def test_differences(runs):
    table = tables.differences(runs, baseline="plain")
    assert cells(table, "our SR", "rgb") == ("+25.0", "[+25.0, +25.0]", "above 0", "30 / 0", "<0.001", "10", "3")
    assert cells(table, "nearest", "flow")[2] == "contains 0"
    assert cells(table, "joint attention", "both")[5] == "3 of 10"


def test_verdicts(runs):
    table = tables.verdicts(runs)
    assert cells(table, "C1: Super resolution helps the student", "both")[0] == "supported"
    assert cells(table, "C3: Spatial-temporal self-attention helps the student", "both")[0] == "so far supported"
    assert table.body[3][2] == "not run yet", "C2 has no student with a teacher"
    assert [line[0][:2] for line in tables.verdicts(runs, claims=("C3",)).body] == ["C3"] * 3


def test_sums(tmp_path, monkeypatch):
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    write_records(tmp_path, {"plain": 6}, folds=2)
    for fold in range(2):
        for seed, right in enumerate((9, 12)):
            Store(tmp_path).write(make_record("sr", "rgb", fold, seed=seed, right=right))
    runs, line = existing("ixmas6", profile="full", records=tmp_path), {"twice": {"sr": 2, "plain": -1}}
    assert cells(tables.sums(runs, line, of="x"), "twice", "rgb")[0] == "+100.0", "2 x 75 - 50"
    assert cells(tables.sums(runs, line, of="x", same_seeds=False), "twice", "rgb")[0] == "+125.0", "2 x 87.5 - 50"


def test_synthetic_numbers_support_no_claim(tmp_path):
    write_records(tmp_path, {"plain": 6, "sr": 9}, seeds=3, dataset="synthetic")
    runs = existing("synthetic", profile="full", records=tmp_path, rows=("plain", "sr"))
    table = tables.verdicts(runs, claims=("C1",))
    assert cells(table, "C1: Super resolution helps the student", "both")[0] == "supported, synthetic"
    assert "support no claim" in table.caption
    for table in (tables.accuracy(runs), tables.differences(runs, baseline="plain"), tables.quality(runs)):
        assert "synthetic" in table.caption


def test_coverage_names_the_command(runs):
    table = tables.coverage(runs)
    assert cells(table, "our SR") == ("30 of 30", "30 of 30", "complete")
    assert cells(table, "joint attention")[0] == "9 of 30"
    assert cells(table, "all three losses")[2] == "`lrar study distillation --dataset ixmas6 --rows all`"
    assert cells(table, "plain (bicubic)")[0] == "30 of 30", "three seeds of headline rows"
    assert cells(table, "nearest")[0] == "10 of 10"


def test_quality(runs):
    table = tables.quality(runs)
    assert cells(table, "our SR") == ("36.00", "+1.50", "+1.50 to +1.50", "0.900", "10")
    assert cells(table, "ESPCN")[0] == "–"


def test_cost(runs):
    assert cells(tables.cost(runs), "our SR") == ("60", "30.0", "30.0")
    assert "abacus" in tables.cost(runs).caption


def test_folds(runs):
    assert tables.divisions(runs).body[0] == ("actor0", "1", "108", "12")
    assert cells(tables.by_fold(runs, stream="rgb"), "actor9") == ("50.0", "50.0", "75.0", "–")


def test_the_same_text_in_both_forms():
    table = Table(caption="C < 1", head=("a|b", "n"), body=(("x", "1.0"), ("y", "[2.0, 3.0]")))
    assert table.markdown().splitlines()[:2] == [r"| a\|b | n |", "| :-- | --: |"]
    html = table._repr_html_()
    assert "C &lt; 1" in html
    assert html.count('text-align: right">') == 3
    assert "id=" not in html
    assert "<code>x</code>" in Table(caption="", head=("n",), body=(("`x`",),))._repr_html_()


def test_numbers_stand_to_the_right():
    cells = (
        "1.0",
        "−",
        "7\u00a0of\u00a010",
        "[+1.0,\u00a0−2.0]",
        "<0.001",
        "3 / 4",
        "12 classes",
        "12x16",
        "not run yet",
    )
    table = Table(caption="", head=("row", *cells), body=(("a", *cells),))
    assert table.markdown().splitlines()[1].split(" | ")[1:] == ["--:"] * 6 + [":--"] * 2 + [":-- |"]


@pytest.mark.parametrize("short", ["plain", "full"])
def test_a_seed_that_is_missing_leaves_a_verdict_open(tmp_path, monkeypatch, short):
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    (whole,) = {"plain", "full"} - {short}
    right = {"plain": 6, "full": 9}

    def words() -> str:
        runs = existing("ixmas6", profile="full", records=tmp_path, rows=("plain", "full"))
        return tables.verdicts(runs, claims=("C4",)).body[0][2]

    write_records(tmp_path, {whole: right[whole]}, seeds=3)
    write_records(tmp_path, {short: right[short]}, seeds=1)
    assert words() == "so far supported", "one of three seeds"
    write_records(tmp_path, {short: right[short]}, seeds=3, folds=1)
    assert words() == "so far supported", "all seeds, but of one fold only"
    write_records(tmp_path, {short: right[short]}, seeds=3)
    assert words() == "supported"


def test_where_an_interval_lies():
    assert [wording.against_zero(*ends) for ends in ((1, 2), (-2, -1), (-1, 2), (0, 1), (np.nan, np.nan))] == [
        "above 0",
        "below 0",
        "contains 0",
        "contains 0",
        "–",
    ]


def test_each_line_is_told_by_both_its_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    store = Store(tmp_path)
    for fold, right in enumerate((3, 9, 3, 9)):
        store.write(make_record("plain", "rgb", fold, right=6))
        store.write(make_record("nearest", "rgb", fold, right=right))
    runs = existing("ixmas6", profile="full", records=tmp_path)
    assert cells(tables.differences(runs, baseline="plain"), "nearest", "rgb")[2] == "contains 0"


def test_machines_are_counted_where_there_are_several(runs, tmp_path):
    assert wording.machines(runs) == ["abacus, 1 thread"]
    count = len(runs.records)
    other = dataclasses.replace(
        make_record("all", "rgb", 0), provenance={"machine": "slide rule, 1 threads", "code": {}}
    )
    Store(tmp_path).write(other)
    both = existing("ixmas6", profile="full", records=tmp_path, rows=runs.rows)
    assert wording.machines(both) == [f"{count} records on abacus, 1 thread", "1 record on slide rule, 1 thread"]
    assert "; 1 record on slide rule" in tables.cost(both).caption
