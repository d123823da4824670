"""The optimizers of the trainer: Adam, Adamax and Muon, for a `Guard`."""

from typing import Any

import keras
import tensorflow as tf

from keras_vae.config import check_number

__all__ = ["Adam", "Adamax", "Muon"]

# The quintic a x + b x^3 + c x^5 of Jordan et al. (2024), and how often it is
# applied: it takes singular values of 1e-2 and above to between 0.68 and 1.14.
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_NEWTON_SCHULZ_STEPS = 5
_NEWTON_SCHULZ_EPSILON = 1e-7  # Theirs and Keras's.
# The widest matrix that is orthogonalised as a whole. The cost grows with the
# square of the width: of the hierarchical model's widest kernel, 256 x 784, the
# blocks take a third of the time that the whole takes.
_BLOCK_SIZE = 64
# The root mean square of an entry of Adam's step, in learning rates.
_ADAM_RMS = 0.2


@keras.saving.register_keras_serializable(package="keras_vae")
class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, with one fused kernel for each variable.

    Args:
        learning_rate: A number or a `LearningRateSchedule`.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        epsilon: Added to the root of the second moment.
        amsgrad: Must be False.
        **kwargs: Arguments of `keras.optimizers.Optimizer`.

    References:
        Kingma and Ba (2015), Adam, algorithm 1 in the form of section 2.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ):
        if amsgrad:
            raise ValueError("`amsgrad` is not supported. Received: True")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: Any
    ) -> None:
        index = self._get_variable_index(variable)
        count = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, count.dtype), count),
            beta2_power=tf.pow(tf.cast(self.beta_2, count.dtype), count),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )


