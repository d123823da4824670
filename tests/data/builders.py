"""Small datasets of TFDS that tests prepare themselves."""

from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

__all__ = [
    "NUM_TINY",
    "DeepImages",
    "NoImages",
    "RaggedImages",
    "ThreeSplits",
    "TinyImages",
    "TwoImages",
    "tiny_image",
]

NUM_TINY = 103


def tiny_image(number: int) -> np.ndarray:
    """Returns image `number`: uint8 [4, 5, 1], its first pixel the number."""
    image = np.random.RandomState(number).randint(0, 256, (4, 5, 1))
    image[0, 0, 0] = number
    return image.astype(np.uint8)


class _Builder(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    SIZES: ClassVar[dict[str, int]]
    FEATURES: ClassVar[dict]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(self.FEATURES)
        )

    def _split_generators(self, dl_manager):
        return {
            name: self._generate_examples(size)
            for name, size in self.SIZES.items()
        }

    def _generate_examples(self, size):
        for number in range(size):
            yield number, self.example(number)


class TinyImages(_Builder):
    """103 images with labels, and no split but "train"."""

    SIZES: ClassVar = {"train": NUM_TINY}
    FEATURES: ClassVar = {
        "image": tfds.features.Image(shape=(4, 5, 1)),
        "label": tfds.features.ClassLabel(names=["even", "odd"]),
        "text": tfds.features.Text(),
    }

    def example(self, number):
        return {
            "image": tiny_image(number),
            "label": number % 2,
            "text": str(number),
        }


class ThreeSplits(_Builder):
    """Images without labels in three splits."""

    SIZES: ClassVar = {"train": 20, "validation": 6, "test": 4}
    FEATURES: ClassVar = {"image": tfds.features.Image(shape=(4, 5, 1))}

    def example(self, number):
        return {"image": tiny_image(number)}


class NoImages(_Builder):
    """Text alone."""

    SIZES: ClassVar = {"train": 4}
    FEATURES: ClassVar = {"text": tfds.features.Text()}

    def example(self, number):
        return {"text": str(number)}


class DeepImages(_Builder):
    """Images of 16 bits."""

    SIZES: ClassVar = {"train": 4}
    FEATURES: ClassVar = {
        "image": tfds.features.Image(
            shape=(4, 5, 1), dtype=np.uint16, encoding_format="png"
        )
    }

    def example(self, number):
        return {"image": np.full((4, 5, 1), 1000 * number, np.uint16)}


class RaggedImages(_Builder):
    """Colour images of different sizes."""

    SIZES: ClassVar = {"train": 12}
    FEATURES: ClassVar = {"image": tfds.features.Image(shape=(None, None, 3))}

    def example(self, number):
        return {"image": np.full((4 + number, 6, 3), number, np.uint8)}


class TwoImages(_Builder):
    """Two images per example, neither of which is called "image"."""

    SIZES: ClassVar = {"train": 12}
    FEATURES: ClassVar = {
        "left": tfds.features.Image(shape=(4, 5, 1)),
        "right": tfds.features.Image(shape=(4, 5, 1)),
    }

    def example(self, number):
        return {"left": tiny_image(number), "right": tiny_image(number)}
