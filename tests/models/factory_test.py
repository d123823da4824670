"""Tests of the way from a configuration to a model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import distributions, flows, networks, priors
from keras_vae.config import (
    BuildContext,
    DenseConfig,
    HierarchicalConfig,
    InverseAutoregressiveConfig,
    NVAEConfig,
    VAEConfig,
)
from keras_vae.config.registry import from_dict
from keras_vae.errors import UserError
from keras_vae.flows.inverse_autoregressive_flow import build
from keras_vae.models import (
    VAE,
    Autoencoder,
    build_model,
    generative_model,
)
from keras_vae.objectives import (
    BetaTCVAE,
    ImportanceWeighted,
    LinearWarmup,
    SquaredError,
)
from tests.models.cases import IMAGE, make_model


@pytest.mark.parametrize(
    ("architecture", "encoder", "decoder"),
    [
        ("dense", networks.DenseEncoder, networks.DenseDecoder),
        (
            "convolutional",
            networks.ConvolutionalEncoder,
            networks.ConvolutionalDecoder,
        ),
        ("residual", networks.ResidualEncoder, networks.ResidualDecoder),
    ],
)
def test_architectures(architecture, encoder, decoder):
    model = make_model(architecture=architecture)
    assert type(model.encoder) is encoder
    assert type(model.decoder) is decoder
    assert model.built


@pytest.mark.parametrize(
    ("likelihood", "layer", "scale"),
    [
        ("bernoulli", distributions.IndependentBernoulli, None),
        (
            "continuous_bernoulli",
            distributions.IndependentContinuousBernoulli,
            None,
        ),
        ("normal_fixed", distributions.IndependentNormal, "fixed"),
        ("normal_shared", distributions.IndependentNormal, "shared"),
        ("normal_per_pixel", distributions.IndependentNormal, "per_pixel"),
    ],
)
def test_likelihoods(likelihood, layer, scale):
    settings = {"scale": 0.3} if scale else {}
    model = make_model({"name": likelihood, **settings})
    built = model.decoder.distribution
    assert type(built) is layer
    if scale:
        assert built.scale == scale
        assert built.scale_value == 0.3


def test_posteriors_and_models():
    for posterior, layer in [
        ("diagonal", distributions.MultivariateNormalDiag),
        ("full", distributions.MultivariateNormalTriL),
    ]:
        model = make_model(posterior=posterior)
        assert type(model) is VAE
        assert type(model.encoder.distribution) is layer
    model = make_model("normal_fixed", model="autoencoder")
    assert type(model) is Autoencoder
    assert type(model.encoder.distribution) is distributions.Deterministic
    assert type(model.objective) is SquaredError


def test_parts_that_are_learned():
    model = make_model(prior={"name": "mixture", "num_components": 4})
    assert type(model.prior) is priors.GaussianMixture
    assert model.prior.num_components == 4
    model = make_model(
        prior={"name": "vamp", "num_components": 6, "from_examples": False}
    )
    assert model.prior.pseudo_inputs.shape == (6, 4, 4, 1)
    assert model.prior.num_initial_examples == 0
    model = make_model(posterior={"name": "iaf", "step_units": (7,)})
    assert type(model.encoder.distribution) is flows.InverseAutoregressiveFlow
    assert model.encoder.distribution.hidden_units == (7,)


def test_an_objective_that_counts_the_examples_is_told_them():
    objective = {"name": "beta_tcvae", "beta": 3.0}
    model = build_model(
        VAEConfig(architecture="dense", objective=objective),
        (4, 4, 1),
        likelihood="bernoulli",
        num_examples=70,
    )
    assert type(model.objective) is BetaTCVAE
    assert (model.objective.beta, model.num_examples) == (3.0, 70)


def test_objective_of_a_configuration():
    model = make_model(
        objective={"beta": 2.0, "beta_warmup": 0.5, "beta_initial": 0.25}
    )
    beta = model.objective.beta
    assert isinstance(beta, LinearWarmup)
    assert (beta.initial, beta.final, beta.fraction) == (0.5, 2.0, 0.5)
    model = make_model(objective={"beta": 2.0, "free_bits": 0.5})
    assert (model.objective.beta, model.objective.free_bits) == (2.0, 0.5)


def test_importance_weighted_objective_of_a_configuration():
    draws = {"name": "importance_weighted", "num_samples": 5}
    model = make_model(objective={**draws, "beta": 2.0})
    objective = model.objective
    assert type(objective) is ImportanceWeighted
    assert (objective.num_samples, objective.elbo.beta) == (5, 2.0)
    model = make_model(objective={**draws, "start": 0.75}, total_steps=100)
    draws = [int(model.objective.draws(step)) for step in (0, 74, 75, 100)]
    assert draws == [1, 1, 5, 5]


def test_length_of_the_run_may_be_a_shared_variable():
    total = tf.Variable(10, dtype=tf.int64)
    model = make_model(
        objective={"beta_warmup": 1.0, "beta_initial": 0.0}, total_steps=total
    )
    assert float(model.objective.kl_weight(5)) == 0.5
    total.assign(20)
    assert float(model.objective.kl_weight(5)) == 0.25


def test_seed_determines_the_weights():
    first, same, other = (make_model(seed=seed) for seed in (0, 0, 1))
    pairs = list(zip(first.get_weights(), same.get_weights(), strict=True))
    assert all((a == b).all() for a, b in pairs)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])
    assert other.seed == 1


@pytest.mark.parametrize("architecture", ["convolutional", "residual"])
def test_images_that_do_not_fit_are_a_user_error(architecture):
    config = VAEConfig(architecture=architecture)
    with pytest.raises(UserError, match=r"`image_shape`.*Received: "):
        build_model(
            config,
            (30, 28, 1),
            likelihood="bernoulli",
            precision="mixed_bfloat16",
        )
    assert keras.config.dtype_policy().name == "float32"  # As it was.


_UNFIT = {
    "hierarchical": (HierarchicalConfig(), (30, 28, 1), "`image_shape`"),
    "nvae": (NVAEConfig(), (30, 28, 1), "image"),
    "channels": (
        VAEConfig(likelihood="discretized_logistic_mixture"),
        (28, 28, 2),
        "1 or 3 channels",
    ),
    "activation": (
        VAEConfig(architecture={"activation": "rely"}),
        (28, 28, 1),
        "activation",
    ),
    "activations": (
        HierarchicalConfig(activation="rely"),
        (28, 28, 1),
        "activation",
    ),
}


@pytest.mark.parametrize("case", _UNFIT)
def test_settings_that_cannot_be_built_are_user_errors(case):
    config, shape, message = _UNFIT[case]
    likelihood = config.likelihood.name.replace("auto", "bernoulli")
    with pytest.raises(UserError, match=rf"{message}.*Received: "):
        build_model(config, shape, likelihood=likelihood)


@pytest.mark.parametrize("model", ["vae", "hierarchical", "nvae"])
def test_a_fault_of_the_package_stays_what_it_is(model, monkeypatch):
    config = from_dict("model", {"name": model})

    def faulty(*args, **kwargs):
        raise ValueError("shapes (3,) and (4,) do not match")

    monkeypatch.setattr(generative_model, "check_networks", faulty)
    with pytest.raises(ValueError, match="do not match") as caught:
        build_model(config, (28, 28, 1), likelihood="bernoulli")
    assert not isinstance(caught.value, UserError)


def test_activation_that_changes_the_shape_is_a_user_error():
    config = VAEConfig(architecture=DenseConfig((8,), activation="glu"))
    message = r"config.architecture.activation must .* keeps .*=glu"
    with pytest.raises(UserError, match=message):
        build_model(config, (4, 4, 1), likelihood="bernoulli")


def test_a_flow_has_the_sizes_of_its_configuration():
    config = InverseAutoregressiveConfig(
        num_steps=3, step_units=(7, 6), context_size=5
    )
    layer = build(config, BuildContext(IMAGE, latent_dim=2))
    found = (layer.num_steps, layer.hidden_units, layer.context_size)
    assert found == (3, (7, 6), 5)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
