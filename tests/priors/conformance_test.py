"""Every public prior of keras_vae.priors conforms."""

import keras
import numpy as np
import pytest

from keras_vae import priors
from tests.conformance import run_layer_conformance

LATENT_DIM = 3
CASES = {
    "standard_normal": lambda: priors.StandardNormal(LATENT_DIM),
    "gaussian_mixture": lambda: seeded(priors.GaussianMixture),
}


def seeded(layer):
    keras.utils.set_random_seed(0)
    return layer(LATENT_DIM)


def log_prob_tensors(log_prob):
    return {"log_prob": log_prob}


@pytest.mark.parametrize("case", CASES)
def test_prior_conforms(case):
    z = np.random.default_rng(0).normal(size=(4, LATENT_DIM))
    run_layer_conformance(
        CASES[case], lambda: z.astype(np.float32), log_prob_tensors
    )


def test_every_public_prior_is_in_the_list():
    covered = {type(make()) for make in CASES.values()}
    public = {getattr(priors, name) for name in priors.__all__}
    # The first is abstract, the second has its case among the models.
    assert public - covered == {priors.Prior, priors.VampPrior}


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
