"""Which images to load, and how: the settings of the data package."""

import dataclasses
import re

from keras_vae.config.settings import check_settings, setting
from keras_vae.errors import UserError, did_you_mean
from keras_vae.io.local_files import check_local

__all__ = [
    "BINARIZATIONS",
    "DATASET_DEFAULTS",
    "DEQUANTIZATIONS",
    "IMAGE_FOLDER",
    "MAX_BITS",
    "MAX_SEED",
    "DataConfig",
    "canonical_name",
    "default_binarization",
]

BINARIZATIONS = ("auto", "none", "static", "dynamic")
DEQUANTIZATIONS = ("auto", "none", "uniform")
IMAGE_FOLDER = "image_folder"
MAX_BITS = 8
# TensorFlow's seeds are int32.
MAX_SEED = 2**31 - 1

# The binarization of the published figures; "none" where none is named.
DATASET_DEFAULTS: dict[str, str] = {
    "mnist": "dynamic",
    "mnist_5k": "dynamic",
    "emnist": "dynamic",
    "kmnist": "dynamic",
    "binary_alpha_digits": "dynamic",
    "omniglot": "dynamic",
    "fashion_mnist": "none",
}


# A TFDS name, perhaps with a config and with one version.
_NAME = re.compile(r"([a-z]\w*)(/[\w.+-]+)?(:\d+\.\d+\.\d+)?", re.ASCII)


def canonical_name(dataset: str) -> str:
    """Returns the one spelling of a dataset's name.

    Args:
        dataset: Its name in upper or lower case, with spaces around it.

    Returns:
        The name in lower case; a config after it, as in `"emnist/letters"`,
        is as TFDS spells it.

    Raises:
        UserError: When it is no name; or a pattern, as in `"mnist:3.*.*"`,
            which is another dataset tomorrow.

    Example:
        >>> canonical_name(" MNIST ")
        'mnist'
    """
    name, slash, rest = dataset.strip().partition("/")
    if not slash:
        name, colon, rest = name.partition(":")
        slash = colon
    text = name.lower() + slash + rest
    if _NAME.fullmatch(text):
        return text
    known = {*DATASET_DEFAULTS, IMAGE_FOLDER}
    plain = re.sub(r"\W+", "_", name.lower()).strip("_")
    raise UserError(
        "dataset cannot be used: it must be a name such as mnist, with a "
        "config (emnist/letters) or one version (mnist:3.0.1) after it. "
        f"{did_you_mean(plain, known)} Received: dataset={dataset!r}"
    )


def default_binarization(dataset: str) -> str:
    """Returns the binarization that `binarization="auto"` stands for.

    Args:
        dataset: Name of a dataset; a TFDS config or version after the name,
            as in `"emnist/letters"` or `"mnist:3.0.1"`, plays no part.

    Returns:
        `"dynamic"` for black-and-white ink (MNIST and its kin), else
        `"none"`.
    """
    name = canonical_name(dataset).split("/")[0].split(":")[0]
    return DATASET_DEFAULTS.get(name, "none")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which images to load, and how.

    Raises:
        UserError: When a value is not one of those that its help names.
    """

    dataset: str = setting(
        "mnist",
        "An image dataset of tensorflow_datasets by its name (mnist, "
        "emnist/letters), mnist_5k (5,000 digits that need no network), or "
        "image_folder.",
    )
    data_dir: str | None = setting(
        None,
        "Where tensorflow_datasets keeps prepared data "
        "(~/tensorflow_datasets unless given), or the folder of image_folder.",
    )
    manual_dir: str | None = setting(
        None,
        "Folder with the dataset's original archives, to prepare it without a "
        "network.",
    )
    binarization: str = setting(
        "auto",
        "none, static (each image once), dynamic (anew each time it is seen), "
        "or auto: dynamic for MNIST and its kin, else none.",
        choices=BINARIZATIONS,
    )
    dequantization: str = setting(
        "auto",
        "none (level / 255), uniform ((level + U[0, 1)) / 256), or auto: "
        "uniform where the likelihood is a density.",
        choices=DEQUANTIZATIONS,
    )
    resize: tuple[int, int] | None = setting(
        None,
        "Height and width in pixels, antialiased bilinear; as the images are "
        "unless given.",
        low=1,
        high=100_000,
    )
    pad: int = setting(
        0,
        "Black pixels added on every side, after resize.",
        low=0,
        high=10_000,
    )
    validation_size: int | None = setting(
        None,
        "Images cut from the training split for validation; a tenth, at most "
        "5,000, unless given. Of no effect where the dataset has a validation "
        "split of its own.",
        low=1,
    )
    seed: int = setting(
        0,
        "Seeds the choice of the images that are cut from the training split.",
        low=0,
        high=MAX_SEED,
    )
    num_bits: int = setting(
        MAX_BITS,
        "Bits b of each value that are kept: levels become floor(level / "
        "2^(8 - b)), of 2^b. Fewer than 8 go with binarization none (or auto, "
        "where it comes to that) alone.",
        low=1,
        high=MAX_BITS,
    )
    horizontal_flip: bool = setting(
        False,
        "Whether training sees half of the images, anew at each step, "
        "mirrored left to right. Evaluation never does.",
    )
    mutation_rate: float = setting(
        0.0,
        "Share of the values that training sees, anew at each step, replaced "
        "by a level drawn evenly from all of them; before binarization. It "
        "makes a background model for likelihood ratios (Ren et al. 2019, "
        "section 3).",
        low=0,
        high=1,
    )

    def __post_init__(self):
        check_settings(self)
        object.__setattr__(self, "dataset", canonical_name(self.dataset))
        for name in ("data_dir", "manual_dir"):
            if getattr(self, name) is not None:
                check_local(name, getattr(self, name))
        self._check_combinations()

    def _check_combinations(self):
        if self.dataset == IMAGE_FOLDER and self.data_dir is None:
            raise UserError(
                'data_dir must name the folder when dataset="image_folder". '
                "Received: data_dir=None"
            )
        if self.dequantization == "uniform" and self.binarization in (
            "static",
            "dynamic",
        ):
            raise UserError(
                'dequantization="uniform" adds noise to grey levels, which '
                'binarization removes; use binarization="none". '
                f"Received: binarization={self.binarization!r}"
            )
        if self.num_bits != MAX_BITS and self.binarization in (
            "static",
            "dynamic",
        ):
            raise UserError(
                "num_bits below 8 keeps coarser grey levels, which "
                'binarization replaces by 0 and 1; use binarization="none". '
                f"Received: num_bits={self.num_bits}, "
                f"binarization={self.binarization!r}"
            )
