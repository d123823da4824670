"""Tests of folders of images."""

import os

import numpy as np
import pytest
from PIL import Image

from keras_vae.config.data_config import DataConfig
from keras_vae.data.load import load
from keras_vae.data.pipeline import training_batches
from keras_vae.errors import UserError


def _write(path, value=0, shape=(5, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


def _load(folder, max_bytes=2**20, **kwargs):
    config = DataConfig("image_folder", data_dir=str(folder), **kwargs)
    return load(config, max_bytes_in_memory=max_bytes)


@pytest.fixture
def flat(tmp_path):
    """Returns a folder of 30 grey images whose level is their number."""
    for number in range(30):
        _write(tmp_path / f"{number:02}.png", number)
    return tmp_path


@pytest.mark.parametrize("max_bytes", [0, 2**20])
def test_flat_folder_has_no_labels(flat, max_bytes):
    data = _load(flat, max_bytes)
    assert data.name == "image_folder"
    assert data.image_shape == (5, 6, 1)
    assert data.class_names is None
    sizes = {name: split.num_images for name, split in data.splits.items()}
    assert sizes == {"train": 24, "validation": 3, "test": 3}
    levels = [
        int(image[0, 0, 0])
        for split in data.splits.values()
        for _, image, _ in split.elements().as_numpy_iterator()
    ]
    assert sorted(levels) == list(range(30))
    assert not any(split.has_labels for split in data.splits.values())


def test_small_splits_are_in_memory_and_large_ones_are_not(flat):
    splits = _load(flat, 24 * 30 - 1).splits
    assert splits["train"].images is None
    assert splits["test"].images.shape == (3, 5, 6, 1)


def test_validation_size_is_honoured(flat):
    assert _load(flat, validation_size=7).splits["validation"].num_images == 7


def test_files_give_the_batches_that_memory_gives(flat):
    batches = [
        list(
            training_batches(
                _load(flat, size, resize=(8, 8), pad=1).splits["train"],
                batch_size=5,
                seed=0,
                num_steps=9,
                binarization="dynamic",
            ).as_numpy_iterator()
        )
        for size in (0, 2**20)
    ]
    assert batches[0][0].shape == (5, 10, 10, 1)
    np.testing.assert_array_equal(*batches)


def test_class_folders_give_labels(tmp_path):
    for number in range(20):
        name = ("dog", "cat")[number % 2]
        _write(tmp_path / name / "deeper" / f"{number}.png", number)
    data = _load(tmp_path)
    assert data.class_names == ["cat", "dog"]
    for split in data.splits.values():
        expected = 1 - split.images[:, 0, 0, 0] % 2
        np.testing.assert_array_equal(split.labels, expected)
        assert split.labels.dtype == np.int64


def test_split_folders_are_used_as_they_are(tmp_path):
    for split, sizes in {"train": 8, "validation": 3, "test": 2}.items():
        for number in range(sizes):
            _write(tmp_path / split / "a" / f"{number}.png", number)
    _write(tmp_path / "test" / "b" / "x.png", 99)
    data = _load(tmp_path)
    assert data.class_names == ["a", "b"]
    assert data.splits["train"].num_images == 8
    assert data.splits["validation"].num_images == 3
    np.testing.assert_array_equal(data.splits["test"].labels, [0, 0, 1])


def test_order_is_that_of_the_paths(flat):
    validation = _load(flat, validation_size=20).splits["validation"]
    assert np.all(np.diff(validation.images[:, 0, 0, 0].astype(int)) > 0)


def test_one_colour_image_makes_all_colour(flat):
    _write(flat / "z.png", 7, (5, 6, 3))
    assert _load(flat).image_shape == (5, 6, 3)


def test_other_and_hidden_files_are_ignored(flat):
    (flat / "notes.txt").write_text("hello")
    (flat / "._00.png").write_bytes(b"resource fork")
    assert _load(flat).splits["train"].num_images == 24


def test_missing_folder(tmp_path):
    with pytest.raises(UserError, match="must be a folder.*Received"):
        _load(tmp_path / "missing")


def test_empty_folder(tmp_path):
    with pytest.raises(UserError, match=r"holds no images \(\.png"):
        _load(tmp_path)


def test_mixed_sizes_show_two_examples(flat):
    _write(flat / "z.png", 0, (7, 9))
    with pytest.raises(UserError, match=r"00\.png of 5x6 and .*z\.png of 7x9"):
        _load(flat)
    with pytest.raises(UserError, match="--resize=H,W"):
        _load(flat)
    assert _load(flat, resize=(4, 4)).image_shape == (4, 4, 1)


def test_loose_images_beside_class_folders(flat):
    _write(flat / "cat" / "a.png")
    with pytest.raises(UserError, match=r"not both.*Received: .*00\.png"):
        _load(flat)


def test_splits_that_are_laid_out_otherwise_are_refused(tmp_path):
    _write(tmp_path / "train" / "cat" / "a.png")
    _write(tmp_path / "test" / "b.png")
    with pytest.raises(UserError, match=r"each of its splits.*b\.png.*'cat'"):
        _load(tmp_path)


def test_test_folder_without_train_folder(tmp_path):
    _write(tmp_path / "test" / "a.png")
    with pytest.raises(UserError, match="none named 'train'"):
        _load(tmp_path)


def test_truncated_file_in_memory_is_named(flat):
    noise = np.random.RandomState(0).randint(0, 256, (5, 6), np.uint8)
    path = flat / "17.png"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match=r"cannot be read.*17\.png"):
        _load(flat)


def test_truncated_file_read_later_is_named(flat):
    data = _load(flat, 0)
    for path in flat.iterdir():
        path.write_bytes(path.read_bytes()[:-30])
    batches = training_batches(
        data.splits["train"], batch_size=4, seed=0, binarization="none"
    )
    with pytest.raises(Exception, match=r"cannot be read.*\.png"):
        next(iter(batches))


@pytest.mark.parametrize("max_bytes", [0, 2**20])
def test_one_16_bit_image_among_others_is_named(flat, max_bytes):
    deep = np.full((5, 6), 1000, np.uint16)
    Image.fromarray(deep).save(flat / "17.png")
    with pytest.raises(UserError, match=r"8 bits.*Received: .*17\.png"):
        _load(flat, max_bytes)


def test_too_few_images(tmp_path):
    _write(tmp_path / "a.png")
    with pytest.raises(UserError, match="nothing to train on"):
        _load(tmp_path)


def _fill(folder, count, **kwargs):
    for number in range(count):
        _write(folder / f"{number}.png", number, **kwargs)


def _sizes(data):
    return {name: split.num_images for name, split in data.splits.items()}


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val"])
@pytest.mark.parametrize(
    ("train", "test"), [("train", "test"), ("Training", "TEST")]
)
def test_usual_names_of_splits_are_understood(
    tmp_path, validation, train, test
):
    sizes = {"train": 8, "validation": 3, "test": 2}
    for name, size in zip((train, validation, test), sizes.values()):
        _fill(tmp_path / name, size)
    assert _sizes(_load(tmp_path)) == sizes


def test_two_folders_for_one_split_are_refused(tmp_path):
    for name in ("train", "val", "validation"):
        _fill(tmp_path / name, 5)
    with pytest.raises(UserError, match="two folders.*'val' and 'validation'"):
        _load(tmp_path)


@pytest.mark.parametrize("sibling", ["bus/a.png", "extra.png", "dev/x/a.png"])
def test_images_beside_the_splits_are_refused(tmp_path, sibling):
    _fill(tmp_path / "train", 10)
    _write(tmp_path / sibling)
    top = sibling.partition("/")[0]
    with pytest.raises(UserError, match=f"beside it in {top}.*rename 'train'"):
        _load(tmp_path)


def test_other_files_beside_the_splits_are_passed_over(tmp_path, capsys):
    _fill(tmp_path / "train", 10)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "train.csv").touch()
    assert sum(_sizes(_load(tmp_path)).values()) == 10
    assert "labels/train.csv" in capsys.readouterr().err


