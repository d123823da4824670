"""How long, where and how a model is trained, as plain data."""

import dataclasses

from keras_vae.config.validation import check_choice, check_number

__all__ = ["DISTRIBUTIONS", "PRECISIONS", "TrainingConfig"]

DISTRIBUTIONS = ("auto", "one_device", "mirrored")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How long, where and how it is trained.

    Attributes:
        epochs: Passes through the training images.
        max_minutes: If given, the run ends after so many minutes of training
            instead, and all schedules fit that time.
        seed: Base of all chance: initial weights, order, noise.
        distribution: `auto` (mirrored where there are several accelerators),
            `one_device` or `mirrored`.
        precision: Compute type of the networks; `auto` is bfloat16 where the
            processor has it and the model gains by it, else float32.
            Weights, likelihoods and evaluation are float32 in any case.
        jit_compile: Whether XLA compiles the step: `auto`, `true`, `false`.
        batch_parts: Parts of a batch that the cores of a CPU work on side by
            side; 0 is as many as suit where TensorFlow's threads are set for
            it, as `apps/train.py` sets them, else 1.
        patience: Epochs without a lower `val_loss` after which the run stops
            and the best epoch is what is loaded; 0 never stops early. That
            is what training minimises, on the validation images, with `beta`
            and `importance_samples` as they are at the end of the run: -ELBO
            where both are 1, the squared error of an autoencoder.
        keep_checkpoints: Number of checkpoints that are kept.
        checkpoint_seconds: Seconds between two checkpoints.
    """

    epochs: int = 20
    max_minutes: float | None = None
    seed: int = 0
    distribution: str = "auto"
    precision: str = "auto"
    jit_compile: str = "auto"
    batch_parts: int = 0
    patience: int = 0
    keep_checkpoints: int = 3
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        check_number("epochs", self.epochs, 1, whole=True)
        if self.max_minutes is not None:
            check_number("max_minutes", self.max_minutes, 0, strict=True)
        check_number("seed", self.seed, 0, whole=True, high=2**31 - 1)
        check_choice("distribution", self.distribution, DISTRIBUTIONS)
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("jit_compile", self.jit_compile, ("auto", "true", "false"))
        check_number("batch_parts", self.batch_parts, 0, whole=True)
        check_number("patience", self.patience, 0, whole=True)
        check_number("keep_checkpoints", self.keep_checkpoints, 1, whole=True)
        check_number("checkpoint_seconds", self.checkpoint_seconds, 0)
