"""Tests that a dataset is prepared from its own archives and nothing else."""

import hashlib
import json
import shutil

import pytest
from tensorflow_datasets.core.download.resource import get_dl_fname

from keras_vae.config.data_config import DataConfig
from keras_vae.data.load import load
from keras_vae.data.provenance import read_provenance
from keras_vae.errors import UserError
from tests import testdata
from tests.data import archive_builders
from tests.data.archive_builders import ARCHIVE, FewClothes


@pytest.fixture
def archives(tmp_path):
    """Returns the folder of each dataset's archive, all of one file name."""
    folders = {
        "few_digits": tmp_path / "digits",
        "few_clothes": tmp_path / "clothes",
    }
    for folder in folders.values():
        folder.mkdir()
    shutil.copy(testdata.path("mnist") / ARCHIVE, folders["few_digits"])
    content = archive_builders.CLOTHES_ARCHIVE
    (folders["few_clothes"] / ARCHIVE).write_bytes(content)
    return folders


def _images(name, data_dir, manual_dir=None):
    """Returns all images of a dataset as a set of their bytes."""
    manual_dir = None if manual_dir is None else str(manual_dir)
    data = load(DataConfig(name, str(data_dir), manual_dir))
    return {
        image.tobytes()
        for split in data.splits.values()
        for image in split.images
    }


@pytest.mark.parametrize("order", [(1, 0), (0, 1, 0)])
def test_archives_of_equal_names_are_told_apart(tmp_path, archives, order):
    names = [sorted(archives)[index] for index in order]
    data_dir = tmp_path / "data"
    for name in names:
        images = archive_builders.read_images(archives[name] / ARCHIVE)
        expected = {image.tobytes() for image in images}
        assert _images(name, data_dir, archives[name]) == expected
    # And nothing but the datasets is left.
    assert {path.name for path in data_dir.iterdir()} == set(names)


def test_what_an_older_version_has_extracted_is_not_used(tmp_path, archives):
    extracted = tmp_path / "data" / "downloads" / "extracted"
    for folder in (extracted, extracted / "few_clothes"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"GZIP.{ARCHIVE}").write_bytes(bytes(10**5))
    images = _images("few_clothes", tmp_path / "data", archives["few_clothes"])
    assert images == {image.tobytes() for image in archive_builders.CLOTHES}
    assert [path.name for path in extracted.iterdir()] == [f"GZIP.{ARCHIVE}"]


def test_prepared_dataset_carries_the_checksums(tmp_path, archives, capfd):
    data_dir = tmp_path / "data"
    _images("few_digits", data_dir, archives["few_digits"])
    folder = data_dir / "few_digits" / "1.0.0"
    content = (archives["few_digits"] / ARCHIVE).read_bytes()
    url = archive_builders.FewDigits.URL + ARCHIVE
    provenance = read_provenance(folder)
    assert provenance.archives == {url: hashlib.sha256(content).hexdigest()}
    assert list(provenance.files) == [
        path.name for path in folder.glob("*.tfrecord*")
    ]
    data = load(DataConfig("few_digits", str(data_dir)))
    assert data.contents.archives == provenance.archives
    assert "note:" not in capfd.readouterr().err


def test_mnist_5k_carries_the_checksum_of_its_table(tmp_path):
    data = load(DataConfig("mnist_5k", str(tmp_path)))
    (name, checksum), *more = data.contents.archives.items()
    assert (name, len(checksum), more) == ("mnist_5k.csv", 64, [])


def test_dataset_without_a_record_is_said_to_be_unverified(
    tmp_path, archives, capfd
):
    builder = FewClothes(data_dir=tmp_path / "data")
    shutil.copytree(
        archives["few_clothes"], tmp_path / "data" / "downloads" / "manual"
    )
    builder.download_and_prepare()
    capfd.readouterr()
    assert len(_images("few_clothes", tmp_path / "data")) == 40
    (line,) = [
        line
        for line in capfd.readouterr().err.splitlines()
        if line.startswith("note: ")
    ]
    assert "not verified" in line
    assert str(builder.data_dir) in line


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"archives": {}, "files": []}', "\0"]
)
def test_damaged_record_is_named(tmp_path, archives, content):
    _images("few_clothes", tmp_path / "data", archives["few_clothes"])
    (path,) = tmp_path.glob("data/few_clothes/*/provenance.json")
    path.write_text(content)
    with pytest.raises(UserError, match=r"damaged.*Received: .*provenance"):
        _images("few_clothes", tmp_path / "data")


def test_wrong_archive_leaves_nothing(tmp_path, archives):
    # The other dataset's archive, which has the right name.
    with pytest.raises(UserError, match=rf"{ARCHIVE}.*SHA-256 or size"):
        _images("few_clothes", tmp_path / "data", archives["few_digits"])
    assert not (tmp_path / "data").exists()


def test_damaged_download_is_not_believed(tmp_path):
    # Its name says the checksum that it had when it was downloaded.
    url, info = next(iter(FewClothes.url_infos.items()))
    folder = tmp_path / "data" / "downloads" / "few_clothes"
    folder.mkdir(parents=True)
    path = folder / get_dl_fname(url, info.checksum)
    note = {
        "urls": [url],
        "dataset_names": ["few_clothes"],
        "original_fname": ARCHIVE,
        "url_info": {**info.asdict(), "size": int(info.size)},
    }
    path.with_name(path.name + ".INFO").write_text(json.dumps(note))
    path.write_bytes(archive_builders.CLOTHES_ARCHIVE)
    assert len(_images("few_clothes", tmp_path / "data")) == 40
    shutil.rmtree(tmp_path / "data" / "few_clothes")
    damaged = bytearray(archive_builders.CLOTHES_ARCHIVE)
    damaged[1000] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match="not the archive.*SHA-256"):
        _images("few_clothes", tmp_path / "data")
    assert not (tmp_path / "data" / "few_clothes").exists()


@pytest.mark.parametrize(
    "content",
    [
        archive_builders.CLOTHES_ARCHIVE[:-2000],
        b"\x1f\x8b" + bytes(100),
        b"",
        b"no archive",
    ],
    ids=["cut", "header", "empty", "text"],
)
def test_archive_that_cannot_be_read_leaves_nothing(tmp_path, content):
    (tmp_path / ARCHIVE).write_bytes(content)
    with pytest.raises(UserError, match="could not be .*Received: "):
        _images("unknown_archive", tmp_path / "data", tmp_path)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "flip", "remove"])
def test_record_files_that_changed_later_are_refused(
    tmp_path, archives, damage
):
    _images("few_clothes", tmp_path / "data", archives["few_clothes"])
    (path,) = tmp_path.glob("data/few_clothes/*/*.tfrecord*")
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(
            {"cut": content[:9000], "empty": b"", "flip": content}[damage]
        )
    found = "removed" if damage == "remove" else "changed"
    with pytest.raises(UserError, match=rf"1 {found} \(few_clothes-train"):
        _images("few_clothes", tmp_path / "data")


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
