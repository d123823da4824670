"""Every public layer of keras_vae.distributions conforms."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import distributions
from tests.conformance import run_layer_conformance

IMAGE = (4, 4, 2)


def bernoulli_tensors(px: Any) -> dict[str, tf.Tensor]:
    return {"mean": px.mean(), "log_prob": px.log_prob(tf.ones(IMAGE))}


def continuous_tensors(px: Any) -> dict[str, tf.Tensor]:
    half = tf.fill(IMAGE, 0.3)
    return {
        "mean": px.mean(),
        "variance": px.variance(),
        "log_prob": px.log_prob(half),
    }


def grey_level_tensors(px: Any) -> dict[str, tf.Tensor]:
    return {"mean": px.mean(), "log_prob": px.log_prob(tf.fill([3, 2, 1], 0.4))}


def colour_level_tensors(px: Any) -> dict[str, tf.Tensor]:
    image = tf.constant([0.0, 1 / 255, 0.4, 0.7, 254 / 255, 1.0])
    image = tf.reshape(tf.tile(image, [3]), [3, 2, 3])
    return {"mean": px.mean(), "log_prob": px.log_prob(image)}


def point_tensors(code: Any) -> dict[str, tf.Tensor]:
    return {"mean": code.mean(), "sample": code.sample(seed=[0, 1])}


def normal_vector_tensors(qz: Any) -> dict[str, tf.Tensor]:
    prior = type(qz)(tf.zeros(3))
    return {
        "mean": qz.mean(),
        "covariance": qz.covariance(),
        "log_prob": qz.log_prob([0.1, -2.0, 1.0]),
        "kl_divergence": qz.kl_divergence(prior),
    }


CASES: dict[str, tuple[Callable[[], keras.layers.Layer], Any]] = {
    "bernoulli": (
        lambda: distributions.IndependentBernoulli(IMAGE),
        bernoulli_tensors,
    ),
    "continuous_bernoulli": (
        lambda: distributions.IndependentContinuousBernoulli(IMAGE),
        continuous_tensors,
    ),
    "normal_fixed": (
        lambda: distributions.IndependentNormal(IMAGE, "fixed", 0.5),
        continuous_tensors,
    ),
    "normal_shared": (
        lambda: distributions.IndependentNormal(IMAGE, "shared", 0.5),
        continuous_tensors,
    ),
    "normal_per_pixel": (
        lambda: distributions.IndependentNormal(IMAGE, "per_pixel", 0.5, 0.1),
        continuous_tensors,
    ),
    "logistic_mixture_grey": (
        lambda: distributions.DiscretizedLogisticMixture((3, 2, 1), 4, 5),
        grey_level_tensors,
    ),
    "logistic_mixture_colour": (
        lambda: distributions.DiscretizedLogisticMixture((3, 2, 3), 2),
        colour_level_tensors,
    ),
    "deterministic": (lambda: distributions.Deterministic(3), point_tensors),
    "diag": (
        lambda: distributions.MultivariateNormalDiag(3, min_scale=1e-3),
        normal_vector_tensors,
    ),
    "tril": (
        lambda: distributions.MultivariateNormalTriL(3, min_scale=1e-3),
        normal_vector_tensors,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_layer_conforms(case):
    make_layer, to_tensors = CASES[case]
    size = make_layer().num_params
    params = np.random.default_rng(0).normal(size=(6, size)).astype(np.float32)
    run_layer_conformance(make_layer, lambda: params, to_tensors)


def test_every_public_layer_is_in_the_list():
    covered = {type(make_layer()) for make_layer, _ in CASES.values()}
    public = {
        value
        for name, value in vars(distributions).items()
        if isinstance(value, type) and not name.startswith("_")
    }
    # Nothing public may escape by not being exported, or being no layer.
    assert public == {getattr(distributions, n) for n in distributions.__all__}
    assert public - covered == {distributions.DistributionLayer}  # Abstract.


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
