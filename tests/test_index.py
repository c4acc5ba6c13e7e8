"""What lies beside the records says what they say, and notices what was changed by hand."""

import csv
import io
import json

from test_records import record

from lrar.index import RESULT_COLUMNS, manifest, results_csv, write_index
from lrar.measured import write_measurement
from lrar.records import COMMITTED, Store


def test_results_hold_runs_and_fused_rows():
    flow = [[0.25, 0.75], [0.25, 0.75], [0.75, 0.25]]
    network = record("d" * 16, row="own", study="super_resolution", probabilities=[], labels=[], clips=[], groups=[])
    runs = [record("b" * 16), record("c" * 16, stream="flow", probabilities=flow, train_seconds=7.0), network]
    rows = list(csv.DictReader(io.StringIO(results_csv(runs))))
    columns = "dataset protocol study row stream fold seed n_clips n_correct train_seconds fingerprint experiment"
    assert tuple(rows[0]) == RESULT_COLUMNS == tuple(columns.split())
    assert [list(row.values()) for row in rows] == [
        ["ixmas6", "actor", "full", "plain", "both", "3", "1", "3", "2", "19.3", "data", f"{'b' * 16}+{'c' * 16}"],
        ["ixmas6", "actor", "full", "plain", "flow", "3", "1", "3", "1", "7.0", "data", "c" * 16],
        ["ixmas6", "actor", "full", "plain", "rgb", "3", "1", "3", "2", "12.3", "data", "b" * 16],
    ]
    assert results_csv(reversed(runs)) == results_csv(runs)


def test_manifest_notices_a_changed_digit(tmp_path):
    path = Store(tmp_path).write(record())
    write_index(tmp_path)
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert written == manifest(tmp_path)
    assert list(written) == [path.relative_to(tmp_path).as_posix()]
    path.write_text(path.read_text().replace("0.75", "0.76", 1))
    assert manifest(tmp_path) != written
    path.unlink()
    assert manifest(tmp_path) == {}


def test_manifest_notices_a_changed_measurement(tmp_path):
    path = write_measurement("one_fold", {"seconds": 23.4}, records=tmp_path)
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert list(written) == ["one_fold.json"]
    assert written == manifest(tmp_path)
    assert json.loads(path.read_text())["provenance"]["code"]
    path.write_text(path.read_text().replace("23.4", "13.4"))
    assert manifest(tmp_path) != written


def test_index_of_an_empty_store(tmp_path):
    write_index(tmp_path)
    assert (tmp_path / "results.csv").read_text() == ",".join(RESULT_COLUMNS) + "\n"
    assert json.loads((tmp_path / "manifest.json").read_text()) == {}


def test_the_committed_records_are_those_of_their_manifest_and_index():
    """A record that was changed, added or taken away by hand is noticed."""
    assert json.loads((COMMITTED / "manifest.json").read_text()) == manifest(COMMITTED)
    assert (COMMITTED / "results.csv").read_text() == results_csv(Store(COMMITTED).records())
