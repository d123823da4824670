"""The statistics of batch normalisation that belong to averaged weights."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_vae import seeds
from keras_vae.models import GenerativeModel
from keras_vae.networks.nvae import BatchNormalization

__all__ = ["AverageStatistics"]


class AverageStatistics:
    """A second set of moving statistics, for the averages of the weights.

    Those in the model follow the weights that are trained; normalised by them,
    averaged weights are another model. Like the averages themselves, the
    second set lies beside the model and is exchanged with the model's own. It
    is not averaged over the run but estimated anew, see `reestimate`; until
    then it is what the model has.

    Args:
        model: The built model; one without batch normalisation is no error.

    Attributes:
        statistics: The model's own moving means and variances, in the order of
            its layers.
        averages: The second set, in the same order.
        known: Whether `averages` were estimated already, bool.

    References:
        Izmailov et al. (2018), Averaging Weights Leads to Wider Optima, section
        3.2, which estimates them anew, too.
    """

    def __init__(self, model: GenerativeModel):
        self._model = model
        self._layers = [
            layer
            for layer in model._flatten_layers()
            if isinstance(layer, BatchNormalization)
        ]
        self.statistics: list[keras.Variable] = [
            variable
            for layer in self._layers
            for variable in (layer.moving_mean, layer.moving_variance)
        ]
        self.averages = [_variable(v.numpy()) for v in self.statistics]
        self.known = _variable(False)
        self._observe = tf.function(self._observe_batch, autograph=False)

    def make_known(self) -> None:
        """Makes `averages` what the model has, if they were not estimated."""
        if not bool(self.known.numpy()):
            for average, variable in zip(self.averages, self.statistics):
                average.assign(variable.numpy())

    def swap(self) -> None:
        """Exchanges the two sets."""
        self.make_known()
        for average, variable in zip(self.averages, self.statistics):
            old = variable.numpy()
            variable.assign(average.numpy())
            average.assign(old)

    def reestimate(self, batches: tf.data.Dataset) -> None:
        """Makes the model's own statistics fit the weights that it has.

        They become the mean over the batches of what training computes in each
        of them, noise included: `swap` has put the averages into the model
        before. Nothing else of the model changes, and the same batches give
        the same statistics.

        Args:
            batches: Images `[batch, height, width, channels]` in [0, 1], as
                for training.
        """
        for index, batch in enumerate(batches):
            self._observe(batch, tf.constant(index))
        self.known.assign(True)

    def _observe_batch(self, batch: Any, index: tf.Tensor) -> None:
        model, done = self._model, tf.cast(index, tf.float32)
        image, condition = model.unpack(batch)
        seed = seeds.fold_in(seeds.from_int(model.seed), index)
        with self._momentum(done / (done + 1.0)):
            encoding = model.encode(image, training=True, **condition)
            model.infer(image, encoding, seed, training=True)

    @contextlib.contextmanager
    def _momentum(self, momentum: tf.Tensor) -> Iterator[None]:
        """Changes the layers' momentum; n / (n + 1) makes the mean of all."""
        before = [layer.momentum for layer in self._layers]
        try:
            for layer in self._layers:
                layer.momentum = momentum
            yield
        finally:
            for layer, value in zip(self._layers, before, strict=True):
                layer.momentum = value


def _variable(value: Any) -> tf.Variable:
    return tf.Variable(value, trainable=False)
