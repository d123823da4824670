"""Tests that a step is computed again as it was, and described."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae import global_batch, seeds
from keras_vae.models import VAE
from keras_vae.objectives import Inference, LatentGroup
from keras_vae.training import Adam, Guard, diagnose, make_strategy
from keras_vae.training.diagnosis import name_some
from tests.models.cases import binary_images, make_model, make_nvae

tfd = tfp.distributions


class _Groups(VAE):
    """A VAE with two more groups, each of one dimension and one weight.

    With `noisy`, the first of them is finite for images whose noise is not
    small.
    """

    def __init__(self, encoder, decoder, noisy=False):
        super().__init__(encoder, decoder)
        self.noisy = noisy
        self.scales = [
            self.add_weight(name=f"scale_{i}", shape=(), initializer="ones")
            for i in range(2)
        ]
        self.steps = self.add_weight(
            name="steps", shape=(), initializer="zeros", trainable=False
        )

    def infer(self, image, encoding, seed, num_samples=None, training=False):
        inference = super().infer(image, encoding, seed)
        if training:
            self.steps.assign_add(1.0)
        rows = tf.shape(image)[0]
        noise = _noise(seed, rows) if self.noisy else tf.ones([rows])
        prior = tfd.MultivariateNormalDiag(tf.zeros([1]), tf.ones([1]))
        groups = []
        for weight, factor in zip(self.scales, (noise, tf.ones([rows]))):
            scale = tf.sqrt(weight * factor)[:, tf.newaxis]
            posterior = tfd.MultivariateNormalDiag(tf.zeros([1]), scale)
            groups.append(LatentGroup(posterior, prior, posterior.mean()))
        return Inference(
            image, inference.likelihood, (*inference.groups, *groups)
        )


def _noise(seed, rows):
    """Returns a number for each image, few of which are below 0."""
    return 1.3 + global_batch.draw(tf.random.stateless_normal, seed, rows)


def _make(noisy=False):
    base = make_model()
    model = _Groups(base.encoder, base.decoder, noisy)
    model.build()
    model.compile(optimizer=Guard(Adam(1e-3)), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def test_names_the_latent_group_and_its_variable():
    model = _make()
    model.scales[1].assign(-1.0)
    lines = diagnose(model, binary_images(), 3).splitlines()
    assert lines == [
        "In step 3 not finite are: the KL of latent group 3 of 3, the loss.",
        f"So are the gradients of 1 of {len(model.trainable_variables)} "
        f"variables: {model.scales[1].path}.",
    ]


def test_names_the_first_layer():
    model = _make()
    dense = [
        layer
        for layer in model.decoder._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.Dense)
    ]
    kernel = dense[0].kernel
    kernel.assign(tf.fill(kernel.shape, np.inf))
    lines = diagnose(model, binary_images(), 0).splitlines()
    assert lines[0] == (
        "In step 0 not finite are: the log-likelihood, the loss."
    )
    assert lines[1] == f"First so is the output of layer {dense[0].path}."
    assert kernel.path in lines[2] or "more variables" in lines[2]


@pytest.fixture(scope="module")
def nvae():
    model = make_nvae()
    model.compile(optimizer=Guard(Adam(1e-3)), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def _diagnose_with_nan_in(model, variable):
    before = variable.numpy()
    variable.assign(np.full_like(before, np.nan))
    try:
        return diagnose(model, binary_images(), 0).splitlines()
    finally:
        variable.assign(before)


def test_names_the_group_of_nvae(nvae):
    head = nvae.decoder.posteriors[1]
    terms, layer, _ = _diagnose_with_nan_in(nvae, head.bias)
    # The weights of this layer have finite singular values.
    assert terms == (
        "In step 0 not finite are: the log-likelihood, the KL of latent group "
        "2 of 2, the loss."
    )
    assert layer == f"First so is the output of layer {head.path}."


def test_names_the_normalisation_and_the_regularisation_of_nvae(nvae):
    norm = nvae.decoder.cells[1][0].norms[2]
    terms, layer, _ = _diagnose_with_nan_in(nvae, norm.gamma)
    assert "the KL of latent group 2 of 2, the regularisation" in terms
    assert "group 1" not in terms
    assert layer == f"First so is the output of layer {norm.path}."
    assert not any("normalize" in n.__dict__ for n in nvae._flatten_layers())


def test_names_the_images():
    image = binary_images()
    image[2, 1] = np.nan
    lines = diagnose(_make(), image, 0).splitlines()
    assert lines[0].startswith("In step 0 not finite are: the images, the log")


def test_changes_nothing():
    model = _make()
    model.scales[0].assign(np.nan)
    variables = [*model.variables, *model.optimizer.variables]
    before = [variable.numpy() for variable in variables]
    diagnose(model, binary_images(), 3)
    for variable, value in zip(variables, before):
        np.testing.assert_array_equal(variable.numpy(), value)
    layers = model._flatten_layers()
    assert not any("call" in layer.__dict__ for layer in layers)


def _are_finite(model, step):
    """Returns which of a step's images are, in two halves of the batch."""
    seed = seeds.fold_in(seeds.from_int(model.seed), step)
    noise = _noise(seeds.fold_in(seed, 0), 8).numpy()
    return [bool((half > 0).all()) for half in np.split(noise, 2)]


class _Skips(keras.callbacks.Callback):
    """Notes which steps the optimizer skips."""

    def __init__(self):
        super().__init__()
        self.found = []

    def on_train_batch_end(self, batch, logs=None):
        skips = self.model.optimizer.consecutive_skips
        self.found.append(int(skips.numpy()) > 0)


def test_has_the_noise_of_the_step():
    model, skips = _make(noisy=True), _Skips()
    images = binary_images(48)
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(8)
    model.fit(dataset, shuffle=False, verbose=0, callbacks=[skips])
    expected = [not all(_are_finite(model, step)) for step in range(6)]
    assert skips.found == expected
    assert {*expected} == {True, False}
    for step in range(6):
        text = diagnose(model, images[8 * step :][:8], step)
        assert ("KL of latent group 2 of 3" in text) == expected[step]
        assert ("is finite" in text) != expected[step]


def test_replays_all_replicas():
    with make_strategy("mirrored").scope():
        model = _make(noisy=True)
    bad = [[not half for half in _are_finite(model, step)] for step in range(8)]
    assert [False, True] in bad and [False, False] in bad
    for step in range(8):
        text = diagnose(model, binary_images(), step)
        assert ("KL of latent group 2 of 3" in text) == any(bad[step])


def test_replays_all_parts_of_the_batch():
    model = _make(noisy=True)
    model.batch_parts = 2
    first = seeds.from_int(model.seed)
    bad = []
    for step in range(8):
        seed = seeds.fold_in(seeds.fold_in(first, step), 0)
        noise = [_noise(seeds.fold_in(seed, part), 4) for part in range(2)]
        bad.append([bool((x.numpy() <= 0).any()) for x in noise])
    assert [False, True] in bad and [False, False] in bad
    for step in range(8):
        text = diagnose(model, binary_images(), step)
        assert ("KL of latent group 2 of 3" in text) == any(bad[step])


def test_many_names_are_counted():
    assert name_some(["a", "b", "c"], "layers") == "a, b, c"
    assert name_some(list("abcde"), "layers") == "a, b, c and 2 more layers"


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
