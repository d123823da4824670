"""Tests of finding image files."""

import os

import numpy as np
import pytest
from PIL import Image

from keras_vae.data.image_finder import find_image_files, find_images
from keras_vae.errors import UserError


def _touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _link(path, target):
    path.symlink_to(target, target_is_directory=True)


def test_files_are_sorted_by_their_path(tmp_path):
    _touch(tmp_path, "b/2.png", "b/10.png", "a.png", "b.png", "a/z/1.JPG")
    found = find_images(tmp_path)
    assert found.names == ["a.png", "a/z/1.JPG", "b.png", "b/10.png", "b/2.png"]
    assert found.paths == [tmp_path / name for name in found.names]
    assert not found.passed_over


@pytest.mark.parametrize(
    "suffix",
    ["png", "jpg", "jpeg", "JPEG", "webp", "tif", "TIFF", "bmp", "gif", "mpo"],
)
def test_suffixes_of_images_are_known(tmp_path, suffix):
    _touch(tmp_path, f"a.{suffix}")
    assert find_images(tmp_path).names == [f"a.{suffix}"]


@pytest.mark.parametrize(
    "name",
    [
        ".ipynb_checkpoints",
        "@eaDir",
        "__MACOSX",
        "$RECYCLE.BIN",
        "lost+found",
        "System Volume Information",
        "#recycle",
        ".git",
        ".Trash-1000",
    ],
)
def test_folders_of_the_system_are_passed_over(tmp_path, name):
    _touch(tmp_path, "cat/a.png", f"{name}/b.png", f"cat/{name}/c/d.png")
    found = find_images(tmp_path)
    assert found.names == ["cat/a.png"]
    (passed,) = found.passed_over.values()
    assert sorted(passed) == sorted([name, f"cat/{name}"])


@pytest.mark.parametrize(
    "name", ["._a.png", ".DS_Store", "Thumbs.db", "desktop.ini", ".hidden.jpg"]
)
def test_files_of_the_system_are_passed_over(tmp_path, name):
    _touch(tmp_path, "a.png", name)
    found = find_images(tmp_path)
    assert found.names == ["a.png"]
    assert list(found.passed_over.values()) == [[name]]


def test_other_files_links_to_nothing_and_pipes_are_counted(tmp_path):
    _touch(tmp_path, "a.png", "notes.txt", "b.heic")
    (tmp_path / "empty").mkdir()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    os.mkfifo(tmp_path / "pipe.png")
    found = find_images(tmp_path)
    assert found.names == ["a.png"]
    assert sorted(map(sorted, found.passed_over.values())) == [
        ["b.heic", "notes.txt"],
        ["empty"],
        ["gone.png", "pipe.png", "self.png"],
    ]


def test_what_is_passed_over_is_said_in_a_line(tmp_path, capsys):
    _touch(tmp_path, "a.png", *(f".{i}.png" for i in range(5)), "b\n.txt")
    find_image_files([str(tmp_path)])
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert (
        "5 hidden or system files or folders (.0.png, .1.png, .2.png, ...)"
        in message
    )
    assert r"1 file not named as an image (b\n.txt)" in message


def test_what_is_passed_over_is_said_in_short_to_who_knows_it(tmp_path, capsys):
    _touch(tmp_path, "a.png", ".b.png", "c.txt", "d.txt")
    (tmp_path / "empty").mkdir()
    _link(tmp_path / "again", tmp_path)
    find_images(tmp_path).note_passed_over(in_full=False)
    assert capsys.readouterr().err == (
        f"note: passed over in {tmp_path}: 1 hidden or system file or folder; "
        "2 files not named as images; 1 empty folder; 1 link to a folder that "
        "is read elsewhere or lies above\n"
    )


@pytest.mark.parametrize("up", [".", "x", "..", "x/deep", "/"])
def test_link_to_a_folder_above_leads_nowhere(tmp_path, up):
    root = tmp_path / "root"
    _touch(root, "x/deep/a.png", "y/b.png")
    _link(root / "x" / "deep" / "again", root / up)
    found = find_images(root)
    assert found.names == ["x/deep/a.png", "y/b.png"]
    assert list(found.passed_over.values()) == [["x/deep/again"]]


def test_linked_folder_is_read_once_by_its_own_name_first(tmp_path):
    _touch(tmp_path / "root", "cats/a.png", "cats/b.png")
    _touch(tmp_path / "elsewhere", "c.png")
    _link(tmp_path / "root" / "all", tmp_path / "root" / "cats")
    _link(tmp_path / "root" / "dogs", tmp_path / "elsewhere")
    _link(tmp_path / "root" / "hounds", tmp_path / "elsewhere")
    found = find_images(tmp_path / "root")
    assert found.names == ["cats/a.png", "cats/b.png", "dogs/c.png"]
    assert list(found.passed_over.values()) == [["all", "hounds"]]


def test_folder_may_itself_be_a_link_or_hidden(tmp_path):
    _touch(tmp_path / ".cache", "a.png")
    _link(tmp_path / "link", tmp_path / ".cache")
    for name in ("link", ".cache"):
        assert find_images(tmp_path / name).names == ["a.png"]


def test_links_of_links_end(tmp_path):
    for ours, theirs in (("a", "b"), ("b", "a")):
        _touch(tmp_path / ours, f"{ours}.png")
        _link(tmp_path / ours / "other", tmp_path / theirs)
    assert find_images(tmp_path).names == ["a/a.png", "b/b.png"]
    assert find_images(tmp_path / "a").names == ["a.png", "other/b.png"]


def test_named_files_are_never_passed_over(tmp_path):
    _touch(tmp_path, ".a.png", "b.dat", "Thumbs.db")
    names = [str(tmp_path / n) for n in (".a.png", "b.dat", "Thumbs.db")]
    assert [str(path) for path in find_image_files(names)] == names


def test_a_file_that_is_given_twice_is_said(tmp_path, capsys):
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    one = str(tmp_path / "a.png")
    assert len(find_image_files([str(tmp_path)])) == 2
    assert capsys.readouterr().err == ""
    assert len(find_image_files([str(tmp_path), one])) == 3
    said = f"note: 1 file is given several times, and each time counts: {one}"
    assert capsys.readouterr().err.strip() == said


def test_folder_named_as_an_image_is_a_folder(tmp_path):
    _touch(tmp_path, "x.png/a.png")
    expected = tmp_path / "x.png" / "a.png"
    assert find_image_files([str(tmp_path)]) == [expected]


def test_name_that_is_no_text_is_found(tmp_path):
    name = os.fsdecode(b"\xff.png")
    Image.fromarray(np.zeros([2, 2], np.uint8)).save(tmp_path / name, "PNG")
    assert find_images(tmp_path).names == [name]


@pytest.mark.parametrize("empty", ["empty", "full"])
def test_folder_without_images_is_an_error(tmp_path, empty):
    (tmp_path / "empty").mkdir()
    _touch(tmp_path, "a.png", "full/notes.txt")
    with pytest.raises(UserError, match=f"No image files.*Received: .*{empty}"):
        find_image_files([str(tmp_path / "a.png"), str(tmp_path / empty)])


def test_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    _touch(tmp_path, "a.png", "closed/b.png")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(
        UserError, match="Permission denied.*Received: .*closed"
    ):
        find_images(tmp_path)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
