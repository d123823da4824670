"""What the configurations of all models share."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from keras_vae.config.needs import OF_SETTINGS, VECTOR
from keras_vae.config.registry import (
    PartConfig,
    from_dict,
    part,
    part_fields,
    parts,
)
from keras_vae.config.settings import setting
from keras_vae.config.validation import check_choice
from keras_vae.errors import UserError

__all__ = ["PIXELS", "ModelConfig"]

# What a sample shows of p(x|z).
PIXELS = ("mean", "draw")


@dataclasses.dataclass(frozen=True)
class ModelConfig(PartConfig):
    """What every model has: a likelihood, an objective, an optimizer.

    Attributes:
        has: What parts may need, in the words of their `needs`.
        auto_likelihood: What `auto` stands for, of binary images and of
            others.
        has_likelihood: Whether what it learns is p(x), or a bound on it.
        presets: Name -> settings to start from.
        couples_rows: Whether its networks look at a batch as a whole.
        bfloat16_on_cpus: Whether CPUs that multiply bfloat16 train it faster
            in it.
    """

    has: ClassVar[tuple[str, ...]] = ()
    auto_likelihood: ClassVar[tuple[str, str]] = ("bernoulli", "normal_shared")
    has_likelihood: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    couples_rows: ClassVar[bool] = False
    bfloat16_on_cpus: ClassVar[bool] = True

    likelihood: Any = part("auto", "p(x|z).")
    objective: Any = part("elbo", "What is minimised.")
    output_mean_bias: bool = setting(
        True,
        "Whether training starts at p(x|z) = the mean training image: a bias "
        "of each value of the likelihood's parameters, which NVAE keeps as it "
        "is and the others train. NVAE's authors have none.",
    )
    batch_size: int = setting(
        128, "Images in a step, over all replicas.", low=1
    )
    optimizer: str = setting(
        "adam", "adam, adamax or muon.", choices=("adam", "adamax", "muon")
    )
    learning_rate: float = setting(
        4e-3, "Peak learning rate.", low=0, strict=True
    )
    learning_rate_warmup: float = setting(
        0.04, "Share of the run in which it rises.", low=0, below=1
    )
    learning_rate_final: float = setting(
        0.01, "Its last value, as a share of the peak.", low=0, high=1
    )
    beta_2: float = setting(
        0.995, "Decay of the optimizer's second moment.", low=0, below=1
    )
    optimizer_epsilon: float = setting(
        1e-7, "What keeps its divisor above 0.", low=0, strict=True
    )
    weight_decay: float = setting(
        0.0, "L2 decay, added to the gradient; of Adamax alone.", low=0
    )
    clip_norm: float = setting(
        200.0, "Largest norm of the gradient; 0 turns clipping off.", low=0
    )
    skip_factor: float = setting(
        0.0,
        "A step is left out if the gradient's norm is above so many times "
        "what it was of late; 0 leaves out only what is not finite.",
        low=0,
    )
    ema_momentum: float = setting(
        0.999,
        "Momentum of the average of the weights that is evaluated and "
        "exported; 0 turns averaging off.",
        low=0,
        below=1,
    )

    def __post_init__(self) -> None:
        for field in part_fields(self):
            value = self._part(field)
            object.__setattr__(self, field.name, value)
        super().__post_init__()
        if self.weight_decay and self.optimizer != "adamax":
            raise UserError(
                "config.weight_decay is a setting of Adamax: add "
                "--config.optimizer=adamax, or leave it at 0. "
                f"Received: config.weight_decay={self.weight_decay}"
            )
        if 0 < self.skip_factor <= 1:
            raise UserError(
                "config.skip_factor must be above 1, or 0 for no such limit. "
                f"Received: config.skip_factor={self.skip_factor}"
            )

    def _part(self, field: dataclasses.Field) -> PartConfig:
        """Returns a part's settings, once it fits the model."""
        kind, value = field.name, getattr(self, field.name)
        if isinstance(value, str):
            value = {"name": value}
        if isinstance(value, Mapping):
            named = {"name": field.default, **value}
            value = from_dict(kind, named, field.metadata["settings"])
        if not isinstance(value, PartConfig) or value.kind != kind:
            raise UserError(
                f"config.{kind} must be the name of one, or its settings. "
                f"Received: config.{kind}={value!r}"
            )
        missing = self.missing(value)
        if missing:
            others = [
                name
                for name, cls in parts("model").items()
                if not cls.missing(value)  # type: ignore[attr-defined]
            ]
            raise UserError(
                f"config.{kind}={value.name} needs {missing[0]}, which "
                f"--model={self.name} has not: choose another {kind}, or "
                f"--model={' or '.join(others) or 'one of your own'}. "
                f"Received: --model={self.name} --config.{kind}={value.name}"
            )
        return value

    @classmethod
    def missing(cls, value: PartConfig | type[PartConfig]) -> list[str]:
        """Returns what a part needs and the model does not have."""
        known = (*cls.has, *OF_SETTINGS)
        return [need for need in value.needs if need not in known]

    @classmethod
    def from_preset(cls, preset: str) -> Any:
        """Returns the configuration of a name in `presets`.

        Raises:
            UserError: If there is no such preset.
        """
        return cls(**cls.preset_settings(preset))

    @classmethod
    def preset_settings(cls, preset: str) -> dict[str, Any]:
        """Returns the settings of a name in `presets`, as `from_preset`."""
        check_choice("config.preset", preset, tuple(cls.presets))
        return {"preset": preset, **cls.presets[preset]}

    @property
    def rows_are_independent(self) -> bool:
        """Whether the loss of a batch is the mean of its images' losses."""
        return not (self.couples_rows or self.objective.couples_rows)

    @property
    def idle(self) -> tuple[str, ...]:
        """Settings that change nothing beside the others, each with why."""
        found = self.objective.idle
        if VECTOR in self.has and getattr(
            self.objective, "kl_balancing", False
        ):
            found = (*found, "kl_balancing, where there is one latent group")
        return tuple(f"config.objective.{setting}" for setting in found)

    @property
    def conditional(self) -> bool:
        """Whether the model is told the classes of its images."""
        return getattr(self, "num_classes", "0") != "0"

    def resolved_likelihood(self, name: str) -> Any:
        """Returns the settings of a likelihood.

        Args:
            name: That of the configuration, or what `auto` stands for.
        """
        if name == self.likelihood.name:
            return self.likelihood
        return from_dict("likelihood", {"name": name}, self.likelihood.flat())
