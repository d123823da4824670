"""Tests of the plain autoencoder."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.objectives import ObjectiveContext
from tests.models.cases import IMAGE, grey_images, make_model


def make_autoencoder(**config):
    return make_model("normal_fixed", model="autoencoder", **config)


@pytest.mark.parametrize("architecture", ["dense", "convolutional", "residual"])
def test_loss_is_the_squared_error_of_each_image(architecture):
    model = make_autoencoder(architecture=architecture)
    x = grey_images()
    inference = model.infer(x, model.encode(x), tf.constant([0, 0]))
    mean = inference.likelihood.mean().numpy()
    np.testing.assert_array_equal(model(x), np.clip(mean, 0.0, 1.0))
    expected = ((x - mean) ** 2).sum((1, 2, 3))
    np.testing.assert_allclose(
        model.objective(inference, ObjectiveContext(0)), expected, rtol=1e-5
    )
    metrics = model.metric_values(inference)
    np.testing.assert_allclose(metrics["squared_error"], expected, rtol=1e-5)


def test_linear_autoencoder_equals_numpy():
    model = make_autoencoder(networks={"activation": "linear"})
    x = grey_images()
    k1, b1, k2, b2 = model.encoder.get_weights()
    code = ((2 * x.reshape(8, -1) - 1) @ k1 + b1) @ k2 + b2
    np.testing.assert_allclose(model.encode(x), code, atol=1e-5)
    weights = {v.path: v.numpy() for v in model.decoder.trainable_variables}
    output_bias = weights.pop(model.decoder.output_bias.path)
    k3, b3, k4, b4 = weights.values()
    image = ((code @ k3 + b3) @ k4 + b4).reshape(8, *IMAGE) + output_bias
    mean = model.decoder(model.encode(x)).mean()
    np.testing.assert_allclose(mean, image, atol=1e-5)
    # What is shown is an image.
    shown = np.clip(image, 0.0, 1.0)
    np.testing.assert_allclose(model(x), shown, atol=1e-5)


def test_nothing_is_random():
    model = make_autoencoder()
    x = grey_images()
    first, second = (
        model.infer(x, model.encode(x), tf.constant([0, s])).likelihood.mean()
        for s in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_there_are_no_latents_and_no_kl():
    model = make_autoencoder()
    x = grey_images()
    inference = model.infer(x, model.encode(x), tf.constant([0, 0]))
    assert inference.groups == ()
    np.testing.assert_array_equal(inference.kl_divergence, np.zeros(8))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
