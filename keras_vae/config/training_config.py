"""How long, where and how a model is trained, as plain data."""

import dataclasses

from keras_vae.config.settings import check_settings, setting

__all__ = ["DISTRIBUTIONS", "PRECISIONS", "TrainingConfig"]

DISTRIBUTIONS = ("auto", "one_device", "mirrored")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How long, where and how a model is trained."""

    epochs: int = setting(20, "Passes through the training images.", low=1)
    max_minutes: float | None = setting(
        None,
        "If given, the run ends after so many minutes of training instead, "
        "and all schedules fit that time.",
        low=0,
        strict=True,
    )
    seed: int = setting(
        0, "Base of all chance: initial weights, order, noise.", low=0
    )
    distribution: str = setting(
        "auto",
        "one_device, mirrored, or auto: mirrored where there are several "
        "accelerators.",
        choices=DISTRIBUTIONS,
    )
    precision: str = setting(
        "auto",
        "Compute type of the networks: float32, mixed_bfloat16, "
        "mixed_float16, or auto: bfloat16 where the processor has it and the "
        "model gains by it, else float32. Weights, likelihoods and evaluation "
        "are float32 in any case.",
        choices=PRECISIONS,
    )
    jit_compile: str = setting(
        "auto",
        "Whether XLA compiles the step: auto (on GPUs), true or false.",
        choices=("auto", "true", "false"),
    )
    batch_parts: int = setting(
        0,
        "Parts of a batch that the cores of a CPU work on side by side; 0 is "
        "as many as suit where TensorFlow's threads are set for it, as "
        "apps/train.py sets them, else 1.",
        low=0,
    )
    patience: int = setting(
        0,
        "Epochs without a lower val_loss after which the run stops and the "
        "best epoch is what is loaded; 0 never stops early. That is what "
        "training minimises, on the validation images, as the objective is at "
        "the end of the run.",
        low=0,
    )
    keep_checkpoints: int = setting(
        3, "Number of checkpoints that are kept.", low=1
    )
    checkpoint_seconds: float = setting(
        30.0, "Seconds between two checkpoints.", low=0
    )

    def __post_init__(self) -> None:
        check_settings(self)
