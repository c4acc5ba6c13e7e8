"""Shared by all tests: a tiny data set as real video files, folders of its own for each test, the book and a browser.

`LRAR_BOOK` names a folder with a built book to look at instead of building one; `LRAR_BROWSER` names a Chromium or
Chrome.
"""

import contextlib
import functools
import http.server
import os
import shutil
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from filelock import FileLock

from lrar import provenance, vouching
from lrar.clips import Clip, ClipSet
from lrar.pdf import find_browser

# Tests compute on the processor, also where there is a GPU: that networks move to one is tested without it.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

ACTIONS = {"walk": 7, "wave": 8, "punch": 9}  # with the numbers of the IXMAS release
ACTORS = ("alba", "amel", "andreas")
FRAMES, ROWS, COLUMNS = 10, 32, 24
SEVERAL = "PYTEST_XDIST_WORKER" in os.environ  # this process is one of several that share the tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is quick comes first: unit tests, then the notebooks, then the book.

    Of several processes, one builds the book from the start.
    """

    def order(item: pytest.Item) -> int:
        if item.path.name == "test_book.py" and SEVERAL:
            return -1
        return 2 if item.path.name.startswith("test_book") else 1 if item.path.suffix == ".ipynb" else 0

    items.sort(key=order)


def write_video(
    path: Path,
    video: np.ndarray,
    *,
    codec: str = "ffv1",
    pixels: str = "gray",
    rate: int = 15,
    times: Sequence[int] | None = None,
) -> Path:
    """Encode uint8 grey `(T, H, W)` or RGB `(T, H, W, 3)`, one frame after the other or at these times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = video.shape[1:3]
        stream.pix_fmt = pixels
        container.start_encoding()
        for time, image in zip(times or range(len(video)), video, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="gray" if video.ndim == 3 else "rgb24")
            frame = frame.reformat(format=pixels)
            frame.pts, frame.time_base = time, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def film_upright(path: Path, video: np.ndarray) -> Path:
    """An MP4 as a telephone held upright makes it: frames stored lying down, and beside them how to turn them."""
    write_video(path, np.rot90(video, axes=(1, 2)), codec="libx264", pixels="yuv420p", rate=25)
    content = path.read_bytes()
    matrix = content.index(b"tkhd") + 44
    turn = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content[:matrix] + turn + content[matrix + 36 :])
    return path


