"""A run shows that newer code gives older results, for runs of its own kind and for that code alone."""

import json

import pytest
from test_records import record

from lrar import provenance, vouching
from lrar.experiment import to_dict
from lrar.settings import PROFILES
from lrar.studies import ROWS, STUDIES, data_of, super_resolution
from lrar.vouching import Kind, changed_since, kind_of, older_than_code, to_be_shown, vouch

CHANGE = ("range(5)", "range(6)")  # of protocols
EXPERIMENT = record().experiment


def kind(dataset: str, row: str, stream: str) -> Kind:
    full = PROFILES["full"]
    data = data_of(dataset, protocol="actor", fold=0, profile=full)
    if row == "own":
        return kind_of(to_dict(super_resolution(data, full)))
    return kind_of(to_dict(STUDIES[ROWS[row]][row](data, stream, full)))


def test_older_than_code(edit):
    made = record(provenance={"code": edit("protocols")})
    assert older_than_code(made) == []
    edit("flow", ("ENLARGE = 2", "ENLARGE = 3"))
    assert older_than_code(made) == [], "an rgb run does not depend on flow"
    assert older_than_code(record(stream="flow", provenance=made.provenance)) == ["flow"]
    edit("super_resolution", ("import torch\n", "import torch\n\nCHANGED = True\n"))
    assert older_than_code(made) == []
    for source in ("espcn", "fsrcnn"):  # published networks, run by the same module
        assert older_than_code(record(source=source, provenance=made.provenance)) == ["super_resolution"]
    edit("protocols", CHANGE)
    assert older_than_code(made) == ["protocols"]
    assert set(older_than_code(record())) >= {"training", "protocols"}  # no digests at all


def test_what_was_shown_holds_for_that_code_alone(edit):
    made = record(provenance={"code": edit("protocols")})
    edit("protocols", CHANGE)
    vouch(made)
    assert older_than_code(made) == []
    edit("protocols", ("range(5)", "range(7)"))
    assert older_than_code(made) == ["protocols"]
    edit("protocols")
    assert older_than_code(made) == []


def test_a_chain_of_changes(edit):
    """Code A gives way to B, B to C; each step was shown by a run. Records of A and of B are as new as C."""
    of_a = record(provenance={"code": edit("protocols")})
    of_b = record(provenance={"code": edit("protocols", CHANGE)})
    vouch(of_a)
    edit("protocols", ("range(5)", "range(7)"))
    vouch(of_b)
    assert older_than_code(of_a) == older_than_code(of_b) == []
    entries = json.loads(vouching._file().read_text())
    assert [entry["shown_by"] for entry in entries[-2:]] == [of_a.id, of_b.id]
    before = len(entries)
    vouch(of_a)
    assert len(json.loads(vouching._file().read_text())) == before, "nothing more to show"


def test_a_run_speaks_for_its_own_kind_alone(edit):
    """An rgb run that reproduces its record says nothing of flow, of a teacher, or of other data."""
    now = edit("protocols")
    rgb, flow = (record(stream=stream, provenance={"code": now}) for stream in ("rgb", "flow"))
    edit("protocols", CHANGE)
    vouch(rgb)
    assert (older_than_code(rgb), older_than_code(flow)) == ([], ["protocols"])
    assert changed_since(now, ["protocols", "flow"]) == [], "for what is only timed, any run's word is good enough"


def test_a_module_that_was_split_off_since(edit):
    """A record of a time when a module's code stood in another one."""
    now = edit("draws", ("np.full(count, 0.5)", "0.5"))
    made = record(provenance={"code": {module: digest for module, digest in now.items() if module != "draws"}})
    assert older_than_code(made) == ["draws"]
    vouch(made)
    assert older_than_code(made) == []
    edit("draws", ("np.full(count, 0.5)", "0.25"))
    assert older_than_code(made) == ["draws"]


@pytest.mark.parametrize(
    ("one", "other", "speaks"),
    [
        (("ixmas6", "full", "rgb"), ("ixmas6", "plain", "rgb"), True),
        (("ixmas6", "full", "rgb"), ("ixmas", "teacher", "rgb"), True),
        (("ixmas6", "full", "rgb"), ("ixmas6", "own", ""), True),
        (("ixmas6", "sr", "rgb"), ("ixmas6", "full", "rgb"), False),
        (("ixmas6", "full", "rgb"), ("ixmas6", "full", "flow"), False),
        (("ixmas6", "full", "rgb"), ("ixmas6", "espcn", "rgb"), False),
        (("ixmas6", "plain", "rgb"), ("ixmas6", "own", ""), False),
        (("ixmas6", "full", "rgb"), ("hmdb21", "plain", "rgb"), False),
        (("hmdb21", "full", "flow"), ("hmdb51", "sr", "flow"), True),
        (("synthetic", "full", "rgb"), ("folder-mine", "full", "rgb"), False),
    ],
)
def test_which_kind_speaks_for_which(one, other, speaks):
    assert kind(*one).speaks_for(kind(*other), "streams") == speaks


@pytest.mark.parametrize(
    ("one", "other", "module", "speaks"),
    [
        ("full", "spatial", "attention", False),
        ("full", "spatial", "streams", True),
        ("spatial", "sr", "attention", False),
        ("joint", "heads2", "attention", True),
        ("all", "logit", "training", True),
        ("logit", "all", "training", False),
        ("all", "mean_feature", "distillation", False),
        ("all", "mean_feature", "streams", True),
    ],
)
def test_attention_and_losses_count_where_they_are_computed(one, other, module, speaks):
    assert kind("hmdb21", one, "rgb").speaks_for(kind("hmdb21", other, "rgb"), module) == speaks


def test_a_protocol_counts_where_clips_are_divided():
    actor, random = (
        kind_of({**EXPERIMENT, "data": {**EXPERIMENT["data"], "protocol": protocol}})
        for protocol in ("actor", "random")
    )
    assert not actor.speaks_for(random, "protocols") and actor.speaks_for(random, "training")


def test_the_fewest_that_speak_for_all():
    full = PROFILES["full"]
    data = data_of("ixmas6", protocol="actor", fold=0, profile=full)
    made = [
        record(
            f"{row}-{stream}",
            experiment=to_dict(STUDIES[ROWS[row]][row](data, stream, full)),
            provenance={"code": provenance.code_digest() | {"streams": "older"}},
        )
        for row in ("plain", "sr", "full", "espcn", "teacher", "all")
        for stream in ("rgb", "flow")
    ]
    shown = to_be_shown(made)
    assert len(shown) == 4, [one.id for one in shown]
    kinds = {(kind_of(one.experiment).stream, "teacher" in kind_of(one.experiment).parts) for one in shown}
    assert kinds == {("rgb", True), ("flow", True), ("rgb", False), ("flow", False)}, "full or all, and espcn"


def test_the_committed_word_is_of_committed_runs():
    from lrar.records import COMMITTED, Store

    ids = {one.id for one in Store(COMMITTED).records()}
    assert {entry["shown_by"] for entry in json.loads(vouching._file().read_text())} <= ids
    assert provenance.code_digest().keys() >= {module for _, modules in vouching.same_results() for module in modules}
