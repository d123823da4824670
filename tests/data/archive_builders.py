"""Datasets whose archives have the file names of MNIST's."""

import gzip
import hashlib
import pathlib
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import UrlInfo

__all__ = [
    "ARCHIVE",
    "CLOTHES",
    "CLOTHES_ARCHIVE",
    "FewClothes",
    "FewDigits",
    "UnknownArchive",
    "read_images",
]

ARCHIVE = "t10k-images-idx3-ubyte.gz"
_HEADER_BYTES = 16
_NUM_IMAGES = 40

CLOTHES = np.random.RandomState(0).randint(
    0, 256, (_NUM_IMAGES, 28, 28, 1), np.uint8
)
CLOTHES_ARCHIVE = gzip.compress(
    bytes(_HEADER_BYTES) + CLOTHES.tobytes(), mtime=0
)


def read_images(path) -> np.ndarray:
    """Returns the first images of an archive, uint8 [40, 28, 28, 1]."""
    size = _NUM_IMAGES * 28 * 28
    data = gzip.decompress(pathlib.Path(path).read_bytes())[_HEADER_BYTES:]
    return np.frombuffer(data[:size], np.uint8).reshape(-1, 28, 28, 1)


class _FewImages(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    URL: ClassVar[str]

    def _info(self):
        image = tfds.features.Image(shape=(28, 28, 1))
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"image": image})
        )

    def _split_generators(self, dl_manager):
        path = dl_manager.download_and_extract(self.URL + ARCHIVE)
        return {"train": self._generate_examples(path)}

    def _generate_examples(self, path):
        data = pathlib.Path(path).read_bytes()[_HEADER_BYTES:]
        for number in range(_NUM_IMAGES):
            pixels = data[number * 784 : (number + 1) * 784]
            image = np.frombuffer(pixels, np.uint8).reshape(28, 28, 1)
            yield number, {"image": image}


class FewDigits(_FewImages):
    """The first test images of MNIST, from MNIST's own archive."""

    URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"


class FewClothes(_FewImages):
    """Other images, in an archive of the same name."""

    URL = "https://clothes.invalid/"
    url_infos: ClassVar = {
        URL + ARCHIVE: UrlInfo(
            size=len(CLOTHES_ARCHIVE),
            checksum=hashlib.sha256(CLOTHES_ARCHIVE).hexdigest(),
            filename=ARCHIVE,
        )
    }


class UnknownArchive(_FewImages):
    """Images in an archive that lies in `manual_dir`, of no known checksum."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = "Ask a friend."

    def _split_generators(self, dl_manager):
        path = dl_manager.extract(dl_manager.manual_dir / ARCHIVE)
        return {"train": self._generate_examples(path)}
