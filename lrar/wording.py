"""What is said of a data set's runs in words: the setting, how complete they are, where an interval lies."""

import shlex
import textwrap
from collections import Counter

import numpy as np

from lrar import statistics
from lrar.names import DATASET_NAMES, PROTOCOL_NAMES
from lrar.replay import Runs
from lrar.settings import setting
from lrar.statistics import Comparison
from lrar.studies import NETWORKS, ROWS
from lrar.table import counted, out_of
from lrar.vouching import older_than_code


def told_setting(runs: Runs) -> str:
    """Data set and protocol, for captions."""
    dataset = DATASET_NAMES.get(runs.dataset, runs.dataset)
    return f"{dataset}, {PROTOCOL_NAMES[runs.protocol]}"


def age(runs: Runs) -> str:
    """How many records are older than the code that decides results; nothing where none is."""
    older = [set(older_than_code(record)) for record in runs.records]
    modules = sorted(set().union(*older))
    if not modules:
        return ""
    count = sum(bool(changed) for changed in older)
    return f"{count} of {len(older)} records were made before the latest change to {', '.join(modules)}."


def note(runs: Runs) -> str:
    """What the numbers of a data set can and cannot say."""
    if runs.dataset == "synthetic":
        text = (
            "These clips are rendered, and every number below is synthetic. It shows that each step runs, and what it "
            "would look like. It supports no claim about real videos."
        )
    elif runs.dataset == "ixmas6":
        text = (
            "IXMAS-6 is real video: 6 of the 12 actions of IXMAS, each performance seen by two of the cameras 0 to 3. "
            "Fewer classes are easier to tell apart, so its accuracies do not compare with published ones on all of "
            "IXMAS."
        )
    elif runs.dataset == "hmdb21":
        text = (
            "HMDB-21 is real video: 922 of the trimmed clips, of 21 of the 51 classes of HMDB-51, that JHMDB chose, with "
            "the official splits. Its accuracies do not compare with published ones on HMDB-51."
        )
    else:
        text = f"{runs.dataset}: the numbers hold for these clips and this protocol."
    return textwrap.fill(text, 80)


def count_runs(runs: Runs, row: str, stream: str) -> str:
    """How many runs stand behind a row's number, in words; two are fused into one where the stream is both."""
    return counted(len(runs.of(row, stream=None if stream == "both" else stream)), "run")


def of_folds(count: int, runs: Runs) -> str:
    """`10`, or `7 of 10` where folds are missing."""
    return out_of(count, runs.folds)


def is_complete(result: Comparison, runs: Runs, *, row: str, baseline: str) -> bool:
    """Whether all folds and seeds of both sides of a comparison exist."""
    return result.seeds >= min(runs.seeds(row), runs.seeds(baseline)) and result.folds >= runs.folds


def told_verdict(result: Comparison | None, runs: Runs, *, row: str, baseline: str) -> str:
    """The verdict in words: not yet final while folds or seeds are missing, and marked on synthetic data."""
    if result is None:
        return "not run yet"
    words = result.verdict
    if words != "not tested" and not is_complete(result, runs, row=row, baseline=baseline):
        words = f"so far {words}"
    return f"{words}, synthetic" if runs.dataset == "synthetic" else words


def against_zero(low: float, high: float) -> str:
    """Where an interval lies. Only a claim has a verdict; every other line is told in these words."""
    places = {"supported": "above 0", "contradicted": "below 0", "inconclusive": "contains 0", "not tested": "–"}
    return places[statistics.verdict(low, high)]


def told_p(value: float) -> str:
    """A p-value in three decimals."""
    if np.isnan(value):
        return "–"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def machines(runs: Runs) -> list[str]:
    """The machines that made the records, with the number of records of each where there are several."""
    found = Counter(record.machine for record in runs.records)
    if len(found) < 2:
        return list(found)
    return [f"{counted(count, 'record')} on {machine}" for machine, count in found.most_common()]


def options(runs: Runs) -> str:
    """What a command needs to know to be about these runs."""
    protocol = "" if runs.protocol == setting(runs.dataset).protocol else f" --protocol {runs.protocol}"
    profile = "" if runs.profile == "full" else f" --profile {runs.profile}"
    return f"--dataset {shlex.quote(runs.dataset)}{protocol}{profile}"


def study_command(runs: Runs, row: str) -> str:
    """The command that makes all runs of a row that have no record yet."""
    row = NETWORKS.get(row, row)
    return f"lrar study {ROWS[row]} {options(runs)} --rows {row}"
