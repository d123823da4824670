"""Tests of verbs in many requests: a row keeps its seed, label and file.

The oracle is one request for all rows, asked of the export itself.
"""

import csv
import shutil

import numpy as np
import PIL.Image
import pytest

from keras_vae.config import (
    DenseConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig
from keras_vae.data.transforms import make_transform
from keras_vae.errors import UserError
from keras_vae.models import build_model
from keras_vae.serving import Client, ExportedModel, export
from keras_vae.training import ExperimentConfig, TrainedModel
from tests.use.verbs import call

_SHAPE = (4, 5, 1)
_NUM = 7
_CLASSES = ("a", "b", "c")
_LABELS = [0, 2, 1, 1, 0, 2, 2]
_CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def trained():
    config = VAEConfig(architecture=DenseConfig((16,)), latent_dim=2)
    model = build_model(
        config, _SHAPE, likelihood="bernoulli", class_names=_CLASSES, seed=3
    )
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        # Large, so that a class and a seed make a difference that is seen.
        noise = random.normal(size=variable.shape, scale=0.5)
        variable.assign(variable.numpy() + noise)
    data = DataConfig("mnist_5k", resize=_SHAPE[:2])
    experiment = ExperimentConfig(data, config, TrainingConfig())
    return TrainedModel(model, experiment, experiment.prepare())


@pytest.fixture(scope="module")
def export_dir(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("requests") / "model"
    export(trained, path)
    return path


@pytest.fixture(scope="module")
def exported(export_dir):
    return ExportedModel(export_dir)


@pytest.fixture(scope="module")
def client(export_dir):
    """Asks for two rows at a time, in four requests for seven."""
    with Client(export_dir, batch_size=2) as asked:
        yield asked


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    random = np.random.default_rng(1)
    levels = random.integers(0, 256, [_NUM, *_SHAPE[:2]]).astype(np.uint8)
    for index, image in enumerate(levels):
        PIL.Image.fromarray(image).save(folder / f"{index}.png")
    return [str(folder / f"{index}.png") for index in range(_NUM)]


@pytest.fixture(scope="module")
def images(files):
    levels = np.stack([np.asarray(PIL.Image.open(file)) for file in files])
    return (levels / 255).astype(np.float32)[..., np.newaxis]


def _seeds(seed):
    return np.array([[seed, row] for row in range(_NUM)], np.int32)


def _labels(labels=_LABELS):
    return np.array(labels, np.int32)


def _pictures(folder):
    """Returns the pictures of a folder in order, float in [0, 1]."""
    paths = sorted(folder.rglob("*.png"), key=lambda path: path.name)
    return np.stack([np.asarray(PIL.Image.open(p)) / 255 for p in paths])


def test_score(client, exported, files, images, tmp_path):
    path = call(
        client, "score", files, tmp_path / "s.csv", seed=5, label=_LABELS
    )
    expected = exported("score", image=images, seed=_seeds(5), label=_labels())
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image"] for row in rows] == files
    for name, values in expected.items():
        found = [float(row[name]) for row in rows]
        np.testing.assert_allclose(found, values, **_CLOSE)
    # Neither another row's seed nor another label gives these figures.
    for other in (
        {"seed": _seeds(5)[::-1], "label": _labels()},
        {"seed": _seeds(5), "label": _labels()[::-1]},
    ):
        wrong = exported("score", image=images, **other)["elbo"]
        assert np.abs(wrong - expected["elbo"])[[0, 6]].min() > 1e-2


def test_sample(client, exported, tmp_path):
    folder = call(
        client,
        "sample",
        [],
        tmp_path / "new",
        num_images=_NUM,
        seed=5,
        temperature=0.5,
        label=[2, 0],
    )
    in_turn = _labels([2, 0, 2, 0, 2, 0, 2])
    expected = exported(
        "sample",
        seed=_seeds(5),
        temperature=np.full([_NUM], 0.5, np.float32),
        label=in_turn,
    )["image"]
    found = _pictures(folder)
    np.testing.assert_allclose(found, expected[..., 0], atol=0.51 / 255)
    assert np.abs(found[2] - found[0]).max() > 0.05


def test_encode_and_decode(client, exported, files, images, tmp_path):
    codes = call(client, "encode", files, tmp_path / "c.npz", label=_LABELS)
    expected = exported("encode", image=images, label=_labels())
    with np.load(codes) as arrays:
        assert arrays["image"].tolist() == files
        assert arrays["label"].tolist() == _LABELS
        for name in ("mean", "stddev"):
            np.testing.assert_allclose(arrays[name], expected[name], **_CLOSE)
    back = exported("decode", z=expected["mean"], label=_labels())["image"]
    # Without a label those that `encode` wrote are taken.
    for name, options in (("a", {}), ("b", {"label": _LABELS})):
        folder = call(
            client, "decode", [str(codes)], tmp_path / name, **options
        )
        np.testing.assert_allclose(
            _pictures(folder), back[..., 0], atol=0.51 / 255
        )
    folder = call(client, "decode", [str(codes)], tmp_path / "d", label=[1])
    back = exported("decode", z=expected["mean"], label=_labels([1] * _NUM))
    np.testing.assert_allclose(
        _pictures(folder), back["image"][..., 0], atol=0.51 / 255
    )


def test_reconstruct(client, exported, files, images, tmp_path):
    folder = call(
        client, "reconstruct", files, tmp_path / "again", label=_LABELS
    )
    names = [f"{row:06d}_{row}.png" for row in range(_NUM)]
    assert sorted(path.name for path in folder.iterdir()) == names
    expected = exported("reconstruct", image=images, label=_labels())
    np.testing.assert_allclose(
        _pictures(folder),
        expected["reconstruction"][..., 0],
        atol=0.51 / 255,
    )


def test_files_of_other_sizes_are_resized_as_in_training(
    trained, client, exported, tmp_path
):
    levels = np.zeros([8, 10], np.uint8)
    levels[:4, 5:] = 200
    path = tmp_path / "large.png"
    PIL.Image.fromarray(levels).save(path)
    small = make_transform(_SHAPE, _SHAPE[:2])(levels[..., np.newaxis])
    image = small.numpy()[np.newaxis].astype(np.float32) / 255
    expected = exported("encode", image=image, label=_labels([1]))["mean"]
    for name, model in (("run", trained), ("export", client)):
        codes = call(
            model, "encode", [str(path)], tmp_path / f"{name}.npz", label=1
        )
        with np.load(codes) as arrays:
            np.testing.assert_allclose(arrays["mean"], expected, **_CLOSE)


def test_classes_are_those_of_the_folders(client, trained, files, tmp_path):
    for index, file in enumerate(files):
        folder = tmp_path / "images" / _CLASSES[index % 3]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder)
    for name, model in (("run", trained), ("export", client)):
        inputs = [str(tmp_path / "images")]
        path = call(model, "score", inputs, tmp_path / f"{name}.csv")
        with path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert list(rows[0])[:3] == ["image", "label", "class"]
        assert [row["class"] for row in rows] == list("aaabbcc")
        assert [row["label"] for row in rows] == list("0001122")
    with pytest.raises(UserError, match="classes are not known"):
        call(client, "score", files, tmp_path / "none.csv")


def test_all_classes_are_drawn_in_turn(client, trained, tmp_path):
    for name, model in (("run", trained), ("export", client)):
        with np.load(
            call(model, "sample", [], tmp_path / f"{name}.npz", num_images=5)
        ) as arrays:
            assert arrays["label"].tolist() == [0, 1, 2, 0, 1]
            assert arrays["class_names"].tolist() == list(_CLASSES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pixels": "draw"}, "pixels is of the model of a run.*pixels=draw"),
        ({"recalibrate_batch_norm": 2}, "recalibrate_batch_norm is of"),
        ({"temperature": [1.0, 0.5]}, "one number for an export.*2 numbers"),
    ],
)
def test_an_export_has_decided_how_it_draws(client, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        call(client, "sample", [], tmp_path / "s.png", **options)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_scores_is_of_a_run(client, files, tmp_path):
    with pytest.raises(UserError, match=r"of a run alone.*Received: --output"):
        call(client, "score", files, tmp_path / "scores", label=_LABELS)


def test_methods_of_the_client(client, exported, images):
    label = _labels()
    for found, expected in (
        (
            client.score(images, seed=9, label=label),
            exported("score", image=images, seed=_seeds(9), label=label),
        ),
        (
            {"image": client.sample(_NUM, 9, 0.7, label=label)},
            exported(
                "sample",
                seed=_seeds(9),
                temperature=np.full([_NUM], 0.7, np.float32),
                label=label,
            ),
        ),
        (
            client.encode(images, label=label),
            exported("encode", image=images, label=label),
        ),
        (
            {"reconstruction": client.reconstruct(images, label=label)},
            exported("reconstruct", image=images, label=label),
        ),
    ):
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, **_CLOSE)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
