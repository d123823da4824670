"""The one training and test step that every model of the package shares."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import check_number
from keras_vae.models import training_step
from keras_vae.models.batches import Batch, check_images, unpack
from keras_vae.models.checked_model import CheckedModel
from keras_vae.models.network_building import build_networks, check_networks
from keras_vae.models.training_step import LossMean, skips_steps
from keras_vae.networks.conditioning import (
    Condition,
    check_class_names,
    classes_in_turn,
)
from keras_vae.objectives import Inference, ObjectiveContext

__all__ = ["GenerativeModel"]

_MAX_BITS = 8


class GenerativeModel(CheckedModel):
    """A Keras model that learns images through an `Inference` and an objective.

    `fit`, `evaluate`, `predict`, `save` and `export` work as on any Keras
    model; the data are images `[batch, height, width, channels]` in [0, 1],
    alone or as the first element of a tuple. A conditional model, one with
    `num_classes`, takes their classes, integers `[batch]`, as the second. Any
    other takes classes too, without using them, or the images themselves once
    more, and refuses other targets.

    `sample_weight` and `class_weight` weigh each image as in any Keras model:
    `fit` minimises, and the log `loss` is, `sum_i w_i loss_i / batch`, and the
    other logs are `sum_i w_i m_i / sum_i w_i`, as `weighted_metrics` are. An
    objective that looks at a batch as a whole, by its `couples_images`,
    refuses weights.

    Several replicas give the figures of one, however a batch is shared out
    (`keras_vae.global_batch`); not so what a user's network draws or averages
    over a batch, as Keras's `Dropout`, whose mask is the same on all replicas,
    and a `BatchNormalization` that is not `synchronized`.

    With an optimizer that skips steps, as `keras_vae.training.Guard` does, the
    logs leave the skipped ones out and `skipped_steps` says how many these were
    since the epoch began; with any other NaN is shown. An update of several
    batches that is skipped is one step: the logs leave out its last batch, and
    those whose loss is not finite.

    It is built from its constructor on, with both networks, so that it is
    saved, exported and counted like a functional Keras model. A sub-class that
    adds layers builds them in its own constructor.

    `keras.saving.load_model` needs `import keras_vae`. Training goes on bit for
    bit from a file, but for the dropout of a user's network: Keras does not
    save the state of its noise.

    Sub-classes implement what `ImageModel` says. The noise of a training step
    is a function of `seed`, the step and an image's place in the batch, so that
    a resumed run repeats an uninterrupted one.

    Args:
        networks: What `NETWORKS` names, which become attributes: `encoder`,
            images to q(z|x), and `decoder`, latents to p(x|z), unless a
            sub-class has others. The last ends in the likelihood.
        objective: `objective(inference, context)` returns the loss of each
            image, `objective.draws(step)` how many draws of the latents it
            wants, or None for one without an axis of its own, and
            `objective.couples_images`, if there is one, whether the loss of an
            image depends on others; see `keras_vae.objectives`.
        seed: Base of all noise in `fit` and `evaluate`.
        dequantized_bits: b, where the images are (level + u) / 2^b with u
            uniform on [0, 1): every log-likelihood and bound is then one of the
            levels, in nats, and not of a density. None for all other images.
        batch_parts: Parts into which a training step takes its batch, each
            with noise of its own, so that they can be worked on side by side;
            as equal as they can be where the batch does not divide.
            Only for losses that are means over the images.
        training_draws: Draws in a training step, in place of
            `objective.draws(step)`, so that the graph of the step has
            constant shapes; None leaves it to the objective.
        num_examples: Images in the training set, for objectives that need it;
            None takes that of the first arrays that `fit` is given.
        class_names: Name of each class of a conditional model; their numbers
            unless given.
        **kwargs: Arguments of `keras.Model`.

    Attributes:
        trackers: Means over the images, by the name that is logged.
        skipped_steps: Counts the steps that the optimizer skipped.
    """

    NETWORKS: tuple[str, ...] = ("encoder", "decoder")

    def __init__(
        self,
        networks: Sequence[keras.Model],
        objective: Any,
        seed: int = 0,
        dequantized_bits: int | None = None,
        batch_parts: int = 1,
        training_draws: int | None = None,
        num_examples: int | None = None,
        class_names: Sequence[str] = (),
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if dequantized_bits is not None and not (
            type(dequantized_bits) is int and 1 <= dequantized_bits <= _MAX_BITS
        ):
            raise ValueError(
                f"`dequantized_bits` must be 1 ... {_MAX_BITS}, or None. "
                f"Received: dequantized_bits={dequantized_bits!r}"
            )
        named = dict(zip(self.NETWORKS, networks, strict=True))
        check_networks(named)
        seeds.from_int(seed)  # Checks it.
        check_number("batch_parts", batch_parts, 1, whole=True)
        if training_draws is not None:
            check_number("training_draws", training_draws, 1, whole=True)
        for name, network in named.items():
            setattr(self, name, network)
        self.objective = objective
        self.seed = seed
        self.dequantized_bits = dequantized_bits
        self.batch_parts = batch_parts
        self.training_draws = training_draws
        self.num_examples = num_examples
        self._class_names = check_class_names(class_names, self.num_classes)
        self.trackers = {
            name: LossMean(name=name) for name in ("loss", *self.METRICS)
        }
        self.skipped_steps = keras.metrics.Sum(name="skipped_steps")
        with keras.name_scope(self.name):
            build_networks(named)
        self.built = True

    @property
    def _networks(self) -> list[keras.Model]:
        return [getattr(self, name) for name in self.NETWORKS]

    def regularization(self, step: tf.Tensor) -> Any:
        """Returns what training adds to the mean loss, a scalar."""
        del step
        return sum(self.losses)

    def set_output_mean(self, mean: Any) -> None:
        """Starts training at the mean image `[height, width, channels]`."""
        self._networks[-1].set_output_mean(mean)

    def run_encoder(self, image: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the encoder with images, which are checked first.

        Raises:
            ValueError: If they are not floating-point numbers of the model's
                `image_shape`, or are outside [0, 1] and the likelihood is not
                one of all real numbers.
        """
        return self.encoder(self.check_images(image), *args, **kwargs)

    def check_images(self, image: Any) -> tf.Tensor:
        """Returns images as float32 `[batch, height, width, channels]`.

        Raises:
            ValueError: As `run_encoder`.
        """
        return check_images(image, self.image_shape, self._real_valued)

    @property
    def num_classes(self) -> int:
        return getattr(self._networks[0], "num_classes", 0)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class of a conditional model."""
        return self._class_names

    def unpack(self, batch: Any) -> tuple[tf.Tensor, Condition]:
        """Returns the images of a batch, and the keywords that go with them.

        Args:
            batch: Images alone, or a tuple that begins with them and, for a
                conditional model, their classes.

        Returns:
            Images, float32, and `{"label": int32 [batch]}` of a conditional
            model, else nothing: `encode(image, **condition)`.

        Raises:
            ValueError: If the images are not floating-point numbers of the
                model's `image_shape`, or are outside [0, 1] and the likelihood
                is not one of all real numbers; if the classes are missing, no
                integers or not one of the model's for each image, or there is
                a target that the model would not use.
        """
        image, condition, _ = unpack(
            batch, self.image_shape, self.num_classes, self._real_valued
        )
        return image, condition

    def unpack_weighted(self, batch: Any) -> Batch:
        """Returns a batch of `fit` or `evaluate`, with the images' weights.

        It does as `unpack`, but images are in [0, 1] whatever the model.
        """
        return unpack(batch, self.image_shape, self.num_classes)

    @property
    def _real_valued(self) -> bool:
        likelihood = getattr(self._networks[-1], "distribution", None)
        return getattr(likelihood, "real_valued", False)

    def classes_in_turn(self, count: int) -> Condition:
        """Returns the keywords of `sample` for images of each class in turn.

        Args:
            count: Number of images.

        Returns:
            `{"label": int32 [count]}` of a conditional model, else nothing.
        """
        return classes_in_turn(self.num_classes, count)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self._networks[0].image_shape

    @property
    def dequantization_nats(self) -> float:
        """D b log 2 of dequantized images, else 0; see `Inference`."""
        return math.prod(self.image_shape) * self.nats_per_value

    @property
    def nats_per_value(self) -> float:
        """The share of one value in `dequantization_nats`."""
        return (self.dequantized_bits or 0) * math.log(2)

    @property
    def latent_dim(self) -> int:
        return getattr(self._networks[-1], "latent_dim", 0)

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: the constructor has built the networks."""

    def call(self, batch: Any, training: bool = False) -> tf.Tensor:
        """Returns the reconstruction `[batch, height, width, channels]`.

        That of a model without latents is log p(x), `[batch]`, nats.

        Args:
            batch: As `unpack` takes it.
            training: Whether layers such as dropout and batch normalisation
                do as in training. No latents are drawn in either case.
        """
        image, condition = self.unpack(batch)
        if self.has_latents:
            return self.reconstruct(image, training=training, **condition)
        seed = seeds.from_int(self.seed)
        return self.infer(image, None, seed, training=training).log_likelihood

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Those of a batch; of training also `skipped_steps`, if any can be."""
        found = list(self.trackers.values())
        optimizer = getattr(self, "optimizer", None)
        if skips_steps(optimizer) and not self._evaluating:
            found.append(self.skipped_steps)
        return found

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Takes a training step; see `keras_vae.models.training_step`."""
        training_step.train_step(self, data)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Adds a batch to the metrics; weights as in `fit`."""
        training_step.test_step(self, data)
        return {
            name: tracker.result() for name, tracker in self.trackers.items()
        }

    def predict_step(self, data: Any) -> tf.Tensor:
        """Returns the reconstruction; classes may be a part of x, or y."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self((x, y) if self.num_classes and y is not None else x)

    def infer_losses(
        self,
        image: tf.Tensor,
        condition: Condition,
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
        encoding = None
        if self.has_latents:
            encoding = self.encode(image, training=training, **condition)
        draws = self.training_draws if training else None
        inference = self.infer(
            image,
            encoding,
            seed,
            num_samples=draws or self.objective.draws(step),
            training=training,
        )
        context = ObjectiveContext(step, self.num_examples, training)
        return inference, self.objective(inference, context)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **{
                name: keras.saving.serialize_keras_object(network)
                for name, network in zip(
                    self.NETWORKS, self._networks, strict=True
                )
            },
            "objective": keras.saving.serialize_keras_object(self.objective),
            "seed": self.seed,
            "dequantized_bits": self.dequantized_bits,
            "batch_parts": self.batch_parts,
            "training_draws": self.training_draws,
            "num_examples": self.num_examples,
            "class_names": self.class_names,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GenerativeModel":
        config = dict(config)
        for name in (*cls.NETWORKS, "objective"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
