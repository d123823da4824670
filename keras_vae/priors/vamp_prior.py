"""The variational mixture of posteriors."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.config import BuildContext, VampPriorConfig
from keras_vae.distributions.parameters import as_positive_int, as_shape
from keras_vae.errors import UserError
from keras_vae.priors.components import choose_component
from keras_vae.priors.prior import Prior

__all__ = ["VampPrior", "build"]


@keras.saving.register_keras_serializable(package="keras_vae")
class VampPrior(Prior):
    """p(z) = 1/K sum_k q(z|u_k): posteriors of K pseudo-inputs u.

    It is the best prior for a given encoder, the posterior averaged over the
    data, with few images in place of the data, which are learned with the
    model. They begin as nearly black noise, or with `initialize` as training
    images, and are held within [0, 1].

    A draw has one number more than z: that one chooses the pseudo-input, and
    the temperature multiplies the deviation of its posterior from its mean.

    Its encoder knows no classes, and gives Gaussians: the model refuses others.

    Args:
        latent_dim: Length D of z.
        image_shape: (height, width, channels) of the images.
        num_components: Number K of pseudo-inputs.
        from_examples: Whether the trainer of the package calls `initialize`
            when a run begins.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If a size is not a whole number of 1 or more.

    Example:
        >>> prior = VampPrior(16, (28, 28, 1), num_components=500)
        >>> vae = VAE(encoder, decoder, prior=prior)
        >>> prior.initialize(images)  # Or leave it, and all are learned.

    References:
        Tomczak and Welling (2018), VAE with a VampPrior, equation 9.
        https://arxiv.org/abs/1705.07120
    """

    needs_encoder = True

    def __init__(
        self,
        latent_dim: int,
        image_shape: Sequence[int],
        num_components: int = 500,
        from_examples: bool = False,
        **kwargs: Any,
    ):
        super().__init__(latent_dim, **kwargs)
        self.image_shape = as_shape(image_shape, "image_shape")
        self.num_components = as_positive_int(num_components, "num_components")
        self.from_examples = from_examples
        self._encode: Callable[[tf.Tensor], tfd.Distribution] | None = None

    def build(self, input_shape: object = None) -> None:
        self.pseudo_inputs = self.add_weight(
            name="pseudo_inputs",
            shape=(self.num_components, *self.image_shape),
            initializer=keras.initializers.RandomNormal(0.05, 0.01),
        )
        self.built = True

    def connect(self, encode: Callable[[tf.Tensor], tfd.Distribution]) -> None:
        self._encode = encode

    def initialize(self, examples: Any, seed: int = 0) -> None:
        """Makes the pseudo-inputs training images, chosen without repeats.

        Raises:
            UserError: If there are fewer images than pseudo-inputs.
            ValueError: If they are of another shape.
        """
        examples = np.asarray(examples)
        if examples.shape[1:] != self.image_shape:
            raise ValueError(
                f"`examples` must have the shape [num, "
                f"{', '.join(map(str, self.image_shape))}]. "
                f"Received: shape {examples.shape}"
            )
        if len(examples) < self.num_components:
            raise UserError(
                "`num_components` must not be above the number of examples, "
                f"{len(examples)}: pseudo-inputs start as different ones. "
                f"Received: num_components={self.num_components}"
            )
        random = np.random.default_rng(seed)
        chosen = random.choice(
            len(examples), self.num_components, replace=False
        )
        self.pseudo_inputs.assign(examples[np.sort(chosen)])

    @property
    def num_initial_examples(self) -> int:
        return self.num_components if self.from_examples else 0

    @property
    def noise_size(self) -> int:
        return self.latent_dim + 1

    def distribution(self) -> tfd.Distribution:
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=tf.zeros([self.num_components])),
            self._posterior(self._images()),
        )

    def from_noise(self, noise: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
        count = self.num_components
        chosen = choose_component(noise[:, 0], tf.fill([count], 1.0 / count))
        q = self._posterior(tf.gather(self._images(), chosen))
        deviation = q.scale.matvec(noise[:, 1:])
        return q.loc + temperature[:, tf.newaxis] * deviation

    def _images(self) -> tf.Tensor:
        """Returns the pseudo-inputs within [0, 1], with the plain gradient.

        That of a clipped value is 0: a pixel once outside would stay there.
        """
        free = tf.convert_to_tensor(self.pseudo_inputs)
        return free + tf.stop_gradient(tf.clip_by_value(free, 0, 1) - free)

    def _posterior(self, image: tf.Tensor) -> tfd.Distribution:
        if self._encode is None:
            raise ValueError(
                "A VampPrior is made from the encoder of a model: give it to "
                "the model as `prior` first. Received: no encoder"
            )
        return self._encode(image)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "num_components": self.num_components,
            "from_examples": self.from_examples,
        }


def build(config: VampPriorConfig, context: BuildContext) -> VampPrior:
    """Returns the prior of a configuration."""
    assert context.latent_dim is not None
    return VampPrior(
        context.latent_dim,
        context.image_shape,
        config.num_components,
        config.from_examples,
    )
