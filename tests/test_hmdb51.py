"""HMDB-51: the release's names and official splits, and what is said of a folder that is not as it should be."""

from pathlib import Path

import numpy as np
import pytest
from conftest import names_file_and_remedy, write_video

from lrar.book import checked_names
from lrar.clips import DataError
from lrar.datasets import available, data_folder, hmdb51, load_clip_set, one_name
from lrar.datasets.hmdb51 import SPLITS, load_hmdb51, source_video
from lrar.protocols import folds
from lrar.replay import existing
from lrar.settings import PROFILES
from lrar.studies import tasks
from lrar.videos import load_videos

# As the release names them, with all that a file name may hold.
NAMES = {
    "brush_hair": [f"April_09_brush_hair_u_nm_np1_ba_goo_{i}" for i in range(3)]
    + [f"#20_Rhythm_clap_u_nm_np1_fr_goo_0_brush_hair_h_cm_np1_fr_med_{i}" for i in range(2)],
    "shoot_gun": [f"Mr_&_Mrs_Smith!_[x]_shoot_gun_u_nm_np1_fr_med_{i}" for i in range(4)],
    "walk": [f"prelinger_walk_f_cm_np1_ri_med_{i}" for i in range(3)] + ["American_History_X_walk_f_cm_np1_fr_bad_9"],
}
# Each split: of each class the sources that it tests, by the beginning of their names; `unused` is left out.
TESTED = {1: ("April", "Mr", "prelinger"), 2: ("#20", "Mr", "American"), 3: ("April", "Mr", "American")}


def split_text(action: str, number: int) -> str:
    lines = []
    for name in NAMES[action]:
        side = 2 if name.startswith(TESTED[number]) else 1
        if name.startswith("Mr"):  # the one source of its class: its clips stand on all sides
            side = int(name[-1]) % 3
        lines.append(f"{name}.avi {side} ")
    return "\n".join(lines) + "\n"


def video(folder: Path, name: str) -> bytes:
    """A clip's file: four frames of 24x32, another for each name."""
    frames = np.random.default_rng(sum(name.encode())).integers(0, 255, (4, 24, 32, 3)).astype(np.uint8)
    path = write_video(folder / "video.avi", frames, pixels="bgr0")
    content = path.read_bytes()
    path.unlink()
    return content


def release(root: Path) -> Path:
    """Three classes of the release."""
    (root / SPLITS).mkdir(parents=True)
    for action, names in NAMES.items():
        (root / "videos" / action).mkdir(parents=True)
        for name in names:
            (root / "videos" / action / f"{name}.avi").write_bytes(video(root, name))
        for number in (1, 2, 3):
            (root / SPLITS / f"{action}_test_split{number}.txt").write_text(split_text(action, number))
    return root


@pytest.fixture
def root(tmp_path) -> Path:
    return release(tmp_path / "hmdb51")


def test_clips_and_classes(root):
    clip_set = load_hmdb51(root)
    assert clip_set.dataset == "hmdb3"
    assert clip_set.classes == ("brush_hair", "shoot_gun", "walk")
    assert sorted(clip.name for clip in clip_set.clips) == sorted(name for names in NAMES.values() for name in names)
    assert not clip_set.grey
    assert clip_set.size == (240, 320)
    for clip in clip_set.clips:
        assert clip.path.parent.name == clip_set.classes[clip.label]


def test_hmdb_is_as_many_classes_as_are_here(root, monkeypatch):
    """So that LRAR_DATA alone changes between a part of the classes and all of them."""
    monkeypatch.setenv("LRAR_DATA", str(root.parent))
    assert one_name("hmdb") == load_clip_set("hmdb").dataset == "hmdb3"
    listed = tasks("all", "hmdb", profile=PROFILES["full"])
    assert listed == tasks("all", "hmdb3", profile=PROFILES["full"])
    assert {task.experiment.backbone for task in listed} == {"i3d"}
    assert existing("hmdb", profile="full", records=root.parent).dataset == "hmdb3"
    assert checked_names(["hmdb", "hmdb3"]) == ("hmdb3",)
    monkeypatch.setenv("LRAR_DATA", str(root.parent / "nothing"))
    with pytest.raises(DataError, match="set LRAR_DATA to the folder above hmdb51"):
        tasks("all", "hmdb", profile=PROFILES["full"])


def test_a_source_video_is_one_group():
    for name, action, source in (
        ("April_09_brush_hair_u_nm_np1_ba_goo_0", "brush_hair", "brush_hair/April_09"),
        ("walk_the_line_walk_f_cm_np1_ri_med_1", "walk", "walk/walk_the_line"),
        ("a_walk_b_walk_f_cm_np1_ri_med_1", "walk", "walk/a_walk_b"),
        ("strange", "walk", "walk/strange"),
    ):
        assert source_video(name, action=action) == source


