"""The flags of verbs: one table, of which each app defines what it needs."""

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags

from keras_vae.cli.app_runner import given_flags
from keras_vae.errors import UserError, did_you_mean

__all__ = ["Verb", "chosen_verb", "define_verb_flags"]


@dataclasses.dataclass(frozen=True)
class Verb:
    """A verb of an app.

    Attributes:
        takes: The flags that are passed to the function.
        of_source: The flags of its images; nothing if it reads none.
        reads_files: Whether it takes files that are no images.
    """

    takes: tuple[str, ...] = ()
    of_source: tuple[str, ...] = ()
    reads_files: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags that may be given."""
        return tuple(dict.fromkeys((*self.takes, *self.of_source)))

    def given(self) -> dict[str, Any]:
        """Returns what the flags say, for `keras_vae.use.verb_calls`."""
        return {
            "output": flags.FLAGS.output,
            "options": given_flags(*self.takes),
            "source": given_flags(*self.of_source) if self.of_source else None,
        }


def chosen_verb(
    arguments: Sequence[str], verbs: Mapping[str, Verb], others: Sequence[str]
) -> tuple[str, list[str]]:
    """Returns the verb that was named, and its inputs.

    Args:
        arguments: Those that are no flags.
        verbs: The app's, by name.
        others: The app's flags that are of no verb, for the message.

    Raises:
        UserError: If there is no such verb, or it does not take a flag that
            was given.
    """
    if not arguments:
        raise UserError(
            f"Say what to do: {', '.join(verbs)}. Received: nothing"
        )
    name, *inputs = arguments
    if name not in verbs:
        raise UserError(
            f"Unknown command. {did_you_mean(name, verbs)} Received: {name}"
        )
    verb = verbs[name]
    for flag in _flags_of(verbs):
        if flags.FLAGS[flag].present and flag not in verb.flags:
            taken = ", ".join(f"--{f}" for f in (*others, *verb.flags))
            raise UserError(
                f"{name} does not take --{flag}. It takes: {taken}. "
                f"Received: --{flag}={flags.FLAGS[flag].value}"
            )
    if inputs and not (verb.of_source or verb.reads_files):
        raise UserError(f"{name} takes no files. Received: {' '.join(inputs)}")
    return name, inputs


def define_verb_flags(verbs: Mapping[str, Verb]) -> None:
    """Defines the flags of an app's verbs, and `--output`.

    All default to None: one that was not given is not passed on, so that the
    defaults are those of the functions.
    """
    flags.DEFINE_string(
        "output",
        None,
        "The file to write; a name without a suffix is a folder.",
        required=True,
    )
    for name in _flags_of(verbs):
        define, help_text = _FLAGS[name]
        whose = ", ".join(v for v, verb in verbs.items() if name in verb.flags)
        define(name, None, f"{help_text} For: {whose}.")
    for name in ("output", *_flags_of(verbs)):
        # So that --help lists it.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])


def _flags_of(verbs: Mapping[str, Verb]) -> list[str]:
    taken = {flag for verb in verbs.values() for flag in verb.flags}
    return [flag for flag in _FLAGS if flag in taken]


class _Numbers(flags.ArgumentParser):
    """Parses `0.7` as a number and `0.7,1` as a list of numbers."""

    syntactic_help = "a number, or several with commas between them"

    def parse(self, argument: str) -> float | list[float]:
        values = [float(part) for part in str(argument).split(",")]
        return values[0] if len(values) == 1 else values


class _ListOfNumbers(_Numbers):
    """Parses `1,2` and `1` as lists of numbers."""

    def parse(self, argument: str) -> list[float]:
        values = super().parse(argument)
        return values if isinstance(values, list) else [values]


def _list_of_numbers(name: str, default: None, help_text: str) -> None:
    flags.DEFINE(_ListOfNumbers(), name, default, help_text)


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
    "accept_changed_data": (
        flags.DEFINE_boolean,
        "Take the run's dataset although it has changed since the run began. "
        "Images that were there keep their split.",
    ),
    "temperature": (
        _numbers,
        "Multiplies the prior's standard deviation; of a hierarchical model "
        "also a list with one number for each group, the top group first.",
    ),
    "label": (
        flags.DEFINE_string,
        "For a conditional model: a class by its name, or by its number where "
        "no name is one; or several with commas (in turn for sample and for "
        "seeds, else one for each image); or folders: the class that each "
        "file's folder is named after, as it is unless given.",
    ),
    "pixels": (
        flags.DEFINE_string,
        "What a sample shows of p(x|z): mean (the default, smooth) or draw "
        "(with the noise of its pixels, as NVAE's colour images are shown).",
    ),
    "method": (
        flags.DEFINE_string,
        "spherical (the default) or linear.",
    ),
    "steps": (flags.DEFINE_integer, "Images in a row; 9 unless given."),
    "between_seeds": (
        _list_of_numbers,
        "Pairs of seeds to interpolate between, instead of images.",
    ),
    "limit": (
        flags.DEFINE_float,
        "Dimensions run from -limit to limit standard deviations; 2.5 unless "
        "given.",
    ),
    "outliers": (
        flags.DEFINE_string,
        "Unusual images, to be told from the others: a folder, or the name of "
        "a dataset. AUROCs are reported.",
    ),
    "outliers_manual_dir": (
        flags.DEFINE_string,
        "Folder of the archives of the dataset in --outliers.",
    ),
    "background": (
        flags.DEFINE_string,
        "Run folder of a background model, for likelihood ratios; "
        "apps/train.py --mutation_rate=0.1 makes one.",
    ),
    "num_importance_samples": (
        flags.DEFINE_integer,
        "Draws for the bound on log p(x), 100 unless given; 1 takes the ELBO.",
    ),
    "sort_by": (
        flags.DEFINE_string,
        "nll, nll_ratio or reconstruction_error, the highest first; nll_ratio "
        "with a background, else nll, unless given.",
    ),
    "num_shown": (
        flags.DEFINE_integer,
        "Images in the picture; 40 of score and 10 of the others unless given.",
    ),
    "max_points": (
        flags.DEFINE_integer,
        "Images in the Embedding Projector; 10,000 unless given.",
    ),
    "max_dimensions": (
        flags.DEFINE_integer,
        "Latent dimensions in the Embedding Projector; 512 unless given.",
    ),
    "per_class": (
        flags.DEFINE_integer,
        "Images that each class is filled to; as many as the largest class "
        "has unless given.",
    ),
    "mask": (
        flags.DEFINE_string,
        "What is missing: random (the default), box, half, or an image file "
        "of the images' size whose white pixels are missing.",
    ),
    "share": (
        flags.DEFINE_float,
        "Share of the pixels that a random or box mask hides; 0.5 unless "
        "given.",
    ),
    "side": (
        flags.DEFINE_string,
        "What a half mask hides: top, bottom, left, right or any (the "
        "default).",
    ),
    "factor": (
        flags.DEFINE_integer,
        "Pixels on a side of a block that becomes one, 2 (the default) ... 8.",
    ),
    "downsampling": (
        flags.DEFINE_string,
        "What is known of a block: its mean (the default), or with decimate "
        "its first pixel.",
    ),
    "num_chains": (
        flags.DEFINE_integer,
        "Markov chains, so many draws, of each image; 8 unless given.",
    ),
    "burn_in": (
        flags.DEFINE_integer,
        "First sweeps of each chain, which do not count; 40 unless given.",
    ),
    "num_sweeps": (
        flags.DEFINE_integer,
        "Sweeps of each chain that count; 60 unless given.",
    ),
    "recalibrate_batch_norm": (
        flags.DEFINE_integer,
        "Passes that fit NVAE's batch normalisation to the temperature, such "
        "as 500; 0 unless given.",
    ),
}
