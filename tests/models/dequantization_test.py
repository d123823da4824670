"""Log-likelihoods of dequantized images are those of their levels."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import seeds
from tests.models import cases

_BITS = 3
_LOG_LEVELS = math.log(2**_BITS) * math.prod(cases.IMAGE)
_MAKERS = [cases.make_model, cases.make_hierarchical, cases.make_nvae]


@pytest.mark.parametrize("make", _MAKERS)
@pytest.mark.parametrize("num_samples", [None, 2])
def test_a_level_has_its_share_of_the_density(make, num_samples):
    density = make("normal_shared")
    levels = type(density).from_config(
        {**density.get_config(), "dequantized_bits": _BITS}
    )
    image = tf.constant(cases.grey_images())
    levels(image)  # Builds it.
    levels.set_weights(density.get_weights())
    passes = [
        model.infer(image, model.encode(image), seeds.from_int(0), num_samples)
        for model in (density, levels)
    ]
    for name in ("log_likelihood", "elbo", "log_weight"):
        old, new = (getattr(inference, name) for inference in passes)
        np.testing.assert_allclose(new, old - _LOG_LEVELS, atol=1e-4)
    for inference in passes:
        np.testing.assert_allclose(
            inference.elbo,
            inference.log_likelihood - inference.kl_divergence,
            atol=1e-4,
        )


@pytest.mark.parametrize("bits", [0, 9, -1, 2.5, "8", 8.0, True])
def test_bits_are_checked(bits):
    model = cases.make_model()
    config = {**model.get_config(), "dequantized_bits": bits}
    with pytest.raises(ValueError, match="dequantized_bits.* Received: "):
        type(model).from_config(config)


def test_bits_are_kept_with_the_model():
    config = {**cases.make_model().get_config(), "dequantized_bits": _BITS}
    model = type(cases.make_model()).from_config(config)
    assert type(model).from_config(model.get_config()).dequantized_bits == _BITS
