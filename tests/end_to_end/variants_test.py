"""Other data, models and devices, from one command to an answer."""

import json

import numpy as np
import PIL.Image
import pytest

from tests import testdata
from tests.apps import app

pytestmark = pytest.mark.slow

_NUM_IMAGES = 200


@pytest.fixture
def succeeds(warm_process, tmp_path):
    """Runs an app to its end, which is a good one."""

    def run(name, *arguments):
        result = warm_process.run(name, *arguments, cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        assert result.stderr == ""
        return result

    return run


def _cut(picture, folder) -> None:
    """Cuts the sheet of photographs into files of 32x32 pixels."""
    folder.mkdir()
    levels = np.asarray(PIL.Image.open(picture).convert("RGB"))
    rows, columns = (size // 32 for size in levels.shape[:2])
    tiles = levels[: rows * 32, : columns * 32]
    tiles = tiles.reshape(rows, 32, columns, 32, 3).swapaxes(1, 2)
    tiles = tiles.reshape(-1, 32, 32, 3)[:_NUM_IMAGES]
    assert len(tiles) == _NUM_IMAGES
    for index, tile in enumerate(tiles):
        PIL.Image.fromarray(tile).save(folder / f"{index:03d}.png")


def test_folder_of_colour_images_in_parts_of_a_batch(succeeds, tmp_path):
    _cut(testdata.path("cifar10_sample") / "batch.png", tmp_path / "images")
    succeeds(
        "train",
        "--dataset=image_folder",
        "--data_dir=images",
        "--epochs=1",
        "--config.architecture.filters=8,8",
        "--config.architecture.num_blocks=1,1",
        "--config.architecture.dense_units=16",
        "--config.latent_dim=4",
        "--config.batch_size=32",
        "--batch_parts=2",
        "--num_importance_samples=3",
    )
    # Where nothing else is asked for, the folders have the dataset's name.
    workdir = tmp_path / "runs" / "image_folder_vae"
    results = json.loads((workdir / "results.json").read_text())
    assert results["training"]["batch_parts"] == 2
    assert results["training"]["steps"] == _NUM_IMAGES * 8 // 10 // 32
    figure = results["test"][-1]["nll"]
    assert figure["binarization"] == "none"
    assert figure["dequantization"] == "uniform"
    assert figure["num_images"] == 20
    assert figure["num_dimensions"] == 3072
    # Levels that were uniform would need 8 bits.
    assert 3 < figure["bits_per_dimension"] < 12
    result = succeeds(
        "predict",
        "reconstruct",
        "images/000.png",
        "images/001.png",
        "--saved_model=saved_models/image_folder_vae",
        "--output=pairs.png",
    )
    assert result.stdout == "wrote pairs.png\n"
    with PIL.Image.open(tmp_path / "pairs.png") as picture:
        assert picture.mode == "RGB"


def test_autoencoder(trained_run, succeeds, warm_process, tmp_path):
    result = succeeds(
        "train",
        "--model=autoencoder",
        "--dataset=mnist_5k",
        f"--data_dir={trained_run.data_dir}",
        "--epochs=1",
        "--config.architecture.filters=4,8",
        "--config.architecture.dense_units=16",
        "--config.latent_dim=4",
        "--workdir=run",
        "--export_dir=model",
    )
    assert "squared error" in result.stdout
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    figure = results["test"][-1]["squared_error"]
    # Black pictures have a squared error of about 100 for each image.
    assert 20 < figure["squared_error_per_image"] < 100
    assert figure["binarization"] == "none"
    assert not (tmp_path / "run" / "pictures" / "samples.png").exists()
    app.assert_refused(
        warm_process.run(
            "predict",
            "sample",
            "--saved_model=model",
            "--output=new.png",
            cwd=tmp_path,
        ),
        "The model cannot sample: it answers decode",
        "Received: sample",
    )


def test_autoregressive(trained_run, succeeds, warm_process, tmp_path):
    result = succeeds(
        "train",
        "--model=autoregressive",
        "--dataset=mnist_5k",
        f"--data_dir={trained_run.data_dir}",
        "--epochs=1",
        "--config.filters=4",
        "--config.num_blocks=2",
        "--config.head_units=4",
        "--workdir=run",
        "--export_dir=model",
    )
    assert "NLL (exact)" in result.stdout
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    (evaluation,) = results["test"]
    assert list(evaluation) == ["nll"]
    figure = evaluation["nll"]
    assert figure["bound"] == "exact"
    assert "num_importance_samples" not in figure
    # The mean image, which training begins with, has 206 nats.
    assert 80 < figure["nats_per_image"] < 190
    pictures = {path.name for path in (tmp_path / "run/pictures").glob("*.png")}
    assert pictures == {"samples.png", "completions.png"}
    # One law: a row's seed, for the run and for its export.
    for verb, source in (
        ("generate", "--workdir=run"),
        ("predict", "--saved_model=model"),
    ):
        options = ["--num_images=4", "--seed=3", f"--output={verb}.png"]
        succeeds(verb, "sample", source, *options)
    with (
        PIL.Image.open(tmp_path / "generate.png") as one,
        PIL.Image.open(tmp_path / "predict.png") as two,
    ):
        assert one.tobytes() == two.tobytes()
    app.assert_refused(
        warm_process.run(
            "generate",
            "reconstruct",
            "--workdir=run",
            "--output=pairs.png",
            cwd=tmp_path,
        ),
        "The model cannot reconstruct: it has no latents",
        "Received: Autoregressive",
    )


def test_two_replicas(trained_run, succeeds, tmp_path):
    result = succeeds(
        "train",
        *trained_run.flags,
        "--epochs=1",
        "--num_cpu_devices=2",
        "--distribution=mirrored",
        "--workdir=run",
        "--export_dir=model",
    )
    assert "val_elbo" in result.stdout
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["training"]["num_replicas"] == 2
    assert results["training"]["steps"] == pytest.approx(31, abs=16)
    assert results["test"][-1]["nll"]["nats_per_image"] < 300
    assert (tmp_path / "model" / "1" / "saved_model.pb").is_file()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
