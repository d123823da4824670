"""Tests of what a new run begins from."""

import types

import numpy as np
import pytest

from keras_vae.data import ArraySplit
from keras_vae.training import Preparation, first_weights
from keras_vae.units import NATS
from tests.models.cases import IMAGE


def test_a_prior_begins_at_images_that_are_prepared_as_in_training():
    levels = np.random.default_rng(0).integers(0, 256, [30, *IMAGE], np.uint8)
    split, found = ArraySplit(levels), []
    prior = types.SimpleNamespace(
        num_initial_examples=20, initialize=found.append
    )
    grey = {
        "binarization": "none",
        "dequantization": "uniform",
        "likelihood": "normal_shared",
    }
    preparation = Preparation(**grey, unit=NATS, num_bits=3, seed=11)
    first_weights._initialize_prior(prior, split, preparation)
    wanted = preparation.evaluation_batches(split, batch_size=20, num_images=20)
    np.testing.assert_array_equal(found[0], next(iter(wanted)))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
