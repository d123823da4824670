"""Tests that what is no batch of images is refused, wherever it is given."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.evaluation import image_scores, likelihood_bounds
from keras_vae.models import latent_statistics
from keras_vae.models.batches import unpack
from tests.models.cases import (
    IMAGE,
    binary_images,
    grey_images,
    make_hierarchical,
    make_model,
    make_nvae,
)

_CLASSES = {"class_names": ("a", "b", "c"), "num_classes": "auto"}


def _images(shape):
    return np.zeros(shape, "float32")


_BAD = {
    "levels": (255.0 * grey_images(4), r"be in \[0, 1\].*\[0.\d*, 2\d\d"),
    "centred": (2.0 * grey_images(4) - 1.0, r"be in \[0, 1\].*\[-0.9"),
    "a little above": (grey_images(4) + 0.01, r"\[0, 1\].*, 1.00"),
    "infinity": (np.full([4, *IMAGE], np.inf, "float32"), r"\[0, 1\].*inf"),
    "uint8": (np.zeros([4, *IMAGE], "uint8"), "floating-point.*uint8 images"),
    "int64": (np.ones([4, *IMAGE], "int64"), r"int64 images .* in \[1, 1\]"),
    "truth values": (grey_images(4) > 0.5, r"floating-point.*truth.*bool ima"),
    "text": (np.full([4, *IMAGE], "a"), "floating-point.*string images"),
    "complex": (np.zeros([4, *IMAGE], "complex64"), "complex64 images"),
    "no channel": (_images([4, 4, 4]), r"\[batch, 4, 4, 1\].*\(4, 4, 4\)"),
    "one image": (_images(IMAGE), r"\[batch, 4, 4, 1\].*\(4, 4, 1\)"),
    "three channels": (_images([4, 4, 4, 3]), r"shape \(4, 4, 4, 3\)"),
    "smaller": (_images([4, 4, 3, 1]), r"shape \(4, 4, 3, 1\)"),
    "one row, which broadcasts": (_images([4, 1, 4, 1]), r"\(4, 1, 4, 1\)"),
    "flat": (_images([4, 16]), r"shape \(4, 16\)"),
    "none at all": (_images([0, *IMAGE]), "at least one image"),
}
_STRICT = (
    "fit",
    "validation",
    "evaluate",
    "predict",
    "train_on_batch",
    "test_on_batch",
)
_STREAMED = (
    "levels",
    "centred",
    "uint8",
    "truth values",
    "no channel",
    "smaller",
)


@pytest.fixture(scope="module")
def models():
    made = {
        "vae": make_model(),
        "autoencoder": make_model("normal_fixed", model="autoencoder"),
        "hierarchical": make_hierarchical(),
        "nvae": make_nvae(),
    }
    for model in made.values():
        model.compile(optimizer="adam", jit_compile=False)
    return made


def _calls(model):
    calls = {
        "fit": lambda x: model.fit(x, verbose=0),
        "validation": lambda x: model.fit(
            binary_images(4), validation_data=(x, None), verbose=0
        ),
        "evaluate": lambda x: model.evaluate(x, verbose=0),
        "predict": lambda x: model.predict(x, verbose=0),
        "train_on_batch": model.train_on_batch,
        "test_on_batch": model.test_on_batch,
        "call": model,
        "encode": model.encode,
        "reconstruct": model.reconstruct,
    }
    if model.group_shapes:
        calls["latent_moments"] = model.latent_moments
        calls["latent_statistics"] = lambda x: latent_statistics(model, [x])
        calls["likelihood_bounds"] = lambda x: likelihood_bounds(model, [x], 1)
    calls["image_scores"] = lambda x: image_scores(model, x, 1)
    return calls


@pytest.mark.parametrize("kind", ["vae", "autoencoder", "hierarchical", "nvae"])
def test_what_are_no_images_is_refused_everywhere(models, kind):
    model = models[kind]
    before = model.get_weights()
    for name, call in _calls(model).items():
        for what, (images, message) in _BAD.items():
            if kind != "vae" and what not in _STREAMED:
                continue
            if name == "image_scores" and what == "none at all":
                continue  # There is nothing to score.
            beyond = what in ("levels", "centred") and name not in _STRICT
            if kind == "autoencoder" and beyond:
                continue  # A Gaussian is one of all real numbers.
            with pytest.raises(ValueError, match=message):
                call(images)
                pytest.fail(f"{name} takes images that are {what}")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class _Sequence(keras.utils.PyDataset):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return (self.images,)


_STREAMS = {
    "dataset": lambda x: tf.data.Dataset.from_tensors(x),
    "unknown shape": lambda x: tf.data.Dataset.from_generator(
        lambda: iter([x]), output_types=x.dtype
    ),
    "sequence": _Sequence,
    "generator": lambda x: ((batch,) for batch in [x]),
}


@pytest.mark.parametrize("jit_compile", [False, True])
def test_streams_are_checked_batch_by_batch(jit_compile):
    model = make_model()
    model.compile(optimizer="adam", jit_compile=jit_compile)
    before = model.get_weights()
    cases = [("dataset", "levels")]
    if not jit_compile:
        cases += [("dataset", what) for what in _STREAMED[1:]]
        cases += itertools.product([*_STREAMS][1:], ["levels", "smaller"])
    for stream, what in cases:
        images = _BAD[what][0]
        for call in (model.fit, model.evaluate, model.predict):
            arguments = {"shuffle": False} if call == model.fit else {}
            with pytest.raises(
                (ValueError, tf.errors.InvalidArgumentError),
                match="Images must|shape",
            ):
                call(_STREAMS[stream](images), verbose=0, **arguments)
                pytest.fail(f"{stream} of images that are {what}")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    # And a good one is none the worse for it.
    history = model.fit(binary_images(4), verbose=0).history
    assert np.isfinite(history["loss"][0])


@pytest.mark.parametrize("bad", ["uint8", "no channel"])
def test_fit_after_one_that_was_refused(bad):
    images = binary_images(8)
    model, fresh = make_model(), make_model()
    for one in (model, fresh):
        one.compile(optimizer="adam", jit_compile=False)
    stream = tf.data.Dataset.from_tensors(_BAD[bad][0])
    for data in (_BAD[bad][0], stream):
        with pytest.raises(ValueError, match="Images must"):
            model.fit(data, shuffle=False, verbose=0)
    for one in (model, fresh):
        one.fit(images, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "images",
    [
        grey_images(4).astype("float64"),
        grey_images(4).astype("float16"),
        np.ones([4, *IMAGE], "float32") * (1.0 + 1e-6),  # Of rounding.
    ],
)
def test_other_ways_to_write_images(images):
    model = make_model()
    image, condition = model.unpack(images)
    assert image.dtype == tf.float32 and condition == {}
    np.testing.assert_array_equal(image, images.astype("float32"))
    expected = model.reconstruct(images.astype("float32"))
    np.testing.assert_array_equal(model.reconstruct(images), expected)


def test_nan_is_for_the_loss_to_show():
    images = grey_images(4)
    images[1, 0] = np.nan
    np.testing.assert_array_equal(make_model().unpack(images)[0], images)


# Targets.


def test_targets_that_are_not_used_are_refused():
    model, images = make_model(), grey_images(4)
    model.compile(optimizer="adam", jit_compile=False)
    for target, message in (
        (grey_images(4, seed=1), "the same images"),
        (1.0 - images, "the same images"),
        (images[..., 0], "not targets"),
        (np.linspace(0.0, 1.0, 4), "not targets"),
        (np.eye(4), "not targets"),
        (np.array(["a", "b", "c", "d"]), "not targets"),
    ):
        for call in (model.fit, model.evaluate):
            with pytest.raises(ValueError, match=message):
                call(images, target, verbose=0)
        with pytest.raises(ValueError, match=message):
            model.fit(images, validation_data=(images, target), verbose=0)
    other = tf.data.Dataset.from_tensors((images, 1.0 - images))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the same images"):
        model.fit(other, shuffle=False, verbose=0)


@pytest.mark.parametrize("kind", ["vae", "autoencoder"])
def test_classes_and_the_images_themselves_change_nothing(kind):
    images = grey_images(4)
    images[2, 1] = np.nan
    losses = []
    for target in (None, images, images.astype("float64"), np.arange(4)):
        model = make_model("normal_fixed", model=kind)
        model.compile(optimizer="adam", run_eagerly=True)
        losses.append(model.evaluate(images[:2], verbose=0)[0])
        history = model.fit(images, target, verbose=0, shuffle=False).history
        assert np.isnan(history["loss"][0])
    assert len(set(losses)) == 1
    columns = tf.data.Dataset.from_tensors((images, np.arange(4)[:, None]))
    model.fit(columns, shuffle=False, verbose=0)


# Classes.


_LABELS = {
    "part of one": (np.full(4, 0.7), "whole numbers.*float"),
    "float": (np.zeros(4, "float32"), "whole numbers.*float32"),
    "too large": (np.array([0, 1, 2, 3]), r"0 ... 2. Received: a label of 3"),
    "negative": (np.array([0, -1, 2, 0]), "Received: a label of -1"),
    "beyond 32 bits": (np.array([0, 2**32, 0, 0]), "a label of 4294967296"),
    "column": (np.zeros([4, 1], "int32"), r"shape \[4\]"),
    "one-hot": (np.eye(4, 3, dtype="int32"), r"shape \[4\]"),
    "too few": (np.zeros(3, "int32"), r"shape \[4\]|same length|cardinality"),
    "images": (grey_images(4), "whole numbers"),
}


@pytest.mark.parametrize("what", _LABELS)
def test_what_are_no_classes_is_refused(what):
    label, message = _LABELS[what]
    model, images = make_model(**_CLASSES), grey_images(4)
    model.compile(optimizer="adam", run_eagerly=True)
    calls = {
        "fit": lambda: model.fit(images, label, verbose=0),
        "evaluate": lambda: model.evaluate(images, label, verbose=0),
        "predict": lambda: model.predict((images, label), verbose=0),
        "train_on_batch": lambda: model.train_on_batch(images, label),
        "call": lambda: model((images, label)),
        "bounds": lambda: likelihood_bounds(model, [(images, label)], 1),
    }
    calls["encode"] = lambda: model.encode(images, label=label)
    calls["sample"] = lambda: model.sample([4], 0, label=label)
    for name, call in calls.items():
        with pytest.raises(ValueError, match=message):
            call()
            pytest.fail(f"{name} takes labels that are {what}")


def test_classes_of_a_stream_are_checked():
    model = make_model(**_CLASSES)
    model.compile(optimizer="adam", jit_compile=False)
    calls = (model.fit, model.evaluate, model.predict)
    for wrong, call in itertools.product([3, -1, 2**32], calls):
        label = np.array([0, 1, 2, wrong])
        stream = tf.data.Dataset.from_tensors((grey_images(4), label))
        arguments = {"shuffle": False} if call == model.fit else {}
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="must hold classes, 0 ... 2"
        ):
            call(stream, verbose=0, **arguments)
            pytest.fail(f"{call.__name__} takes a class {wrong}")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64"])
def test_classes_may_be_integers_of_any_size(dtype):
    model, images = make_model(**_CLASSES), grey_images(3)
    expected = model.reconstruct(images, label=[2, 0, 1])
    label = np.array([2, 0, 1], dtype)
    found = model.reconstruct(images, label=label)
    np.testing.assert_array_equal(found, expected)
    model.encode(images, label=label)
    model.sample([3], 0, label=label)


def test_predict_takes_classes_as_fit_does():
    model, images = make_model(**_CLASSES), grey_images(5)
    model.compile(optimizer="adam", jit_compile=False)
    label = np.arange(5) % 3
    expected = model.reconstruct(images, label=label)
    pairs = tf.data.Dataset.from_tensor_slices((images, label)).batch(2)
    for data in ((images, label), pairs):
        found = model.predict(data, batch_size=None, verbose=0)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.raises(ValueError, match="Received: images alone"):
        model.predict(images, verbose=0)


def test_data_of_another_form_are_named():
    for data in ({"image": grey_images(4)}, (grey_images(4),) * 3):
        data = (data,) if isinstance(data, tuple) else data
        with pytest.raises(ValueError, match="in place of images"):
            unpack(data, IMAGE)


def test_weights_of_another_shape_are_refused():
    model, images = make_model(), grey_images(4)
    model.compile(optimizer="adam", run_eagerly=True)
    for shape in ([4, 2], [4, 4, 4]):
        with pytest.raises(ValueError, match="`sample_weight` must have"):
            model.fit(images, sample_weight=np.ones(shape), verbose=0)


def test_weights_that_are_none_are_refused():
    model, images = make_model(), grey_images(4)
    model.compile(optimizer="adam", jit_compile=False)
    before = model.get_weights()
    message = "`sample_weight` must hold finite numbers of at least 0"
    wrongs = (float("nan"), float("inf"), -0.5)
    for wrong, call in itertools.product(wrongs, (model.fit, model.evaluate)):
        weight = np.array([1.0, 0.0, wrong, 2.0], "float32")
        stream = tf.data.Dataset.from_tensors(
            (images, np.zeros(4, "int32"), weight)
        )
        arguments = {"shuffle": False} if call == model.fit else {}
        with pytest.raises(ValueError, match=f"{message}.*a weight of {wrong}"):
            call(images, sample_weight=weight, verbose=0)
            pytest.fail(f"{call.__name__} takes a weight of {wrong}")
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            call(stream, verbose=0, **arguments)
            pytest.fail(f"{call.__name__} takes a stream with {wrong}")
    with pytest.raises(ValueError, match=f"{message}.*dtype string"):
        model.fit(images, sample_weight=np.array(["a"] * 4), verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    good = np.array([True, False, True, True])
    model.fit(images, sample_weight=good, verbose=0)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
