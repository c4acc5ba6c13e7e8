"""pyproject.toml holds ranges, environment.yml the versions that were tested; what is installed is what was tested."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GROUPS = {"library": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
REQUIREMENTS = {
    canonicalize_name(requirement.name): (group, requirement)
    for group, lines in GROUPS.items()
    for requirement in map(Requirement, lines)
    if requirement.name != PROJECT["name"]
}
PIN_LINES = re.findall(r"^ *- ([A-Za-z0-9_.-]+)==(\S+)", (ROOT / "environment.yml").read_text(), re.MULTILINE)
PINS = {canonicalize_name(name): version for name, version in PIN_LINES}


def test_each_pin_stands_once():
    assert len(PIN_LINES) == len(PINS)


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_each_dependency_is_pinned_inside_its_range(name):
    _, requirement = REQUIREMENTS[name]
    assert name in PINS, f"{name} is in pyproject.toml: pin the version that was tested in environment.yml"
    assert requirement.specifier.contains(PINS[name]), f"{name}=={PINS[name]} is outside {requirement}"


@pytest.mark.parametrize("name", PINS)
def test_what_is_installed_is_what_was_tested(name):
    group, _ = REQUIREMENTS.get(name, ("indirect", None))
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        assert group == "export", f"{name} is not installed. Make the environment again: make test"
        return
    # A local label names a build of the same version: 2.14.1+cpu is 2.14.1.
    assert Version(installed).public == PINS[name], f"{name} {installed} is installed, {PINS[name]} was tested"


def test_python_is_the_tested_one():
    tested = re.search(r"- python=(\S+)", (ROOT / "environment.yml").read_text())[1]
    assert Version(tested) in Requirement(f"python{PROJECT['requires-python']}").specifier


def test_citation_has_the_version():
    import lrar

    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1]
    assert cited == lrar.__version__