def test_splits_within_a_class_are_refused(tmp_path):
    for name in ("train", "test"):
        _fill(tmp_path / "archive" / name, 5)
    with pytest.raises(UserError, match="name 'archive' itself as data_dir"):
        _load(tmp_path)


def test_classes_that_a_split_lacks_are_said(tmp_path, capsys):
    for name in ("train/a", "train/b", "val/a", "test/a", "test/c"):
        _fill(tmp_path / name, 4)
    assert _load(tmp_path).class_names == ["a", "b", "c"]
    message = capsys.readouterr().err
    assert "1 of 3 classes has no train images: c" in message
    assert "2 of 3 classes have no validation images: b, c" in message
    assert "1 of 3 classes has no test images: b" in message


def test_copies_of_training_images_elsewhere_are_said(tmp_path, capsys):
    for split, values in {
        "train": range(8),
        "val": [90],
        "test": [5, 91],
    }.items():
        for value in values:
            _write(tmp_path / split / f"{value:02}.png", value)
    _load(tmp_path)
    message = "1 image for validation or testing equals one to train on"
    assert message in capsys.readouterr().err
    config = DataConfig("image_folder", data_dir=str(tmp_path))
    before = load(config).contents
    capsys.readouterr()
    load(config, recorded=before)  # As a later command of the same run does.
    assert "equal" not in capsys.readouterr().err
    _write(tmp_path / "val" / "07.png", 7)
    load(config)
    error = capsys.readouterr().err
    assert "2 images for validation or testing equal one" in error
    assert "test/05.png" in error and "val/07.png" in error
    _write(tmp_path / "val" / "07.png", 92)
    _write(tmp_path / "test" / "05.png", 93)
    _load(tmp_path)
    assert "equal" not in capsys.readouterr().err


def test_class_folder_may_be_a_link(tmp_path):
    _fill(tmp_path / "data" / "cats", 10)
    _fill(tmp_path / "elsewhere", 10)
    (tmp_path / "data" / "dogs").symlink_to(tmp_path / "elsewhere")
    data = _load(tmp_path / "data")
    assert data.class_names == ["cats", "dogs"]
    assert sum(_sizes(data).values()) == 20


def test_system_folders_are_no_classes_and_are_said(tmp_path, capsys):
    for name in ("cat", "dog", ".ipynb_checkpoints", "@eaDir"):
        _fill(tmp_path / name, 6)
    data = _load(tmp_path)
    assert data.class_names == ["cat", "dog"]
    assert sum(_sizes(data).values()) == 12
    assert (
        "2 hidden or system files or folders (.ipynb_checkpoints, @eaDir)"
        in (capsys.readouterr().err)
    )


def test_all_formats_of_a_mixed_folder_are_read(flat):
    for number, suffix in enumerate(("webp", "tif", "bmp", "jpg", "gif")):
        Image.fromarray(np.full((5, 6, 3), number, np.uint8)).save(
            flat / f"other.{suffix}"
        )
    data = _load(flat)
    assert sum(_sizes(data).values()) == 35
    assert data.image_shape == (5, 6, 3)


def test_class_name_that_is_no_text_is_refused(tmp_path):
    _fill(tmp_path / os.fsdecode(b"\xff"), 4)
    _fill(tmp_path / "b", 4)
    with pytest.raises(UserError, match=r"rename it. Received: \\udcff"):
        _load(tmp_path)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
