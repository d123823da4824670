"""What `auto` stood for when a run started: decided once, kept with the run."""

import dataclasses
from typing import Any

import tensorflow as tf

from keras_vae.config import (
    PRECISIONS,
    ModelConfig,
    TrainingConfig,
    check_choice,
    resolve_likelihood,
)
from keras_vae.config.data_config import BINARIZATIONS, DEQUANTIZATIONS
from keras_vae.config.registry import lookup
from keras_vae.config.settings import changed, check_settings
from keras_vae.data import (
    MAX_BITS,
    DataConfig,
    Split,
    default_binarization,
    evaluation_batches,
    training_batches,
)
from keras_vae.errors import UserError
from keras_vae.training.strategy import resolve_precision
from keras_vae.units import DENSITY_NATS, NATS, SQUARED_ERROR

__all__ = ["Preparation", "prepare"]


@dataclasses.dataclass(frozen=True)
class Preparation:
    """How the images of a run reach its model, with nothing left to `auto`.

    It is decided when the run starts and lies in its `config.json`: whatever
    later versions of the package take `auto` to mean, the run goes on meaning
    what it did.

    Attributes:
        binarization: `none`, `static` or `dynamic`.
        dequantization: `none` or `uniform`.
        likelihood: p(x|z), by its name.
        unit: Of every log-likelihood and bound, or of an autoencoder's error;
            see `keras_vae.units`.
        num_bits: Bits of each value that are kept.
        resize: (height, width) in pixels; None: as the images are.
        pad: Black pixels added on every side.
        horizontal_flip: Whether training mirrors half of the images.
        mutation_rate: Share of the values that training sees replaced.
        precision: Keras dtype policy of the networks in training.
        seed: Base of the order of the training images and of their noise.
    """

    binarization: str
    dequantization: str
    likelihood: str
    unit: str
    num_bits: int = changed(DataConfig, "num_bits", MAX_BITS)
    resize: tuple[int, int] | None = changed(DataConfig, "resize", None)
    pad: int = changed(DataConfig, "pad", 0)
    horizontal_flip: bool = changed(DataConfig, "horizontal_flip", False)
    mutation_rate: float = changed(DataConfig, "mutation_rate", 0.0)
    precision: str = "float32"
    seed: int = changed(DataConfig, "seed", 0)

    def __post_init__(self) -> None:
        for name, choices in (
            ("binarization", BINARIZATIONS),
            ("dequantization", DEQUANTIZATIONS),
            ("precision", PRECISIONS),
        ):
            decided = tuple(c for c in choices if c != "auto")
            check_choice(f"preparation.{name}", getattr(self, name), decided)
        units = (NATS, DENSITY_NATS, SQUARED_ERROR)
        check_choice("preparation.unit", self.unit, units)
        lookup("likelihood", self.likelihood)
        check_settings(self, "preparation.")

    @property
    def support(self) -> str:
        """What the values of the likelihood are; see `LikelihoodConfig`."""
        cls = lookup("likelihood", self.likelihood)
        return cls.support  # type: ignore[attr-defined]

    def model_options(self) -> dict[str, Any]:
        """Returns the arguments of `build_model` that the images decide."""
        return {
            "likelihood": self.likelihood,
            "num_bits": self.num_bits,
            "dequantization": self.dequantization,
            "seed": self.seed,
        }

    def protocol(self) -> dict[str, str]:
        """Returns what belongs beside every figure of such images."""
        return {
            "binarization": self.binarization,
            "dequantization": self.dequantization,
            "likelihood": self.likelihood,
            "unit": self.unit,
        }

    def training_batches(
        self,
        split: Split,
        *,
        batch_size: int,
        start_step: int = 0,
        num_steps: int | None = None,
        with_labels: bool = False,
    ) -> tf.data.Dataset:
        """Returns `data.training_batches` of such images."""
        return training_batches(
            split,
            batch_size=batch_size,
            seed=self.seed,
            start_step=start_step,
            num_steps=num_steps,
            binarization=self.binarization,
            dequantization=self.dequantization,
            num_bits=self.num_bits,
            horizontal_flip=self.horizontal_flip,
            mutation_rate=self.mutation_rate,
            with_labels=with_labels,
        )

    def evaluation_batches(
        self,
        split: Split,
        *,
        batch_size: int,
        seed: int | None = None,
        num_images: int | None = None,
        with_labels: bool = False,
        dequantize: bool = True,
    ) -> tf.data.Dataset:
        """Returns `data.evaluation_batches` of such images.

        Args:
            split: Where they come from.
            batch_size: Images in a batch.
            seed: Of their noise and of the subset; None: that of training.
            num_images: A seeded random subset of so many; None: all.
            with_labels: Whether to return the labels too.
            dequantize: Whether grey levels get the noise of dequantization. It
                belongs to a likelihood, not to a picture.
        """
        return evaluation_batches(
            split,
            batch_size=batch_size,
            seed=self.seed if seed is None else seed,
            binarization=self.binarization,
            dequantization=self.dequantization if dequantize else "none",
            num_bits=self.num_bits,
            num_images=num_images,
            with_labels=with_labels,
        )


def prepare(
    data: DataConfig, model: ModelConfig, training: TrainingConfig
) -> Preparation:
    """Decides what `auto` stands for.

    Images that are not binarized are dequantized with uniform noise where the
    likelihood is a density, so that a bound on it is one on the levels (Theis
    et al. 2016, section 3.1); not for a plain autoencoder.

    Raises:
        UserError: If the likelihood and the preparation exclude each other.
    """
    binarization = data.binarization
    if binarization == "auto":
        binarization = default_binarization(data.dataset)
        coarser = data.num_bits < MAX_BITS
        grey = model.likelihood.support not in ("", "binary")
        if not model.has_likelihood or grey or coarser:
            binarization = "none"
    likelihood = resolve_likelihood(model, binarization)
    levels = model.resolved_likelihood(likelihood).support == "levels"
    dequantization = data.dequantization
    if dequantization == "auto":
        density = binarization == "none" and model.has_likelihood
        dequantization = "uniform" if density and not levels else "none"
    if levels and (binarization, dequantization) != ("none", "none"):
        raise _not_levels(likelihood, binarization, dequantization)
    same: dict[str, Any] = {
        name: getattr(data, name)
        for name in (
            "num_bits",
            "resize",
            "pad",
            "horizontal_flip",
            "mutation_rate",
        )
    }
    return Preparation(
        binarization,
        dequantization,
        likelihood,
        _unit(model, binarization, dequantization, levels),
        **same,
        precision=resolve_precision(training.precision, model),
        seed=training.seed,
    )


def _unit(
    model: ModelConfig, binarization: str, dequantization: str, levels: bool
) -> str:
    if not model.has_likelihood:
        return SQUARED_ERROR
    if binarization != "none" or dequantization != "none" or levels:
        return NATS
    return DENSITY_NATS


def _not_levels(
    likelihood: str, binarization: str, dequantization: str
) -> UserError:
    return UserError(
        f"The likelihood {likelihood} is of images as their levels are: use "
        "--binarization=none --dequantization=none. Received: "
        f"--binarization={binarization} --dequantization={dequantization}"
    )
