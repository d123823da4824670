"""A hierarchy that knows classes, from one command to a served answer."""

import json

import numpy as np
import pytest
from PIL import Image

from keras_vae.serving import Client, ExportedModel
from keras_vae.training import load_trained
from keras_vae.use import (
    ImageSource,
    encode,
    impute,
    interpolate,
    sample,
    score,
    traverse,
)

_CLASSES = ("dark", "light")
_SIZES = {
    "filters": "4",
    "bottlenecks": "3",
    "encoder_blocks": "1",
    "decoder_blocks": "0",
    "num_groups": "1",
    "latent_channels": "2",
    "top_latent_dim": "3",
    "dense_units": "8",
    "dense_groups": "1",
    "dense_bottleneck": "4",
    "dense_latent_dim": "2",
    "batch_size": "8",
}


@pytest.fixture(scope="module")
def run(warm_process, tmp_path_factory):
    """The folder of a run of two classes of images of 6x6 grey pixels."""
    root = tmp_path_factory.mktemp("hierarchy")
    for name, level in zip(_CLASSES, (60, 190)):
        (root / "images" / name).mkdir(parents=True)
        for index in range(20):
            noise = np.random.default_rng(index).integers(-40, 41, (6, 6))
            image = Image.fromarray((level + noise).astype(np.uint8))
            image.save(root / "images" / name / f"{index:02d}.png")
    result = warm_process.run(
        "train",
        "--dataset=image_folder",
        f"--data_dir={root / 'images'}",
        "--model=hierarchical",
        "--config.num_classes=auto",
        *(f"--config.{name}={value}" for name, value in _SIZES.items()),
        "--epochs=1",
        "--validation_size=4",
        "--num_importance_samples=3",
        f"--workdir={root / 'run'}",
        f"--export_dir={root / 'export'}",
        cwd=root,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "given the class" in result.stdout
    return root


@pytest.fixture(scope="module")
def trained(run):
    return load_trained(run / "run")


@pytest.fixture(scope="module")
def exported(run):
    return ExportedModel(run / "export")


def test_figures_are_given_the_class(run, trained):
    results = json.loads((run / "run" / "results.json").read_text())
    results = results["test"][-1]
    assert results["nll"]["given"] == results["elbo"]["given"] == "class"
    assert trained.model.class_names == _CLASSES


def test_verbs_know_the_classes(run, trained, exported, tmp_path):
    data = {"data_dir": str(run / "images")}
    source = ImageSource(num_images=4, **data)
    sample(trained, tmp_path / "s.npz", num_images=4, label="light,dark")
    with np.load(tmp_path / "s.npz") as arrays:
        assert arrays["label"].tolist() == [1, 0, 1, 0]
        served = exported(
            "sample",
            seed=arrays["seed"],
            temperature=np.ones(4, np.float32),
            label=arrays["label"],
        )
        np.testing.assert_allclose(
            arrays["image"], served["image"], rtol=1e-4, atol=1e-5
        )
        model = trained.model
        np.testing.assert_allclose(
            arrays["image"],
            model.sample([4], 0, label=arrays["label"]),
            rtol=1e-4,
            atol=1e-5,
        )
    score(trained, source, tmp_path / "score", num_importance_samples=2)
    encode(trained, source, tmp_path / "latents")
    interpolate(trained, source, tmp_path / "between.png")
    traverse(trained, ImageSource(**data), tmp_path / "groups.png", steps=3)
    few = {"num_chains": 2, "burn_in": 2, "num_sweeps": 4}
    impute(trained, source, tmp_path / "imputed", **few)
    imputed = json.loads((tmp_path / "imputed" / "imputed.json").read_text())
    assert imputed


def test_an_export_answers_for_a_class(run, trained, exported, tmp_path):
    assert exported.metadata["class_names"] == list(_CLASSES)
    images = np.random.default_rng(0).uniform(size=(3, 6, 6, 1))
    images, label = images.astype(np.float32), np.int32([0, 1, 1])
    expected = trained.model.reconstruct(images, label=label)
    answer = exported("reconstruct", image=images, label=label)
    np.testing.assert_allclose(
        answer["reconstruction"], expected, rtol=1e-4, atol=1e-5
    )
    client = Client(str(run / "export"))
    sample(client, tmp_path / "s", num_images=4, label="light,dark")
    names = [path.parent.name for path in (tmp_path / "s").rglob("*.png")]
    assert sorted(names) == ["dark", "dark", "light", "light"]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
