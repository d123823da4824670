"""NVAE: a hierarchical VAE with regularised convolutional networks."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import BuildContext, NVAEConfig, check_number
from keras_vae.config.registry import build as build_part
from keras_vae.models.hierarchical_vae import HierarchicalVAE
from keras_vae.networks.conditioning import classes_in_turn
from keras_vae.networks.hierarchy import BottomUpEncoder, TopDownDecoder
from keras_vae.networks.nvae import (
    BatchNormalization,
    NVAEArchitecture,
    NVAEDecoder,
    NVAEEncoder,
    SpectralNorms,
    WeightNormConv2D,
    batch_norm_scale_penalty,
    collect,
)
from keras_vae.objectives import LAST_STEP

__all__ = ["NVAE", "build"]


@keras.saving.register_keras_serializable(package="keras_vae")
class NVAE(HierarchicalVAE):
    """A `HierarchicalVAE` whose training keeps its networks smooth.

    To the mean loss of a training step it adds

        lambda * (sum of the largest singular value of each convolution
                  + sum of max |gamma| of each batch normalisation)

    and nothing to the loss of an evaluation. Both run over encoder and decoder.

    Args:
        encoder: A `keras_vae.networks.nvae.NVAEEncoder`.
        decoder: A `keras_vae.networks.nvae.NVAEDecoder`.
        objective: The loss of each image; `ELBO()` unless given.
        seed: Base of all noise.
        regularization_weight: lambda, for losses in nats per image; 0 turns
            the regularizers off.
        initial_regularization_weight: Where lambda starts. It goes on a
            logarithmic scale to `regularization_weight` while the weight of
            the KL goes from 0 to its last value, whatever that is, and is
            there from the start where that value is 0. Constant unless given.

    Raises:
        ValueError: If a weight is negative, or lambda starts or ends at 0 where
            it changes.

    References:
        Vahdat and Kautz (2020), NVAE: A Deep Hierarchical Variational
        Autoencoder, section 3.2. Yoshida and Miyato (2017), Spectral Norm
        Regularization.
    """

    normalizes_samples = True

    def __init__(
        self,
        encoder: BottomUpEncoder,
        decoder: TopDownDecoder,
        objective: Any = None,
        seed: int = 0,
        regularization_weight: float = 1e-2,
        initial_regularization_weight: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(encoder, decoder, objective, seed, **kwargs)
        _check_weights(regularization_weight, initial_regularization_weight)
        self.regularization_weight = regularization_weight
        self.initial_regularization_weight = initial_regularization_weight
        self.spectral_norms = SpectralNorms()
        convolutions, _ = self._collect()
        self.spectral_norms.build([c.matrix_shape for c in convolutions])

    def _collect(
        self,
    ) -> tuple[list[WeightNormConv2D], list[BatchNormalization]]:
        networks = [collect(self.encoder), collect(self.decoder)]
        (convolutions, norms), (more_convolutions, more_norms) = networks
        return convolutions + more_convolutions, norms + more_norms

    def regularization_weight_at(self, step: tf.Tensor) -> tf.Tensor:
        """Returns lambda at a training step, a float32 scalar."""
        last = tf.constant(self.regularization_weight, tf.float32)
        if self.initial_regularization_weight is None:
            return last
        first = tf.constant(self.initial_regularization_weight, tf.float32)
        share = self._warmup_done(step)
        return tf.exp(
            (1 - share) * tf.math.log(first) + share * tf.math.log(last)
        )

    def _warmup_done(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the weight of the KL as a share of its last, in [0, 1]."""
        weight = self.objective.kl_weight(step)
        last = self.objective.kl_weight(tf.constant(LAST_STEP, tf.int64))
        share = tf.where(last > 0, tf.math.divide_no_nan(weight, last), 1.0)
        return tf.clip_by_value(share, 0.0, 1.0)

    def regularization(self, step: tf.Tensor) -> Any:
        other = super().regularization(step)
        if self.regularization_weight == 0:
            return other
        convolutions, norms = self._collect()
        matrices = [layer.effective_matrix() for layer in convolutions]
        penalty = self.spectral_norms(matrices, training=True)
        penalty += batch_norm_scale_penalty(norms)
        return other + self.regularization_weight_at(step) * penalty

    @contextlib.contextmanager
    def recalibrated_batch_norm(
        self,
        num_passes: int = 500,
        batch_size: int = 32,
        temperature: Any = 1.0,
        seed: Any = 0,
    ) -> Iterator[int]:
        """Within it the decoder normalises as fits samples at a temperature.

        The moving averages of the decoder's batch normalisation are those of
        encoded images; samples, at a low temperature above all, have others. On
        entry the averages are moved by passes that sample as in training, where
        one that gives numbers that are not finite does not count. On exit they
        are restored, bit by bit. Likelihoods belong to the original averages:
        compute none inside.

        Args:
            num_passes: Number of passes. What was before weighs 0.95 to this
                power.
            batch_size: Samples in each pass.
            temperature: As for `sample`; the one that is to be sampled at.
            seed: As for `sample`.

        Yields:
            The number of passes that were finite.

        Raises:
            ValueError: If no pass was finite, or a number is not as said above.

        Example:
            >>> with model.recalibrated_batch_norm(temperature=0.7):
            ...     images = model.sample([16], (0, 1), temperature=0.7)
        """
        check_number("num_passes", num_passes, 0, whole=True)
        check_number("batch_size", batch_size, 1, whole=True)
        _, norms = collect(self.decoder)
        statistics = [
            variable
            for norm in norms
            for variable in (norm.moving_mean, norm.moving_variance)
        ]
        original = [tf.identity(variable.value) for variable in statistics]
        base = seeds.any_seed(seed)
        try:
            yield self._recalibrate(
                statistics, num_passes, batch_size, temperature, base
            )
        finally:
            for variable, value in zip(statistics, original, strict=True):
                variable.assign(value)

    def _recalibrate(
        self,
        statistics: list[keras.Variable],
        num_passes: int,
        batch_size: int,
        temperature: Any,
        seed: tf.Tensor,
    ) -> int:
        @tf.function(autograph=False)
        def sample_once(index: tf.Tensor) -> tf.Tensor:
            before = [tf.identity(variable.value) for variable in statistics]
            rows = seeds.rows(seeds.fold_in(seed, index), batch_size)
            noise = seeds.row_normal(rows, self.latent_dim)
            classes = classes_in_turn(self.num_classes, batch_size)
            images = self.generate(noise, temperature, training=True, **classes)
            after = [tf.identity(variable.value) for variable in statistics]
            finite = _all_finite([images, *after])
            for variable, old, new in zip(statistics, before, after):
                variable.assign(tf.where(finite, new, old))
            return finite

        finite = [
            bool(sample_once(tf.constant(index))) for index in range(num_passes)
        ]
        if num_passes and not any(finite):
            raise ValueError(
                "No pass gave finite samples: these weights cannot be sampled "
                f"from in training mode. Received: num_passes={num_passes}, "
                f"temperature={temperature}"
            )
        return sum(finite)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "regularization_weight": self.regularization_weight,
            "initial_regularization_weight": self.initial_regularization_weight,
        }


