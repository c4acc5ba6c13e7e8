"""Where a result comes from: the code that decides it, the libraries, the machine.

Each record holds a digest of every module that could change its result, so that a page can say when a record is older
than the code. What an experiment is (`lrar.experiment`) counts by its values, which the record holds.
"""

import ast
import datetime
import hashlib
import importlib.metadata
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

# What decides a result. Notebooks, figures, statistics and the store itself do not.
DECIDING_MODULES = (
    "attention",
    "backbones",
    "clips",
    "degrade",
    "distillation",
    "flow",
    "protocols",
    "recognizer",
    "running",
    "streams",
    "super_resolution",
    "training",
)
# These decide the results of some experiments only.
OPTIONAL_MODULES = ("i3d", "datasets/folder", "datasets/ixmas", "datasets/performer", "datasets/synthetic")
LIBRARIES = ("torch", "numpy", "opencv-contrib-python-headless", "av", "scikit-image")


def provenance() -> dict[str, Any]:
    """Where, when and with what a run was made."""
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = "absent"
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {processor()}, {torch.get_num_threads()} threads",
        "python": platform.python_version(),
        "libraries": versions,
        "code": code_digest(),
    }


@lru_cache(maxsize=1)
def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"


@lru_cache(maxsize=1)
def code_digest() -> dict[str, str]:
    """A digest of each module that decides results. Comments, docstrings and layout do not count."""
    folder = Path(__file__).parent
    digests = {}
    for module in (*DECIDING_MODULES, *OPTIONAL_MODULES):
        tree = ast.parse((folder / f"{module}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                node.body = node.body[1:]
        digests[module] = hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12]
    return digests


def deciding_modules(experiment: dict[str, Any]) -> set[str]:
    """The modules that could change the result of an experiment, given as `lrar.experiment.to_dict` gives it."""
    modules = set(DECIDING_MODULES)
    dataset = experiment["data"]["dataset"]
    if dataset == "synthetic":
        modules |= {"datasets/performer", "datasets/synthetic"}
    else:
        modules.add("datasets/ixmas" if dataset.startswith("ixmas") else "datasets/folder")
    if "stream" not in experiment:  # super resolution by itself
        return modules - {"attention", "backbones", "distillation", "flow", "recognizer", "training"}
    if not experiment["super_resolution"]:
        modules.discard("super_resolution")
    if not experiment["teacher"]:
        modules.discard("distillation")
    if experiment["stream"] != "flow":
        modules.discard("flow")
    if experiment["backbone"] != "compact":
        modules.add("i3d")  # which prepares the frames of the other backbones too
    if experiment["teacher"]:
        modules |= deciding_modules(experiment["teacher"])
    return modules
