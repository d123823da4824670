"""Tests of the conditional VAE.

For one class it is a VAE without classes whose biases have moved: the class's
one-hot vector, and its picture, are constants that the first layers multiply.
That VAE is the oracle.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import VAEConfig
from keras_vae.errors import UserError
from keras_vae.evaluation import image_scores, likelihood_bounds
from keras_vae.models import (
    VAE,
    latent_statistics,
    traverse,
)
from tests.models.cases import IMAGE, binary_images, make_hierarchical
from tests.models.cases import make_model as make

_NAMES = ("cat", "dog", "eel")
_CLOSE = {"rtol": 1e-5, "atol": 1e-5}
_ARCHITECTURES = ("dense", "convolutional", "residual")


def _make(**config):
    model = make(class_names=_NAMES, num_classes="auto", **config)
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        # So that biases and pictures of the classes are not 0.
        variable.assign_add(0.5 * random.normal(size=variable.shape))
    return model


def _without_classes(model, label):
    """Returns the dense VAE that is `model` for one class."""
    plain = make()
    old = [v.numpy() for v in model.encoder.weights if "picture" not in v.path]
    picture = _picture(model, label)
    kernel = old[0].reshape([*IMAGE[:2], IMAGE[2] + 1, -1])
    old[0] = kernel[:, :, :-1].reshape([-1, kernel.shape[-1]])
    old[1] = old[1] + np.einsum("hw,hwu->u", picture, kernel[:, :, -1])
    plain.encoder.set_weights(old)
    old = model.decoder.get_weights()
    first = next(i for i, w in enumerate(old) if len(w) == 3 + len(_NAMES))
    old[first + 1] = old[first + 1] + old[first][3 + label]
    old[first] = old[first][:3]
    plain.decoder.set_weights(old)
    return plain


def _picture(model, label):
    layer = model.encoder.class_picture
    return layer.kernel.numpy()[label].reshape(IMAGE[:2])


def _labels(label, count=8):
    return tf.fill([count], label)


@pytest.fixture(scope="module")
def model():
    return _make()


@pytest.fixture(scope="module", params=range(len(_NAMES)))
def case(request, model):
    return request.param, model, _without_classes(model, request.param)


def test_networks_are_told_the_class(case):
    label, model, plain = case
    images, y = binary_images(), _labels(label)
    for given, expected in zip(
        model.latent_moments(images, label=y),
        plain.latent_moments(images),
        strict=True,
    ):
        np.testing.assert_allclose(given, expected, **_CLOSE)
    np.testing.assert_allclose(
        model.reconstruct(images, label=y), plain.reconstruct(images), **_CLOSE
    )
    np.testing.assert_allclose(
        model.sample([8], (1, 2), 0.7, label=y),
        plain.sample([8], (1, 2), 0.7),
        **_CLOSE,
    )


def test_bounds_are_those_given_the_class(case):
    label, model, plain = case
    images = binary_images()
    batches = tf.data.Dataset.from_tensors(images)
    labelled = tf.data.Dataset.from_tensors((images, _labels(label)))
    given = likelihood_bounds(model, labelled, 7)
    expected = likelihood_bounds(plain, batches, 7)
    for name in ("elbo", "importance_weighted", "kl_divergence"):
        np.testing.assert_allclose(
            getattr(given, name), getattr(expected, name), rtol=1e-4
        )
    np.testing.assert_allclose(
        latent_statistics(model, labelled).kl_by_dimension,
        latent_statistics(plain, batches).kl_by_dimension,
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        traverse(model, images[:1], [1], label=_labels(label, 1)),
        traverse(plain, images[:1], [1]),
        **_CLOSE,
    )


def test_images_of_unknown_class_get_the_mixture(model):
    images = binary_images()
    each = np.stack(
        [
            image_scores(
                model, images, 4, labels=np.full([8], label, np.int32)
            ).nll
            for label in range(3)
        ]
    )
    expected = -np.log(np.mean(np.exp(-each), axis=0))
    scores = image_scores(model, images, 4)
    np.testing.assert_allclose(scores.nll, expected, rtol=1e-5)


def test_rows_of_a_batch_have_their_own_class(model):
    images = binary_images()
    y = tf.range(8) % 3
    whole = model.reconstruct(images, label=y)
    for row in range(8):
        alone = model.reconstruct(images[row : row + 1], label=y[row : row + 1])
        np.testing.assert_allclose(whole[row], alone[0], **_CLOSE)


def test_fit_finds_what_a_class_looks_like():
    """A class is black, or white: without it z must tell, and costs log 2."""
    model = make(class_names=("black", "white"), num_classes="auto")
    model.compile(keras.optimizers.Adam(0.05), jit_compile=False)
    label = np.arange(64) % 2
    images = np.ones([64, *IMAGE]) * label[:, None, None, None]
    model.fit(images, label, batch_size=64, epochs=50, verbose=0)
    result = model.evaluate(
        images, label, batch_size=64, return_dict=True, verbose=0
    )
    assert -0.5 < result["elbo"] < 0
    samples = model.sample([64], (0, 1), **model.classes_in_turn(64))
    assert np.abs(samples - images).mean() < 0.05


@pytest.mark.parametrize("architecture", _ARCHITECTURES)
def test_saved_model_is_the_model(architecture, tmp_path):
    model = _make(architecture=architecture)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.class_names == _NAMES
    images, y = binary_images(), tf.range(8) % 3
    expected = model.reconstruct(images, label=y)
    np.testing.assert_allclose(loaded((images, y)), expected, **_CLOSE)
    np.testing.assert_allclose(
        model.predict((images, y), verbose=0), expected, **_CLOSE
    )


def test_class_that_there_is_not_is_refused(model):
    for label in (-1, 3):
        with pytest.raises(ValueError, match=rf"0 ... 2. .* label of {label}"):
            model.decode(tf.zeros([1, 3]), tf.constant([label]))


def test_label_must_be_given(model):
    images = binary_images()
    for call in (
        lambda: model.encode(images),
        lambda: model.reconstruct(images),
        lambda: model.latent_moments(images),
        lambda: model.decode(tf.zeros([1, 3])),
        lambda: model.sample([2], (0, 1)),
    ):
        with pytest.raises(ValueError, match="conditional on 3 classes"):
            call()
    with pytest.raises(ValueError, match=r"must be \(images, classes\)"):
        model.unpack(images)


def test_labels_of_a_wrong_size_are_refused(model):
    images = binary_images()
    for size in ([3], [8, 1], []):
        y = tf.zeros(size, tf.int32)
        for call in (
            lambda y=y: model.encode(images, label=y),
            lambda y=y: model.decode(tf.zeros([8, 3]), y),
            lambda y=y: model.decoder(tf.zeros([2, 8, 3]), y),
            lambda y=y: model.sample([8], (0, 1), label=y),
        ):
            with pytest.raises(
                ValueError,
                match=r"`label` must have the shape \[8\], one class for each "
                r"image. Received: label of shape \(",
            ):
                call()


def test_label_is_refused_without_classes():
    plain, images, y = make(), binary_images(), _labels(0)
    for call in (
        lambda: plain.encode(images, label=y),
        lambda: plain.decode(tf.zeros([8, 3]), y),
        lambda: make_hierarchical().decoder(tf.zeros([8, 13]), y),
    ):
        with pytest.raises(ValueError, match="knows no classes"):
            call()
    image, condition = plain.unpack((images, y))
    assert condition == {} and image.shape == images.shape
    assert plain.classes_in_turn(3) == {}


def test_networks_must_know_the_same_classes(model):
    with pytest.raises(ValueError, match="num_classes. Received: 3 and 0"):
        VAE(model.encoder, make().decoder)
    with pytest.raises(ValueError, match="the 3 classes .* Received: 1 names"):
        VAE(model.encoder, model.decoder, class_names=("cat",))
    assert VAE(model.encoder, model.decoder).class_names == ("0", "1", "2")


def test_bad_settings_are_refused():
    with pytest.raises(UserError, match="auto or a whole number.*=many"):
        VAEConfig(num_classes="many")
    assert not VAEConfig(num_classes=0).conditional


def test_noise_of_a_step_is_that_of_a_model_without_classes(case):
    label, model, plain = case
    images, seed = binary_images(), seeds.from_int(3)
    encoding = model.encode(images, label=_labels(label))
    given = model.infer(images, encoding, seed)
    expected = plain.infer(images, plain.encode(images), seed)
    np.testing.assert_allclose(given.elbo, expected.elbo, rtol=1e-4)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
