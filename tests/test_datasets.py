"""The data sets by name: what they list, and what they say of a folder that is not as it should be."""

import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from conftest import names_file_and_remedy, write_video

from lrar import places
from lrar.clips import DataError
from lrar.datasets import available, data_folder, load_clip_set, one_name
from lrar.datasets.folder import load_folder
from lrar.datasets.ixmas import load_ixmas
from lrar.videos import load_videos

ALL_ACTIONS = (
    "check-watch cross-arms scratch-head sit-down get-up turn-around walk wave punch kick point pick-up".split()
)


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def release_names(actions, actors=("alba",), takes=(1,), cameras=(0,)):
    return [
        f"{actor}{take}_{number:02d}_{action}_cam{camera}_frames_0053_0097.avi"
        for number, action in enumerate(actions, start=1)
        for actor in actors
        for take in takes
        for camera in cameras
    ]


@pytest.mark.parametrize(("count", "dataset"), [(6, "ixmas6"), (12, "ixmas")])
@pytest.mark.parametrize("cameras", [(0, 1), (0, 1, 2, 3, 4)])
def test_ixmas_of_six_or_twelve_actions(tmp_path, count, dataset, cameras):
    names = release_names(ALL_ACTIONS[:count], actors=("alba", "srikumar"), takes=(1, 3), cameras=cameras)
    clip_set = load_ixmas(touch(tmp_path, *names))
    assert clip_set.dataset == dataset
    assert list(clip_set.classes) == ALL_ACTIONS[:count]  # by number, not by alphabet
    assert clip_set.grey
    assert sorted(clip.name for clip in clip_set.clips) == sorted(name.removesuffix(".avi") for name in names)
    assert {clip.group for clip in clip_set.clips} == {"alba", "srikumar"}
    assert {clip.camera for clip in clip_set.clips} == set(cameras)
    assert {clip.take for clip in clip_set.clips} == {1, 3}


def test_ixmas_name_in_its_parts(tmp_path):
    names = ["chiara2_04_sit-down_cam3_frames_0268_0349.avi", "alba1_01_check-watch_cam0_frames_0053_0097.avi"]
    first, second = load_ixmas(touch(tmp_path, *names, "readme.txt", "other.avi")).clips
    assert (first.name, first.label, first.group) == ("alba1_01_check-watch_cam0_frames_0053_0097", 0, "alba")
    assert (second.label, second.group, second.camera, second.take) == (1, "chiara", 3, 2)
    assert second.path == tmp_path / names[0]


def test_ixmas_errors(tmp_path, monkeypatch):
    with pytest.raises(DataError) as error:
        load_ixmas(tmp_path / "nowhere")
    assert names_file_and_remedy(error, tmp_path / "nowhere", "no such folder", "LRAR_DATA")
    with pytest.raises(DataError) as error:
        load_ixmas(touch(tmp_path, "holiday.avi"))
    assert names_file_and_remedy(error, tmp_path, "no file named like the IXMAS release")
    monkeypatch.setenv("LRAR_DATA", str(tmp_path))
    touch(tmp_path / "ixmas", *release_names(ALL_ACTIONS))
    assert load_clip_set("ixmas").dataset == "ixmas"
    with pytest.raises(DataError) as error:
        load_clip_set("ixmas6")
    assert names_file_and_remedy(error, "12 actions", "Ask for ixmas")


def test_folder_groups_by_prefix(tmp_path):
    touch(
        tmp_path / "mine",
        "run/bob_1.mp4",
        "run/anna_run_2.MP4",
        "jump/anna_jump_1.avi",
        "jump/bob.mov",
        ".hidden/x.avi",
        "notes.txt",
    )
    touch(tmp_path / "mine", "run/readme.txt")
    clip_set = load_folder(tmp_path / "mine")
    assert clip_set.dataset == "folder-mine"
    assert clip_set.classes == ("jump", "run")
    assert not clip_set.grey
    assert [(clip.name, clip.label, clip.group) for clip in clip_set.clips] == [
        ("jump/anna_jump_1.avi", 0, "anna"),
        ("jump/bob.mov", 0, "bob"),
        ("run/anna_run_2.MP4", 1, "anna"),
        ("run/bob_1.mp4", 1, "bob"),
    ]
    assert {clip.camera for clip in clip_set.clips} == {None}


def test_videos_of_any_size_become_small(tmp_path, cache):
    for number, name in enumerate(("run/a_1", "run/b_1", "jump/a_2", "jump/b_2")):
        path = tmp_path / "mine" / f"{name}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, np.zeros((3, 96 + 32 * number, 160), np.uint8))
    videos = load_videos(load_folder(tmp_path / "mine"))
    assert {shape[1:] for shape in videos.shapes} == {(48, 64, 3)}


