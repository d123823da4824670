"""Puts the model of a run to use: one verb, one picture or file.

Examples:
    python apps/generate.py sample --workdir=runs/mnist_vae --output=new.png
    python apps/generate.py reconstruct --workdir=runs/mnist_vae \
        --output=pairs.png digits/ other.png
    python apps/generate.py reconstruct --workdir=runs/mnist_vae \
        --output=pairs.png --split=test --num_images=16

Images are files and folders named after the verb, or else a split of the run's
dataset: all of them or a seeded subset of --num_images.

To add a verb, add it to `_VERBS` with the flags that its function takes, and
to `_FLAGS` those that do not exist yet. All flags default to None: one that was
not given is not passed on, so the defaults are those of the function, which is
`function(workdir, [source,] output, **flags) -> outputs.Written`. The second
argument is there if the verb reads images; an `ImageSource` then takes the
flags in `_SOURCE`. A flag that was given and is not the verb's is refused.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from keras_vae import cli
from keras_vae.errors import did_you_mean


def _sample() -> Callable[..., Any]:
    from keras_vae.generation.sample import sample

    return sample


def _reconstruct() -> Callable[..., Any]:
    from keras_vae.generation.reconstruct import reconstruct

    return reconstruct


@dataclasses.dataclass(frozen=True)
class _Verb:
    """A verb.

    Attributes:
        load: Imports its function; not before the flags have been checked, as
            TensorFlow comes with it.
        takes: The flags that are passed to the function.
        reads_images: Whether the function takes an `ImageSource` too.
    """

    load: Callable[[], Callable[..., Any]]
    takes: tuple[str, ...] = ()
    reads_images: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags that may be given."""
        source = _SOURCE if self.reads_images else ()
        return tuple(dict.fromkeys((*self.takes, *source)))


_SOURCE = ("split", "num_images", "seed", "data_dir", "manual_dir")
_VERBS = {
    "sample": _Verb(
        _sample,
        ("num_images", "seed", "temperature", "recalibrate_batch_norm"),
    ),
    "reconstruct": _Verb(_reconstruct, reads_images=True),
}


class _Numbers(flags.ArgumentParser):
    """Parses `0.7` as a number and `0.7,1` as a list of numbers."""

    syntactic_help = "a number, or several with commas between them"

    def parse(self, argument: str) -> float | list[float]:
        values = [float(part) for part in str(argument).split(",")]
        return values[0] if len(values) == 1 else values


def _numbers(name: str, default: None, help_text: str) -> None:
    flags.DEFINE(_Numbers(), name, default, help_text)


_FLAGS: dict[str, tuple[Callable[..., Any], str]] = {
    "split": (
        flags.DEFINE_string,
        "train, validation or test (the default), where no files are named.",
    ),
    "num_images": (
        flags.DEFINE_integer,
        "Images to draw, or a seeded subset of so many of the split.",
    ),
    "seed": (
        flags.DEFINE_integer,
        "Of all chance: draws, subset, binarization; 0 unless given.",
    ),
    "data_dir": (
        flags.DEFINE_string,
        "Folder of the run's dataset, where it is not as in training.",
    ),
    "manual_dir": (
        flags.DEFINE_string,
        "Folder of its archives, where it is not as in training.",
    ),
    "temperature": (
        _numbers,
        "Multiplies the prior's standard deviation; of a hierarchical model "
        "also a list with one number for each group, the top group first.",
    ),
    "recalibrate_batch_norm": (
        flags.DEFINE_integer,
        "Passes that fit NVAE's batch normalisation to the temperature, such "
        "as 500; 0 unless given.",
    ),
}


def _define_flags() -> None:
    flags.DEFINE_string("workdir", None, "The run folder.", required=True)
    flags.DEFINE_string(
        "output", None, "The file or folder to write.", required=True
    )
    for name, (define, help_text) in _FLAGS.items():
        verbs = ", ".join(v for v, verb in _VERBS.items() if name in verb.flags)
        define(name, None, f"{help_text} For: {verbs}.")


def _check(name: str, verb: _Verb, inputs: Sequence[str]) -> None:
    for flag in _FLAGS:
        if flags.FLAGS[flag].present and flag not in verb.flags:
            raise cli.UserError(
                f"{name} does not take --{flag}. It takes: --workdir, "
                f"--output, {', '.join(f'--{f}' for f in verb.flags)}. "
                f"Received: --{flag}={flags.FLAGS[flag].value}"
            )
    if inputs and not verb.reads_images:
        raise cli.UserError(
            f"{name} takes no images. Received: {' '.join(inputs)}"
        )


def main(arguments: Sequence[str]) -> None:
    if not arguments:
        raise cli.UserError(
            f"Say what to do: {', '.join(_VERBS)}. Received: nothing"
        )
    name, *inputs = arguments
    if name not in _VERBS:
        raise cli.UserError(
            f"Unknown command. {did_you_mean(name, _VERBS)} Received: {name}"
        )
    verb = _VERBS[name]
    _check(name, verb, inputs)

    cli.load_tensorflow()
    from keras_vae.generation.source import ImageSource

    places: list[Any] = [flags.FLAGS.workdir]
    if verb.reads_images:
        places.append(ImageSource(inputs, **cli.given_flags(*_SOURCE)))
    places.append(flags.FLAGS.output)
    written = verb.load()(*places, **cli.given_flags(*verb.takes))
    if written.report:
        print(written.report)
    for path in written.paths:
        print(f"wrote {path}")


if __name__ == "__main__":
    _define_flags()
    cli.run(main)
