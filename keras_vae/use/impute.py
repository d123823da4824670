"""`impute` and `upscale`: images completed from what is known of them."""

import dataclasses
import os
import pathlib
import sys
from collections.abc import Callable
from typing import Any, TextIO

import numpy as np
import tensorflow as tf

from keras_vae.conditional.block_means import (
    BlockMeans,
    block_means,
    check_factor,
)
from keras_vae.conditional.imputation_report import (
    Completion,
    Imputation,
    format_report,
    write_report,
)
from keras_vae.conditional.masks import KINDS, MaskConfig
from keras_vae.conditional.observation import MaskedPixels, Observation
from keras_vae.conditional.posterior_sampling import (
    ChainConfig,
    check_model,
    sample_posterior,
)
from keras_vae.config import check_choice, check_number
from keras_vae.errors import UserError, did_you_mean
from keras_vae.io import outputs, sizes
from keras_vae.progress import ImageBar
from keras_vae.training import TrainedModel
from keras_vae.use.comparisons import compared
from keras_vae.use.independent_pixels import IndependentPixels
from keras_vae.use.mask_files import read_mask
from keras_vae.use.source import ImageSource
from keras_vae.use.verb_outputs import check_output

__all__ = ["DOWNSAMPLINGS", "impute", "upscale"]

DOWNSAMPLINGS = ("mean", "decimate")
_NUM_IMAGES = 32


def impute(
    trained: TrainedModel,
    source: ImageSource,
    output: str | os.PathLike[str],
    *,
    mask: str = "random",
    share: float | None = None,
    side: str | None = None,
    num_chains: int = ChainConfig.num_chains,
    burn_in: int = ChainConfig.burn_in,
    num_sweeps: int = ChainConfig.num_sweeps,
    num_shown: int = 10,
    stream: TextIO | None = None,
) -> outputs.Written:
    """Draws the missing pixels from p(x_missing | x_observed).

    They are hidden from the model and known to us, so that the draws can be
    compared with the truth. The figures are those of the posterior mean, of one
    pass (encoder and decoder once, with the missing pixels set to the mean) and
    of the mean of the training images.

    Args:
        trained: The model of a run.
        source: The images; of a split 32 unless it says how many.
        output: The folder to write: `imputed.csv`, `.json`, `.npz` and `.png`.
        mask: `random`, `box`, `half`, or an image file whose white pixels are
            missing.
        share: Of the pixels that are missing; of `random` and `box`; 0.5 unless
            given.
        side: Which half: `top`, `bottom`, `left`, `right` or `any`, which is
            the default.
        num_chains: Chains, so many draws, of each image.
        burn_in: Sweeps of each chain that do not count.
        num_sweeps: Sweeps of each chain that do.
        num_shown: Images in the picture.
        stream: Where progress is shown; standard error unless given.

    Returns:
        What was written, with the figures.

    Raises:
        UserError: If the model, the images, the mask or the output cannot be
            used.
    """
    task = _Task(
        "imputed",
        source,
        check_output("impute", output),
        ChainConfig(num_chains, burn_in, num_sweeps, source.seed),
        num_shown,
        stream or sys.stderr,
    )
    drawn = _mask_config(mask, share, side, source.seed)

    def observe(images: np.ndarray) -> Observation:
        num, height, width = images.shape[:3]
        if drawn is None:
            one = read_mask(mask, height, width)
            missing = np.broadcast_to(one, [num, height, width])
        else:
            missing = drawn.draw(num, height, width)
        if missing.all(axis=(1, 2)).any():
            raise UserError(
                "The mask hides all of an image, so there is nothing to go by: "
                "`sample` draws such images. Received: "
                + (f"--mask={mask}" if drawn is None else f"--share={share}")
            )
        shown = images * (1 - missing[..., np.newaxis])
        return MaskedPixels(shown, missing)

    protocol = {"mask": mask}
    if drawn is not None:
        protocol |= dataclasses.asdict(drawn)
    return task.run(trained, observe, protocol)


def upscale(
    trained: TrainedModel,
    source: ImageSource,
    output: str | os.PathLike[str],
    *,
    factor: int = 2,
    downsampling: str = "mean",
    num_chains: int = ChainConfig.num_chains,
    burn_in: int = ChainConfig.burn_in,
    num_sweeps: int = ChainConfig.num_sweeps,
    num_shown: int = 10,
    stream: TextIO | None = None,
) -> outputs.Written:
    """Draws images from p(x | x in a lower resolution).

    The images are reduced, and the model sees no more than that. Draws agree
    with it exactly. It is compared as in `impute`; one pass and the mean of the
    training images are made to agree too.

    Args:
        trained: The model of a run.
        source: The images, in the model's resolution; of a split 32 unless it
            says how many.
        output: The folder to write: `upscaled.csv`, `.json`, `.npz`, `.png`.
        factor: Pixels on a side of a block that becomes one, 2 ... 8.
        downsampling: What is known of a block: the `mean` of its pixels (for
            Bernoulli and Gaussian likelihoods), or with `decimate` its first
            pixel.
        num_chains: Chains, so many draws, of each image.
        burn_in: Sweeps of each chain that do not count.
        num_sweeps: Sweeps of each chain that do.
        num_shown: Images in the picture.
        stream: Where progress is shown; standard error unless given.

    Returns:
        What was written, with the figures.

    Raises:
        UserError: If the model, the images, the factor or the output cannot be
            used.
    """
    task = _Task(
        "upscaled",
        source,
        check_output("upscale", output),
        ChainConfig(num_chains, burn_in, num_sweeps, source.seed),
        num_shown,
        stream or sys.stderr,
    )
    check_choice("downsampling", downsampling, DOWNSAMPLINGS)

    def observe(images: np.ndarray) -> Observation:
        check_factor(factor, images.shape[1:3])
        if downsampling == "mean":
            return BlockMeans(block_means(images, factor), factor)
        missing = np.ones(images.shape[:3], np.float32)
        missing[:, ::factor, ::factor] = 0.0
        return MaskedPixels(images * (1 - missing[..., np.newaxis]), missing)

    protocol = {"factor": factor, "downsampling": downsampling}
    return task.run(trained, observe, protocol)