@keras.saving.register_keras_serializable(package="keras_vae")
class Muon(Adam):
    """Momentum, orthogonalised, for kernels; Adam for all other variables.

    A dense layer's kernel is a matrix from inputs to outputs; a convolution's
    is taken for one from the inputs under its window, `[height * width *
    channels, filters]`; a depthwise kernel is left to Adam. With G its
    gradient, clipped, `[m, n]` the matrix's shape and U S V^T the singular
    value decomposition of N, an update is

        M <- beta_1 M + (1 - beta_1) G
        N = beta_1 M + (1 - beta_1) G
        W <- W - 0.2 learning_rate sqrt(max(m, n)) U V^T

    with U V^T approximated by five Newton-Schulz iterations: all directions of
    the kernel learn, not the strongest alone. With U V^T itself the root mean
    square of an entry of the step would be 0.2 learning rates, as of Adam's
    steps. The iterations give singular values of 0.68 to 1.14 in place of 1,
    whose root mean square, and so the share of that length, is about 0.9 where
    those of N spread, as over two powers of ten.

    A matrix whose shorter side is above `block_size` is cut across it, and
    each block has its own U and V, which is much cheaper. The singular values
    of a long block lie nearer to each other, where the iterations may give
    less: of white noise `[256, 784]` in blocks of 64 the share is 0.77, and as
    a whole 0.96. The default learning rates were chosen with it as it is.

    With `block_size=0`, `keras.optimizers.Muon` takes the same steps, but
    leaves the kernels of convolutions to Adam.

    Args:
        learning_rate: A number or a `LearningRateSchedule`.
        beta_1: Decay of the momentum, of kernels and of the others.
        block_size: Longest shorter side of a block; 0 takes every matrix as a
            whole.
        **kwargs: Other arguments of `Adam`.

    References:
        Jordan et al. (2024), Muon: An optimizer for hidden layers in neural
        networks; Liu et al. (2025), Muon is Scalable for LLM Training,
        equation 4; Khaled et al. (2025), MuonBP: Faster Muon via Block-Periodic
        Orthogonalization (here every step is of blocks).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        *,
        block_size: int = _BLOCK_SIZE,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, **kwargs)
        check_number("block_size", block_size, 0, whole=True)
        self.block_size = block_size

    def build(self, var_list: list[Any]) -> None:
        if self.built:
            return
        keras.optimizers.Optimizer.build(self, var_list)
        self._momentums = self.add_optimizer_variables(var_list, "momentum")
        others = [v for v in var_list if not _is_kernel(v)]
        slots = iter(self.add_optimizer_variables(others, "velocity"))
        self._velocities = [
            None if _is_kernel(v) else next(slots) for v in var_list
        ]

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: Any
    ) -> None:
        if not _is_kernel(variable):
            super().update_step(gradient, variable, learning_rate)
            return
        gradient = tf.cast(gradient, variable.dtype)
        momentum = self._momentums[self._get_variable_index(variable)].value
        decay = self.beta_1
        momentum.assign(decay * momentum + (1.0 - decay) * gradient)
        ahead = decay * momentum + (1.0 - decay) * gradient
        matrix = tf.reshape(ahead, [-1, variable.shape[-1]])
        length = _ADAM_RMS * max(matrix.shape) ** 0.5
        step = tf.cast(length * learning_rate, variable.dtype)
        step *= orthogonalised(matrix, self.block_size)
        variable.assign_sub(tf.reshape(step, variable.shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "block_size": self.block_size}


def _is_kernel(variable: Any) -> bool:
    """Returns whether a variable is a matrix from inputs to outputs.

    A map of biases, of rank 3, is none, nor is a depthwise kernel, whose one
    column has no directions.
    """
    return len(variable.shape) in (2, 4) and variable.shape[-1] > 1


def orthogonalised(matrix: tf.Tensor, block_size: int = 0) -> tf.Tensor:
    """Returns U V^T nearly, for a matrix `[m, n]` that is U S V^T.

    With a `block_size`, of each of the fewest blocks of nearly the same size
    whose shorter side is no longer than that.
    """
    rows, columns = matrix.shape
    if rows > columns:
        transposed = tf.transpose(matrix)
        return tf.transpose(orthogonalised(transposed, block_size))
    count = -(-rows // block_size) if block_size else 1
    sizes = [(rows + i) // count for i in range(count)]
    blocks = [_newton_schulz(x) for x in tf.split(matrix, sizes, axis=0)]
    return tf.concat(blocks, axis=0) if count > 1 else blocks[0]


def _newton_schulz(matrix: tf.Tensor) -> tf.Tensor:
    a, b, c = _NEWTON_SCHULZ
    # No singular value above 1. What is smaller than epsilon stays small: it is
    # rounding of a part that is off, and its squares may underflow in the norm.
    x = matrix / (tf.norm(matrix) + _NEWTON_SCHULZ_EPSILON)
    for _ in range(_NEWTON_SCHULZ_STEPS):
        gram = tf.matmul(x, x, transpose_b=True)
        x = a * x + tf.matmul(b * gram + c * tf.matmul(gram, gram), x)
    return x


@keras.saving.register_keras_serializable(package="keras_vae")
class Adamax(keras.optimizers.Adamax):
    """Adam with the infinity norm, as NVAE is trained with it.

    With g the gradient and theta the variable, update t is

        g <- g + l2_penalty theta
        m <- beta_1 m + (1 - beta_1) g
        u <- max(beta_2 u, |g| + epsilon)
        theta <- theta - learning_rate / (1 - beta_1^t) m / u

    `keras.optimizers.Adamax` differs twice: epsilon is added to u, outside
    the maximum, and it has `weight_decay`, decoupled from the gradient, in
    place of the penalty.

    Args:
        learning_rate: A number or a `LearningRateSchedule`.
        beta_1: Decay of the first moment.
        beta_2: Decay of the infinity norm.
        epsilon: Added to the size of the gradient, above 0. It is in units of
            the gradient: NVAE's 1e-3 is for a loss in nats per image.
        l2_penalty: Of all variables alike, unless `exclude_from_weight_decay`
            names some.
        **kwargs: Arguments of `keras.optimizers.Optimizer`.

    References:
        Kingma and Ba (2015), Adam, algorithm 2; Vahdat and Kautz (2020), NVAE,
        appendix A.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-3,
        l2_penalty: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        # Without it a first gradient of 0 is divided by 0.
        if not epsilon > 0:
            raise ValueError(
                f"`epsilon` must be above 0. Received: epsilon={epsilon}"
            )
        self.l2_penalty = l2_penalty

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: Any
    ) -> None:
        index = self._get_variable_index(variable)
        norm = self._u[index].value
        gradient = tf.cast(gradient, variable.dtype)
        if self.l2_penalty and self._use_weight_decay(variable):
            gradient += self.l2_penalty * variable
        size = tf.abs(gradient) + self.epsilon
        norm.assign(tf.maximum(self.beta_2 * norm, size))
        count = tf.cast(self.iterations + 1, variable.dtype)
        # The kernel knows no epsilon within the maximum: it finds the norm
        # done, no smaller than the gradient, and leaves it as it is.
        tf.raw_ops.ResourceApplyAdaMax(
            var=variable.handle,
            m=self._m[index].value.handle,
            v=norm.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, count.dtype), count),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=1.0,
            epsilon=0.0,
            grad=gradient,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "l2_penalty": self.l2_penalty}
