"""Tests that verbs hand on what they are asked: seeds, classes, sizes."""

import csv
import dataclasses
import importlib
import io
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vae import plotting
from keras_vae.conditional import MaskConfig
from keras_vae.conditional.observation import MaskedPixels
from keras_vae.config import TrainingConfig, VAEConfig
from keras_vae.data import ArraySplit, DataConfig
from keras_vae.errors import UserError
from keras_vae.evaluation import image_scores
from keras_vae.models import LatentStatistics
from keras_vae.models import traverse as traversal
from keras_vae.progress import ImageBar
from keras_vae.training import ExperimentConfig, Preparation, TrainedModel
from keras_vae.units import NATS
from keras_vae.use import ImageSource, encode, interpolate, score, traverse
from keras_vae.use.comparisons import compared
from keras_vae.use.independent_pixels import IndependentPixels
from keras_vae.use.outliers import load_outliers
from keras_vae.use.sample import sample_batches
from keras_vae.use.scored_images import ScoredImages
from keras_vae.use.source import SourceImages
from tests.models.cases import (
    IMAGE,
    binary_images,
    make_hierarchical,
    make_model,
)

_BITS = {
    "binarization": "static",
    "dequantization": "none",
    "likelihood": "bernoulli",
}


def _trained(model, decided=None):
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), VAEConfig(), TrainingConfig()
    )
    return TrainedModel(
        model, experiment, Preparation(**(decided or _BITS), unit=NATS)
    )


@pytest.fixture
def drawn(monkeypatch):
    """Returns the images of each grid that is drawn, a row for each pair."""
    found = []

    def save(path, images, columns, **options):
        found.append(np.reshape(images, [-1, columns, *IMAGE]))

    monkeypatch.setattr(plotting, "save_grid", save)
    return found


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_ways_between_seeds_end_at_their_samples(drawn, tmp_path, temperature):
    names = ("a", "b", "c")
    trained = _trained(make_model(class_names=names))
    for variable in trained.model.trainable_variables:
        variable.assign(variable * 4.0)
    interpolate(
        trained,
        ImageSource(label=[2, 0]),
        tmp_path / "w.png",
        between_seeds=[3, 4],
        steps=4,
        temperature=temperature,
    )
    (rows,) = drawn
    for place, seed, label in ((0, 3, 2), (-1, 4, 0)):
        (wanted,) = sample_batches(
            trained, 1, seed, temperature, np.array([label], np.int32)
        )
        np.testing.assert_allclose(rows[0, place], wanted[0], atol=1e-5)


@pytest.mark.parametrize("seed", [0, 5])
def test_draws_of_a_traversal_are_those_of_its_seed(
    monkeypatch, tmp_path, seed
):
    module = importlib.import_module("keras_vae.use.traverse")
    trained = _trained(make_hierarchical())
    images = SourceImages(binary_images(1), None, ["0"])
    monkeypatch.setattr(ImageSource, "load", lambda *_, **__: images)
    found = []
    monkeypatch.setattr(
        plotting,
        "save_labelled_rows",
        lambda path, rows, *_, **__: found.append(rows) or path.touch(),
    )
    traverse(trained, ImageSource(), tmp_path / "g.png", steps=3, seed=seed)
    wanted = module.resampled(
        trained.model, tf.constant(images.images), 2, seed=seed
    )
    np.testing.assert_allclose(found[0], wanted, atol=1e-6)


def test_a_traversal_measures_where_its_image_is(monkeypatch, tmp_path):
    trained = _trained(make_model())
    asked = []

    def load(self, *_, **options):
        asked.append((self, options))
        return SourceImages(
            binary_images(options["default_num_images"]), None, ["0"]
        )

    monkeypatch.setattr(ImageSource, "load", load)
    source = ImageSource(
        split="train",
        data_dir="data",
        manual_dir="archives",
        seed=3,
        accept_changed_data=True,
    )
    traverse(trained, source, tmp_path / "d.png", steps=2)
    (first, _), (second, options) = asked
    assert first == source
    assert second == dataclasses.replace(source, split=None)
    assert options == {"default_num_images": 500}