def test_official_splits(root):
    clip_set = load_hmdb51(root)
    names = np.array([clip.name for clip in clip_set.clips])
    divided = folds(clip_set, "official")
    assert [fold.name for fold in divided] == ["split 1", "split 2", "split 3"]
    for number, fold in enumerate(divided, start=1):
        train, test = set(names[fold.train]), set(names[fold.test])
        assert not train & test
        assert {name for name in test if "Mr_" not in name} == {
            name for name in names if name.startswith(TESTED[number]) and "Mr_" not in name
        }
        assert {name[-1] for name in train if "Mr_" in name} == {"1"}
        assert {name[-1] for name in test if "Mr_" in name} == {"2"}
        assert len(train | test) == len(names) - 2  # two clips of Mr & Mrs Smith have a 0


def test_decoded_in_colour_at_one_size(root, cache, monkeypatch):
    monkeypatch.setattr(hmdb51, "SIZE", (12, 16))
    videos = load_videos(load_hmdb51(root))
    assert {shape[1:] for shape in videos.shapes} == {(12, 16, 3)}


def test_the_splits_belong_to_the_fingerprint(root):
    before = load_hmdb51(root).fingerprint()
    path = root / SPLITS / "walk_test_split1.txt"
    path.write_text(path.read_text().replace(".avi 1 ", ".avi 2 "))
    assert load_hmdb51(root).fingerprint() != before


def test_other_sets_have_no_official_splits(ixmas):
    with pytest.raises(DataError) as error:
        folds(load_clip_set("ixmas6"), "official")
    assert names_file_and_remedy(error, "ixmas6", "no official splits")


def test_a_part_is_never_taken_for_the_whole(root, monkeypatch):
    monkeypatch.setenv("LRAR_DATA", str(root.parent))
    assert load_clip_set("hmdb3").dataset == "hmdb3"
    assert not available("hmdb51")
    with pytest.raises(DataError) as error:
        load_clip_set("hmdb51")
    assert names_file_and_remedy(error, root, "holds 3 actions, which is hmdb3")
    # Were three classes all there are, no clip of a split might be missing.
    monkeypatch.setattr(hmdb51, "CLASSES", 3)
    load_hmdb51(root)
    next((root / "videos" / "walk").glob("*.avi")).unlink()
    with pytest.raises(DataError) as error:
        load_hmdb51(root)
    assert names_file_and_remedy(error, root, "the splits name 1 clips that are not there, first ")
    monkeypatch.setattr(hmdb51, "CLASSES", 51)
    assert len(load_hmdb51(root).clips) == 12


def breaks(root: Path, name: str) -> None:
    if name == "no videos":
        (root / "videos").rename(root / "elsewhere")
    elif name == "no splits":
        (root / SPLITS).rename(root / "elsewhere")
    elif name == "empty":
        for path in (root / "videos").rglob("*.avi"):
            path.unlink()
    elif name == "lost split":
        (root / SPLITS / "walk_test_split2.txt").unlink()
    elif name == "strange line":
        (root / SPLITS / "walk_test_split2.txt").write_text("prelinger_walk_f_cm_np1_ri_med_0.avi 7\n")
    elif name == "unknown clip":
        (root / "videos" / "walk" / "my_own.avi").write_bytes(b"x")
    elif name == "twice":
        first = next((root / "videos" / "walk").glob("*.avi"))
        (root / "videos" / "brush_hair" / first.name).write_bytes(first.read_bytes())
    elif name == "no test clip":
        for action in NAMES:
            path = root / SPLITS / f"{action}_test_split3.txt"
            path.write_text(path.read_text().replace(".avi 2", ".avi 1"))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("no videos", ("videos: no such folder", "lrar data prepare hmdb51 --archive")),
        ("no splits", (f"{SPLITS}: no such folder",)),
        ("empty", ("no class folder with AVI files",)),
        ("lost split", ("walk_test_split2.txt: no such split",)),
        ("strange line", ("'prelinger_walk_f_cm_np1_ri_med_0.avi 7' is no line of a split",)),
        ("unknown clip", ("no split knows 1 clips, first my_own",)),
        ("twice", ("two classes hold a clip named",)),
        ("no test clip", ("no test clip of split 3",)),
    ],
)
def test_errors(root, name, parts):
    breaks(root, name)
    with pytest.raises(DataError) as error:
        load_hmdb51(root)
    assert names_file_and_remedy(error, root, *parts)


def test_the_clips_that_are_on_this_machine():
    if not available("hmdb21"):
        pytest.skip(f"no HMDB clips in {data_folder()}")
    clip_set = load_clip_set("hmdb21")
    groups = np.array([clip.group for clip in clip_set.clips])
    assert len(clip_set.clips) == 922
    for fold in folds(clip_set, "official"):
        assert not set(groups[fold.train]) & set(groups[fold.test]), "no source video of one class stands on both sides"
