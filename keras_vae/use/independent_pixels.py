"""What an imputation is compared with: pixels that know only their means."""

import dataclasses

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import seeds
from keras_vae.training import TrainedModel
from keras_vae.use.source import ImageSource

__all__ = ["IndependentPixels"]

_NUM_IMAGES = 10_000
_NUM_SAMPLES = 1000
_BATCH_SIZE = 250


@dataclasses.dataclass(frozen=True)
class IndependentPixels:
    """A model of images without latents: each pixel for itself.

    Attributes:
        mean: Of each pixel over the images, `[H, W, C]`.
        stddev: Likewise.
        source: Which images.
        support: What the values of the model's likelihood are, see
            `LikelihoodConfig`: of a binary one the pixels are Bernoulli
            variables, else Gaussian.
    """

    mean: np.ndarray
    stddev: np.ndarray
    source: str
    support: str

    @classmethod
    def fit(
        cls, trained: TrainedModel, source: ImageSource
    ) -> "IndependentPixels":
        """Takes the mean of the run's training images.

        They are prepared as those that will be completed, with the noise of
        dequantization where these have it, so that a density of the ones is a
        density of the others. Of images in files the dataset is not opened:
        then it is the mean of samples of the model.

        Args:
            trained: The model of the run.
            source: The images that will be completed.
        """
        total = squares = np.zeros(trained.model.image_shape)
        count = 0
        if source.inputs:
            batches = _samples(trained, source.seed)
            what = "samples of the model"
        else:
            batches = _training_images(trained, source)
            what = "training images"
        for batch in batches:
            images = np.asarray(batch, np.float64)
            count += len(images)
            total = total + images.sum(axis=0)
            squares = squares + (images**2).sum(axis=0)
        support = trained.preparation.support
        mean = total / count
        # No pixel is more certain than the noise of its dequantization.
        noise = 2.0**-trained.preparation.num_bits / 12**0.5
        variance = (squares / count - mean**2).clip(noise**2)
        if support == "binary":
            # Half a count at each end: no pixel is impossible.
            mean = (total + 0.5) / (count + 1)
        return cls(
            mean.astype(np.float32),
            np.sqrt(variance).astype(np.float32),
            f"mean of {count:,} {what}",
            support,
        )

    @property
    def is_comparable(self) -> bool:
        """Whether its log-probabilities are of the kind of the model's.

        A density is not to be compared with a probability of levels.
        """
        return self.support != "levels"

    def distribution(self, num_images: int) -> tfd.Distribution:
        """Returns p(x), batch shape `[num_images]`."""
        shape = [num_images, *self.mean.shape]
        mean = tf.broadcast_to(self.mean, shape)
        if self.support == "binary":
            logits = tf.math.log(mean) - tf.math.log1p(-mean)
            return tfd.Independent(tfd.Bernoulli(logits, dtype=tf.float32), 3)
        stddev = tf.broadcast_to(self.stddev, shape)
        return tfd.Independent(tfd.Normal(mean, stddev), 3)


def _training_images(
    trained: TrainedModel, source: ImageSource
) -> tf.data.Dataset:
    split = source.dataset(trained).splits["train"]
    return trained.preparation.evaluation_batches(
        split,
        batch_size=_BATCH_SIZE,
        seed=source.seed,
        num_images=min(_NUM_IMAGES, split.num_images),
    )


def _samples(trained: TrainedModel, seed: int) -> list[tf.Tensor]:
    """Returns images of all classes alike, if the model knows any.

    Under a density they are draws, with the noise that the model gives to
    pixels, of p(x|z) with z from q(z|a sample's mean); else they are means.
    """
    model = trained.model
    is_density = trained.preparation.support not in ("binary", "levels")

    @tf.function(autograph=False)
    def draw(key: tf.Tensor, given: dict[str, tf.Tensor]) -> tf.Tensor:
        keys = seeds.split(key, 3)
        images = model.sample([_BATCH_SIZE], keys[0], **given)
        if not is_density:
            return images
        encoding = model.encode(images, **given)
        inference = model.infer(images, encoding, keys[1])
        return inference.likelihood.sample(seed=keys[2])

    given = {}
    if model.num_classes:
        labels = np.arange(_BATCH_SIZE) % model.num_classes
        given["label"] = tf.constant(labels, tf.int32)
    numbers = range(_NUM_SAMPLES // _BATCH_SIZE)
    return [draw(tf.constant([seed, n], tf.int32), given) for n in numbers]