def test_folder_groups_by_file(tmp_path):
    touch(tmp_path, "run/a_1.mp4", "run/a_3.mp4", "jump/a_2.mp4", "jump/a_4.mp4")
    lines = "run/a_1.mp4,first\n\njump/a_2.mp4, second\nrun/a_3.mp4 ,second \njump/a_4.mp4,first\n"
    for encoding in ("utf-8", "utf-8-sig"):  # spreadsheets put a mark in front
        (tmp_path / "groups.csv").write_text(lines, encoding=encoding)
        assert [clip.group for clip in load_folder(tmp_path).clips] == ["second", "first", "first", "second"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("run/a_1.mp4,x\n", "says nothing of jump/a_2.mp4"),
        ("run/a_1.mp4,x\njump/a_2.mp4,y\nrun/gone.mp4,x\n", "names run/gone.mp4"),
        ("run/a_1.mp4;x\njump/a_2.mp4;y\n", "each line must read"),
        ("run/a_1.mp4,x\njump/a_2.mp4, \n", "each line must read"),
        ("run/a_1.mp4,x\njump/a_2.mp4,y\nrun/a_1.mp4,y\n", "names run/a_1.mp4 more than once"),
        ("run/a_1.mp4,Änna\njump/a_2.mp4,y\n", "not in UTF-8"),
    ],
)
def test_folder_with_a_faulty_group_file(tmp_path, line, fault):
    touch(tmp_path, "run/a_1.mp4", "jump/a_2.mp4")
    (tmp_path / "groups.csv").write_text(line, encoding="cp1252")
    with pytest.raises(DataError) as error:
        load_folder(tmp_path)
    assert "\n" not in str(error.value)
    assert str(tmp_path / "groups.csv") in str(error.value)
    assert fault in str(error.value)


def test_folder_errors(tmp_path):
    with pytest.raises(DataError) as error:
        load_folder(tmp_path / "nowhere")
    assert names_file_and_remedy(error, tmp_path / "nowhere", "no such folder")
    with pytest.raises(DataError) as error:
        load_folder(tmp_path)
    assert "0 class folder(s); at least 2 are needed" in str(error.value)
    touch(tmp_path, "run/anna_1.mp4", "jump/readme.txt")
    with pytest.raises(DataError) as error:
        load_folder(tmp_path)
    assert names_file_and_remedy(error, tmp_path / "jump", "a class without videos")
    touch(tmp_path, "jump/anna_2.mp4")
    with pytest.raises(DataError) as error:
        load_folder(tmp_path)
    assert names_file_and_remedy(error, tmp_path, "all clips belong to one group", "groups.csv")
    touch(tmp_path, "jump/bob_1.mp4")
    with pytest.raises(DataError) as error:
        load_folder(tmp_path)
    assert names_file_and_remedy(error, tmp_path / "run", "all its clips belong to one group, anna", "groups.csv")


def test_a_class_may_be_a_link(tmp_path):
    touch(tmp_path, "archive/run/anna_1.mp4", "archive/run/bob_1.mp4", "mine/jump/anna_2.mp4", "mine/jump/bob_2.mp4")
    (tmp_path / "mine" / "run").symlink_to(tmp_path / "archive" / "run")
    names = ["jump/anna_2.mp4", "jump/bob_2.mp4", "run/anna_1.mp4", "run/bob_1.mp4"]
    assert [clip.name for clip in load_folder(tmp_path / "mine").clips] == names
    (tmp_path / "mine" / "jump" / "back").symlink_to(tmp_path / "mine")
    assert [clip.name for clip in load_folder(tmp_path / "mine").clips] == names, "a link that leads back is no end"


def test_groups_that_differ_in_case_alone(tmp_path):
    touch(tmp_path, "run/Anna_1.mp4", "run/bob_1.mp4", "jump/anna_2.mp4", "jump/bob_2.mp4")
    with pytest.raises(DataError) as error:
        load_folder(tmp_path)
    assert names_file_and_remedy(error, tmp_path, "groups Anna and anna differ in case alone")


def test_a_file_is_not_left_out_in_silence(tmp_path):
    good = ("run/anna_1.mp4", "run/bob_1.mts", "jump/anna_1.3GP", "jump/bob_1.ogv")
    touch(tmp_path, *good, "run/notes.md", "jump/cover.jpg", "jump/.DS_Store")
    (tmp_path / "run" / "more").mkdir()
    assert [clip.name for clip in load_folder(tmp_path).clips] == sorted(good)
    touch(tmp_path, "run/bob_2.rm")
    with pytest.raises(DataError) as error:
        load_folder(tmp_path)
    assert names_file_and_remedy(error, tmp_path / "run" / "bob_2.rm", "not known as a video")


