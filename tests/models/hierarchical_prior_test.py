"""A prior of its own for the top group of a hierarchy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.models import HierarchicalVAE
from tests.models.cases import binary_images, make_hierarchical, make_nvae

DIM = 3
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@keras.saving.register_keras_serializable(package="keras_vae_tests")
class TwoGaussians(keras.layers.Layer):
    """1/2 N(m, I) + 1/2 N(-m, I); the first number of a row chooses."""

    needs_encoder = False

    def __init__(self, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.noise_size = latent_dim + 1

    def build(self, input_shape=None):
        ones = keras.initializers.Constant(1.5)
        self.loc = self.add_weight(shape=(self.latent_dim,), initializer=ones)
        self.built = True

    def distribution(self):
        loc = tf.convert_to_tensor(self.loc)
        parts = tfd.MultivariateNormalDiag(tf.stack([loc, -loc]))
        return tfd.MixtureSameFamily(tfd.Categorical([0.0, 0.0]), parts)

    def from_noise(self, noise, temperature):
        sign = tf.sign(noise[:, :1])
        return sign * self.loc + temperature[:, tf.newaxis] * noise[:, 1:]

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim}


class OfEncoder(TwoGaussians):
    """As a VampPrior: it is made from the encoder."""

    needs_encoder = True

    def connect(self, encode):
        self.encode = encode


@pytest.fixture(scope="module")
def pair():
    """A hierarchy, and the same with another prior on its top group."""
    plain = make_hierarchical(dense_groups=1)
    return plain, HierarchicalVAE(
        plain.encoder, plain.decoder, prior=TwoGaussians(DIM)
    )


def _noise(model, rows=4):
    random = np.random.default_rng(0)
    return random.normal(size=(rows, model.noise_size)).astype(np.float32)


def test_weights_have_the_ratio_of_the_priors(pair):
    plain, model = pair
    assert model.noise_size == plain.latent_dim + 1
    images = binary_images(4)
    encoding = model.encode(images)
    z = _noise(plain)
    expected = plain.infer_at(images, encoding, z).log_weight
    mixture = model.prior.distribution().log_prob(z[:, :DIM])
    gaussian = tfd.MultivariateNormalDiag(tf.zeros([DIM])).log_prob(z[:, :DIM])
    np.testing.assert_allclose(
        model.infer_at(images, encoding, z).log_weight,
        expected + mixture - gaussian,
        **CLOSE,
    )


def test_draws_of_a_pass_have_the_prior(pair):
    _, model = pair
    images = binary_images(4)
    encoding = model.encode(images)
    many = model.infer(images, encoding, [1, 2], num_samples=3)
    top = many.groups[0]
    assert top.kl_divergence.shape == (3, 4)
    np.testing.assert_allclose(
        top.kl_divergence,
        top.posterior.log_prob(top.sample)
        - model.prior.distribution().log_prob(top.sample),
        **CLOSE,
    )


def test_samples_begin_with_the_prior(pair):
    plain, model = pair
    noise, ones = _noise(model), tf.ones([4])
    z = tf.concat(
        [
            model.prior.from_noise(noise[:, : DIM + 1], ones),
            noise[:, DIM + 1 :],
        ],
        axis=-1,
    )
    images = model.generate(noise, ones)
    np.testing.assert_allclose(images, _generate_at(plain, z), **CLOSE)
    for temperature in (1.0, [1.0] * len(model.group_shapes)):
        np.testing.assert_allclose(
            model.generate(noise, temperature), images, **CLOSE
        )
    cold = model.generate(noise, 0.0)
    assert len(np.unique(cold.numpy(), axis=0)) == 2  # One for each Gaussian.
    assert model.sample([3], 0).shape == (3, *model.image_shape)
    kept = model.resample(binary_images(2), len(model.group_shapes), 0)
    np.testing.assert_allclose(
        kept, plain.reconstruct(binary_images(2)), **CLOSE
    )


def _generate_at(plain, z):
    """Returns images where the top latent is z's, not noise of N(0, I)."""
    return plain.generate(z, tf.ones([len(z)]))


def test_a_file_keeps_the_prior(pair, tmp_path):
    _, model = pair
    model.prior.loc.assign([1.0, -2.0, 0.5])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    noise = _noise(model)
    np.testing.assert_array_equal(
        loaded.generate(noise, 1.0), model.generate(noise, 1.0)
    )
    assert any(v is model.prior.loc for v in model.trainable_variables)


def test_a_prior_of_the_encoder_gets_the_top_posterior():
    plain = make_hierarchical()
    prior = OfEncoder(DIM)
    HierarchicalVAE(plain.encoder, plain.decoder, prior=prior)
    images = binary_images(4)
    inference = plain.infer(images, plain.encode(images), [0, 1])
    expected, found = inference.groups[0].posterior, prior.encode(images)
    np.testing.assert_allclose(found.mean(), expected.mean(), **CLOSE)
    np.testing.assert_allclose(found.stddev(), expected.stddev(), **CLOSE)
    assert found.event_shape == [DIM]


def test_a_prior_of_another_group_is_refused():
    plain, nvae = make_hierarchical(), make_nvae()
    for model, size in ((plain, DIM + 1), (nvae, nvae.latent_dim)):
        with pytest.raises(ValueError, match="one of the .top. latents"):
            HierarchicalVAE(
                model.encoder, model.decoder, prior=TwoGaussians(size)
            )
    model = make_hierarchical(num_classes="auto", class_names=("a", "b"))
    with pytest.raises(ValueError, match="no classes.* num_classes=2"):
        HierarchicalVAE(model.encoder, model.decoder, prior=OfEncoder(DIM))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
