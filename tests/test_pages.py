"""What the pages include comes from records, and the README's table is what the records give."""

import re
from dataclasses import replace

import pytest
from made_up import write_records

from lrar import literature, outcomes, pages, readme
from lrar.claims import CLAIMS
from lrar.clips import DataError
from lrar.explorer_pages import write_explorer
from lrar.records import COMMITTED, Store
from lrar.replay import existing
from lrar.settings import PROFILES
from lrar.small import SHIPPED, load_student
from lrar.statistics import Comparison

ROOT = pages.BOOK.parent
TEXTS = sorted([*pages.BOOK.glob("*.md"), *pages.BOOK.glob("claims/*.md")])


@pytest.fixture(scope="module")
def fragments(tmp_path_factory):
    """Fragments of a study with records, and of one without any."""
    root, full, empty = (tmp_path_factory.mktemp(name) for name in ("records", "full", "empty"))
    write_records(root, {"plain": 6, "sr": 9, "joint": 8, "all": 9, "teacher": 12}, seeds=3)
    write_records(root, {"full": 10}, seeds=3, folds=9)
    pages.write_fragments(root, full)
    pages.write_fragments(root / "nothing", empty)
    for folder in (full, empty):
        write_explorer([], folder)
    return full, empty


def test_each_included_file_is_written(fragments):
    for text in TEXTS:
        for name in re.findall(r"\{include\} (?:\.\./)?generated/(\S+)", text.read_text()):
            for folder in fragments:
                assert (folder / name).is_file(), f"{text.name} includes {name}"


def test_each_fragment_is_included_or_shown(fragments):
    wanted = " ".join(text.read_text() for text in TEXTS)
    for path in fragments[0].glob("*.md"):
        assert f"generated/{path.name}" in wanted, f"{path.name} stands on no page"


def test_pictures_have_alternative_text(fragments):
    for folder in fragments:
        for path in folder.glob("*.png"):
            text = path.with_suffix(".md").read_text()
            assert re.search(r"^:alt: .{20,}$", text, re.MULTILINE), path


def test_verdicts(fragments):
    full, empty = ((folder / "verdicts.md").read_text() for folder in fragments)
    (line,) = (line for line in full.splitlines() if line.startswith("| C1: Super resolution helps the student |"))
    assert re.match(r"[^|]*\| \*\*supported\*\*: .*\+25\.0 .*\+25\.0,\u00a0\+25\.0", line.removeprefix("|")), line
    assert "*inconclusive*" in full
    assert "*contradicted*" in full
    assert empty.count("**not run yet**") == 4, "the stream that decides is bold"
    assert empty.count("*not run yet*") == 12
    for text in ((folder / "hmdb_headline.md").read_text() for folder in fragments):
        assert "C4 as the abstract states it: better than earlier methods on IXMAS and HMDB-51 | **not tested**" in text


def test_incomplete_studies_say_so(fragments):
    full, empty = ((folder / "state.md").read_text() for folder in fragments)
    assert "not complete: 354 of" in full
    assert "these verdicts may still change" in full
    assert "No run" in empty


def test_verdicts_are_final_when_the_runs_behind_them_exist(tmp_path, monkeypatch):
    behind = {"plain": 6, "sr": 6, "all": 6, "joint": 6, "full": 6}
    one_seed = PROFILES | {"full": replace(PROFILES["full"], seeds=1, folds=2)}
    monkeypatch.setattr("lrar.replay.PROFILES", one_seed)
    write_records(tmp_path, behind, folds=2)
    text = outcomes.state(existing("ixmas6", profile="full", records=tmp_path))
    assert text.startswith(incomplete := "The study is not complete: 20 of ")
    assert "all that these verdicts rest on are among them" in text
    write_records(tmp_path, {"plain": 6}, folds=2, seeds=30)
    text = outcomes.state(existing("ixmas6", profile="full", records=tmp_path))
    assert text.startswith(incomplete), "more seeds of a row fill no gap of another"


