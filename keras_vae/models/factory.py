"""From a configuration to a model."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_vae.config import ModelConfig
from keras_vae.distributions import (
    Deterministic,
    DiscretizedLogisticMixture,
    DistributionLayer,
    IndependentBernoulli,
    IndependentContinuousBernoulli,
    IndependentNormal,
    MultivariateNormalDiag,
    MultivariateNormalTriL,
)
from keras_vae.errors import UserError
from keras_vae.model_configs import HierarchicalConfig, NVAEConfig, VAEConfig
from keras_vae.models.autoencoder import Autoencoder
from keras_vae.models.generative_model import GenerativeModel
from keras_vae.models.hierarchical_vae import HierarchicalVAE
from keras_vae.models.nvae import NVAE
from keras_vae.models.vae import VAE
from keras_vae.networks import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    Decoder,
    DenseDecoder,
    DenseEncoder,
    Encoder,
    ResidualBottomUp,
    ResidualDecoder,
    ResidualEncoder,
    ResidualTopDown,
)
from keras_vae.networks.nvae import NVAEArchitecture, NVAEDecoder, NVAEEncoder
from keras_vae.objectives import (
    ELBO,
    ImportanceWeighted,
    KLWarmup,
    LinearWarmup,
    OneStep,
    SquaredError,
)

__all__ = ["build_model", "resolve_classes", "resolve_likelihood"]


def resolve_likelihood(config: ModelConfig, binarization: str) -> str:
    """Returns the likelihood that `auto` stands for, after checking it.

    Args:
        config: The model's configuration.
        binarization: `none`, `static` or `dynamic`, what the images are.

    Raises:
        UserError: If a Bernoulli likelihood meets images that are not binary,
            whose log-probability it is not.
    """
    binary = binarization != "none"
    if config.likelihood == "auto":
        if config.model == "autoencoder":
            return "normal_fixed"
        if binary:
            return "bernoulli"
        single = isinstance(config, VAEConfig)
        return "normal_shared" if single else "discretized_logistic_mixture"
    if config.likelihood == "bernoulli" and not binary:
        raise UserError(
            "A Bernoulli likelihood is for binary images, and these are not "
            "binarized: use --binarization=dynamic (or static), or "
            "--config.likelihood=continuous_bernoulli or normal_shared. "
            "Received: --binarization=none"
        )
    return config.likelihood


def resolve_classes(
    config: ModelConfig, class_names: Sequence[str] | None
) -> tuple[str, ...]:
    """Returns the names of the classes that a model is conditional on.

    Args:
        config: The model's configuration.
        class_names: Those of the dataset, or None where it has no labels.

    Returns:
        The names; none for a model that is not conditional.

    Raises:
        UserError: If the dataset has no labels, or another number of classes.
    """
    if not config.conditional:
        return ()
    if not class_names:
        raise UserError(
            "A conditional model needs labels, and the dataset has none: "
            "choose another one, or leave config.num_classes at 0. "
            f"Received: config.num_classes={config.num_classes}"
        )
    if config.num_classes not in ("auto", str(len(class_names))):
        raise UserError(
            f"The dataset has {len(class_names)} classes: use "
            "--config.num_classes=auto. "
            f"Received: config.num_classes={config.num_classes}"
        )
    return tuple(class_names)


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_model(
    config: ModelConfig,
    image_shape: tuple[int, int, int],
    *,
    likelihood: str,
    total_steps: Any = 1,
    seed: int = 0,
    precision: str = "float32",
    num_bits: int = 8,
    dequantization: str = "none",
    class_names: Sequence[str] = (),
) -> GenerativeModel:
    """Builds the model of a configuration, with its variables.

    Args:
        config: What to build.
        image_shape: (height, width, channels).
        likelihood: What `resolve_likelihood` returned.
        total_steps: Length of the run, for the warm-up of beta: a number or a
            `tf.Variable` that the trainer revises.
        seed: Base of the model's noise and of its initial weights.
        precision: Keras dtype policy of the networks. Variables, the posterior
            and the likelihood are float32 in any case.
        num_bits: Bits of each value of the images, for the likelihoods that
            are probabilities of levels.
        dequantization: `uniform` where the images are dequantized, so that all
            bounds are on log-probabilities of their levels; else `none`.
        class_names: What `resolve_classes` returned.

    Raises:
        UserError: If the configuration does not fit the images.
    """
    keras.utils.set_random_seed(seed)
    _check_activation(config)
    with _dtype_policy(precision):
        layer = _likelihood(config, likelihood, image_shape, num_bits)
        return _model(
            config,
            image_shape,
            layer,
            total_steps,
            seed=seed,
            class_names=class_names,
            dequantized_bits=num_bits if dequantization == "uniform" else None,
        )


def _check_activation(config: ModelConfig) -> None:
    """Raises UserError unless Keras knows the activation, if there is one.

    The configurations cannot: they load without Keras.
    """
    name = getattr(config, "activation", "linear")
    try:
        keras.activations.get(name)
    except ValueError as error:
        raise UserError(
            "config.activation must be the name of a Keras activation, such "
            f"as elu, relu or gelu. Received: config.activation={name}"
        ) from error


def _model(
    config: ModelConfig,
    shape: tuple[int, int, int],
    likelihood: DistributionLayer,
    total_steps: Any,
    **common: Any,
) -> GenerativeModel:
    if isinstance(config, HierarchicalConfig):
        return _hierarchical(config, shape, likelihood, total_steps, **common)
    if isinstance(config, NVAEConfig):
        return _nvae(config, shape, likelihood, total_steps, **common)
    assert isinstance(config, VAEConfig)
    count = len(common["class_names"])
    encoder = _encoder(config, shape, count)
    decoder = _decoder(config, likelihood, count)
    if config.model == "autoencoder":
        return Autoencoder(encoder, decoder, SquaredError(), **common)
    objective = _objective(config, total_steps)
    return VAE(encoder, decoder, objective, **common)


def _hierarchical(
    config: HierarchicalConfig,
    shape: tuple[int, int, int],
    likelihood: DistributionLayer,
    total_steps: Any,
    **common: Any,
) -> HierarchicalVAE:
    sizes: dict[str, Any] = {
        "filters": config.filters,
        "bottlenecks": config.bottlenecks,
        "num_groups": config.num_groups,
        "dense_units": config.dense_units,
        "dense_groups": config.dense_groups,
        "dense_bottleneck": config.dense_bottleneck,
        "activation": config.activation,
        "num_classes": len(common["class_names"]),
    }
    encoder = ResidualBottomUp(shape, num_blocks=config.encoder_blocks, **sizes)
    decoder = ResidualTopDown(
        likelihood,
        num_blocks=config.decoder_blocks,
        latent_channels=config.latent_channels,
        top_latent_dim=config.top_latent_dim,
        dense_latent_dim=config.dense_latent_dim,
        upsampling=config.upsampling,
        **sizes,
    )
    objective = _objective(config, total_steps)
    return HierarchicalVAE(encoder, decoder, objective, **common)


def _nvae(
    config: NVAEConfig,
    shape: tuple[int, int, int],
    likelihood: DistributionLayer,
    total_steps: Any,
    **common: Any,
) -> NVAE:
    architecture = NVAEArchitecture(shape, config)
    count = len(common["class_names"])
    encoder = NVAEEncoder(**architecture.encoder_arguments(), num_classes=count)
    decoder = NVAEDecoder(
        likelihood, **architecture.decoder_arguments(), num_classes=count
    )
    return NVAE(
        encoder,
        decoder,
        _objective(config, total_steps),
        regularization_weight=config.regularization_weight,
        initial_regularization_weight=config.regularization_initial or None,
        **common,
    )


def _objective(config: ModelConfig, total_steps: Any) -> Any:
    elbo = ELBO(
        _beta(config, total_steps), config.free_bits, config.kl_balancing
    )
    if config.importance_samples == 1:
        return elbo
    count: Any = config.importance_samples
    if config.draws_change:
        count = OneStep(1, count, config.importance_start, total_steps)
    return ImportanceWeighted(count, elbo)


def _beta(config: ModelConfig, total_steps: Any) -> Any:
    if config.beta_warmup == 0:
        return config.beta
    if config.model == "nvae":
        return KLWarmup(
            config.beta,
            config.beta_warmup,
            total_steps,
            floor=config.beta_initial,
        )
    return LinearWarmup(
        config.beta * config.beta_initial,
        config.beta,
        config.beta_warmup,
        total_steps,
    )


def _posterior(config: VAEConfig) -> DistributionLayer:
    if config.model == "autoencoder":
        return Deterministic(config.latent_dim)
    if config.posterior == "full":
        return MultivariateNormalTriL(config.latent_dim)
    return MultivariateNormalDiag(config.latent_dim)


def _likelihood(
    config: ModelConfig,
    name: str,
    image_shape: tuple[int, int, int],
    num_bits: int,
) -> DistributionLayer:
    if name == "bernoulli":
        return IndependentBernoulli(image_shape)
    if name == "continuous_bernoulli":
        return IndependentContinuousBernoulli(image_shape)
    if name == "discretized_logistic_mixture":
        return DiscretizedLogisticMixture(
            image_shape, config.num_mixtures, num_bits
        )
    return IndependentNormal(
        image_shape, name.removeprefix("normal_"), config.likelihood_scale
    )


def _encoder(
    config: VAEConfig, shape: tuple[int, int, int], num_classes: int
) -> Encoder:
    posterior = _posterior(config)
    common: dict[str, Any] = {
        "activation": config.activation,
        "num_classes": num_classes,
    }
    if config.architecture == "dense":
        return DenseEncoder(posterior, shape, config.hidden_units, **common)
    if config.architecture == "convolutional":
        return ConvolutionalEncoder(
            posterior, shape, config.filters, config.dense_units, **common
        )
    return ResidualEncoder(
        posterior,
        shape,
        config.filters,
        config.num_blocks,
        config.dense_units,
        **common,
    )


def _decoder(
    config: VAEConfig, likelihood: DistributionLayer, num_classes: int
) -> Decoder:
    latent_dim = config.latent_dim
    common: dict[str, Any] = {
        "activation": config.activation,
        "num_classes": num_classes,
    }
    if config.architecture == "dense":
        units = tuple(reversed(config.hidden_units))
        return DenseDecoder(likelihood, latent_dim, units, **common)
    if config.architecture == "convolutional":
        return ConvolutionalDecoder(
            likelihood, latent_dim, config.filters, config.dense_units, **common
        )
    return ResidualDecoder(
        likelihood,
        latent_dim,
        config.filters,
        config.num_blocks,
        config.dense_units,
        **common,
    )
