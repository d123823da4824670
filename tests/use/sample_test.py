"""Tests of samples drawn from a run folder."""

import types
import weakref

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vae import seeds
from keras_vae.config import HierarchicalConfig, TrainingConfig
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.networks.nvae import collect
from keras_vae.serving import ExportedModel, make_endpoints
from keras_vae.training import ExperimentConfig, TrainedModel
from keras_vae.use import sample
from keras_vae.use.sample import sample_batches
from tests.models.cases import make_hierarchical, make_model, make_nvae


def test_rows_are_those_that_the_export_serves(run, tmp_path):
    path = tmp_path / "samples.npz"
    sample(run.trained, path, num_images=3, seed=7, temperature=0.5)
    served = ExportedModel(run.export_dir)(
        "sample",
        seed=np.array([[7, 0], [7, 1], [7, 2]], np.int32),
        temperature=np.full([3], 0.5, np.float32),
    )["image"]
    with np.load(path) as arrays:
        np.testing.assert_allclose(arrays["image"], served, atol=1e-6)


def test_more_images_begin_with_the_same_ones(run, tmp_path):
    drawn = []
    for count in (2, 5):
        path = tmp_path / f"{count}.npz"
        sample(run.trained, path, num_images=count)
        with np.load(path) as arrays:
            drawn.append(arrays["image"])
    np.testing.assert_allclose(drawn[1][:2], drawn[0], atol=1e-6)
    assert np.abs(drawn[1][2] - drawn[1][3]).max() > 0.01


def test_a_folder_has_a_file_for_each_image(run, tmp_path):
    sample(run.trained, tmp_path / "digits", num_images=3)
    files = sorted((tmp_path / "digits").glob("*.png"))
    assert len(files) == 3
    with Image.open(files[0]) as picture:
        assert picture.size == (28, 28)


def test_a_class_is_refused_by_a_model_without_classes(run, tmp_path):
    with pytest.raises(UserError, match="does not know classes"):
        sample(run.trained, tmp_path / "s.png", num_images=1, label="3")
    assert not list(tmp_path.iterdir())


def _trained(model):
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), HierarchicalConfig(), TrainingConfig()
    )
    return TrainedModel(model, experiment, experiment.prepare())


@pytest.fixture
def draw(tmp_path):
    """Returns a function that draws images as if a model were a run's."""

    def draw(model, **options):
        path = tmp_path / "samples.npz"
        sample(_trained(model), path, num_images=3, seed=7, **options)
        with np.load(path) as arrays:
            return arrays["image"]

    return draw


