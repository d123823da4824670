"""The one training and test step that every model of the package shares."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import check_number
from keras_vae.models import training_step
from keras_vae.models.batches import Batch, check_images, unpack
from keras_vae.models.checked_model import CheckedModel
from keras_vae.models.latent_statistics import LatentStatistics
from keras_vae.models.pictures import Picture
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

    With several replicas the loss is the mean over the images of all, however
    they are shared out. With an optimizer that skips steps, as
    `keras_vae.training.Guard` does, the logs leave the skipped ones out and
    `skipped_steps` says how many these were since the epoch began; with any
    other NaN is shown. An update of several batches that is skipped is one
    step: the logs leave out its last batch, and those whose loss is not finite.

    It is built from its constructor on, with both networks, so that it is
    saved, exported and counted like a functional Keras model. A sub-class that
    adds layers builds them in its own constructor.

    `keras.saving.load_model` needs `import keras_vae`. Training goes on bit for
    bit from a file, but for the dropout of a user's network: Keras does not
    save the state of its noise.

    What a model can is in its attributes `has_latents`, `has_prior`,
    `has_likelihood` and `likelihood_is_exact`; nobody else asks what it is.
    Sub-classes set them, implement `infer`, `metric_values` and `pictures`, and
    name what `metric_values` returns in `METRICS`; those that have latents
    also implement `encode`, `reconstruct` and `decode`, those that have a
    likelihood `generate` and `sample`, and those that have a prior
    `group_shapes`, `latent_moments`, `infer_with_noise` and `infer_at`.
    The noise of a training step is a function of `seed`, the step and the
    replica, so that a resumed run repeats an uninterrupted one.

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
        has_latents: Whether it encodes images, decodes latents and so
            reconstructs images.
        has_prior: Whether the latents have a prior, and so a KL divergence.
        has_likelihood: Whether it is a distribution of images, p(x): samples
            are drawn from it, and log p(x) is computed or bounded.
        likelihood_is_exact: Whether log p(x) is computed and not bounded: the
            `log_likelihood` of an inference is then log p(x) itself.
        normalizes_samples: Whether what it decodes is normalised over batches,
            so that `recalibrated_batch_norm` fits it to samples.
        num_classes: Classes that a conditional model knows; 0 of any other.
        trackers: Means over the images, by the name that is logged.
        skipped_steps: Counts the steps that the optimizer skipped.
    """

    NETWORKS: tuple[str, ...] = ("encoder", "decoder")
    has_latents: bool = False
    has_prior: bool = False
    has_likelihood: bool = False
    likelihood_is_exact: bool = False
    normalizes_samples: bool = False

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
        self._check_same(networks, "latent_dim")
        self._check_same(networks, "image_shape")
        self._check_same(networks, "num_classes", 0)
        seeds.from_int(seed)  # Checks it.
        check_number("batch_parts", batch_parts, 1, whole=True)
        if training_draws is not None:
            check_number("training_draws", training_draws, 1, whole=True)
        for name, network in zip(self.NETWORKS, networks, strict=True):
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
        self._build_networks()

    def _check_same(
        self,
        networks: Sequence[keras.Model],
        attribute: str,
        default: Any = None,
    ) -> None:
        """Raises ValueError unless the networks that have it agree on it.

        An encoder of a hierarchical model gives features, not latents.
        """
        found = [getattr(network, attribute, default) for network in networks]
        found = [value for value in found if value is not None]
        if any(value != found[0] for value in found):
            names = " and ".join(f"`{name}`" for name in self.NETWORKS)
            raise ValueError(
                f"{names} must have the same {attribute}. "
                f"Received: {' and '.join(map(str, found))}"
            )

    @property
    def _networks(self) -> list[keras.Model]:
        return [getattr(self, name) for name in self.NETWORKS]

    def _build_networks(self) -> None:
        label = []
        if self.num_classes:
            label = [keras.KerasTensor((None,), "int32")]
        image = keras.KerasTensor((None, *self.image_shape))
        inputs = {"decoder": keras.KerasTensor((None, self.latent_dim))}
        with keras.name_scope(self.name):
            for name, network in zip(
                self.NETWORKS, self._networks, strict=True
            ):
                _build(network, inputs.get(name, image), *label)
        self.built = True

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
            encoding: What `encode(image)` returned; None without latents.
            seed: A whole number or an int32 `[2]`.
            num_samples: Draws for each image: batch shapes become
                `[num_samples, batch]` instead of `[batch]`.
            training: Whether this is a training step.

        Returns:
            The pass as an `Inference`.

        Raises:
            ValueError: If the images are not those that `encode` takes, or
                `num_samples` is no whole number of at least 1.
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

    def pictures(
        self,
        image: tf.Tensor,
        condition: Condition,
        statistics: LatentStatistics | None = None,
        pixels: str = "mean",
        brief: bool = False,
    ) -> Iterator[Picture]:
        """Yields what there is to draw of the model.

        Args:
            image: Some images `[batch, height, width, channels]` in [0, 1].
            condition: What goes with them, as `unpack` returns it.
            statistics: `latent_statistics` of a model that `has_prior`.
            pixels: What samples show of p(x|z): `mean`, or `draw`.
            brief: Whether to leave out what is of no use while it is trained.
        """
        raise NotImplementedError

    def latent_moments(self, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and standard deviation of q(z|x), `[batch, D]` each."""
        raise NotImplementedError

    def generate(
        self,
        noise: tf.Tensor,
        temperature: tf.Tensor,
        *,
        pixel_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Returns p(x|z)'s mean for a draw from the prior made of noise.

        Args:
            noise: Standard normal, `[batch, noise_size]`.
            temperature: Multiplies the prior's standard deviation, `[batch]`.
            pixel_seed: int32 `[batch, 2]`: draws from p(x|z) instead of its
                mean, each from its row's seed. They are at temperature 1.
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

    @property
    def noise_size(self) -> int:
        """How many standard normal numbers `generate` makes an image of."""
        return self.latent_dim

    @property
    def posterior_is_invertible(self) -> bool:
        """Whether `infer_at` works: q(z|x) of any z can be had."""
        return True

    def regularization(self, step: tf.Tensor) -> Any:
        """Returns what training adds to the mean loss, a scalar."""
        del step
        return sum(self.losses)

    def set_output_mean(self, mean: Any) -> None:
        """Starts training at the mean image `[height, width, channels]`."""
        self._networks[-1].set_output_mean(mean)

    # What callers need.

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
        """Classes that a conditional model knows; 0 of any other model."""
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

    # What Keras calls.

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images."""
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
        """Size D of a latent vector; 0 of a model without latents."""
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


def _build(network: keras.Model, *inputs: keras.KerasTensor) -> None:
    """Builds a network, and what its `build` leaves to the first call."""
    if not network.built and type(network).build is not keras.Layer.build:
        network.build(inputs[0].shape)
    if not all(layer.built for layer in network._flatten_layers()):
        # No symbolic call: Keras wants tensors of one, not a distribution.
        network.compute_output_spec(*inputs)
        network.built = True