def trim(path: Path, *, cut: int, rate: int = 25) -> None:
    """Hide the first frames of an MP4 by its edit list, as programs do that cut without encoding again."""
    content = path.read_bytes()
    entry = content.index(b"elst") + 12
    duration, start = struct.unpack(">2i", content[entry : entry + 8])  # of the film's clock, and of the track's
    clock = struct.unpack(">i", content[(at := content.index(b"mvhd") + 16) : at + 4])[0]
    track = struct.unpack(">i", content[(at := content.index(b"mdhd") + 16) : at + 4])[0]
    edited = struct.pack(">2i", duration - cut * clock // rate, start + cut * track // rate)
    path.write_bytes(content[:entry] + edited + content[entry + 8 :])


def render(*, action: int, actor: int, view: int = 0, frames: int = FRAMES) -> np.ndarray:
    """A square on a still, speckled wall, `(T, 32, 24)`; the action decides how it moves, the actor how it looks."""
    wall = np.random.default_rng(actor).integers(60, 100, (ROWS, COLUMNS))
    video = np.repeat(wall[None], frames, axis=0)
    for t in range(frames):
        row, column = ((10, 2 + t), (2 + 2 * t, 8), (20 - 2 * t, 8))[action]
        column += view
        video[t, row : row + 6 + actor, column : column + 6] = 180 + 20 * actor
    return video.astype(np.uint8)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory) -> Path:
    """A folder for `LRAR_DATA`: 3 actions, 3 actors and 2 cameras, each clip once, named as IXMAS names its clips."""
    folder = tmp_path_factory.mktemp("data") / "ixmas"
    folder.mkdir()
    for label, (action, number) in enumerate(ACTIONS.items()):
        for actor, name in enumerate(ACTORS):
            for camera in (0, 1):
                path = folder / f"{name}1_{number:02d}_{action}_cam{camera}_frames_0101_0110.avi"
                write_video(path, render(action=label, actor=actor, view=camera))
    return folder.parent


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("LRAR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def ixmas(tiny_data, cache, monkeypatch) -> Path:
    """The tiny data set stands where `ixmas6` is looked for; nothing of it has been decoded. Gives its clips' folder."""
    from lrar.running import load_data

    monkeypatch.setenv("LRAR_DATA", str(tiny_data))
    load_data.cache_clear()
    yield tiny_data / "ixmas"
    load_data.cache_clear()


@pytest.fixture
def one_thread():
    """On one thread the same training gives the same bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def edit(tmp_path, monkeypatch):
    """A function that edits a copy of the package, and gives the digests of the copy until it is called again."""
    package = tmp_path / "lrar"
    shutil.copytree(Path(provenance.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    vouching.same_results.cache_clear()

    def digests(module: str, *changes: tuple[str, str]) -> dict[str, str]:
        path = package / f"{module}.py"
        text = changed = path.read_text()
        for old, new in changes:
            assert old in changed
            changed = changed.replace(old, new, 1)
        path.write_text(changed)
        provenance.code_digest.cache_clear()
        try:
            return provenance.code_digest()
        finally:
            path.write_text(text)

    yield digests
    provenance.code_digest.cache_clear()
    vouching.same_results.cache_clear()


def clip_set_of(*paths: Path) -> ClipSet:
    """Grey videos of one class."""
    listed = tuple(Clip(name=path.name, label=0, group=path.name[0], path=path) for path in paths)
    return ClipSet(dataset="folder-some", classes=("all",), clips=listed, grey=True)


def names_file_and_remedy(error: pytest.ExceptionInfo, *parts: object) -> bool:
    """Whether an error is one line that holds these parts and ends with what to do, a sentence of its own."""
    message = str(error.value)
    remedy = message.rstrip(".").rsplit(". ", 1)
    return "\n" not in message and len(remedy) == 2 and all(str(part) in message for part in parts)


@dataclass
class Training:
    """What one training was given.

    Attributes:
        kind: `super_resolution` or `recognizer`.
        clips: numbers of the training clips (recognizers).
        frames: what its network sees of all clips (recognizers).
        high: HR training clips `(T, H, W, C)` (super resolution).
        low: the same in LR.
        options: what else training was told (super resolution).
        teacher: the teacher, or None.
        teacher_frames: what the teacher sees of all clips, or None.
    """

    kind: str
    clips: list[int] | None = None
    frames: np.ndarray | None = None
    high: list[np.ndarray] | None = None
    low: list[np.ndarray] | None = None
    options: dict | None = None
    teacher: torch.nn.Module | None = None
    teacher_frames: np.ndarray | None = None


@pytest.fixture
def trainings(monkeypatch) -> list[Training]:
    """Trainings are listed here instead of done: networks stay as they were made."""
    from lrar import running
    from lrar.super_resolution import VideoSuperResolution

    seen: list[Training] = []

    def fit(model, stream, labels, clips, *, teacher=None, teacher_stream=None, **_):
        shown = teacher_stream.frames if teacher_stream else None
        seen.append(Training("recognizer", clips.tolist(), frames=stream.frames, teacher=teacher, teacher_frames=shown))
        return [1.0]

    def train_super_resolution(*, low, high, window, width, blocks, progress, **options):
        seen.append(Training("super_resolution", high=high, low=low, options=options))
        network = VideoSuperResolution(channels=low[0].shape[3], window=window, width=width, blocks=blocks)
        return network.eval(), [1.0] * 10

    monkeypatch.setattr(running, "fit", fit)
    monkeypatch.setattr(running, "train_super_resolution", train_super_resolution)
    return seen


@pytest.fixture(scope="session")
def launch():
    """Starts a Chromium or Chrome of this machine, with switches of one's own."""
    path = find_browser()
    if path is None:
        pytest.skip("no Chromium or Chrome here to look at the pages with: install one, or name it in LRAR_BROWSER")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield lambda *switches: playwright.chromium.launch(executable_path=path, args=["--disable-quic", *switches])


@pytest.fixture(scope="session")
def browser(launch):
    """A Chromium or Chrome of this machine."""
    browser = launch()
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def html(tmp_path_factory) -> Path:
    """The built book; its synthetic chapters train, whatever an earlier build has left. Several processes share it."""
    if chosen := os.environ.get("LRAR_BOOK"):
        assert (Path(chosen) / "index.html").is_file(), f"LRAR_BOOK: {chosen} holds no built book"
        return Path(chosen)
    from lrar.book import build_book

    own = tmp_path_factory.getbasetemp()
    built = (own.parent if SEVERAL else own) / "built"
    with FileLock(f"{built}.lock"):
        if not built.exists():
            built.write_text(str(build_book(fresh=True).parent))
    return Path(built.read_text())


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder, served on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def address(html) -> Iterator[str]:
    """The built book, served on this machine."""
    with served(html) as address:
        yield address
