"""What the live demo of the book needs: the shipped students as ONNX, held-out clips, and ONNX Runtime for browsers.

All of it goes into one folder beside the pages. The runtime comes from npm, once and checked, and is never committed;
where there is no npm, the book is built without the demo, and its page says so.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from lrar import provenance
from lrar.cache import atomic_write, cache_folder
from lrar.clips import Clip, DataError
from lrar.datasets.synthetic import load_synthetic, render_clip
from lrar.export import OPSET, export_student
from lrar.small import FOLDER, SHIPPED, load_student, read
from lrar.streams import low_resolution, to_video

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="  # SHA-512
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
MINUTES = 5  # that npm may take
# The modules that decide an exported student, besides its weights.
EXPORTED = ("attention", "backbones", "degrade", "export", "recognizer", "small", "super_resolution")


def write_demo(out: Path, *, say: Callable[[str], None] = print) -> bool:
    """Write the demo's files.

    Args:
        out: the folder that gets them; what was in it goes.
        say: takes one plain line where something is missing.

    Returns:
        whether the demo is there.
    """
    out = Path(out)
    shutil.rmtree(out, ignore_errors=True)
    try:
        files = [*runtime(), *models()]
    except DataError as error:
        say(f"no demo in this book: {error}")
        return False
    out.mkdir(parents=True)
    for file in files:
        shutil.copyfile(file, out / file.name)
    clips = held_out_clips()
    frames = [to_video(low_resolution(render_clip(clip))) for clip in clips]  # uint8 (T, h, w, 1) each
    starts = np.cumsum([0, *(video.size for video in frames)])
    listed = [
        {"name": clip.name, "start": int(start), "frames": len(video)}
        for clip, start, video in zip(clips, starts[:-1], frames, strict=True)
    ]
    cards = {name: load_student(name) for name in ("synthetic", *SHIPPED)}
    model, card = cards["synthetic"]
    with torch.no_grad():
        maps = model(read(frames[0])).maps  # (1, T', H', W')
    students = [
        {key: getattr(card, key) for key in ("dataset", "classes", "size", "held_out", "clips", "correct")}
        for _, card in cards.values()
    ]
    about = {"students": students, "clips": listed, "size": card.size, "map": list(maps.shape[2:])}
    atomic_write(out / "clips.u8", b"".join(video.tobytes() for video in frames))
    atomic_write(out / "demo.json", json.dumps(about).encode())
    return True


def held_out_clips() -> list[Clip]:
    """The first clip of each action by the actor whom the synthetic student has never seen."""
    _, card = load_student("synthetic")
    theirs = [clip for clip in load_synthetic().clips if clip.group in card.held_out.split("+")]
    return [next(clip for clip in theirs if clip.label == label) for label in range(len(card.classes))]


def models() -> list[Path]:
    """The shipped students as ONNX, from the cache or exported now.

    Raises:
        DataError: the packages that write ONNX are not installed.
    """
    files = []
    for name in SHIPPED:
        weights = (FOLDER / f"{name}.safetensors").read_bytes()
        made_by = [
            torch.__version__,
            str(OPSET),
            *(provenance.digest(Path(__file__).with_name(f"{name}.py")) for name in EXPORTED),
        ]
        key = hashlib.sha256(" ".join(made_by).encode() + weights).hexdigest()[:16]
        folder = cache_folder() / "onnx" / key
        path = folder / f"{name}.onnx"
        if not path.exists():
            export_student(*load_student(name), folder)
        files.append(path)
    return files


def runtime() -> list[Path]:
    """ONNX Runtime for browsers, from the cache or from npm.

    Raises:
        DataError: there is no npm, it cannot fetch the package, or what it fetched is not the package.
    """
    folder = cache_folder() / f"{PACKAGE}-{VERSION}"
    files = [folder / name for name in RUNTIME]
    if all(file.exists() for file in files):
        return files
    npm = shutil.which("npm")
    if npm is None:
        raise DataError(f"{PACKAGE} comes from npm, which is not installed. Install Node.js with npm and build again.")
    with tempfile.TemporaryDirectory() as place:
        try:
            done = subprocess.run(
                [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"],
                cwd=place,
                capture_output=True,
                text=True,
                timeout=MINUTES * 60,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DataError(f"{PACKAGE}: npm took more than {MINUTES} minutes. Check the network.") from error
        packed = Path(place) / f"{PACKAGE}-{VERSION}.tgz"
        if done.returncode or not packed.is_file():
            raise DataError(f"{PACKAGE}@{VERSION}: npm could not fetch it. Check the network and npm's settings.")
        digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if digest != INTEGRITY:
            raise DataError(f"{PACKAGE}@{VERSION}: npm gave another file than was tested. Check npm's registry.")
        with tarfile.open(packed) as archive:
            for file in files:
                atomic_write(file, archive.extractfile(f"package/dist/{file.name}").read())
    return files
