"""Experiments: their identity, what makes it change, and what does not belong together."""

import json
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass, replace

import pytest
from small_experiments import DATA, RECIPE, network, student, teacher

from lrar.experiment import Data, Experiment, from_dict, identity, to_dict


def leaves(value, path: tuple[str, ...] = ()):
    """The path of every field that holds a plain value, however deep."""
    if is_dataclass(value):
        for field in fields(value):
            yield from leaves(getattr(value, field.name), (*path, field.name))
    elif value is not None:
        yield path


def changed(values: dict, path: tuple[str, ...]) -> dict:
    """The same experiment with one field changed; what must agree with it is changed along."""
    values = deepcopy(values)

    def change(path: tuple[str, ...]) -> None:
        *folders, name = path
        node = values
        for folder in folders:
            node = node[folder]
        old = node[name]
        node[name] = not old if isinstance(old, bool) else f"{old}x" if isinstance(old, str) else old + 1

    change(path)
    if path[0] == "data":
        change(("super_resolution", *path))
        change(("teacher", *path))
    if path == ("stream",):
        change(("teacher", "stream"))
        values["flow_method"] = values["teacher"]["flow_method"] = None
    if path[0] == "recipe" and path[1] in LOOKS:
        change(("teacher", *path))
    if path == ("source",):
        values["super_resolution"] = None
    return values


STUDENT = student(stream="flow")
# A teacher and a super-resolution network of other data, and a teacher that sees other frames, are refused; see below.
LOOKS = ("frames", "frozen", "views", "zoom", "rows")
BOUND = [("teacher", "stream"), *(("teacher", "recipe", name) for name in LOOKS)]
FIELDS = [
    path
    for path in leaves(STUDENT)
    if path not in BOUND and path[:2] not in [("super_resolution", "data"), ("teacher", "data")]
]


def test_fields_are_all_there():
    names = {".".join(path) for path in FIELDS}
    assert {"data.kernel", "source", "seed", "recipe.epochs", "distillation.temperature"} <= names
    assert {"super_resolution.steps", "teacher.seed", "teacher.recipe.learning_rate", "flow_method"} <= names


@pytest.mark.parametrize("path", FIELDS, ids=".".join)
def test_every_field_changes_the_identity(path):
    other = from_dict(changed(to_dict(STUDENT), path))
    assert other != STUDENT
    assert identity(other) != identity(STUDENT)


def test_identities_of_fields_differ_from_each_other():
    everything = [from_dict(changed(to_dict(STUDENT), path)) for path in FIELDS]
    assert len({identity(experiment) for experiment in everything}) == len(FIELDS)


STORED = {
    "data": {"dataset": "ixmas6", "protocol": "actor", "fold": 0, "every": 1, "kernel": "bicubic"},
    "stream": "rgb",
    "source": "bicubic",
    "super_resolution": None,
    "flow_method": None,
    "backbone": "compact",
    "attention": "mean",
    "heads": 4,
    "teacher": None,
    "distillation": None,
    "recipe": {
        "epochs": 20,
        "batch": 16,
        "learning_rate": 0.002,
        "weight_decay": 0.05,
        "frames": 16,
        "shift": 4,
        "label_smoothing": 0.1,
        "dropout": 0.5,
        "bfloat16": True,
    },
    "seed": 0,
}


def test_identity_is_the_same_in_every_process():
    """If this fails, no record is found any more: every run would be made again."""
    assert identity(from_dict(STORED)) == "1eba83cd836213c5"


def test_equal_experiments_have_one_identity():
    whole, real = (student(recipe=replace(RECIPE, learning_rate=rate)) for rate in (1, 1.0))
    assert whole == real
    identity.cache_clear()  # which takes equal experiments for one
    first = identity(whole)
    identity.cache_clear()
    assert identity(real) == first


def test_a_field_of_later_code_leaves_identities_as_they_are():
    """Provided that it is None by default, and None means what the code did before."""

    @dataclass(frozen=True, kw_only=True)
    class Later(Experiment):
        later: str | None = None

    values = {field.name: getattr(STUDENT, field.name) for field in fields(STUDENT)}
    assert identity(Later(**values)) == identity(STUDENT)
    assert identity(Later(**values, later="x")) != identity(STUDENT)


@pytest.mark.parametrize(
    "experiment", [student(), teacher(), network(), student(stream="flow", teacher=None, distillation=None)]
)
def test_round_trip_through_json(experiment):
    again = from_dict(json.loads(json.dumps(to_dict(experiment))))
    assert again == experiment
    assert type(again) is type(experiment)
    assert identity(again) == identity(experiment)


def test_what_does_not_belong_together_is_refused():
    other = Data(dataset="ixmas6", fold=0)
    for held in ({"teacher": teacher(other)}, {"super_resolution": network(other)}):
        with pytest.raises(ValueError, match="the student's own fold"):
            student(**held)
    for change in ({"dataset": "ixmas"}, {"protocol": "random"}, {"every": 2}, {"kernel": "area"}):
        with pytest.raises(ValueError, match="the student's own fold"):
            student(teacher=teacher(replace(DATA, **change)))
    with pytest.raises(ValueError, match="exactly where stream is 'flow'"):
        student(flow_method="dis")
    with pytest.raises(ValueError, match="exactly where stream is 'flow'"):
        student(stream="flow", flow_method=None)
    with pytest.raises(ValueError, match="exactly where source is 'sr'"):
        student(super_resolution=None)
    with pytest.raises(ValueError, match="exactly where source is 'sr'"):
        student(source="bicubic")
    with pytest.raises(ValueError, match="together or not at all"):
        student(teacher=None)
    with pytest.raises(ValueError, match="together or not at all"):
        student(distillation=None)
    with pytest.raises(ValueError, match="teaches its own stream"):
        student(teacher=teacher(stream="flow"))
    for name, value in {"frames": 8, "frozen": "Mixed_4d", "views": 2, "zoom": 0.7, "rows": 224}.items():
        with pytest.raises(ValueError, match="sees what its student sees"):
            student(teacher=teacher(recipe=replace(RECIPE, **{name: value})))
