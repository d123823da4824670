"""`training` reaches the layers of users' networks, in every model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.distributions import (
    Deterministic,
    IndependentBernoulli,
    MultivariateNormalDiag,
)
from keras_vae.models import NVAE, VAE, Autoencoder, HierarchicalVAE
from keras_vae.networks import (
    BottomUpEncoder,
    Decoder,
    Encoder,
    ResidualBottomUp,
    ResidualTopDown,
)
from keras_vae.networks.nvae import NVAEDecoder, NVAEEncoder
from tests.models.cases import IMAGE, binary_images

LATENT_DIM = 3
SEED = tf.constant([0, 1])
SIZES = {
    "filters": (4,),
    "bottlenecks": (3,),
    "num_blocks": (1,),
    "num_groups": (1,),
    "dense_units": 8,
    "dense_groups": 0,
}


def noisy():
    """Returns the layers that do otherwise in training."""
    return [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]


class NoisyEncoder(Encoder):
    def __init__(self, distribution, **kwargs):
        super().__init__(distribution, IMAGE, **kwargs)
        self.stack = [
            keras.layers.Flatten(),
            keras.layers.Dense(8),
            *noisy(),
            keras.layers.Dense(distribution.num_params),
        ]


class NoisyDecoder(Decoder):
    def __init__(self, **kwargs):
        super().__init__(IndependentBernoulli(IMAGE), LATENT_DIM, **kwargs)
        self.stack = [
            keras.layers.Dense(8),
            *noisy(),
            keras.layers.Dense(16),
            keras.layers.Reshape(IMAGE),
        ]


class PlainEncoder(keras.Model):
    """An encoder of Keras's own kind: no `build`, a call of two arguments."""

    def __init__(self):
        super().__init__()
        self.image_shape, self.latent_dim = IMAGE, LATENT_DIM
        self.body = keras.Sequential(
            [keras.layers.Flatten(), keras.layers.Dense(8), *noisy()]
        )
        self.head = keras.layers.Dense(2 * LATENT_DIM)
        self.posterior = MultivariateNormalDiag(LATENT_DIM)

    def call(self, image, training=False):
        return self.posterior(self.head(self.body(image, training=training)))


class NoisyBottomUp(BottomUpEncoder):
    """Noise in front of another encoder of a hierarchy."""

    def __init__(self, inner):
        super().__init__(IMAGE)
        self.noise, self.inner = noisy(), inner

    def call(self, image, training=False):
        for layer in self.noise:
            image = layer(image, training=training)
        return self.inner(image, training=training)


class NoisyResidualBottomUp(ResidualBottomUp):
    def __init__(self, **kwargs):
        super().__init__(IMAGE, **kwargs)
        self._scales[0] += noisy()


class NoisyTopDown(ResidualTopDown):
    def _make_layers(self):
        super()._make_layers()
        self._to_map += noisy()
        self._output = [*noisy(), *self._output]


def vae(num_classes=0):
    return VAE(
        NoisyEncoder(
            MultivariateNormalDiag(LATENT_DIM), num_classes=num_classes
        ),
        NoisyDecoder(num_classes=num_classes),
    )


def nvae():
    sizes = {"channels": 4, "groups_per_scale": (1, 1), "num_blocks": 0}
    encoder = NVAEEncoder(IMAGE, pre_cells=1, encoder_cells=1, **sizes)
    decoder = NVAEDecoder(
        IndependentBernoulli(IMAGE),
        latent_channels=2,
        decoder_cells=1,
        post_cells=1,
        decoder_expansion=1,
        post_expansion=1,
        **sizes,
    )
    return NVAE(NoisyBottomUp(encoder), decoder)


MODELS = {
    "autoencoder": lambda: Autoencoder(
        NoisyEncoder(Deterministic(LATENT_DIM)), NoisyDecoder()
    ),
    "vae": vae,
    "conditional": lambda: vae(num_classes=2),
    "plain_encoder": lambda: VAE(PlainEncoder(), NoisyDecoder()),
    "hierarchical": lambda: HierarchicalVAE(
        NoisyResidualBottomUp(**SIZES),
        NoisyTopDown(IndependentBernoulli(IMAGE), **SIZES),
    ),
    "hierarchical_wrapped": lambda: HierarchicalVAE(
        NoisyBottomUp(ResidualBottomUp(IMAGE, **SIZES)),
        ResidualTopDown(IndependentBernoulli(IMAGE), **SIZES),
    ),
    "nvae": nvae,
}


def seeded(name):
    keras.utils.set_random_seed(0)
    return MODELS[name]()


def condition(model, count=8):
    if not model.num_classes:
        return {}
    return {"label": tf.range(count) % model.num_classes}


def keras_norms(model):
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def run(model, training):
    """Returns what an inference of one seed gives, as numbers."""
    images = tf.constant(binary_images(8))
    encoding = model.encode(images, training=training, **condition(model))
    inference = model.infer(images, encoding, SEED, training=training)
    return inference.likelihood.mean().numpy()


@pytest.mark.parametrize("name", MODELS)
def test_networks_know_whether_they_train(name):
    model = seeded(name)
    assert keras_norms(model)
    first, second = run(model, training=False), run(model, training=False)
    np.testing.assert_array_equal(first, second)
    for norm in keras_norms(model):
        assert not np.any(norm.moving_mean), "inference moves the averages"
    assert np.abs(run(model, True) - run(model, True)).max() > 1e-4
    for norm in keras_norms(model):
        assert np.any(norm.moving_mean), f"training does not reach {norm.path}"


@pytest.mark.parametrize("name", MODELS)
def test_each_network_has_its_own_dropout(name):
    """Without the other network's noise, each one's is seen."""
    model = seeded(name)
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Dropout)
    ]
    rates = [layer.rate for layer in layers]
    assert rates and set(rates) == {0.5}
    for layer in layers:
        for other in layers:
            other.rate = 0.5 if other is layer else 0.0
        assert np.abs(run(model, True) - run(model, True)).max() > 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_a_call_hands_training_on(name):
    model = seeded(name)
    images = binary_images(8)
    label = tuple(condition(model).values())
    batch = (images, *label) if label else images
    still = model(batch, training=False).numpy()
    np.testing.assert_array_equal(still, model(batch).numpy())
    np.testing.assert_array_equal(
        still, model.reconstruct(images, **condition(model)).numpy()
    )
    assert np.abs(model(batch, training=True) - still).max() > 1e-4


@pytest.mark.parametrize("name", ["vae", "conditional", "plain_encoder"])
def test_fit_moves_the_averages_and_evaluate_does_not(name):
    model = seeded(name)
    model.compile(keras.optimizers.SGD(0.0))
    images = binary_images(8)
    data = (images, *condition(model).values())
    data = tf.data.Dataset.from_tensor_slices(data).batch(4)
    before = [norm.moving_mean.numpy() for norm in keras_norms(model)]
    first, again = (model.evaluate(data, verbose=0) for _ in range(2))
    assert first == again
    for norm, old in zip(keras_norms(model), before, strict=True):
        np.testing.assert_array_equal(norm.moving_mean, old)
    model.fit(data, shuffle=False, verbose=0)
    for norm, old in zip(keras_norms(model), before, strict=True):
        assert np.any(norm.moving_mean.numpy() != old), norm.path


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
