"""Where a result comes from: digests of the code that decides it, libraries, machine."""

import ast
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lrar import provenance
from lrar.experiment import to_dict
from lrar.provenance import DECIDING_MODULES, OPTIONAL_MODULES, code_digest, decided_by, deciding_modules
from lrar.settings import PROFILES
from lrar.studies import ROWS, STUDIES, data_of

# What later versions of Python tell otherwise: empty lists, absent parts, parameters of types.
CODE = '''"""Says nothing."""


class Thing:
    def none(self, *, given=None, wanted): return {"a": None, **given}, f"{wanted!r:>3}", lambda: []
'''


def test_digest_ignores_what_is_written_for_people(edit):
    definition = "def random_clips(clip_set: ClipSet) -> list[Fold]:"
    changes = [
        ('"""How clips are divided into training and test."""', '"""Something else."""'),
        (definition, f"# A comment.\n\n{definition}  # another"),
        ('"""A tenth of each class at random', '"""Each actor in turn'),
        ("range(5)", "range(\n        5\n    )"),
    ]
    assert edit("protocols", *changes) == edit("protocols")


def test_digest_sees_code_of_its_module_alone(edit):
    before, after = edit("protocols"), edit("protocols", ("range(5)", "range(6)"))
    assert {name for name in before if before[name] != after[name]} == {"protocols"}


def test_each_module_that_a_run_imports_decides_or_is_known_not_to():
    """A part that is split off a module that decides would else change without any record growing older."""
    harmless = {"cache", "datasets", "distributed", "experiment", "places", "provenance", "records", "weights"}
    code = "import sys, lrar.running; print(*(name[5:].replace('.', '/') for name in sys.modules if name.startswith('lrar.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {*DECIDING_MODULES, *OPTIONAL_MODULES, *harmless}


def test_provenance_names_code_libraries_and_machine():
    made = provenance.provenance()
    assert made["code"] == code_digest()
    assert {"torch", "numpy", "av"} <= set(made["libraries"])
    assert made["libraries"]["torch"][0].isdigit()
    assert "threads" in made["machine"]
    json.dumps(made)


def test_a_run_that_was_shared_says_so(monkeypatch):
    monkeypatch.setattr(provenance.torch.cuda, "is_available", lambda: False)
    assert "processes" not in provenance.provenance()["machine"]
    monkeypatch.setattr(provenance.distributed, "count", lambda: 2)
    assert re.search(r", 2 processes, \d+ threads$", provenance.provenance()["machine"])


@pytest.mark.parametrize(
    ("dataset", "row", "stream", "there", "absent"),
    [
        (
            "synthetic",
            "plain",
            "rgb",
            {"datasets/synthetic", "datasets/performer"},
            {"i3d", "views", "distillation", "super_resolution", "flow"},
        ),
        (
            "ixmas6",
            "full",
            "flow",
            {"datasets/ixmas", "distillation", "super_resolution", "flow"},
            {"i3d", "datasets/synthetic"},
        ),
        ("hmdb21", "plain", "rgb", {"datasets/hmdb51", "i3d", "views"}, {"datasets/ixmas", "datasets/folder", "flow"}),
        ("folder-mine", "plain", "rgb", {"datasets/folder"}, {"datasets/hmdb51", "i3d"}),
    ],
)
def test_what_could_change_a_result(dataset, row, stream, there, absent):
    full = PROFILES["full"]
    made = STUDIES[ROWS[row]][row](data_of(dataset, protocol="actor", fold=0, profile=full), stream, full)
    modules = deciding_modules(to_dict(made))
    assert there | {"training", "protocols", "recognizer"} <= modules and not absent & modules
    if made.super_resolution:
        assert "super_resolution" in deciding_modules(to_dict(made.super_resolution))


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the reference is how Python 3.11 tells a syntax tree")
def test_digests_are_those_of_python_3_11():
    """Records hold digests made with it; any later version must give the same ones."""
    for path in sorted(Path(provenance.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                node.body = node.body[1:]
        assert provenance.digest(path) == hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12], path


def test_a_digest_is_the_same_in_every_version_of_python(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(CODE)
    assert provenance.digest(path) == "5e00bd67c9e6"


def test_what_decides_a_cached_file(monkeypatch):
    now = decided_by("flow", "degrade")
    assert now[:2] == [code_digest()["flow"], code_digest()["degrade"]]
    monkeypatch.setattr(provenance, "libraries", lambda: {"torch": "another"})
    assert decided_by("flow", "degrade") == [*now[:2], "torch another"]