def _all_finite(tensors: list[tf.Tensor]) -> tf.Tensor:
    checks = [tf.reduce_all(tf.math.is_finite(tensor)) for tensor in tensors]
    return tf.reduce_all(tf.stack(checks))


def _check_weights(weight: float, initial: float | None) -> None:
    if not 0 <= weight < float("inf"):
        raise ValueError(
            "`regularization_weight` must be a finite number of at least 0. "
            f"Received: regularization_weight={weight}"
        )
    if initial is not None and not (weight > 0 and 0 < initial < float("inf")):
        raise ValueError(
            "`initial_regularization_weight` must be above 0 and finite, and "
            "so must `regularization_weight` with it. Received: "
            f"initial_regularization_weight={initial}, "
            f"regularization_weight={weight}"
        )


def build(config: NVAEConfig, context: BuildContext) -> NVAE:
    """Returns the model of a configuration."""
    architecture = NVAEArchitecture(context.image_shape, config)
    likelihood = build_part(config.likelihood, context)
    classes: dict[str, Any] = {"num_classes": context.num_classes}
    return NVAE(
        NVAEEncoder(**architecture.encoder_arguments(), **classes),
        NVAEDecoder(likelihood, **architecture.decoder_arguments(), **classes),
        build_part(config.objective, context),
        context.seed,
        config.regularization_weight,
        config.regularization_initial or None,
        class_names=context.class_names,
        dequantized_bits=context.dequantized_bits,
        num_examples=context.num_examples,
    )
