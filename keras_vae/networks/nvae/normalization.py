"""Batch normalisation in two halves: what it computes, what it remembers."""

from typing import Any

import keras
import tensorflow as tf

from keras_vae import global_batch

__all__ = ["BatchNormalization"]

Statistics = tuple[tf.Tensor, tf.Tensor]


@keras.saving.register_keras_serializable(package="keras_vae")
class BatchNormalization(keras.layers.Layer):
    """Normalises each channel of `[batch, h, w, c]` over all other axes.

    y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, with the batch's
    mean and variance in training and their moving averages otherwise. The
    statistics are float32, and those of the batch over all the replicas of a
    strategy, however it is shared out.

    A call is `normalize` and then `update`. A layer that runs twice in a step,
    as one that is recomputed in the backward pass, calls them itself, and
    `update` once.

    Args:
        momentum: What remains of the moving averages in each step (PyTorch
            calls 1 minus it momentum).
        epsilon: Added to the variance.

    References:
        Ioffe and Szegedy (2015), Batch Normalization, algorithms 1 and 2.
    """

    def __init__(
        self, momentum: float = 0.95, epsilon: float = 1e-5, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        self.gamma = self._add("gamma", input_shape, "ones", True)
        self.beta = self._add("beta", input_shape, "zeros", True)
        self.moving_mean = self._add("moving_mean", input_shape, "zeros", False)
        self.moving_variance = self._add(
            "moving_variance", input_shape, "ones", False
        )
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        y, statistics = self.normalize(x, training)
        if training:
            self.update(statistics)
        return y

    def normalize(
        self, x: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, Statistics]:
        """Returns the normalised `x`, and what `update` takes.

        Args:
            x: `[batch, h, w, c]`; the layer must be built.
            training: Whether to use the statistics of the batch.

        Returns:
            y: As `x`.
            statistics: float32 (mean, variance), `[c]` each, without gradient.
                The variance is the unbiased one in training.
        """
        if not training:
            statistics = (self.moving_mean.value, self.moving_variance.value)
            return self._scale_and_shift(x, *statistics), statistics
        if global_batch.num_replicas() > 1:
            return self._normalize_replicas(x)
        # The fused operation takes half the time of its parts on CPUs.
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        )
        return y, (tf.stop_gradient(mean), tf.stop_gradient(variance))

    def update(self, statistics: Statistics) -> None:
        """Moves the moving averages towards what `normalize` returned.

        Statistics that are not finite move nothing: the optimizer leaves out
        the step that they come from.
        """
        moving = (self.moving_mean, self.moving_variance)
        for variable, value in zip(moving, statistics, strict=True):
            new = self.momentum * variable.value + (1 - self.momentum) * value
            variable.assign(
                tf.where(tf.math.is_finite(new), new, variable.value)
            )

    def compute_output_shape(self, shape: Any) -> Any:
        return shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }

    def _add(
        self, name: str, shape: Any, initializer: str, trainable: bool
    ) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=(shape[-1],),
            initializer=initializer,
            trainable=trainable,
            autocast=False,
            aggregation="none" if trainable else "mean",
        )

    def _scale_and_shift(
        self, x: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor
    ) -> tf.Tensor:
        scale = self.gamma * tf.math.rsqrt(variance + self.epsilon)
        shift = self.beta - mean * scale
        return tf.cast(tf.cast(x, tf.float32) * scale + shift, x.dtype)

    def _normalize_replicas(self, x: tf.Tensor) -> tuple[tf.Tensor, Statistics]:
        real = global_batch.real_rows(tf.shape(x)[0])
        x32 = tf.cast(x, tf.float32)
        if real is None:
            real = tf.ones([tf.shape(x)[0]], tf.bool)
        real = real[:, tf.newaxis, tf.newaxis, tf.newaxis]

        def sum_of_all(value: tf.Tensor) -> tf.Tensor:
            own = tf.reduce_sum(tf.where(real, value, 0.0), axis=(0, 1, 2))
            return global_batch.sum_over_replicas(own)

        # The last of the sums is how many they are of.
        ones = tf.ones_like(x32[..., :1])
        sums = sum_of_all(tf.concat([x32, ones], axis=-1))
        count = sums[-1]
        mean = sums[:-1] / count
        variance = sum_of_all(tf.square(x32 - mean)) / count
        unbiased = variance * count / tf.maximum(count - 1.0, 1.0)
        y = self._scale_and_shift(x, mean, variance)
        return y, (tf.stop_gradient(mean), tf.stop_gradient(unbiased))
