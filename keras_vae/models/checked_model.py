"""What Keras calls: `fit` and the like, which check what they are given."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.models.batches import Batch, assert_values
from keras_vae.models.fit_arguments import (
    by_name,
    with_class_weight,
    with_target,
)
from keras_vae.models.image_model import ImageModel

__all__ = ["CheckedModel"]

_ARRAYS = (np.ndarray, tf.Tensor)


class CheckedModel(ImageModel):
    """A Keras model that has its loss, and checks images before it uses them.

    Arrays are refused as a whole before anything is done with them, streams
    batch by batch. Arguments may be given by position or by name, as Keras
    takes them.
    """

    # Images in the training set; `fit` counts those of arrays.
    num_examples: int | None = None

    # Whether `evaluate` runs, for `metrics`.
    _evaluating = False

    def unpack_weighted(self, batch: Any) -> Batch:
        """Returns a batch of `fit` or `evaluate`, checked; of sub-classes."""
        raise NotImplementedError

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """Does as `keras.Model.compile`, for a model that has its loss.

        The optimizer is built too, so that its state can be saved and loaded
        before `fit`.

        Args:
            optimizer: As in Keras.
            loss: Must be left out: `objective` is what is minimised.
            loss_weights: Must be left out.
            metrics: Must be left out: `METRICS` are those of the model.
            weighted_metrics: Must be left out.
            **kwargs: As in Keras.

        Raises:
            ValueError: If one of them is given.
        """
        refused = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }
        for name, value in refused.items():
            if value is not None and value != []:
                raise ValueError(
                    f"`{name}` must be left out: the model minimises its "
                    f"`objective` and logs {', '.join(self.METRICS)}. "
                    f"Received: {name}={value}"
                )
        super().compile(optimizer=optimizer, **kwargs)
        if self.optimizer is not None:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(
        self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any
    ) -> keras.callbacks.History:
        """Does as `keras.Model.fit`, with the data that `unpack` takes.

        Raises:
            ValueError: If the data are not those that `unpack` takes, or there
                is a `class_weight` without classes, or of one that the model
                does not have.
        """
        given = by_name(super().fit, x, y, *args, **kwargs)
        first = next(iter(tf.nest.flatten(given["x"])), None)
        if self.num_examples is None and isinstance(first, _ARRAYS):
            split = given.get("validation_split") or 0.0
            if given.get("validation_data") is not None:
                split = 0.0
            # As Keras cuts a validation off.
            self.num_examples = math.floor(len(first) * (1.0 - split))
        validation = given.get("validation_data")
        if isinstance(validation, (tuple, list)):
            self._check_arrays(*validation)
            parts = keras.utils.unpack_x_y_sample_weight(tuple(validation))
            given["validation_data"] = (*with_target(*parts), parts[2])
        given = self._checked(given)
        return super().fit(**with_class_weight(given, self.num_classes))

    def evaluate(
        self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Does as `keras.Model.evaluate`, with the data that `unpack` takes."""
        given = by_name(super().evaluate, x, y, *args, **kwargs)
        given = self._checked(given)
        self._evaluating = True
        try:
            return super().evaluate(**given)
        finally:
            self._evaluating = False

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        """Does as `keras.Model.predict`, with the data that `unpack` takes."""
        self._check_arrays(x)
        return super().predict(x, *args, **kwargs)

    def train_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Does as `keras.Model.train_on_batch`, with a batch as for `fit`."""
        given = by_name(super().train_on_batch, x, *args, **kwargs)
        given = with_class_weight(given, self.num_classes)
        return super().train_on_batch(**given)

    @property
    def input_signature(self) -> list[Any]:
        """What `call` takes: images, or (images, classes) if conditional."""
        image = tf.TensorSpec([None, *self.image_shape], tf.float32, "image")
        if not self.num_classes:
            return [image]
        return [(image, tf.TensorSpec([None], tf.int32, "label"))]

    def export(
        self,
        filepath: Any,
        *args: Any,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Does as `keras.Model.export`, for `self.input_signature`."""
        signature = input_signature or self.input_signature
        super().export(filepath, *args, input_signature=signature, **kwargs)

    @property
    def _default_save_signature(self) -> Any:
        """What `tf.saved_model.save` makes of the model."""
        return tf.function(
            lambda batch: self(batch), input_signature=self.input_signature
        )

    def _checked(self, given: dict[str, Any]) -> dict[str, Any]:
        """Returns arguments, their data checked, so that no weight is lost."""
        x, y, weight = given["x"], given["y"], given.get("sample_weight")
        self._check_arrays(x, y, weight)
        x, y = with_target(x, y, weight)
        return {**given, "x": x, "y": y}

    def _check_arrays(self, *data: Any) -> None:
        """Refuses arrays as a whole, before anything is done with them."""
        given = [x for x in tf.nest.flatten(data) if x is not None]
        if given and all(isinstance(x, _ARRAYS) for x in given):
            with tf.device("/cpu:0"):
                self.unpack_weighted(data)

    def _autoconvert_optionals(self, step_function: Any) -> Any:
        # Keras's last function that XLA, which drops assertions, does not
        # compile: batches that come from a stream are checked in it.
        def checked(data: Any) -> Any:
            if tf.executing_eagerly():
                if not _is_distributed(data):
                    self.unpack_weighted(data)
                return step_function(data)
            with tf.control_dependencies(self._assert_values(data)):
                return step_function(data)

        return super()._autoconvert_optionals(checked)

    def _assert_values(self, data: Any) -> Any:
        """Returns what there is when a batch in a graph has been checked."""

        def check(data: Any) -> tf.Tensor:
            batch = self.unpack_weighted(data)
            return assert_values(data, batch, self.num_classes)

        if not _is_distributed(data):
            return [check(data)]
        strategy = self.distribute_strategy
        passed = strategy.run(check, args=(data,))
        return strategy.experimental_local_results(passed)

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        # Nothing is left to build, and Keras would average a first batch over
        # the replicas, which must then have equal shares of it.
        return


def _is_distributed(data: Any) -> bool:
    """Whether a batch is still that of all replicas."""
    return any(
        isinstance(part, tf.distribute.DistributedValues)
        for part in tf.nest.flatten(data)
    )