def test_what_an_interval_around_zero_leaves_out(tmp_path, monkeypatch):
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    counts = {"gained": 0, "lost": 0, "n_clips": 9, "seeds": 1, "folds": 1, "runs": 1}
    found = Comparison(difference=0.4, low=-1.2, high=2.3, p_value=1.0, verdict="inconclusive", **counts)
    monkeypatch.setattr(outcomes.statistics, "compare", lambda *_, **__: found)
    text = outcomes.result(existing("ixmas6", profile="full", records=tmp_path), CLAIMS[0])
    assert "a gain of more than 2.3 points or a loss of more than 1.2 lies outside" in text


def test_settings_have_meanings():
    lines = pages.settings().splitlines()[2:]
    assert any("`Recipe.epochs`" in line for line in lines)
    assert not [line for line in lines if line.endswith("|  |")], "each field has its line under Attributes"


def test_published_values_are_those_of_the_file():
    assert ("93.7" in literature.published("IXMAS").markdown()) and (
        "93.7" not in literature.published("HMDB-51").markdown()
    )


def test_a_readers_values_of_the_paper(tmp_path):
    path = tmp_path / "paper_values.csv"
    lines = [
        "data,table,row,stream,value,note",
        "IXMAS,full,full,both,12.3,made up",
        "HMDB-51,full,full,both,45.6,",
        "HMDB-51,full,full,rgb,7.8,",
        "IXMAS,attention,joint,both,4.5,",
    ]
    path.write_text("\n".join(lines) + "\n")
    assert literature.paper_values("full", data="IXMAS", path=path) == {("full", "both"): "12.3 (made up)"}
    assert literature.paper_values("full", data="HMDB-51", path=path) == {
        ("full", "both"): "45.6",
        ("full", "rgb"): "7.8",
    }
    assert literature.paper_values("attention", data="IXMAS", path=path) == {("joint", "both"): "4.5"}
    assert literature.paper_values("full", data="IXMAS", path=tmp_path / "none.csv") == {}
    path.write_text("\n".join([*lines, lines[1]]) + "\n")
    with pytest.raises(DataError, match="two values of full, both, IXMAS"):
        literature.paper_values("full", data="IXMAS", path=path)
    path.write_text("table,row,value,note\n")
    with pytest.raises(DataError, match="no column data"):
        literature.paper_values("full", data="IXMAS", path=path)
    assert literature.paper_values("full", data="IXMAS") == {}, "the committed file holds no value: none is known"


def test_what_there_is_to_win_back(tmp_path, monkeypatch):
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    assert outcomes.room(existing("ixmas6", profile="full", records=tmp_path)) == ""
    write_records(tmp_path, {"plain": 6, "teacher": 6})
    text = outcomes.room(existing("ixmas6", profile="full", records=tmp_path))
    assert "+0.0 points" in text and "no advantage of the teacher was measured" in text
    write_records(tmp_path, {"teacher": 9})
    text = outcomes.room(existing("ixmas6", profile="full", records=tmp_path))
    assert "+25.0 points" in text and "no advantage" not in text
    write_records(tmp_path, {"teacher": 3})
    text = outcomes.room(existing("ixmas6", profile="full", records=tmp_path))
    assert "−25.0 points" in text and "contains 0" not in text, "worse is not the same as alike"


def test_errors_of_a_row_and_of_all_rows(tmp_path, monkeypatch):
    """Of twelve clips the plain student gets the last six wrong, and the best row the last three."""
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    assert outcomes.errors(existing("ixmas6", profile="full", records=tmp_path)) == "No run of this exists yet.\n"
    write_records(tmp_path, {"plain": 6, "sr": 9}, folds=2)
    text = outcomes.errors(existing("ixmas6", profile="full", records=tmp_path))
    assert text.startswith(
        "Of the 12 errors of *plain (bicubic)*, RGB, first seed, 4 take *kick* for *point*. 6 tests of 24 are"
    )
    write_records(tmp_path, {"teacher": 11}, folds=2)
    text = outcomes.errors(existing("ixmas6", profile="full", records=tmp_path))
    assert text.endswith(
        "2 tests of 24 are wrong in every run of every row, size and stream (6 runs or more): `actor0_11`, `actor1_11`.\n"
    )


