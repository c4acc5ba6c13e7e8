"""The same runs on another machine are set against the records, with another seed as a yardstick."""

from made_up import make_record, write_records
from test_sensitivity import two_seeds
from test_tables import cells

from lrar.elsewhere import across_processors, on_gpu
from lrar.replay import existing


def test_the_same_runs_on_two_processors(tmp_path, monkeypatch):
    runs = two_seeds(tmp_path, monkeypatch)
    first = [its for row in ("plain", "sr") for its in runs.of(row) if its.seed == 0]
    again = {its.id: its.probabilities for its in first}
    same = cells(across_processors(runs, again), "plain (bicubic)", "rgb")
    assert same == ("50.0", "50.0", "+0.0", "[+0.0, +0.0]", "0 of 36", "0 of 36", "+0")
    ours = cells(across_processors(runs, again), "our SR", "rgb")
    assert ours[-3:-1] == ("0 of 36", "3 of 36"), "its other seed recognises 9 clips of a fold for 8"
    again[first[0].id] = make_record("plain", "rgb", 0, right=9, dataset="hmdb21").probabilities
    again[first[1].id] = make_record("plain", "rgb", 1, right=4, dataset="hmdb21").probabilities
    changed = cells(across_processors(runs, again), "plain (bicubic)", "rgb")
    assert changed[:3] == ("50.0", "52.8", "+2.8")
    assert changed[-3:] == ("5 of 36", "0 of 36", "+3"), "three clips gained on one fold, two lost on another"
    assert not across_processors(runs, {}).body


def test_runs_on_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr("lrar.replay.available", lambda dataset: False)
    write_records(tmp_path, {"plain": 6, "sr": 7}, folds=3, dataset="hmdb21")
    runs = existing("hmdb21", profile="full", records=tmp_path)
    plain = [record for record in runs.of("plain") if record.stream == "rgb"]
    seconds = {record.id: 2.0 for record in plain}
    same = {record.id: record.probabilities for record in plain}
    one_less = {**same, plain[0].id: make_record("plain", "rgb", 0, right=5, dataset="hmdb21").probabilities}
    found = {"workers": 16, "minutes": 4.2, "seconds": seconds, "probabilities": same, "twice": one_less}
    told = on_gpu(found | {"provenance": {"machine": "abacus"}}, runs)
    assert told.startswith(
        "3 runs and the networks that they need took 4 minutes from empty caches, 16 at once (abacus)"
    )
    assert "in 2 s (median), where the records have 30 s" in told
    assert "1 of 36 clips changed" in told
    assert "None of the runs" in on_gpu(found | {"provenance": {"machine": "abacus"}, "seconds": {"other": 1.0}}, runs)
