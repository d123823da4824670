"""What NVAE adds to the loss to keep its networks smooth."""

from typing import Any

import keras
import tensorflow as tf

from keras_vae.networks.nvae.convolution import WeightNormConv2D
from keras_vae.networks.nvae.normalization import BatchNormalization

__all__ = ["SpectralNorms", "batch_norm_scale_penalty", "collect"]

_EPSILON = 1e-3


def collect(
    model: keras.layers.Layer,
) -> tuple[list[WeightNormConv2D], list[BatchNormalization]]:
    """Returns all convolutions and batch normalisations inside `model`.

    Their order is that of the layers in the model. Dense layers are left out.
    """
    layers = model._flatten_layers()
    return (
        [layer for layer in layers if isinstance(layer, WeightNormConv2D)],
        [layer for layer in layers if isinstance(layer, BatchNormalization)],
    )


def batch_norm_scale_penalty(layers: list[BatchNormalization]) -> tf.Tensor:
    """Returns the sum over layers of max |gamma|, a float32 scalar."""
    largest = [tf.reduce_max(tf.abs(layer.gamma)) for layer in layers]
    return tf.add_n([tf.zeros(()), *largest])


@keras.saving.register_keras_serializable(package="keras_vae")
class SpectralNorms(keras.layers.Layer):
    """Sum of the largest singular values of many matrices, by power iteration.

    Takes a list of float32 matrices, `[c, d]` each, the same shapes in the same
    order in every call, and returns a float32 scalar. For each matrix W it
    keeps unit vectors u and v; the estimate u^T W v is never above the largest
    singular value and has the gradient u v^T. Matrices of one shape are
    multiplied together.

    In training the vectors are first improved, starting from those of the call
    before, and kept; they are saved with the model. All replicas of a strategy
    keep those of the first one.

    Example:

    ```python
    convolutions, norms = collect(model)
    spectral_norms = SpectralNorms()
    matrices = [layer.effective_matrix() for layer in convolutions]
    penalty = spectral_norms(matrices, training=True)
    penalty += batch_norm_scale_penalty(norms)
    ```

    To have the variables before the first step, as a model that is saved must:
    `spectral_norms.build([layer.matrix_shape for layer in convolutions])`.

    Args:
        num_iterations: Power iterations in each call.
        num_first_iterations: Power iterations in the first call.

    References:
        Vahdat and Kautz (2020), NVAE, section 3.2.
        Yoshida and Miyato (2017), Spectral Norm Regularization, section 3.
    """

    def __init__(
        self,
        num_iterations: int = 4,
        num_first_iterations: int = 40,
        dtype: Any = "float32",
        **kwargs: Any,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.num_iterations = num_iterations
        self.num_first_iterations = num_first_iterations

    def build(self, input_shape: Any) -> None:
        groups: dict[tuple[int, int], list[int]] = {}
        for index, (rows, columns) in enumerate(input_shape):
            groups.setdefault((rows, columns), []).append(index)
        self._groups = list(groups.values())
        self.u, self.v = [], []
        for (rows, columns), indices in groups.items():
            name = f"{rows}x{columns}"
            self.u.append(self._vectors(f"u_{name}", len(indices), rows))
            self.v.append(self._vectors(f"v_{name}", len(indices), columns))
        self.started = self.add_weight(
            name="started",
            shape=(),
            dtype="bool",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def call(
        self, matrices: list[tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        stacks = [
            tf.stack([matrices[index] for index in indices])
            for indices in self._groups
        ]
        u = [tf.convert_to_tensor(variable) for variable in self.u]
        v = [tf.convert_to_tensor(variable) for variable in self.v]
        if training:
            u, v = self._iterate([tf.stop_gradient(w) for w in stacks], u, v)
            for variable, value in zip((*self.u, *self.v), (*u, *v)):
                variable.assign(value)
            self.started.assign(True)
        return tf.add_n(
            [
                tf.reduce_sum(left * tf.linalg.matvec(w, right))
                for w, left, right in zip(stacks, u, v)
            ]
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return ()

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_iterations": self.num_iterations,
            "num_first_iterations": self.num_first_iterations,
        }

    def _iterate(
        self, stacks: list[tf.Tensor], u: list[tf.Tensor], v: list[tf.Tensor]
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        count = tf.where(
            tf.convert_to_tensor(self.started),
            self.num_iterations,
            self.num_first_iterations,
        )

        def step(index: tf.Tensor, u: Any, v: Any) -> tuple[Any, Any, Any]:
            v = [
                _unit(tf.linalg.matvec(w, left, transpose_a=True))
                for w, left in zip(stacks, u)
            ]
            u = [
                _unit(tf.linalg.matvec(w, right)) for w, right in zip(stacks, v)
            ]
            return index + 1, u, v

        _, u, v = tf.while_loop(
            lambda index, u, v: index < count, step, (0, u, v)
        )
        return u, v

    def _vectors(self, name: str, count: int, size: int) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=(count, size),
            initializer=_random_unit_vectors,
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )


def _unit(x: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(x, axis=-1, epsilon=_EPSILON**2)


def _random_unit_vectors(shape: Any, dtype: Any = None) -> tf.Tensor:
    normal = keras.initializers.RandomNormal(stddev=1.0)
    return _unit(tf.convert_to_tensor(normal(shape, dtype)))
