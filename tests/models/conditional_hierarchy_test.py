"""Tests of hierarchies that are told classes.

The class enters the encoder as one more channel and the decoder beside the top
latent. For one class a hierarchy without classes, whose first biases have
moved, is the oracle.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.distributions import IndependentBernoulli
from keras_vae.models import HierarchicalVAE, resampled
from keras_vae.networks import ResidualBottomUp, ResidualTopDown
from keras_vae.networks.nvae import NVAEDecoder, NVAEEncoder
from tests.models.cases import IMAGE, binary_images

CLASSES = 3
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
SEED = tf.constant([1, 2])
SIZES = {
    "filters": (4,),
    "bottlenecks": (3,),
    "num_blocks": (1,),
    "num_groups": (1,),
    "dense_units": 8,
    "dense_groups": 1,
    "dense_bottleneck": 3,
    "activation": "tanh",
}
NVAE_SIZES = {"channels": 4, "num_blocks": 0}


def residual(num_classes=CLASSES):
    more = {"num_classes": num_classes, **SIZES}
    decoder = ResidualTopDown(
        IndependentBernoulli(IMAGE), top_latent_dim=3, **more
    )
    return HierarchicalVAE(ResidualBottomUp(IMAGE, **more), decoder)


def nvae(groups_per_scale=(1, 1)):
    more = {"num_classes": CLASSES, **NVAE_SIZES}
    more["groups_per_scale"] = groups_per_scale
    encoder = NVAEEncoder(IMAGE, pre_cells=1, encoder_cells=1, **more)
    decoder = NVAEDecoder(
        IndependentBernoulli(IMAGE),
        latent_channels=2,
        decoder_cells=1,
        post_cells=1,
        decoder_expansion=1,
        post_expansion=1,
        **more,
    )
    return HierarchicalVAE(encoder, decoder)


MODELS = {
    "residual": residual,
    "nvae": nvae,
    "nvae_of_one_group": lambda: nvae((1,)),
}


def moved(model):
    """Moves the weights, so that those of the classes are not 0."""
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign_add(random.normal(scale=0.3, size=variable.shape))
    return model


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    keras.utils.set_random_seed(0)
    return moved(MODELS[request.param]())


def labels(count=8):
    return tf.range(count) % CLASSES


def outputs(model, images, y):
    """Returns what can be had of a model, row by row."""
    random = np.random.default_rng(3)
    noise = random.normal(size=(8, model.latent_dim)).astype(np.float32)
    noise = noise[: len(images)]
    condition = {} if y is None else {"label": y}
    encoding = model.encode(images, **condition)
    mean, stddev = model.latent_moments(images, **condition)
    drawn = model.infer_with_noise(images, encoding, noise)
    at = model.infer_at(images, encoding, noise)
    ones = tf.ones([len(images)])
    return {
        "mean": mean,
        "stddev": stddev,
        "reconstruct": model.reconstruct(images, **condition),
        "decode": model.decode(noise, **condition),
        "generate": model.generate(noise, ones, **condition),
        "elbo": drawn.elbo,
        "log_weight": at.log_weight,
        "kept": model.resample(images, len(model.group_shapes), 0, **condition),
    }


def test_for_one_class_it_is_a_model_without():
    keras.utils.set_random_seed(0)
    model = moved(residual())
    images = binary_images()
    for label in range(CLASSES):
        plain = residual(0)
        plain.set_weights(_without_classes(model, plain, label))
        given = outputs(model, images, tf.fill([8], label))
        for name, expected in outputs(plain, images, None).items():
            np.testing.assert_allclose(
                given[name], expected, err_msg=name, **CLOSE
            )


def _without_classes(model, plain, label):
    """Returns the weights of `plain`: `model`'s, given the class.

    The picture's channel is a constant of each position, which a convolution
    at a border cannot have as a bias: it is made the same everywhere, and the
    first convolution 1x1 in effect.
    """
    picture = model.encoder.class_picture.kernel
    picture.assign(tf.repeat(picture[:, :1], picture.shape[1], axis=1))
    first = model.encoder._scales[0][0]
    kernel = first.kernel.numpy()
    centre = np.zeros_like(kernel)
    centre[1, 1] = kernel[1, 1]
    first.kernel.assign(centre)
    top = model.decoder._from_top
    # Space-to-depth of (image, picture): each of four pixels has both.
    biases = {
        id(first.bias): picture[label, 0] * centre[1, 1, 1::2].sum(axis=0),
        id(top.bias): top.kernel[3 + label],
    }
    weights = []
    for variable in model.weights:
        if variable is picture:
            continue
        value = variable.numpy()
        if variable is first.kernel:
            value = value[:, :, ::2]
        if variable is top.kernel:
            value = value[:3]
        weights.append(value + np.asarray(biases.get(id(variable), 0.0)))
    assert [w.shape for w in weights] == [tuple(v.shape) for v in plain.weights]
    return weights


def test_rows_have_their_own_class(model):
    images, y = binary_images(), labels()
    whole = outputs(model, images, y)
    others = outputs(model, images, (y + 1) % CLASSES)
    for name, value in whole.items():
        assert np.abs(others[name] - value).max() > 1e-4, name
    alone = outputs(model, images[:1], y[:1])
    for name, value in whole.items():
        np.testing.assert_allclose(alone[name][0], value[0], **CLOSE)


def test_draws_of_an_image_have_its_class(model):
    images, y = binary_images(2), labels(2)
    encoding = model.encode(images, label=y)
    many = model.infer(images, encoding, SEED, num_samples=3)
    assert many.log_weight.shape == (3, 2)
    z = [tf.reshape(g.sample, [3, 2, -1]) for g in many.groups]
    again = model.decoder(tf.concat(z, axis=-1), y)
    np.testing.assert_allclose(
        again.log_prob(images), many.log_likelihood, rtol=1e-4
    )


def test_the_top_prior_knows_no_class(model):
    images = binary_images(2)
    priors = [
        model.infer(images, model.encode(images, label=y), SEED).groups[0].prior
        for y in (tf.constant([0, 1]), tf.constant([2, 0]))
    ]
    np.testing.assert_array_equal(*(prior.stddev() for prior in priors))


def test_a_file_keeps_the_classes(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.num_classes == CLASSES
    assert loaded.class_names == ("0", "1", "2")
    images, y = binary_images(), labels()
    np.testing.assert_array_equal(
        loaded((images, y)), model.reconstruct(images, label=y)
    )


def test_a_label_must_be_given_and_fit(model):
    images = binary_images(2)
    z = tf.zeros([2, model.latent_dim])
    for call in (
        lambda **y: model.encode(images, **y),
        lambda **y: model.decode(z, **y),
        lambda **y: model.sample([2], 0, **y),
        lambda **y: model.resample(images, 1, 0, **y),
    ):
        with pytest.raises(ValueError, match="conditional on 3 classes"):
            call()
        with pytest.raises(ValueError, match=r"`label` must have the shape"):
            call(label=tf.zeros([3], tf.int32))


def test_pictures_of_groups_are_of_the_class(model):
    images, y = binary_images(2), labels(2)
    rows = resampled(model, images, num_draws=2, label=y)
    last = rows[-1].reshape(2, 3, *IMAGE)
    expected = model.reconstruct(images, label=y)
    for draw in (1, 2):
        np.testing.assert_allclose(last[:, draw], expected, **CLOSE)


def test_fit_finds_what_a_class_looks_like():
    """A class is black, or white: without it z must tell, and costs log 2."""
    keras.utils.set_random_seed(0)
    model = residual()
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    y = np.arange(60) % CLASSES
    images = np.ones([60, *IMAGE]) * (y == 1)[:, None, None, None]
    model.fit(images, y, batch_size=60, epochs=60, verbose=0)
    result = model.evaluate(
        images, y, batch_size=60, return_dict=True, verbose=0
    )
    assert -0.5 < result["elbo"] < 0
    samples = model.sample([60], 0, **model.classes_in_turn(60))
    assert np.abs(samples - images).mean() < 0.05


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
