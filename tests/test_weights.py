"""Finding, checking and fetching weights: the right file passes, anything else is refused and leaves nothing behind."""

import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save, save_file

from lrar import places, weights
from lrar.clips import DataError


class Calls:
    """An object whose pickle calls a function when it is read."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def put(archive: Path, *members: tarfile.TarInfo, content: bytes = b"x") -> Path:
    with tarfile.open(archive, "w") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return archive


def one_line_with_remedy(error: pytest.ExceptionInfo, *parts: str) -> bool:
    message = str(error.value)
    return "\n" not in message and all(part in message for part in parts)


def test_folder_by_variable_then_beside_then_inside(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", tmp_path / "repository")
    monkeypatch.delenv("LRAR_WEIGHTS", raising=False)
    assert weights.weights_folder() == tmp_path / "repository" / "weights"
    (tmp_path / "shared" / "weights").mkdir(parents=True)
    assert weights.weights_folder() == tmp_path / "shared" / "weights"
    monkeypatch.setenv("LRAR_WEIGHTS", str(tmp_path / "mine"))
    assert weights.weights_folder() == tmp_path / "mine"


def test_missing_file_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("LRAR_WEIGHTS", str(tmp_path))
    with pytest.raises(DataError) as error:
        weights.weights_file(weights.I3D_FILE)
    assert one_line_with_remedy(error, str(tmp_path / weights.I3D_FILE), "missing", "`lrar weights get`")
    with pytest.raises(DataError) as error:
        weights.weights_file("espcn_x4.safetensors")
    assert one_line_with_remedy(error, "missing", "fannymonori/TF-ESPCN")
    assert weights.check() == dict.fromkeys(weights.PUBLISHED, "missing")


def test_bad_files_give_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("LRAR_WEIGHTS", str(tmp_path))
    whole = save({"a": np.zeros(100, np.float32)})
    path = tmp_path / weights.I3D_FILE
    for content, fault in [(b"", "damaged"), (whole[:-7], "damaged"), (whole, "not the published one")]:
        path.write_bytes(content)
        with pytest.raises(DataError) as error:
            weights.weights_file(weights.I3D_FILE)
        assert one_line_with_remedy(error, str(path), fault, "`lrar weights get`")
        assert weights.check()[weights.I3D_FILE] == fault


def test_published_files_here_are_right():
    states = weights.check()
    if set(states.values()) == {"missing"}:
        pytest.skip("no published weights on this machine")
    assert set(states.values()) <= {"ok", "missing"}


def test_digest_sees_content_names_and_shapes_but_no_header(tmp_path):
    array = np.arange(6, dtype=np.float32)
    digest = weights.tensors_sha256({"a": array, "b": array})
    save_file({"b": array, "a": array}, tmp_path / "f", metadata={"source": "elsewhere"})
    assert weights.tensors_sha256(load_file(tmp_path / "f")) == digest
    for other in (
        {"a": array},
        {"a": array, "c": array},
        {"a": array, "b": array + 1},
        {"a": array, "b": array.reshape(2, 3)},
    ):
        assert weights.tensors_sha256(other) != digest


@pytest.mark.parametrize("protocol", [3, 4])
def test_unpickler_reads_arrays(protocol):
    tree = {"params": {"unit": {"kernel": np.arange(8, dtype=np.float32).reshape(2, 4)}, "bias": np.ones(3)}}
    arrays = weights.read_arrays(pickle.dumps(tree, protocol=protocol))
    assert list(arrays) == ["params/unit/kernel", "params/bias"]
    np.testing.assert_array_equal(arrays["params/unit/kernel"], tree["params"]["unit"]["kernel"])


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("function", [os.system, eval, exec, __import__, open, np.load, np.fromfile, getattr])
def test_unpickler_calls_nothing(tmp_path, monkeypatch, function, protocol):
    monkeypatch.chdir(tmp_path)
    for argument in ("touch ran", "open('ran', 'w')"):
        with pytest.raises(DataError, match="pickle refused") as error:
            weights.read_arrays(pickle.dumps({"a": Calls(function, argument)}, protocol=protocol))
        assert one_line_with_remedy(error, "asks for")
    assert not list(tmp_path.iterdir())


def test_unpickler_follows_no_dots():
    # Protocol 4 looks attributes up through dots: an admitted name must not open the door to what hangs on it.
    content = b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."
    with pytest.raises(DataError, match=r"numpy\.ndarray\.tofile"):
        weights.read_arrays(content)


@pytest.mark.parametrize(
    "leaf", ["text", 1.5, [np.ones(1)], np.array(["text"]), np.array([None]), np.ones(2, np.int64)]
)
def test_only_float_arrays_may_be_inside(leaf):
    with pytest.raises(DataError, match="only arrays"):
        weights.read_arrays(pickle.dumps({"a": leaf}, protocol=4))


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps({"a": np.ones(9)}, protocol=4)[:-20]])
def test_damaged_pickle(content):
    with pytest.raises(DataError) as error:
        weights.read_arrays(content)
    assert one_line_with_remedy(error, "Do not use this file")


def test_archive_members_outside_are_refused(tmp_path):
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "../outside"
    device = tarfile.TarInfo("device")
    device.type = tarfile.CHRTYPE
    folder = tmp_path / "a" / "b"
    for member in (tarfile.TarInfo("../x"), tarfile.TarInfo("fine/../../x"), link, device):
        with pytest.raises(DataError) as error:
            weights.unpack(put(tmp_path / "bad.tar", member), folder)
        assert one_line_with_remedy(error, "bad.tar", member.name, "Do not use this archive")
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "bad.tar"]


def test_archive_with_an_absolute_member_stays_inside(tmp_path):
    outside = tmp_path / "outside"
    weights.unpack(put(tmp_path / "a.tar", tarfile.TarInfo(str(outside))), tmp_path / "folder")
    assert not outside.exists()


def test_damaged_archive(tmp_path):
    whole = put(tmp_path / "a.tar", tarfile.TarInfo("x"), content=bytes(5000)).read_bytes()
    for content in (b"", b"no archive", whole[:2000]):
        (tmp_path / "a.tar").write_bytes(content)
        with pytest.raises(DataError) as error:
            weights.unpack(tmp_path / "a.tar", tmp_path / "folder")
        assert one_line_with_remedy(error, "a.tar", "Download it again")


def test_conversion_by_hand():
    kernel = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.float32).reshape(2, 3, 4, 5, 6)  # (t, h, w, C, D)
    head = np.arange(10, dtype=np.float32).reshape(1, 1, 1, 5, 2)
    tensors = weights.convert_i3d(
        {
            "params/Mixed_3b/Branch_0/Conv3d_0a_1x1/Conv_0/kernel": kernel,
            "batch_stats/Mixed_3b/Branch_0/Conv3d_0a_1x1/BatchNorm_0/var": np.ones((1, 1, 1, 1, 6), np.float32),
            "params/Logits/Conv3d_0c_1x1/Conv_0/kernel": head,
            "params/Logits/Conv3d_0c_1x1/Conv_0/bias": np.zeros(2, np.float32),
        }
    )
    assert {name: array.shape for name, array in tensors.items()} == {
        "Mixed_3b.Branch_0.Conv3d_0a_1x1.conv.weight": (6, 5, 2, 3, 4),
        "Mixed_3b.Branch_0.Conv3d_0a_1x1.bn.running_var": (6,),
        "Logits.Conv3d_0c_1x1.weight": (2, 5),
        "Logits.Conv3d_0c_1x1.bias": (2,),
    }
    weight = tensors["Mixed_3b.Branch_0.Conv3d_0a_1x1.conv.weight"]
    assert weight[3, 2, 1, 0, 3] == kernel[1, 0, 3, 2, 3]
    assert tensors["Logits.Conv3d_0c_1x1.weight"][1, 4] == head[0, 0, 0, 4, 1]
    with pytest.raises(DataError, match="unknown entry"):
        weights.convert_i3d({"params/Conv3d_1a_7x7/Dense_0/kernel": kernel})


def port(tensors: dict[str, np.ndarray]) -> bytes:
    """The archive that holds these tensors as the port pickles them: `convert_i3d` backwards."""
    layers = {"conv": "Conv_0", "bn": "BatchNorm_0"}
    kinds = {"weight": "kernel", "bias": "bias", "running_mean": "mean", "running_var": "var"}
    tree: dict = {}
    for name, array in tensors.items():
        *unit, kind = name.replace("0c_1x1.", "0c_1x1.conv.").split(".")
        if kind == "weight":
            array = array.reshape(*array.shape, *[1] * (5 - array.ndim)).transpose(2, 3, 4, 1, 0)
        path = ["batch_stats" if "running" in kind else "params", *unit[:-1], layers[unit[-1]]]
        node = tree
        for key in path:
            node = node.setdefault(key, {})
        node[kinds[kind]] = np.ascontiguousarray(array)
    return pickle.dumps(tree, protocol=4)


def test_get_converts_the_published_network_exactly(tmp_path, monkeypatch):
    if weights.check()[weights.I3D_FILE] == "missing":
        pytest.skip("no I3D weights on this machine")
    tensors = load_file(weights.weights_file(weights.I3D_FILE))
    member = tarfile.TarInfo(weights.I3D_PICKLE)
    monkeypatch.setattr(weights, "_download", lambda folder: put(folder / "a.tar", member, content=port(tensors)))
    path = weights.get_i3d(tmp_path / "new")
    assert [path] == list((tmp_path / "new").iterdir())
    converted = load_file(path)
    assert sorted(converted) == sorted(tensors)
    assert all(np.array_equal(converted[name], tensors[name]) for name in tensors)

    def no_download(folder: Path):
        raise AssertionError("fetched again what was there")

    monkeypatch.setattr(weights, "_download", no_download)
    assert weights.get_i3d(tmp_path / "new") == path


def test_get_refuses_another_network(tmp_path, monkeypatch):
    member = tarfile.TarInfo(weights.I3D_PICKLE)
    content = port({"Conv3d_1a_7x7.bn.bias": np.zeros(64, np.float32)})
    monkeypatch.setattr(weights, "_download", lambda folder: put(folder / "a.tar", member, content=content))
    with pytest.raises(DataError) as error:
        weights.get_i3d(tmp_path / "new")
    assert one_line_with_remedy(error, "does not hold the published network")
    assert not (tmp_path / "new").exists()


def test_get_into_a_place_that_cannot_be_written(tmp_path, monkeypatch):
    tensors = {"Conv3d_1a_7x7.bn.bias": np.zeros(64, np.float32)}
    known = weights.Published(sha256=weights.tensors_sha256(tensors), source="a test")
    monkeypatch.setitem(weights.PUBLISHED, weights.I3D_FILE, known)
    member = tarfile.TarInfo(weights.I3D_PICKLE)
    monkeypatch.setattr(weights, "_download", lambda folder: put(folder / "a.tar", member, content=port(tensors)))
    (tmp_path / "file").touch()
    with pytest.raises(DataError) as error:
        weights.get_i3d(tmp_path / "file" / "folder")
    assert one_line_with_remedy(error, "cannot be written", "LRAR_WEIGHTS")


def test_get_without_network(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(DataError) as error:
        weights.get_i3d(tmp_path / "new")
    assert one_line_with_remedy(error, "pip could not download it", "Check the network")
    assert not (tmp_path / "new").exists()
