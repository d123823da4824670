"""Tests of keras_vae.distributions.deterministic."""

import numpy as np
import pytest

from keras_vae.distributions import Deterministic
from keras_vae.errors import UserError
from tests.distributions.sampling import SEED, normal_params


def test_samples_and_mean_are_the_params():
    params = normal_params(5, 3)
    code = Deterministic(3)(params)
    np.testing.assert_array_equal(code.mean(), params)
    np.testing.assert_array_equal(code.sample(seed=SEED), params)
    assert code.event_shape == (3,)
    assert code.batch_shape == (5,)


def test_params_size_is_the_event_size():
    assert Deterministic.params_size(16) == 16
    assert Deterministic(16).num_params == 16


def test_bad_event_size_is_an_error():
    with pytest.raises(UserError, match=r"`event_size` must .* Received: 0"):
        Deterministic(0)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
