"""From a configuration to a model."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_vae.config import BuildContext, ModelConfig, PartConfig
from keras_vae.config.registry import build, part_fields
from keras_vae.errors import UserError
from keras_vae.models.generative_model import GenerativeModel

__all__ = ["build_model"]


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
    num_examples: int | None = None,
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
        num_examples: Images in an epoch of training, for the objectives that
            need it.
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
    config = dataclasses.replace(
        config, likelihood=config.resolved_likelihood(likelihood)
    )
    parts = [getattr(config, field.name) for field in part_fields(config)]
    for part in (config, *parts):
        _check_activation(part)
    context = BuildContext(
        image_shape,
        class_names=tuple(class_names),
        num_bits=num_bits,
        dequantized_bits=num_bits if dequantization == "uniform" else None,
        total_steps=total_steps,
        num_examples=num_examples,
        seed=seed,
    )
    with _dtype_policy(precision):
        return build(config, context)


def _check_activation(part: PartConfig) -> None:
    """Raises UserError unless Keras knows the activation, if there is one.

    The configurations cannot: they load without Keras.
    """
    activation = getattr(part, "activation", "linear")
    try:
        keras.activations.get(activation)
    except ValueError as error:
        name = f"{part.prefix}activation"
        raise UserError(
            f"{name} must be the name of a Keras activation, such as elu, "
            f"relu or gelu. Received: {name}={activation}"
        ) from error
