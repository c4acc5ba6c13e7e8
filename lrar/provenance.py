"""Where a result comes from: the code that decides it, the libraries, the machine.

Each record holds a digest of every module that could change its result, so that a page can say when a record is older
than the code. What an experiment is (`lrar.experiment`) counts by its values, which the record holds.

Code that was changed without changing a result can be shown to be so: `lrar audit --vouch` trains records of the older
code again, and where every probability comes out the same, `same_results.json` says that the newer code counts as the
older.
"""

import ast
import datetime
import hashlib
import importlib.metadata
import json
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from lrar import distributed
from lrar.cache import atomic_write

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
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = "absent"
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "machine": ", ".join((platform.machine(), processor(), *graphics(), f"{torch.get_num_threads()} threads")),
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


def graphics() -> tuple[str, ...]:
    """The GPU on which runs are computed, where there is one, and in how many processes."""
    if not torch.cuda.is_available():
        return ()
    return (f"{distributed.count()} x {torch.cuda.get_device_name(distributed.device())}",)


@lru_cache(maxsize=1)
def code_digest() -> dict[str, str | None]:
    """A digest of each module that decides results. Comments, docstrings and layout do not count.

    Code that was shown to give the same results as older code has the older code's digest, and None where the older code
    had no such module.
    """
    folder = Path(__file__).parent
    same = same_results()
    digests = {}
    for module in (*DECIDING_MODULES, *OPTIONAL_MODULES):
        found = digest(folder / f"{module}.py")
        digests[module] = same.get(module, {}).get(found, {}).get("as", found)
    return digests


def digest(path: Path) -> str:
    """A digest of a module. Comments, docstrings and layout do not count."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12]


def same_results() -> dict[str, dict[str, dict[str, Any]]]:
    """By module and digest: the digest of the older code whose results it gives, and the records that showed it."""
    path = Path(__file__).with_name("same_results.json")
    return json.loads(path.read_text()) if path.exists() else {}


def vouch(made_by: dict[str, str | None], modules: set[str], *, shown_by: list[str]) -> None:
    """Let today's code of some modules count as the code of a record that it has reproduced.

    Args:
        made_by: the digests in the record; a module that was split off another one since has none.
        modules: those that have changed since.
        shown_by: the hashes of the experiments that were run again.
    """
    same, now = same_results(), code_digest()
    for module in sorted(modules):
        same.setdefault(module, {})[now[module]] = {"as": made_by.get(module), "shown_by": shown_by}
    text = json.dumps(same, indent=1, sort_keys=True) + "\n"
    atomic_write(Path(__file__).with_name("same_results.json"), text.encode())
    code_digest.cache_clear()


def deciding_modules(experiment: dict[str, Any]) -> set[str]:
    """The modules that could change the result of an experiment, given as `lrar.experiment.to_dict` gives it."""
    modules = set(DECIDING_MODULES)
    dataset = experiment["data"]["dataset"]
    if dataset == "synthetic":
        modules |= {"datasets/performer", "datasets/synthetic"}
    else:
        family = {"ixmas": "ixmas", "hmdb": "hmdb51"}.get(dataset.rstrip("0123456789"), "folder")
        modules.add(f"datasets/{family}")
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
