"""The weights of another run as the first ones of a new one."""

import dataclasses
import os
import pathlib

import keras

from keras_vae.errors import UserError
from keras_vae.models import GenerativeModel
from keras_vae.training.named_variables import named_variables
from keras_vae.training.trained import load_trained

__all__ = ["TakenWeights", "take_weights"]

_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class TakenWeights:
    """What was taken over.

    Attributes:
        source: From where.
        taken: Names of the variables; see `named_variables`.
        left: Name -> why that variable stays as it was initialised.
    """

    source: str
    taken: tuple[str, ...]
    left: dict[str, str]

    def describe(self) -> str:
        """Returns lines for people."""
        total = len(self.taken) + len(self.left)
        lines = [f"took {len(self.taken)} of {total} variables: {self.source}"]
        lines += [f"  taken: {name}" for name in self.taken[:_SHOWN]]
        if len(self.taken) > _SHOWN:
            lines.append(f"  taken: and {len(self.taken) - _SHOWN:,} more")
        shown = list(self.left.items())[:_SHOWN]
        lines += [f"  not taken: {name} ({why})" for name, why in shown]
        if len(self.left) > _SHOWN:
            lines.append(f"  not taken: and {len(self.left) - _SHOWN:,} more")
        return "\n".join(lines)


def take_weights(
    model: GenerativeModel, source: str | os.PathLike[str]
) -> TakenWeights:
    """Gives a model the weights of another one, as far as they fit.

    A variable fits if it is in the same place of its network and of the same
    shape. So layers of other sizes, as the last ones for other images, stay as
    they were initialised.

    Args:
        model: The model, which is changed.
        source: A run folder, or a Keras file of a model of the package.

    Raises:
        UserError: If there is no such model, or nothing of it fits.
    """
    theirs = named_variables(_load(pathlib.Path(source)))
    taken, left = [], {}
    for name, variable in named_variables(model).items():
        other = theirs.get(name)
        if other is None:
            left[name] = "it has none there"
        elif tuple(other.shape) != tuple(variable.shape):
            left[name] = f"{list(variable.shape)}, there {list(other.shape)}"
        else:
            variable.assign(other.numpy())
            taken.append(name)
    if not taken:
        raise UserError(
            "Nothing of the other model fits: take one of the same kind, with "
            "layers of the same sizes, or leave --init_from out. "
            f"Received: --init_from={source}"
        )
    return TakenWeights(str(source), tuple(taken), left)


def _load(source: pathlib.Path) -> keras.Model:
    if source.suffix != ".keras":
        return load_trained(source).model
    try:
        return keras.saving.load_model(source, compile=False)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            "There is no model of the package that can be loaded: name a run "
            f"folder, or its model.keras. Received: --init_from={source} "
            f"({reason})"
        ) from error