def _mask_config(
    mask: str, share: float | None, side: str | None, seed: int
) -> MaskConfig | None:
    """Returns how masks are drawn, or None where one is read from a file."""
    if mask not in KINDS and not pathlib.Path(mask).suffix:
        raise UserError(
            f"mask must be {', '.join(KINDS)} or an image file. "
            f"{did_you_mean(mask, KINDS)} Received: mask={mask}"
        )
    if share is not None and mask not in ("random", "box"):
        raise UserError(
            "share is of random and box masks alone. "
            f"Received: share={share} with mask={mask}"
        )
    if side is not None and mask != "half":
        raise UserError(
            "side is of half masks alone. "
            f"Received: side={side} with mask={mask}"
        )
    if mask not in KINDS:
        return None
    return MaskConfig(
        mask, 0.5 if share is None else share, side or "any", seed
    )


@dataclasses.dataclass(frozen=True)
class _Task:
    """What both verbs do, once it is clear what is known of the images."""

    name: str
    source: ImageSource
    path: pathlib.Path
    chains: ChainConfig
    num_shown: int
    stream: TextIO

    def __post_init__(self) -> None:
        check_number("num_shown", self.num_shown, 1, whole=True)

    def run(
        self,
        trained: TrainedModel,
        observe: Callable[[np.ndarray], Observation],
        protocol: dict[str, Any],
    ) -> outputs.Written:
        """Completes the images, and writes and reports it.

        Args:
            trained: The model of the run.
            observe: Returns what is known of images.
            protocol: How they were made less, for the report.
        """
        model = trained.model
        check_model(model)
        # What is wrong with a mask or factor is said before data is read.
        observe(np.zeros([1, *model.image_shape], np.float32))
        loaded = self.source.load(
            trained, default_num_images=_NUM_IMAGES, dequantize=True
        )
        images = loaded.images
        labels = loaded.labels if model.num_classes else None
        known = observe(images)
        unknown = known.unknown().numpy()
        _check_unknown(unknown, loaded.names)
        self._check_size(images)
        pixels = IndependentPixels.fit(trained, self.source)
        one_pass, mean = compared(model, known, images, pixels, labels)
        num = len(images)
        with ImageBar(num, "completed", self.stream) as bar:
            draws = sample_posterior(
                model,
                known,
                images,
                pixels.mean,
                self.chains,
                labels=labels,
                progress=lambda share: bar.reach(int(share * num)),
            ).as_images()
        # Of dequantized images that of their levels, as everywhere.
        nats = known.num_free().numpy() * model.nats_per_value
        result = Imputation(
            title=self.name,
            names=loaded.names,
            images=images,
            observed=known.fill(tf.fill(model.image_shape, 0.5)).numpy(),
            unknown=unknown,
            draws=draws,
            completions={
                "posterior mean": Completion(
                    draws.mean, draws.log_missing - nats
                ),
                "one pass": one_pass.shifted(nats),
                pixels.source: mean.shifted(nats),
            },
            protocol=self._protocol(trained, len(images)) | protocol,
        )
        report = format_report(result)
        outputs.write_folder(
            self.path, lambda f: write_report(f, result, self.num_shown), report
        )
        return outputs.Written((self.path,), report, result.figures())

    def _check_size(self, images: np.ndarray) -> None:
        """Raises UserError if the draws do not fit into memory or a picture."""
        num, num_chains = len(images), self.chains.num_chains
        sizes.check_picture(
            min(self.num_shown, num) * (4 + min(num_chains, 3)),
            images.shape[1:],
            f"num_shown={self.num_shown}",
        )
        # The draws in parts and then together, and about ten arrays of images.
        needed = images.nbytes * (2 * num_chains + 10)
        # Four float64 figures of each sweep, likewise.
        rows = max(self.chains.rows, num_chains)
        needed += 64 * rows * self.chains.num_sweeps
        sizes.check_memory(
            needed,
            f"{num_chains:,} chains of {num:,} images",
            f"num_chains={num_chains}, num_sweeps={self.chains.num_sweeps}",
        )

    def _protocol(self, trained: TrainedModel, num: int) -> dict[str, Any]:
        source = self.source
        return {
            "dataset": trained.experiment.data.dataset,
            "split": None if source.inputs else source.split or "test",
            "inputs": list(source.inputs),
            "num_images": num,
            **trained.preparation.protocol(),
            "num_chains": self.chains.num_chains,
            "burn_in": self.chains.burn_in,
            "num_sweeps": self.chains.num_sweeps,
            "seed": source.seed,
        }


def _check_unknown(unknown: np.ndarray, names: list[str]) -> None:
    if not unknown.any():
        raise UserError(
            "What is known of the images determines each of their values: "
            f"nothing is left to draw. Received: {', '.join(names[:3])}"
        )
