"""HMDB-51 from its archives: RARs in a RAR, and nothing outside the folder, nothing half unpacked."""

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from conftest import names_file_and_remedy
from test_hmdb51 import NAMES, release, split_text, video

from lrar.archives import unpack_hmdb51
from lrar.clips import DataError
from lrar.datasets.hmdb51 import SPLITS, load_hmdb51


def number(value: int) -> bytes:
    """RAR5's variable-length integer: seven bits a byte, lowest first."""
    groups = [value & 127]
    while value := value >> 7:
        groups.append(value & 127)
    return bytes([group | 128 for group in groups[:-1]] + groups[-1:])


def block(kind: int, flags: int, fields: bytes, data: bytes = b"") -> bytes:
    size = number(len(data)) if flags & 2 else b""
    header = number(kind) + number(flags) + size + fields
    header = number(len(header)) + header
    return struct.pack("<I", zlib.crc32(header)) + header + data


def rar(files: dict[str, bytes]) -> bytes:
    """A RAR5 archive that stores its files without compression, by the published description of the format."""
    archive = b"Rar!\x1a\x07\x01\x00" + block(1, 0, number(0))
    for name, data in files.items():
        encoded = name.encode()
        fields = number(4) + number(len(data)) + number(0o100644) + struct.pack("<I", zlib.crc32(data))
        archive += block(2, 2, fields + number(0) + number(1) + number(len(encoded)) + encoded, data)
    return archive + block(5, 0, number(0))


@pytest.fixture
def archives(tmp_path) -> tuple[Path, Path]:
    """`hmdb51_org.rar` and `test_train_splits.rar` of three classes."""
    inner = {}
    for action, names in NAMES.items():
        inner[f"{action}.rar"] = rar({f"{action}/{name}.avi": video(tmp_path, name) for name in names})
    texts = {
        f"testTrainMulti_7030_splits/{action}_test_split{k}.txt": split_text(action, k).encode()
        for action in NAMES
        for k in (1, 2, 3)
    }
    paths = tmp_path / "hmdb51_org.rar", tmp_path / "test_train_splits.rar"
    paths[0].write_bytes(rar(inner))
    paths[1].write_bytes(rar(texts))
    return paths


def test_from_the_archives_to_clips(tmp_path, archives):
    root = tmp_path / "data" / "hmdb51"
    assert unpack_hmdb51(archives, root) == sum(map(len, NAMES.values())) + 9
    assert sorted(path.name for path in root.iterdir()) == [SPLITS, "videos"]
    there = release(tmp_path / "by-hand")
    unpacked, made = load_hmdb51(root), load_hmdb51(there)
    assert [clip.name for clip in unpacked.clips] == [clip.name for clip in made.clips]
    assert unpacked.splits == made.splits
    assert unpacked.fingerprint() == made.fingerprint()


def test_one_archive_after_the_other_but_none_twice(tmp_path, archives):
    root = tmp_path / "hmdb51"
    for archive in archives:
        unpack_hmdb51([archive], root)
    with pytest.raises(DataError) as error:
        unpack_hmdb51(archives[:1], root)
    assert names_file_and_remedy(error, root / "videos", "exists already")
    assert len(load_hmdb51(root).clips) == sum(map(len, NAMES.values()))


@pytest.mark.parametrize(
    "name", ["../escaped.avi", "walk/../../escaped.avi", "/escaped/walk.avi", "..\\escaped.avi", "C:walk.avi"]
)
@pytest.mark.parametrize("nested", [False, True])
def test_members_that_point_outside_are_refused(tmp_path, name, nested):
    bad = rar({"walk/good.avi": b"good", name: b"bad"})
    path = tmp_path / "bad.rar"
    path.write_bytes(rar({"walk.rar": bad}) if nested else bad)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError) as error:
        unpack_hmdb51([path], tmp_path / "here" / "hmdb51")
    assert names_file_and_remedy(error, path, "would land outside")
    assert set(tmp_path.rglob("*")) - set(before) <= {tmp_path / "here", tmp_path / "here" / "hmdb51"}


def test_what_is_no_archive_or_a_broken_one(tmp_path, archives):
    root, org = tmp_path / "hmdb51", archives[0]
    for name, content, words in (
        ("video.rar", b"not a rar at all", "cannot be read as a RAR archive"),
        ("empty.rar", b"", "cannot be read as a RAR archive"),
        ("other.rar", rar({"readme.md": b"hello"}), "holds neither videos nor splits"),
        ("cut.rar", org.read_bytes()[: org.stat().st_size // 2], ""),
        ("changed.rar", org.read_bytes()[:-2000] + bytes(1000) + org.read_bytes()[-1000:], ""),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError) as error:
            unpack_hmdb51([path], root)
        assert names_file_and_remedy(error, path, words), name
        assert not list(root.iterdir()), "nothing half unpacked"
    with pytest.raises(DataError) as error:
        unpack_hmdb51([tmp_path / "nowhere.rar"], root)
    assert names_file_and_remedy(error, tmp_path / "nowhere.rar", "no such file")


def test_another_reader_takes_our_archives_for_rar(tmp_path, archives):
    """The archives made here are RAR: an independent program reads them too."""
    if not (tool := shutil.which("bsdtar") or shutil.which("unar")):
        pytest.skip("neither bsdtar nor unar on this machine")
    options = ["-tf", archives[1]] if tool.endswith("bsdtar") else ["-t", archives[1]]
    done = subprocess.run([tool, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_compression_without_a_tool_names_the_remedy(tmp_path, monkeypatch, archives):
    import rarfile

    def no_tool(*_):
        raise rarfile.RarCannotExec("Cannot find working tool")

    monkeypatch.setattr(rarfile.RarFile, "read", no_tool)
    with pytest.raises(DataError) as error:
        unpack_hmdb51(archives, tmp_path / "hmdb51")
    assert names_file_and_remedy(error, archives[0], "Install unar")


def test_a_video_goes_to_its_class_folder(tmp_path):
    name = "a_walk_f_cm_np1_ri_med_0.avi"
    (tmp_path / "a.rar").write_bytes(rar({"walk.rar": rar({name: b"x"}), "other.rar": rar({f"run/{name}": b"x"})}))
    unpack_hmdb51([tmp_path / "a.rar"], tmp_path / "hmdb51")
    found = {
        path.relative_to(tmp_path / "hmdb51" / "videos").as_posix() for path in (tmp_path / "hmdb51").rglob("*.avi")
    }
    assert found == {f"walk/{name}", f"run/{name}"}