def test_samples_that_fill_a_class_have_the_temperature():
    module = importlib.import_module("keras_vae.use.augment")
    trained = _trained(make_model(class_names=("a", "b")))
    labels = np.array([0, 0, 0, 1, 1], np.int32)
    with ImageBar(5, "written", io.StringIO()) as bar:
        rows = list(module._synthetic(trained, labels, 5, 0.3, bar))
    (wanted,) = sample_batches(trained, 5, 5, 0.3, labels)
    np.testing.assert_array_equal(
        [row["image"] for row in rows], plotting.to_uint8(wanted)
    )


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for index, image in enumerate(binary_images(9)):
        levels = (255 * image[..., 0]).astype(np.uint8)
        Image.fromarray(levels).save(folder / f"{index}.png")
    return str(folder)


@pytest.mark.parametrize("seed", [0, 5])
def test_points_of_the_projector_are_those_of_the_seed(files, tmp_path, seed):
    folder = tmp_path / "latents"
    source = ImageSource([files], seed=seed)
    encode(_trained(make_model()), source, folder, max_points=3)
    with (folder / "metadata.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    order = np.random.RandomState(seed).permutation(9)
    assert [int(row["position"]) for row in rows] == sorted(order[:3])


def test_a_background_without_a_likelihood_is_refused(files, tmp_path):
    own = _trained(make_model())
    other = _trained(make_model(model="autoencoder"))
    with pytest.raises(UserError, match="must be a model with a likelihood"):
        score(own, ImageSource([files]), tmp_path / "scores", background=other)


def test_outliers_of_a_dataset_are_as_many_as_the_images(monkeypatch):
    trained = _trained(make_model())
    asked = []

    def load(self, trained, **options):
        asked.append((self, trained, options))
        return SourceImages(binary_images(2), None, ["0", "1"])

    monkeypatch.setattr(ImageSource, "load", load)
    source = ImageSource(split="train", num_images=7, seed=3, data_dir="data")
    load_outliers("cifar10", source, trained, "archives")
    ((found, changed, options),) = asked
    assert found == ImageSource(split="train", seed=3)
    data = changed.experiment.data
    assert (data.dataset, data.data_dir, data.manual_dir) == (
        "cifar10",
        "data",
        "archives",
    )
    assert options == {"default_num_images": 7, "dequantize": True}


def test_the_mean_of_training_images_has_the_seed_of_the_source(monkeypatch):
    trained = _trained(make_model())
    split = ArraySplit(np.zeros([12, *IMAGE], np.uint8))
    dataset = types.SimpleNamespace(splits={"train": split})
    monkeypatch.setattr(ImageSource, "dataset", lambda *_: dataset)
    asked = []
    real = Preparation.evaluation_batches

    def batches(self, split, **options):
        asked.append((split, options))
        return real(self, split, **options)

    monkeypatch.setattr(Preparation, "evaluation_batches", batches)
    IndependentPixels.fit(trained, ImageSource(seed=5))
    ((found, options),) = asked
    assert found is split
    assert (options.get("seed"), options["num_images"]) == (5, 12)


def test_one_pass_knows_the_class_of_each_image_of_a_later_batch():
    model = make_model(class_names=("a", "b", "c"))
    images = binary_images(130)
    labels = np.arange(130, dtype=np.int32) % 3
    labels[100:] = 2 - labels[:30]
    known = MaskedPixels(images * 0.0, np.ones([130, *IMAGE[:2]], np.float32))
    pixels = IndependentPixels(
        np.full(IMAGE, 0.5, np.float32),
        np.full(IMAGE, 0.5, np.float32),
        "mean",
        "binary",
    )
    together, _ = compared(model, known, images, pixels, labels)
    last = np.arange(100, 130)
    alone, _ = compared(
        model, known.take(last), images[last], pixels, labels[last]
    )
    np.testing.assert_allclose(together.image[last], alone.image, atol=1e-5)


class _ReachedError(Exception):
    pass


@pytest.mark.parametrize("verb", ["impute", "upscale"])
def test_settings_of_the_chains_and_masks_are_handed_on(
    verb, files, tmp_path, monkeypatch
):
    from keras_vae.conditional import ChainConfig, MaskConfig

    module = importlib.import_module("keras_vae.use.impute")
    asked = []

    def draw(model, known, truth, guess, config, **_):
        asked.append((known, config))
        raise _ReachedError

    monkeypatch.setattr(module, "sample_posterior", draw)
    with pytest.raises(_ReachedError):
        getattr(module, verb)(
            _trained(make_model()),
            ImageSource([files], seed=5),
            tmp_path / "out",
            num_chains=2,
            burn_in=3,
            num_sweeps=7,
        )
    ((known, config),) = asked
    assert config == ChainConfig(2, 3, 7, 5)
    if verb == "impute":
        masks = MaskConfig("random", 0.5, "any", 5).draw(9, *IMAGE[:2])
        np.testing.assert_array_equal(known.missing, masks)


@pytest.mark.parametrize("seed", [0, 5])
def test_scores_of_a_session_have_the_draws_of_their_seed(seed):
    from keras_vae.evaluation import image_scores
    from keras_vae.use.trained_run import TrainedRun

    model, images = make_model(), binary_images(4)
    found = TrainedRun(_trained(model)).score(
        images, num_importance_samples=3, seed=seed
    )
    wanted = image_scores(model, images, 3, seed)
    np.testing.assert_allclose(found.nll, wanted.nll, rtol=1e-5)


@pytest.fixture
def traversed(monkeypatch, tmp_path):
    """Returns model, image, and the rows and labels that were drawn."""
    module = importlib.import_module("keras_vae.use.traverse")
    trained = _trained(make_model())
    images = SourceImages(binary_images(1), None, ["0"])
    monkeypatch.setattr(ImageSource, "load", lambda *_, **__: images)
    statistics = LatentStatistics(
        mean_variance=np.array([1.0, 0.0, 1.0]),
        kl_by_dimension=np.array([0.5, 0.75, 2.0]),
        kl_by_group=np.array([3.25]),
        group_shapes=((3,),),
    )
    monkeypatch.setattr(module, "_statistics", lambda *_: statistics)
    found = []
    monkeypatch.setattr(
        plotting,
        "save_labelled_rows",
        lambda path, rows, labels, **_: (
            found.extend([rows, labels]) or path.touch()
        ),
    )
    traverse(trained, ImageSource(), tmp_path / "d.png", limit=1.0, steps=4)
    return trained.model, tf.constant(images.images), *found


def test_a_traversal_has_the_active_dimensions_by_their_kl(traversed):
    *_, labels = traversed
    assert labels == ["z2  KL 2.00 nats", "z0  KL 0.50 nats"]


def test_a_traversal_goes_as_far_as_it_is_asked(traversed):
    model, image, rows, _ = traversed
    wanted = traversal(model, image, [2, 0], 1.0, 4)
    np.testing.assert_allclose(rows, wanted, atol=1e-6)


@pytest.fixture
def known(monkeypatch, files, tmp_path):
    """Returns a function: what a verb knows of nine images."""
    module = importlib.import_module("keras_vae.use.impute")

    def known(verb, **options):
        asked = []

        def draw(model, known, *_, **__):
            asked.append(known)
            raise _ReachedError

        monkeypatch.setattr(module, "sample_posterior", draw)
        with pytest.raises(_ReachedError):
            getattr(module, verb)(
                _trained(make_model()),
                ImageSource([files], seed=5),
                tmp_path / "out",
                **options,
            )
        return asked[0]

    return known


@pytest.mark.parametrize(
    "options",
    [
        {"mask": "random", "share": 0.25},
        {"mask": "box", "share": 0.25},
        {"mask": "half", "side": "left"},
        {"mask": "half"},
    ],
)
def test_what_is_missing_is_what_was_asked_for(known, options):
    settings = {"kind": options["mask"], **options, "seed": 5}
    del settings["mask"]
    masks = MaskConfig(**settings).draw(9, *IMAGE[:2])
    np.testing.assert_array_equal(known("impute", **options).missing, masks)


def test_of_each_block_the_first_pixel_is_known(known):
    found = known("upscale", factor=2, downsampling="decimate")
    wanted = np.ones([9, *IMAGE[:2]])
    for row in range(0, IMAGE[0], 2):
        for column in range(0, IMAGE[1], 2):
            wanted[:, row, column] = 0.0
    np.testing.assert_array_equal(found.missing, wanted)


@pytest.mark.parametrize("label", ["b", None])
def test_outliers_have_the_class_that_was_named_for_all(files, label):
    trained = _trained(make_model(class_names=("a", "b"), num_classes="auto"))
    source = ImageSource([files], label=label or list("abbabaabb"))
    images = ScoredImages.load(trained, source, files, None)
    (found,) = images.score([trained], 3, 4, None)
    # Where each image has its class, that would tell which are the inliers.
    labels = np.ones(18, np.int32) if label else None
    wanted = image_scores(trained.model, images.all, 3, 4, labels=labels)
    np.testing.assert_allclose(found.nll, wanted.nll, rtol=1e-6)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
