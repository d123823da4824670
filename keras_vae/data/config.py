"""Which images to load, and how: the settings of the data package."""

import dataclasses
import re

from keras_vae.errors import UserError, did_you_mean
from keras_vae.local_files import check_local

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
# NumPy's RandomState, which makes the fixed draws, takes 32 bits.
MAX_SEED = 2**32 - 1

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

    Args:
        dataset: An image dataset of TFDS by its name (`"mnist"`,
            `"emnist/letters"`), `"mnist_5k"` (5,000 digits that need no
            network) or `"image_folder"`; kept as `canonical_name` spells it.
        data_dir: Where TFDS keeps prepared data (None:
            `~/tensorflow_datasets`), or the folder of `image_folder`.
        manual_dir: Folder with the dataset's original archives, to prepare
            it without a network. None: they are downloaded.
        binarization: `"none"`, `"static"` (each image binarized once),
            `"dynamic"` (anew each time it is seen) or `"auto"`: the dataset's
            default, see `default_binarization`.
        dequantization: `"none"` (level / 255) or `"uniform"`
            ((level + U[0, 1)) / 256), for continuous likelihoods; `"auto"`
            leaves the choice to the caller, who knows the likelihood.
        resize: (height, width) in pixels, antialiased bilinear. None: as
            the images are.
        pad: Black pixels added on every side, after `resize`.
        validation_size: Images cut from the training split for validation.
            None: a tenth, at most 5,000. Of no effect where the dataset has
            a validation split of its own.
        seed: Seeds the choice of the images that are cut from the training
            split; 0 ... 2**32 - 1.
        num_bits: Bits b of a channel that are kept, 1 ... 8: levels become
            floor(level / 2^(8 - b)), of 2^b. Fewer than 8 go with
            `binarization` "none" (or "auto", where it comes to that) alone.
        horizontal_flip: Whether training sees half of the images, anew at
            each step, mirrored left to right. Evaluation never does.
        mutation_rate: Share of the values, 0 ... 1, that training sees, anew
            at each step, replaced by a level drawn evenly from all of them;
            before binarization. Evaluation never does. It makes a background
            model for likelihood ratios (Ren et al. 2019, section 3).

    Raises:
        UserError: When a value is not one of those above.
    """

    dataset: str = "mnist"
    data_dir: str | None = None
    manual_dir: str | None = None
    binarization: str = "auto"
    dequantization: str = "auto"
    resize: tuple[int, int] | None = None
    pad: int = 0
    validation_size: int | None = None
    seed: int = 0
    num_bits: int = MAX_BITS
    horizontal_flip: bool = False
    mutation_rate: float = 0.0

    def __post_init__(self):
        _check_text("dataset", self.dataset, required=True)
        object.__setattr__(self, "dataset", canonical_name(self.dataset))
        _check_text("data_dir", self.data_dir)
        _check_text("manual_dir", self.manual_dir)
        _check_choice("binarization", self.binarization, BINARIZATIONS)
        _check_choice("dequantization", self.dequantization, DEQUANTIZATIONS)
        _check_integer("num_bits", self.num_bits, 1, MAX_BITS)
        if not isinstance(self.horizontal_flip, bool):
            raise UserError(
                "horizontal_flip must be True or False. "
                f"Received: horizontal_flip={self.horizontal_flip!r}"
            )
        _check_rate("mutation_rate", self.mutation_rate)
        _check_resize(self.resize)
        if self.resize is not None:
            object.__setattr__(self, "resize", tuple(self.resize))
        _check_integer("pad", self.pad, 0, 10_000)
        if self.validation_size is not None:
            _check_integer("validation_size", self.validation_size, 1, None)
        _check_integer("seed", self.seed, 0, MAX_SEED)
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


def _check_text(name: str, value: object, required: bool = False) -> None:
    if value is None and not required:
        return
    if not isinstance(value, str) or not value:
        raise UserError(
            f"{name} must be a non-empty string. Received: {name}={value!r}"
        )
    if name != "dataset":
        check_local(name, value)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UserError(
            f"{name} must be one of {', '.join(choices)}. "
            f"{did_you_mean(str(value), choices)} Received: {name}={value!r}"
        )


def _check_integer(
    name: str, value: object, low: int, high: int | None
) -> None:
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or value < low
        or (high is not None and value > high)
    ):
        limits = f"at least {low}" if high is None else f"{low} ... {high}"
        raise UserError(
            f"{name} must be an integer, {limits}. Received: {name}={value!r}"
        )


def _check_rate(name: str, value: object) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:  # type: ignore[operator]
        raise UserError(
            f"{name} must be a number, 0 ... 1. Received: {name}={value!r}"
        )


def _check_resize(resize: object) -> None:
    if resize is None:
        return
    if not isinstance(resize, (tuple, list)) or len(resize) != 2:
        raise UserError(
            "resize must be two numbers, height and width. "
            f"Received: resize={resize!r}"
        )
    for size in resize:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise UserError(
                "resize must be two positive integers, height and width. "
                f"Received: resize={resize!r}"
            )
