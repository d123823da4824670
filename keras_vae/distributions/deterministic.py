"""A point mass: the code of a plain autoencoder."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions.distribution_layer import DistributionLayer
from keras_vae.distributions.parameters import as_positive_int

__all__ = ["Deterministic"]


@keras.saving.register_keras_serializable(package="keras_vae")
class Deterministic(DistributionLayer):
    """All mass at the network's output, a vector of length d.

    It lets an encoder without noise take the place of a posterior: samples and
    the mean are the output itself, and there is no KL to a Gaussian prior.

    Shapes: `params`, samples and the mean are [..., d].

    Args:
        event_size: The length d of the vector.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        UserError: If `event_size` is not a whole number of 1 or more.

    Example:

        code = Deterministic(16)(tf.zeros([8, 16]))
        code.mean()  # [8, 16]
    """

    def __init__(self, event_size: int, **kwargs: Any) -> None:
        size = as_positive_int(event_size, "event_size")
        super().__init__(size, **kwargs)
        self.event_size = size

    @staticmethod
    def params_size(event_size: int) -> int:
        """Returns one number for each element."""
        return as_positive_int(event_size, "event_size")

    @property
    def num_params(self) -> int:
        """How many numbers one distribution of this layer takes."""
        return self.params_size(self.event_size)

    def make_distribution(self, params: tf.Tensor) -> tfd.Distribution:
        """Returns the point mass at `params`."""
        return tfd.VectorDeterministic(loc=params)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["event_shape"]  # It follows from `event_size`.
        return {**config, "event_size": self.event_size}
