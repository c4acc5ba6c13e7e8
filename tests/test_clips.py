"""A set of clips: what its fingerprint sees, and a thinner set for a quick look."""

from conftest import clip_set_of, render, write_video

from lrar.datasets import load_clip_set

VIDEO = render(action=0, actor=0)


def test_one_changed_byte_is_seen(tmp_path):
    path = write_video(tmp_path / "a.avi", VIDEO)
    before = clip_set_of(path).fingerprint()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert clip_set_of(path).fingerprint() != before


def test_thinned_keeps_every_class_and_group(ixmas):
    clip_set = load_clip_set("ixmas6")
    assert clip_set.thinned(1) == clip_set
    thinned = clip_set.thinned(2)
    assert [clip.camera for clip in thinned.clips] == [0] * 9
    assert len({(clip.label, clip.group) for clip in thinned.clips}) == 9
    assert thinned.fingerprint() != clip_set.fingerprint()
