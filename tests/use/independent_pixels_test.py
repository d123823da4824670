"""The baseline of imputations, against closed forms."""

import dataclasses

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae.config import registry
from keras_vae.config.likelihood_configs import SUPPORTS, LikelihoodConfig
from keras_vae.data import ArraySplit, DataConfig, evaluation_batches
from keras_vae.distributions import IndependentNormal, MultivariateNormalDiag
from keras_vae.models import VAE
from keras_vae.networks import DenseDecoder, DenseEncoder
from keras_vae.training import Preparation, TrainedModel
from keras_vae.units import NATS
from keras_vae.use.independent_pixels import IndependentPixels
from keras_vae.use.source import ImageSource

_SHAPE = (2, 2, 1)
# Share of images in which a pixel has its upper level, and both levels.
_SHARE = np.array([0.0, 0.25, 0.5, 1.0])
_LEVELS = np.array([[0, 255], [40, 200], [0, 8], [3, 96]])


def _images(num):
    """Returns images of exactly these shares, uint8 `[num, 2, 2, 1]`."""
    random = np.random.default_rng(0)
    columns = [
        random.permutation(np.where(np.arange(num) < share * num, high, low))
        for share, (low, high) in zip(_SHARE, _LEVELS, strict=True)
    ]
    return np.stack(columns, axis=1).astype(np.uint8).reshape(num, *_SHAPE)


@dataclasses.dataclass(frozen=True)
class _Source(ImageSource):
    """A source whose dataset is two arrays."""

    def dataset(self, trained):
        splits = {
            "train": ArraySplit(_images(4000)),
            "test": ArraySplit(_images(2000)),
        }
        return type("Dataset", (), {"splits": splits})


def _trained(model=None, num_bits=8, **decided):
    data = DataConfig("mnist_5k", num_bits=num_bits)
    experiment = type("Experiment", (), {"data": data})
    settings = {
        "binarization": "none",
        "dequantization": "uniform",
        "likelihood": "normal_shared",
        "unit": NATS,
        "num_bits": num_bits,
    }
    model = model or type("Model", (), {"image_shape": _SHAPE})
    return TrainedModel(model, experiment, Preparation(**settings | decided))


@pytest.fixture
def own_likelihood(monkeypatch):
    """Enters the settings of a likelihood `own`, of a support."""
    copies = {kind: dict(found) for kind, found in registry._PARTS.items()}
    monkeypatch.setattr(registry, "_PARTS", copies)

    def enter(values):
        @registry.register("likelihood", "own", build="my_parts:build")
        @dataclasses.dataclass(frozen=True)
        class OwnConfig(LikelihoodConfig):
            support = values

    return enter


@pytest.mark.parametrize("num_bits", [8, 5, 3])
def test_densities_are_fitted_to_what_they_score(num_bits):
    trained, source = _trained(num_bits=num_bits), _Source()
    fitted = IndependentPixels.fit(trained, source)
    assert fitted.source == "mean of 4,000 training images"
    # Levels of num_bits, with uniform noise of one of them.
    low, high = (_LEVELS // 2 ** (8 - num_bits)).T
    size = 2.0**-num_bits
    mean = size * (low + _SHARE * (high - low) + 0.5)
    variance = size**2 * (_SHARE * (1 - _SHARE) * (high - low) ** 2 + 1 / 12)
    error = (fitted.mean.reshape(-1) - mean) / np.sqrt(variance / 4000)
    assert np.abs(error).max() < 5.5
    np.testing.assert_allclose(
        fitted.stddev.reshape(-1), np.sqrt(variance), rtol=0.02
    )
    # A Gaussian fit has log-density -log s - (1 + log 2 pi) / 2 on average.
    batches = evaluation_batches(
        source.dataset(trained).splits["test"],
        batch_size=2000,
        binarization="none",
        dequantization="uniform",
        num_bits=num_bits,
        seed=5,
    )
    (images,) = (batch.numpy() for batch in batches)
    found = fitted.distribution(2000).log_prob(images).numpy().mean()
    wanted = scipy.stats.norm(scale=np.sqrt(variance)).entropy().sum()
    assert found == pytest.approx(-wanted, abs=0.03)


@pytest.mark.parametrize("name", ["bernoulli", "own"])
def test_bits_have_their_shares_and_none_is_impossible(name, own_likelihood):
    own_likelihood("binary")
    trained = _trained(
        binarization="dynamic", dequantization="none", likelihood=name
    )
    fitted = IndependentPixels.fit(trained, _Source())
    share = np.where(_SHARE == 0, 0, _SHARE)
    levels = (share * _LEVELS[:, 1] + (1 - share) * _LEVELS[:, 0]) / 255
    found = fitted.mean.reshape(-1)
    # 4,000 draws, 5.5 standard errors, and half a count.
    np.testing.assert_allclose(found, levels, atol=5.5 * 0.5 / 4000**0.5)
    assert found[0] == pytest.approx(0.5 / 4001)
    ones = fitted.distribution(1).log_prob(np.ones([1, *_SHAPE], np.float32))
    assert ones.numpy()[0] == pytest.approx(np.log(found).sum(), rel=1e-5)


@pytest.mark.parametrize("support", SUPPORTS[:4])
def test_a_density_is_not_compared_with_a_probability_of_levels(
    support, own_likelihood
):
    own_likelihood(support)
    fitted = IndependentPixels.fit(_trained(likelihood="own"), _Source())
    assert fitted.is_comparable == (support != "levels")


def test_samples_of_a_density_have_its_noise():
    model = VAE(
        DenseEncoder(MultivariateNormalDiag(1), _SHAPE, ()),
        DenseDecoder(IndependentNormal(_SHAPE, "fixed", 0.4), 1, ()),
    )
    model.build()
    for network in (model.encoder, model.decoder):
        network.set_weights([np.zeros_like(w) for w in network.get_weights()])
    model.decoder.output_bias.assign(np.full(_SHAPE, 0.3))
    fitted = IndependentPixels.fit(_trained(model), ImageSource(["a.png"]))
    assert fitted.source == "mean of 1,000 samples of the model"
    np.testing.assert_allclose(fitted.mean, 0.3, atol=5.5 * 0.4 / 1000**0.5)
    np.testing.assert_allclose(fitted.stddev, 0.4, rtol=5.5 / 2000**0.5)
    draws = model.sample([2], tf.constant([0, 1])).numpy()
    np.testing.assert_allclose(draws, 0.3, atol=1e-6)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