def test_each_group_of_a_hierarchy_may_have_its_temperature(draw, tmp_path):
    model = make_hierarchical()
    colder = draw(model, temperature=[0.5, 1.0, 0.0])
    noise = seeds.row_normal(tf.constant([[7, 0], [7, 1], [7, 2]]), 13)
    # The priors of this network are N(0, I): the noise is the latents.
    factors = np.repeat([0.5, 1.0, 0.0], [3, 2, 8]).astype(np.float32)
    np.testing.assert_allclose(
        colder, model.decode(factors * noise), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(UserError, match=r"has 3\. Received: 2 numbers"):
        draw(model, temperature=[0.5, 1.0])
    with pytest.raises(UserError, match=r"at least 0\. Received: .*-1"):
        draw(model, temperature=-1.0)
    assert [p.name for p in tmp_path.iterdir()] == ["samples.npz"]


def test_draws_of_pixels_are_those_that_an_export_serves(draw):
    model = make_hierarchical("discretized_logistic_mixture")
    drawn = draw(model, temperature=0.5, pixels="draw")
    preparation = _trained(model).preparation
    function, _ = make_endpoints(model, preparation, "draw")["sample"]
    rows = tf.constant([[7, 0], [7, 1], [7, 2]])
    served = function(rows, tf.fill([3], 0.5))["image"]
    np.testing.assert_allclose(drawn, served, atol=1e-6)
    assert np.abs(drawn - draw(model, temperature=0.5)).max() > 0.05
    with pytest.raises(UserError, match=r"Unknown pixels.*pixels=median"):
        draw(model, pixels="median")


def test_samples_of_nvae_with_recalibrated_batch_norm(draw):
    model = make_nvae()
    for norm in collect(model.decoder)[1]:  # What samples do not have.
        norm.moving_mean.assign(norm.moving_mean + 1.0)
        norm.moving_variance.assign(0.01 * norm.moving_variance)
    plain = draw(model, temperature=0.7)
    fitted = draw(model, temperature=0.7, recalibrate_batch_norm=3)
    assert np.abs(fitted - plain).max() > 1e-3
    with model.recalibrated_batch_norm(3, temperature=0.7, seed=(7, 0)):
        np.testing.assert_allclose(
            draw(model, temperature=0.7), fitted, rtol=1e-4, atol=1e-5
        )
    np.testing.assert_array_equal(draw(model, temperature=0.7), plain)
    with pytest.raises(UserError, match=r"is for NVAE.*HierarchicalVAE"):
        draw(make_hierarchical(), recalibrate_batch_norm=3)


@pytest.fixture
def tiny_disk(monkeypatch):
    """A disk with room for 100 kB."""
    usage = types.SimpleNamespace(free=100_000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        # Twice 4 * 16 + 12 bytes each, and a block of the disk each.
        ("new.npz", "1.52 GB of disk at least, and 100 kB are free"),
        ("folder", "41 GB of disk at least, and 100 kB are free"),
        ("new.png", "too many for one picture: they have 160 million pixels"),
    ],
)
def test_what_would_be_too_large_is_refused(tiny_disk, tmp_path, name, message):
    trained = _trained(make_model())
    with pytest.raises(UserError, match=message) as caught:
        sample(trained, tmp_path / name, num_images=10_000_000)
    assert str(caught.value).endswith("Received: num_images=10000000")
    assert not list(tmp_path.iterdir())
    # What fits is drawn.
    sample(trained, tmp_path / name, num_images=20)


@pytest.mark.parametrize("name", ["new.npz", "folder"])
def test_images_are_written_as_they_come(monkeypatch, tmp_path, name):
    trained = _trained(make_model())
    alive, most = [], []

    def batches(*_, **__):
        for _ in range(10):
            image = np.zeros([2, 4, 4, 1], np.float32)
            alive.append(weakref.ref(image))
            yield image
            del image
            most.append(sum(reference() is not None for reference in alive))

    monkeypatch.setitem(sample.__globals__, "sample_batches", batches)
    sample(trained, tmp_path / name, num_images=20)
    assert max(most) <= 2


def test_a_class_a_seed_and_an_image_in_each_row(tmp_path):
    model = make_model(class_names=("a", "b", "c"), num_classes="auto")
    path = tmp_path / "new.npz"
    sample(_trained(model), path, num_images=300, seed=5)
    with np.load(path) as arrays:
        assert arrays["image"].shape == (300, 4, 4, 1)
        assert arrays["image"].dtype == np.float32
        np.testing.assert_array_equal(arrays["label"], np.arange(300) % 3)
        np.testing.assert_array_equal(arrays["seed"][:, 0], 5)
        np.testing.assert_array_equal(arrays["seed"][:, 1], np.arange(300))
        assert len(np.unique(arrays["image"], axis=0)) == 300


def test_another_suffix_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="Received"):
        sample(run.trained, tmp_path / "samples.txt", num_images=4)
    assert not list(tmp_path.iterdir())


def test_an_image_of_a_later_batch_is_that_of_its_own_row():
    model = make_model(class_names=("a", "b", "c"), num_classes="auto")
    labels = np.arange(260, dtype=np.int32) % 3
    batches = list(sample_batches(_trained(model), 260, seed=5, labels=labels))
    assert [len(images) for images in batches] == [256, 4]
    rows = tf.constant([[5, row] for row in range(256, 260)])
    expected = model.generate(
        seeds.row_normal(rows, model.latent_dim),
        tf.ones([4]),
        label=tf.constant(labels[256:]),
    )
    np.testing.assert_allclose(batches[1], expected, atol=1e-6)