@pytest.mark.parametrize("name", ["run/more/carl_1.mp4", "dora_1.mp4"])
def test_a_video_elsewhere_is_not_left_out_in_silence(tmp_path, name):
    touch(tmp_path, "run/anna_1.mp4", "run/bob_1.mp4", "jump/anna_1.mp4", "jump/bob_1.mp4", ".trash/old.mp4")
    assert len(load_folder(tmp_path).clips) == 4
    touch(tmp_path, name)
    with pytest.raises(DataError) as error:
        load_folder(tmp_path)
    assert names_file_and_remedy(error, tmp_path / name, "Move it into the folder of its class")


def test_no_fold_tests_a_class_that_it_does_not_learn(tmp_path):
    """Ten folds over twenty people: two are held out at once, and all who jump may be among them."""
    touch(tmp_path, *(f"run/p{number:02d}_1.mp4" for number in range(20)), "jump/p03_2.mp4", "jump/p13_2.mp4")
    with pytest.raises(DataError) as error:
        load_folder(tmp_path)
    assert names_file_and_remedy(error, tmp_path / "jump", "p03+p13", "Add clips of another group")
    touch(tmp_path, "jump/p04_2.mp4")
    assert len(load_folder(tmp_path).clips) == 23


def test_folders_by_path_and_by_name(tmp_path, monkeypatch):
    touch(tmp_path / "data" / "mine", "run/anna_1.mp4", "run/bob_1.mp4", "jump/anna_1.mp4", "jump/bob_1.mp4")
    touch(tmp_path / "else" / "mine", "run/anna_1.mp4")
    monkeypatch.setenv("LRAR_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path / "data")
    assert load_clip_set(str(tmp_path / "data" / "mine")) == load_clip_set("folder-mine")
    for path in ("./mine", "../data/mine/", str(tmp_path / "data" / "mine")):
        assert one_name(path) == "folder-mine", "one folder is one data set"
    assert one_name("../else/mine") == str(tmp_path / "else" / "mine")
    assert one_name("ixmas6") == "ixmas6"


def test_unknown_data_set(tmp_path, monkeypatch):
    monkeypatch.setenv("LRAR_DATA", str(tmp_path))
    with pytest.raises(DataError) as error:
        load_clip_set("ucf101")
    assert names_file_and_remedy(error, "ucf101", "no such data set", "synthetic, ixmas6, ixmas")
    assert not available("ucf101")
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"mine: a folder is given as a path.*Write \./mine\."):
        load_clip_set("mine")
    assert not available("ixmas6")
    assert available("synthetic")


def test_data_folder_by_variable_then_beside_then_inside(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", tmp_path / "repository")
    monkeypatch.delenv("LRAR_DATA", raising=False)
    assert data_folder() == tmp_path / "repository" / "data"
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert data_folder() == tmp_path / "shared" / "data"
    monkeypatch.setenv("LRAR_DATA", str(tmp_path / "mine"))
    assert data_folder() == tmp_path / "mine"


def test_available_follows_the_files(ixmas, tmp_path, monkeypatch):
    assert available("ixmas6")
    shutil.copytree(ixmas, tmp_path / "copy" / "ixmas")
    monkeypatch.setenv("LRAR_DATA", str(tmp_path / "copy"))
    assert available("ixmas6")
    shutil.rmtree(tmp_path / "copy" / "ixmas")
    assert not available("ixmas6")


def test_folder_with_a_link_to_nowhere(tmp_path):
    touch(tmp_path, "run/anna_1.mp4", "run/bob_1.mp4", "jump/anna_1.mp4", "jump/bob_1.mp4")
    (tmp_path / "run" / "carl_1.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    with pytest.raises(DataError) as error:
        load_folder(tmp_path)
    assert names_file_and_remedy(error, tmp_path / "run" / "carl_1.mp4", "a link to a file that is not here")


def test_folder_with_a_name_that_is_not_utf8(tmp_path):
    touch(tmp_path, "run/anna_1.mp4", "run/bob_1.mp4", "jump/anna_1.mp4", "jump/bob_1.mp4")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/run/caf\xe9_1.mp4")).touch()
    with pytest.raises(DataError) as error:
        load_folder(tmp_path)
    assert names_file_and_remedy(error, tmp_path / "run" / "caf\ufffd_1.mp4", "its name is not UTF-8", "Rename it")


def test_accents_are_spelt_in_two_ways(tmp_path):
    """A Mac writes an accent of a file's name as a character of its own, a keyboard does not."""
    files, lines = (
        [
            unicodedata.normalize(form, name)
            for name in ("läufer/a_1.mp4", "läufer/a_2.mp4", "jump/a_1.mp4", "jump/a_2.mp4")
        ]
        for form in ("NFD", "NFC")
    )
    touch(tmp_path, *files)
    (tmp_path / "groups.csv").write_text("".join(f"{line},{line[-5]}\n" for line in lines), encoding="utf-8")
    assert {clip.name: clip.group for clip in load_folder(tmp_path).clips} == {name: name[-5] for name in files}