def test_rows_of_another_make_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    write_records(tmp_path, {"plain": 6, "nearest": 6, "temporal": 6})
    assert outcomes.other_makes(existing("ixmas6", profile="full", records=tmp_path)) == ""
    for record in Store(tmp_path).records("ixmas6"):
        if record.row == "temporal" or (record.row, record.stream) == ("nearest", "flow"):
            other = record.provenance | {"machine": "x86_64, another make, 1 threads"}
            Store(tmp_path).write(replace(record, provenance=other))
    text = outcomes.other_makes(existing("ixmas6", profile="full", records=tmp_path))
    assert text.endswith("in whole or in part, on another make: *nearest* (flow), *temporal attention*.\n")
    for record in Store(tmp_path).records("ixmas6"):
        if (record.row, record.stream) == ("nearest", "flow"):
            Store(tmp_path).write(replace(record, provenance=record.provenance | {"bfloat16": False}))
    text = outcomes.other_makes(existing("ixmas6", profile="full", records=tmp_path))
    assert text.endswith(
        "*temporal attention*. In float32, on a processor that does not compute in bfloat16: *nearest* (flow).\n"
    )


def test_the_readme_holds_what_the_records_give():
    text = (ROOT / "README.md").read_text()
    assert text == readme.readme_with(readme.readme_table(), text), "run: lrar records --write"


def test_the_readme_names_what_the_small_student_knows():
    _, card = load_student(SHIPPED[0])
    known = ", ".join(name.replace("-", " ") for name in card.classes)
    assert f"which of six actions ({known})" in (ROOT / "README.md").read_text()
    assert len(card.classes) == 6


def test_a_readme_without_markers_is_refused():
    with pytest.raises(DataError, match="Put them back"):
        readme.readme_with("| table |", "# A README")


def test_no_number_is_typed_by_hand():
    """Results have a decimal; on these pages none may, for results come from fragments."""
    for text in [pages.BOOK / "index.md", *pages.BOOK.glob("claims/*.md"), pages.BOOK / "cost.md"]:
        assert not re.findall(r"\d+\.\d+ ?(?:%|points|dB|s\b)", text.read_text()), text


def test_the_pipeline_is_a_picture_with_its_own_ground():
    svg = (pages.BOOK / "images" / "pipeline.svg").read_text()
    assert 'role="img"' in svg
    assert '<rect width="780" height="400" rx="12" fill="#fff"/>' in svg, "legible on dark pages"


def test_each_data_set_stands_on_its_own_fragments(tmp_path, monkeypatch):
    """HMDB-21 and IXMAS-6 with other numbers: none of one's shows among the other's."""
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    rows = ("plain", "nearest", "sr", "joint", "all", "full", "teacher")
    write_records(tmp_path / "records", dict.fromkeys(rows, 9) | {"plain": 6}, folds=3)
    write_records(tmp_path / "records", dict.fromkeys(rows, 12) | {"plain": 3}, folds=3, dataset="hmdb21")
    written = {path.name: path for path in pages.write_fragments(tmp_path / "records", tmp_path / "out")}
    for name, path in written.items():
        if path.suffix != ".md" or name.startswith(
            ("published", "one_fold", "backbones", "caches", "full_size", "two_processes", "protocols")
        ):
            continue
        own, other = ("hmdb21", "ixmas6") if name.startswith("hmdb_") else ("ixmas6", "hmdb21")
        text = path.read_text()
        assert f"runs-{other}" not in text and f"chapters/{other}" not in text, name
        names = {"hmdb21": "HMDB-21", "ixmas6": "IXMAS-6"}
        assert names[other] not in text, name
        gain = {"hmdb21": "+75.0", "ixmas6": "+25.0"}
        assert gain[other] not in text, name
        if re.search("headline|verdicts|c1_|room.md", name) and "accuracy" not in name:
            assert gain[own] in text, name


def test_clips_that_are_said_to_be_tested_are_those_of_the_records():
    for dataset, texts in {
        "hmdb21": (readme.ON_HMDB, (pages.BOOK / "index.md").read_text()),
        "ixmas6": (readme.ON_IXMAS,),
    }.items():
        tested = {name for record in Store(COMMITTED).records(dataset) for name in record.clips}
        assert all(re.search(rf"\b{len(tested)}\b", text) for text in texts), dataset
