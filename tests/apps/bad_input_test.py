"""Tests of input that cannot be used: short message, code 2, nothing left."""

import pathlib
import shutil

import numpy as np
import PIL.Image
import pytest

from tests import testdata
from tests.apps import app


def _files(folder: pathlib.Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def assert_refused(warm_process):
    """Asserts that an app refuses its input and leaves the folder alone."""

    def run(name, *arguments, cwd, parts, network=True):
        before = _files(cwd)
        result = warm_process.run(name, *arguments, cwd=cwd, network=network)
        app.assert_refused(result, *parts)
        assert _files(cwd) == before

    return run


def _write_images(folder: pathlib.Path, count: int = 30) -> None:
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(count):
        image = random.integers(0, 256, [8, 8], np.uint8)
        PIL.Image.fromarray(image).save(folder / f"{index:02d}.png")


def test_unknown_dataset_suggests_the_nearest(assert_refused, tmp_path):
    flags = ["--dataset=mnits", "--data_dir=data"]
    parts = ["Did you mean 'mnist'", "Received: dataset='mnits'"]
    assert_refused("train", *flags, cwd=tmp_path, parts=parts)


def test_dataset_that_cannot_be_downloaded_says_what_to_do_offline(
    assert_refused, tmp_path
):
    assert_refused(
        "train",
        "--dataset=cifar10",
        "--data_dir=data",
        cwd=tmp_path,
        network=False,
        parts=[
            "cannot be reached",
            "prepared dataset",
            "--data_dir",
            "--manual_dir",
            "--dataset=mnist_5k",
        ],
    )


def test_archive_with_a_wrong_checksum_is_named(assert_refused, tmp_path):
    archives = tmp_path / "archives"
    shutil.copytree(testdata.path("mnist"), archives)
    with (archives / "train-labels-idx1-ubyte.gz").open("ab") as file:
        file.write(b"x")
    assert_refused(
        "train",
        "--dataset=mnist",
        "--data_dir=data",
        f"--manual_dir={archives}",
        cwd=tmp_path,
        network=False,
        parts=["train-labels-idx1-ubyte.gz", "SHA-256"],
    )


def test_dataset_without_images(assert_refused, tmp_path):
    # Refused before anything is downloaded.
    assert_refused(
        "train",
        "--dataset=iris",
        "--data_dir=data",
        cwd=tmp_path,
        network=False,
        parts=["no image feature", "dataset='iris'"],
    )


def test_empty_image_folder(assert_refused, tmp_path):
    (tmp_path / "images").mkdir()
    flags = ["--dataset=image_folder", "--data_dir=images"]
    parts = ["holds no images (.png", "Received: images"]
    assert_refused("train", *flags, cwd=tmp_path, parts=parts)


def test_truncated_image_is_named(assert_refused, tmp_path):
    _write_images(tmp_path / "images")
    path = tmp_path / "images" / "17.png"
    path.write_bytes(path.read_bytes()[:-30])
    flags = ["--dataset=image_folder", "--data_dir=images"]
    parts = ["cannot be read", "truncated", "images/17.png"]
    assert_refused("train", *flags, cwd=tmp_path, parts=parts)


def test_mixed_sizes_without_resize(assert_refused, tmp_path):
    _write_images(tmp_path / "images")
    large = PIL.Image.new("L", [9, 10])
    large.save(tmp_path / "images" / "05.png")
    flags = ["--dataset=image_folder", "--data_dir=images"]
    parts = ["several sizes", "--resize=H,W", "8x8", "10x9", "05.png"]
    assert_refused("train", *flags, cwd=tmp_path, parts=parts)


def test_bernoulli_on_grey_levels(assert_refused, tmp_path):
    assert_refused(
        "train",
        "--dataset=mnist_5k",
        "--data_dir=data",
        "--binarization=none",
        "--config.likelihood=bernoulli",
        cwd=tmp_path,
        parts=["bernoulli", "not binarized", "--binarization=dynamic"],
    )


def test_batch_that_does_not_divide_over_the_replicas(assert_refused, tmp_path):
    assert_refused(
        "train",
        "--dataset=mnist_5k",
        "--data_dir=data",
        "--num_cpu_devices=2",
        "--distribution=mirrored",
        "--config.batch_size=63",
        cwd=tmp_path,
        parts=["divisible", "replicas, 2", "batch_size=63"],
    )


def test_batch_of_nvae_that_cannot_be_parted(assert_refused, tmp_path):
    _assert_nvae_refused(
        assert_refused,
        tmp_path,
        "--batch_parts=2",
        parts=["as a whole", "--model=nvae --batch_parts=2"],
    )


def test_wrong_setting_of_the_evaluation_at_the_end(assert_refused, tmp_path):
    flags = ["--dataset=mnist_5k", "--num_importance_samples=0"]
    parts = ["num_importance_samples must be at least 1"]
    assert_refused("train", *flags, cwd=tmp_path, parts=parts)


def test_export_folder_that_cannot_be_written(assert_refused, tmp_path):
    (tmp_path / "file").touch()
    flags = ["--dataset=mnist_5k", "--data_dir=data", "--export_dir=file/model"]
    parts = ["export folder cannot be written", "--export_dir=file/model"]
    assert_refused("train", *flags, cwd=tmp_path, parts=parts)


def _assert_nvae_refused(assert_refused, tmp_path, *flags, parts):
    _write_images(tmp_path / "images")
    assert_refused(
        "train",
        "--model=nvae",
        "--dataset=image_folder",
        "--data_dir=images",
        "--config.batch_size=4",
        *flags,
        cwd=tmp_path,
        parts=parts,
    )


def test_images_that_do_not_divide_by_the_scales_of_nvae(
    assert_refused, tmp_path
):
    # 8x8 pixels, 12x12 with the padding, halved three times.
    parts = ["divisible", "= 8", "image_shape=(8, 8, 1), config.pad=2"]
    _assert_nvae_refused(assert_refused, tmp_path, parts=parts)


def test_channels_of_nvae_that_do_not_split(assert_refused, tmp_path):
    flags = ["--config.pad=0", "--config.channels=3"]
    parts = ["must be even", "config.channels=3"]
    _assert_nvae_refused(assert_refused, tmp_path, *flags, parts=parts)


def test_images_that_do_not_divide_by_the_scales_of_a_hierarchy(
    assert_refused, tmp_path
):
    _write_images(tmp_path / "images")
    assert_refused(
        "train",
        "--model=hierarchical",
        "--dataset=image_folder",
        "--data_dir=images",
        "--resize=10,10",
        "--config.batch_size=4",
        cwd=tmp_path,
        parts=["divisible by 4", "(10, 10, 1)"],
    )


@pytest.mark.parametrize(
    ("flag", "parts"),
    [
        ("num_groups=0", ["at least 1", "config.num_groups=0"]),
        ("preset=cpu_mnits", ["Did you mean 'cpu_mnist'", "preset=cpu_mnits"]),
        ("latent_dim=3", ["config.latent_dim"]),
    ],
)
def test_settings_that_nvae_cannot_have(assert_refused, flag, parts, tmp_path):
    # Refused before TensorFlow is imported.
    flags = ["--model=nvae", f"--config.{flag}"]
    assert_refused("train", *flags, cwd=tmp_path, parts=parts)


def test_run_folder_of_another_configuration(
    assert_refused, trained_run, tmp_path
):
    before = _files(trained_run.workdir)
    config = (trained_run.workdir / "config.json").read_bytes()
    assert_refused(
        "train",
        *trained_run.flags,
        "--config.latent_dim=5",
        f"--workdir={trained_run.workdir}",
        "--export_dir=export",
        cwd=tmp_path,
        parts=[
            "another configuration",
            "model.latent_dim: 4 -> 5",
            str(trained_run.workdir),
        ],
    )
    assert _files(trained_run.workdir) == before
    assert (trained_run.workdir / "config.json").read_bytes() == config


def test_export_of_a_run_into_a_folder_that_cannot_be_written(
    assert_refused, trained_run, tmp_path
):
    (tmp_path / "file").touch()
    flags = [f"--workdir={trained_run.workdir}", "--export_dir=file/model"]
    parts = ["export folder cannot be written", "--export_dir=file/model"]
    assert_refused("export", *flags, cwd=tmp_path, parts=parts)


@pytest.mark.parametrize("name", ["evaluate", "export"])
def test_folder_that_holds_no_run(assert_refused, name, tmp_path):
    (tmp_path / "run").mkdir()
    flags = ["--workdir=run"] + ["--export_dir=e"] * (name == "export")
    parts = ["No run found", "apps/train.py", "--workdir=run"]
    assert_refused(name, *flags, cwd=tmp_path, parts=parts)


def test_saved_model_path_that_is_none(assert_refused, tmp_path):
    (tmp_path / "model").mkdir()
    flags = ["--saved_model=model", "--output=new.png"]
    parts = ["No SavedModel found", "apps/export.py", "--saved_model=model"]
    assert_refused("predict", "sample", *flags, cwd=tmp_path, parts=parts)


def test_unreadable_image_is_refused_by_predict(
    assert_refused, trained_run, tmp_path
):
    path = tmp_path / "digit.png"
    PIL.Image.new("L", [28, 28]).save(path)
    path.write_bytes(path.read_bytes()[:50])
    assert_refused(
        "predict",
        "reconstruct",
        f"--saved_model={trained_run.export_dir}",
        "--output=pairs.png",
        path,
        cwd=tmp_path,
        parts=["cannot be read", "digit.png"],
    )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
