"""The one training and test step that every model of the package shares."""

from typing import Any

import keras
import tensorflow as tf

from keras_vae import seeds
from keras_vae.objectives import Inference

__all__ = ["GenerativeModel"]

# Beyond the end of any run, also of one whose length is not known yet.
_LAST_STEP = 2**62


class GenerativeModel(keras.Model):
    """A Keras model that learns images through an `Inference` and an objective.

    `fit`, `evaluate`, `predict`, `save` and `export` work as on any Keras
    model; the data are images `[batch, height, width, channels]` in [0, 1],
    alone or as the first element of a tuple. A conditional model, one with
    `num_classes`, takes their classes, int32 `[batch]`, as the second.

    It is built from its constructor on, with both networks, so that it is
    saved, exported and counted like a functional Keras model. A sub-class that
    adds layers builds them in its own constructor.

    Sub-classes implement `encode`, `infer`, `reconstruct` and `metric_values`,
    and name what `metric_values` returns in `METRICS`; those that have a prior
    also `group_shapes`, `latent_moments`, `generate`, `infer_with_noise` and
    `infer_at`.
    The noise of a training step is a function of `seed`, the step and the
    replica, so that a resumed run repeats an uninterrupted one.

    Args:
        encoder: Images to q(z|x).
        decoder: Latents to p(x|z).
        objective: `objective(inference, step)` returns the loss of each image,
            `objective.draws(step)` how many draws of the latents it wants, or
            None for one without an axis of its own; see
            `keras_vae.objectives`.
        seed: Base of all noise in `fit` and `evaluate`.
        batch_parts: Parts into which a training step takes its batch, each
            with noise of its own, so that they can be worked on side by side.
            Only for losses that are means over the images.
        training_draws: Draws in a training step, in place of
            `objective.draws(step)`, so that the graph of the step has
            constant shapes; None leaves it to the objective.
        **kwargs: Arguments of `keras.Model`.
    """

    METRICS: tuple[str, ...] = ()

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        objective: Any,
        seed: int = 0,
        batch_parts: int = 1,
        training_draws: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        # An encoder of a hierarchical model gives features, not latents.
        latent_dim = getattr(encoder, "latent_dim", decoder.latent_dim)
        if latent_dim != decoder.latent_dim:
            raise ValueError(
                "`encoder` and `decoder` must have the same latent_dim. "
                f"Received: {latent_dim} and {decoder.latent_dim}"
            )
        if encoder.image_shape != decoder.image_shape:
            raise ValueError(
                "`encoder` and `decoder` must have the same image_shape. "
                f"Received: {encoder.image_shape} and {decoder.image_shape}"
            )
        if self._classes(encoder) != self._classes(decoder):
            raise ValueError(
                "`encoder` and `decoder` must have the same num_classes. "
                f"Received: {self._classes(encoder)} and "
                f"{self._classes(decoder)}"
            )
        self.encoder = encoder
        self.decoder = decoder
        self.objective = objective
        self.seed = seed
        self.batch_parts = batch_parts
        self.training_draws = training_draws
        self._trackers = {
            name: keras.metrics.Mean(name=name)
            for name in ("loss", *self.METRICS)
        }
        self._build_networks()

    def _build_networks(self) -> None:
        label = []
        if self.num_classes:
            label = [keras.KerasTensor((None,), "int32")]
        image = keras.KerasTensor((None, *self.image_shape))
        z = keras.KerasTensor((None, self.latent_dim))
        with keras.name_scope(self.name):
            _build(self.encoder, image, *label)
            _build(self.decoder, z, *label)
        self.built = True

    @staticmethod
    def _classes(network: keras.Model) -> int:
        return getattr(network, "num_classes", 0)

    # What sub-classes implement. A conditional model's `encode`, `reconstruct`,
    # `latent_moments`, `generate`, `decode` and `sample` also take `label`; its
    # encodings carry it.

    def encode(self, image: tf.Tensor, training: bool = False) -> Any:
        """Runs the encoder once; what it returns goes into `infer`."""
        raise NotImplementedError

    def infer(
        self,
        image: tf.Tensor,
        encoding: Any,
        seed: tf.Tensor,
        num_samples: int | None = None,
        training: bool = False,
    ) -> Inference:
        """Draws latents from an encoding and decodes them.

        Args:
            image: `[batch, height, width, channels]` in [0, 1].
            encoding: What `encode(image)` returned.
            seed: int32 `[2]`.
            num_samples: Draws for each image: batch shapes become
                `[num_samples, batch]` instead of `[batch]`.
            training: Whether this is a training step.

        Returns:
            The pass as an `Inference`.
        """
        raise NotImplementedError

    def reconstruct(
        self, image: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Returns the likelihood's mean given the encoding's mean, no noise."""
        raise NotImplementedError

    def metric_values(self, inference: Inference) -> dict[str, tf.Tensor]:
        """Returns what is logged, by the names in `METRICS`.

        Each is `[batch]`, or `[sample, batch]` of a pass with several draws.
        """
        raise NotImplementedError

    def latent_moments(self, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and standard deviation of q(z|x), `[batch, D]` each."""
        raise NotImplementedError

    def generate(self, noise: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
        """Returns p(x|z)'s mean for a draw from the prior made of noise.

        Args:
            noise: Standard normal, `[batch, D]`.
            temperature: Multiplies the prior's standard deviation, `[batch]`.
        """
        raise NotImplementedError

    def infer_with_noise(
        self, image: tf.Tensor, encoding: Any, noise: tf.Tensor
    ) -> Inference:
        """Does as `infer` with standard normal noise `[batch, D]`."""
        raise NotImplementedError

    def infer_at(
        self, image: tf.Tensor, encoding: Any, z: tf.Tensor
    ) -> Inference:
        """Does as `infer` with given latents instead of a draw.

        It gives q(z|x) of a z that was drawn otherwise, as the acceptance
        probability of a Metropolis step needs it.

        Args:
            image: `[batch, height, width, channels]` in [0, 1].
            encoding: What `encode(image)` returned.
            z: `[batch, D]`, as `decode` takes it.

        Raises:
            ValueError: If a posterior goes through a flow: it has no inverse.
        """
        raise NotImplementedError

    # What sub-classes may change.

    @property
    def group_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Event shape of each latent group; empty without a prior on them."""
        return ()

    def regularization(self, step: tf.Tensor) -> Any:
        """Returns what training adds to the mean loss, a scalar."""
        del step
        return sum(self.losses)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class of a conditional model."""
        return ()

    # What callers need.

    @property
    def num_classes(self) -> int:
        """Classes that a conditional model knows; 0 of any other model."""
        return self._classes(self.encoder)

    def unpack(self, batch: Any) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the images of a batch, and the keywords that go with them.

        Args:
            batch: Images alone, or a tuple that begins with them and, for a
                conditional model, their classes.

        Returns:
            Images, float32, and `{"label": int32 [batch]}` of a conditional
            model, else nothing: `encode(image, **condition)`.

        Raises:
            ValueError: If a conditional model's batch has no classes, or the
                images are whole numbers, such as levels of 8 or 16 bits.
        """
        image, label, _ = keras.utils.unpack_x_y_sample_weight(batch)
        image = tf.convert_to_tensor(image)
        if image.dtype.is_integer:
            raise ValueError(
                "Images must be floating-point numbers in [0, 1]: divide "
                "levels by the largest, 255 of 8 bits and 65535 of 16. "
                f"Received: {image.dtype.name} images"
            )
        image = tf.cast(image, tf.float32)
        if not self.num_classes:
            return image, {}
        if label is None:
            raise ValueError(
                "The model is conditional: a batch must be (images, classes). "
                "Received: images alone"
            )
        return image, {"label": tf.cast(label, tf.int32)}

    def classes_in_turn(self, count: int) -> dict[str, tf.Tensor]:
        """Returns the keywords of `sample` for images of each class in turn.

        Args:
            count: Number of images.

        Returns:
            `{"label": int32 [count]}` of a conditional model, else nothing.
        """
        if not self.num_classes:
            return {}
        return {"label": tf.range(count) % self.num_classes}

    # What Keras calls.

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images."""
        return self.encoder.image_shape

    @property
    def latent_dim(self) -> int:
        """Size D of a latent vector."""
        return self.decoder.latent_dim

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: the constructor has built the networks."""

    def call(self, batch: Any, training: bool = False) -> tf.Tensor:
        """Returns the reconstruction `[batch, height, width, channels]`.

        Args:
            batch: As `unpack` takes it.
            training: Whether layers such as dropout and batch normalisation
                do as in training. No latents are drawn in either case.
        """
        image, condition = self.unpack(batch)
        return self.reconstruct(image, training=training, **condition)

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

    def compile(self, optimizer: Any = "rmsprop", **kwargs: Any) -> None:
        """Does as `keras.Model.compile`, and builds the optimizer.

        So its state is there to be saved, and to be loaded, before `fit`.

        Args:
            optimizer: As in Keras.
            **kwargs: As in Keras.
        """
        super().compile(optimizer, **kwargs)
        with self.distribute_strategy.scope():
            self.optimizer.build(self.trainable_variables)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self._trackers.values())

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        step = self.optimizer.iterations
        with tf.GradientTape() as tape:
            passes = self.training_passes(data, step)
            means = [tf.reduce_mean(losses) for _, losses in passes]
            # The optimizer sums gradients over the replicas.
            loss = tf.add_n(means) / len(means) + self.regularization(step)
            loss /= self.distribute_strategy.num_replicas_in_sync
            scaled = self.optimizer.scale_loss(loss)
        variables = self.trainable_variables
        gradients = tape.gradient(scaled, [v.value for v in variables])
        # A loss can be NaN where its gradient is not: the optimizer must see.
        gradients[0] += 0.0 * scaled
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for inference, losses in passes:
            self._update(losses, inference, skip_non_finite=True)
        return self.get_metrics_result()

    def training_passes(
        self, data: Any, step: tf.Tensor
    ) -> list[tuple[Inference, tf.Tensor]]:
        """Returns what `infer_losses` does, for each part of a batch.

        Args:
            data: The batch, as `unpack` takes it.
            step: Training step; with `seed` and the replica it is the noise.
        """
        image, condition = self.unpack(data)
        seed = seeds.replica(seeds.fold_in(seeds.from_int(self.seed), step))
        count = self.batch_parts
        if count == 1:
            return [self.infer_losses(image, condition, seed, step, True)]
        images = tf.split(image, count)
        split = {name: tf.split(v, count) for name, v in condition.items()}
        return [
            self.infer_losses(
                images[index],
                {name: values[index] for name, values in split.items()},
                seeds.fold_in(seed, index),
                step,
                training=True,
            )
            for index in range(count)
        ]

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        image, condition = self.unpack(data)
        # Other noise for each batch, the same in every evaluation.
        position = tf.cast(self._trackers["loss"].count, tf.int32)
        seed = seeds.fold_in(seeds.from_int(self.seed), position)
        # A validation loss must not depend on where a warm-up stands.
        step = tf.constant(_LAST_STEP, tf.int64)
        inference, losses = self.infer_losses(
            image, condition, seeds.replica(seed), step
        )
        return self._update(losses, inference)

    def infer_losses(
        self,
        image: tf.Tensor,
        condition: dict[str, tf.Tensor],
        seed: tf.Tensor,
        step: tf.Tensor,
        training: bool = False,
    ) -> tuple[Inference, tf.Tensor]:
        """Returns a pass with the draws that the objective wants, and its loss.

        Args:
            image: `[batch, height, width, channels]` in [0, 1].
            condition: As `unpack` returns it.
            seed: int32 `[2]`.
            step: Training step, for the schedules of the objective.
            training: Whether this is a training step.

        Returns:
            The pass, and the loss of each image, `[batch]`.
        """
        encoding = self.encode(image, training=training, **condition)
        draws = self.training_draws if training else None
        inference = self.infer(
            image,
            encoding,
            seed,
            num_samples=draws or self.objective.draws(step),
            training=training,
        )
        return inference, self.objective(inference, step)

    def _update(
        self,
        losses: tf.Tensor,
        inference: Inference,
        skip_non_finite: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Adds a batch to the metrics.

        Args:
            losses: Loss of each image, `[batch]` or a scalar.
            inference: The pass.
            skip_non_finite: Whether values that are not finite are left out,
                as the optimizer leaves out their step; else one of them would
                hide the rest of an epoch.
        """
        batch = tf.shape(inference.image)[0]
        values = {"loss": tf.broadcast_to(losses, [batch])}
        values |= self.metric_values(inference)
        for name, tracker in self._trackers.items():
            value, weight = values[name], None
            if value.shape.rank == 2:  # Several draws for each image.
                value = tf.reduce_mean(value, axis=0)
            if skip_non_finite:
                weight = tf.cast(tf.math.is_finite(value), tf.float32)
                value = tf.math.multiply_no_nan(value, weight)
            tracker.update_state(value, sample_weight=weight)
        return self.get_metrics_result()

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "objective": keras.saving.serialize_keras_object(self.objective),
            "seed": self.seed,
            "batch_parts": self.batch_parts,
            "training_draws": self.training_draws,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GenerativeModel":
        config = dict(config)
        for name in ("encoder", "decoder", "objective"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


def _build(network: keras.Model, *inputs: keras.KerasTensor) -> None:
    """Builds a network, and what its `build` leaves to the first call."""
    if not network.built and type(network).build is not keras.Layer.build:
        network.build(inputs[0].shape)
    if not all(layer.built for layer in network._flatten_layers()):
        # No symbolic call: Keras wants tensors of one, not a distribution.
        network.compute_output_spec(*inputs)
        network.built = True
