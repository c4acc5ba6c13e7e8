"""Where a result comes from: the code that decides it, the libraries, the machine.

Each record holds a digest of every module that could change its result, so that a page can say when a record is older
than the code. What an experiment is (`lrar.experiment`) counts by its values, which the record holds.
"""

import ast
import datetime
import hashlib
import importlib.metadata
import platform
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from lrar import distributed
from lrar.precision import computes_in_bfloat16, instructions

# What decides a result. Notebooks, figures, statistics and the store itself do not.
DECIDING_MODULES = (
    "attention",
    "backbones",
    "clips",
    "decoding",
    "degrade",
    "distillation",
    "draws",
    "flow",
    "precision",
    "protocols",
    "recognizer",
    "running",
    "streams",
    "super_resolution",
    "training",
    "videos",
)
# These decide the results of some experiments only.
OPTIONAL_MODULES = (
    "i3d",
    "views",
    "datasets/folder",
    "datasets/hmdb51",
    "datasets/ixmas",
    "datasets/performer",
    "datasets/synthetic",
)
LIBRARIES = ("torch", "numpy", "opencv-contrib-python-headless", "av", "scikit-image")


def provenance() -> dict[str, Any]:
    """Where, when and with what a run was made."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "machine": ", ".join((platform.machine(), processor(), *shared(), f"{torch.get_num_threads()} threads")),
        "instructions": instructions(),
        "bfloat16": computes_in_bfloat16(distributed.device()),
        "python": platform.python_version(),
        "libraries": libraries(),
        "code": code_digest(),
    }


def told_machine(made: dict[str, Any]) -> str:
    """Where something was made, as people say it, and in which precision, where that is not what most was made in.

    Args:
        made: what `provenance` gave then.
    """
    told = re.sub(r", 1 threads$", ", 1 thread", made["machine"])
    return told if made.get("bfloat16", True) else f"{told}, in float32"


@lru_cache(maxsize=1)
def libraries() -> dict[str, str]:
    """The versions of the libraries that could change a result."""
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = "absent"
    return versions


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


def shared() -> tuple[str, ...]:
    """The GPU on which runs are computed, where there is one, and in how many processes, where there are several."""
    if torch.cuda.is_available():
        return (f"{distributed.count()} x {torch.cuda.get_device_name(distributed.device())}",)
    return (f"{distributed.count()} processes",) if distributed.count() > 1 else ()


@lru_cache(maxsize=1)
def code_digest() -> dict[str, str]:
    """A digest of each module that decides results. Comments, docstrings and layout do not count."""
    folder = Path(__file__).parent
    return {module: digest(folder / f"{module}.py") for module in (*DECIDING_MODULES, *OPTIONAL_MODULES)}


def digest(path: Path) -> str:
    """A digest of a module. Comments, docstrings and layout do not count, nor does the version of Python."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return hashlib.sha256(_told(tree).encode()).hexdigest()[:12]


def _told(part: Any) -> str:
    """A syntax tree as Python 3.11 tells it; later versions have fields more, and leave empty ones out."""
    if isinstance(part, list):
        return f"[{', '.join(map(_told, part))}]"
    if not isinstance(part, ast.AST):
        return repr(part)
    kind = type(part)
    fields = {name: getattr(part, name) for name in kind._fields if name != "type_params"}
    optional = {name for name, value in fields.items() if value is None and getattr(kind, name, ...) is None}
    told = ", ".join(f"{name}={_told(value)}" for name, value in fields.items() if name not in optional)
    return f"{kind.__name__}({told})"


def decided_by(*modules: str) -> list[str]:
    """What decides a file of the cache besides its inputs: these modules, and the libraries."""
    digests = code_digest()
    return [digests[module] for module in modules] + [f"{name} {version}" for name, version in libraries().items()]


def family(dataset: str) -> str:
    """What data sets of one kind have in common: the module that reads them, in `lrar.datasets`."""
    return {"synthetic": "synthetic", "ixmas": "ixmas", "hmdb": "hmdb51"}.get(dataset.rstrip("0123456789"), "folder")


def deciding_modules(experiment: dict[str, Any]) -> set[str]:
    """The modules that could change the result of an experiment, given as `lrar.experiment.to_dict` gives it."""
    modules = set(DECIDING_MODULES)
    dataset = experiment["data"]["dataset"]
    if dataset == "synthetic":
        modules |= {"datasets/performer", "datasets/synthetic"}
    else:
        modules.add(f"datasets/{family(dataset)}")
    if "stream" not in experiment:  # super resolution by itself
        return modules - {"attention", "backbones", "distillation", "draws", "flow", "recognizer", "training"}
    if not experiment["super_resolution"] and experiment["source"] not in ("espcn", "fsrcnn"):  # run by the same module
        modules.discard("super_resolution")
    if not experiment["teacher"]:
        modules.discard("distillation")
    if experiment["stream"] != "flow":
        modules.discard("flow")
    if experiment["backbone"] not in ("compact", "tiny"):
        modules.add("i3d")  # which prepares the frames of the other backbones too
        if experiment["recipe"].get("frozen"):
            modules.add("views")
    if experiment["teacher"]:
        modules |= deciding_modules(experiment["teacher"])
    return modules
