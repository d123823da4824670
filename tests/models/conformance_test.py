"""Every public model of keras_vae.models conforms."""

from typing import Any

import keras
import pytest
import tensorflow as tf

from keras_vae import models
from keras_vae.flows import InverseAutoregressiveFlow
from keras_vae.networks import DenseEncoder
from keras_vae.objectives import Inference, LatentGroup, ObjectiveContext
from keras_vae.priors import GaussianMixture, VampPrior
from tests.conformance import (
    check_config,
    check_gradients,
    check_keras_file,
    run_model_conformance,
)
from tests.models.cases import (
    IMAGE,
    binary_images,
    make_autoregressive,
    make_hierarchical,
    make_model,
    make_nvae,
)


def vae_tensors(model: keras.Model, image: Any) -> dict[str, tf.Tensor]:
    posterior = model.encode(image)
    z = posterior.mean()  # No draw: halves of a batch have other noise.
    group = LatentGroup(posterior, model.prior.distribution(), z)
    inference = Inference(image, model.decoder(z), (group,))
    return {
        "reconstruction": model(image),
        "mean": z,
        "stddev": posterior.stddev(),
        "elbo": inference.elbo,
        "log_weight": inference.log_weight,
        "decoded": model.decode(z),
    }


def autoencoder_tensors(model: keras.Model, image: Any) -> dict[str, tf.Tensor]:
    code = model.encode(image)
    inference = model.infer(image, code, seed=tf.constant([0, 0]))
    return {
        "reconstruction": model(image),
        "code": code,
        "loss": model.objective(inference, ObjectiveContext(0)),
        "decoded": model.decode(code),
    }


def hierarchical_tensors(
    model: keras.Model, image: Any
) -> dict[str, tf.Tensor]:
    # Noise of its own for each row, the same in each half of a batch.
    noise = tf.sin(tf.range(model.latent_dim, dtype=tf.float32))
    noise = tf.reduce_mean(image, [1, 2, 3])[:, tf.newaxis] * noise
    inference = model.infer_with_noise(image, model.encode(image), noise)
    mean, stddev = model.latent_moments(image)
    return {
        "reconstruction": model(image),
        "mean": mean,
        "stddev": stddev,
        "elbo": inference.elbo,
        "log_weight": inference.log_weight,
        "decoded": model.decode(mean),
        "sample": model.generate(noise, tf.ones_like(noise[:, 0])),
    }


def make_with(prior: str) -> keras.Model:
    keras.utils.set_random_seed(0)
    parts = make_model()
    sizes = {"vamp": (3, IMAGE, 5), "mixture": (3, 4)}
    prior = {"vamp": VampPrior, "mixture": GaussianMixture}[prior](
        *sizes[prior]
    )
    return models.VAE(parts.encoder, parts.decoder, prior=prior)


def prior_tensors(model: keras.Model, image: Any) -> dict[str, tf.Tensor]:
    # Noise of its own for each row, the same in each half of a batch.
    noise = tf.sin(tf.range(4, dtype=tf.float32))
    noise = tf.reduce_mean(image, [1, 2, 3])[:, tf.newaxis] * noise
    sample = model.generate(noise, tf.ones_like(noise[:, 0]))
    return {**vae_tensors(model, image), "sample": sample}


def make_with_flow() -> keras.Model:
    keras.utils.set_random_seed(0)
    decoder = make_model().decoder
    posterior = InverseAutoregressiveFlow(3, 2, (8,), 4)
    encoder = DenseEncoder(posterior, IMAGE, (8,), activation="tanh")
    return models.VAE(encoder, decoder)


def autoregressive_tensors(
    model: keras.Model, image: Any
) -> dict[str, tf.Tensor]:
    inference = model.infer(image, None, seed=tf.constant([0, 0]))
    return {
        "log_prob": model(image),
        "loss": model.objective(inference, ObjectiveContext(0)),
        "mean": inference.likelihood.mean(),
    }


CASES = {
    "autoregressive": (make_autoregressive, autoregressive_tensors),
    "autoregressive_levels": (
        lambda: make_autoregressive("discretized_logistic_mixture"),
        autoregressive_tensors,
    ),
    "vae_flow": (make_with_flow, hierarchical_tensors),
    "vae_mixture_prior": (lambda: make_with("mixture"), prior_tensors),
    "vae_vamp_prior": (lambda: make_with("vamp"), prior_tensors),
    "vae": (lambda: make_model(), vae_tensors),
    "vae_full": (
        lambda: make_model("normal_shared", posterior="full"),
        vae_tensors,
    ),
    "hierarchical": (make_hierarchical, hierarchical_tensors),
    "nvae": (make_nvae, hierarchical_tensors),
    "autoencoder": (
        lambda: make_model("normal_fixed", model="autoencoder"),
        autoencoder_tensors,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_model_conforms(case):
    make, forward = CASES[case]
    run_model_conformance(
        make,
        lambda: binary_images(4),
        forward,
        # Its whole training step is compared in nvae_test.py.
        replicas=case != "nvae",
    )


def test_a_hierarchy_with_other_parts_conforms():
    """What its parts change: variables, configuration, gradients."""
    model = make_hierarchical(
        "normal_shared", upsampling="nearest", dense_groups=2
    )
    check_config(model)
    check_gradients(model, binary_images(4), hierarchical_tensors)
    check_keras_file(model, binary_images(4), hierarchical_tensors)


def test_every_public_model_is_in_the_list():
    covered = {type(make()) for make, _ in CASES.values()}
    public = {
        value
        for value in (getattr(models, name) for name in models.__all__)
        if isinstance(value, type) and issubclass(value, keras.Model)
    }
    assert public - covered == {models.GenerativeModel}  # Abstract.


def test_every_class_that_is_no_model_is_known():
    classes = {
        name
        for name in models.__all__
        if isinstance(getattr(models, name), type)
        and not issubclass(getattr(models, name), keras.Model)
    }
    assert classes == {"LatentStatistics"}  # latent_statistics_test.py


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
