"""Puts the model of a run to use: one verb, one picture or file.

Examples:
    python apps/generate.py sample --workdir=runs/mnist_vae --output=new.png
    python apps/generate.py reconstruct --workdir=runs/mnist_vae \
        --output=pairs.png digits/ other.png
    python apps/generate.py reconstruct --workdir=runs/mnist_vae \
        --output=pairs.png --split=test --num_images=16
    python apps/generate.py interpolate --workdir=runs/mnist_vae \
        --output=ways.png --between_seeds=0,1,2,3
    python apps/generate.py traverse --workdir=runs/mnist_vae \
        --output=dimensions.png
    python apps/generate.py score --workdir=runs/mnist_vae --output=scores \
        --outliers=other_images/
    python apps/generate.py encode --workdir=runs/mnist_vae --output=latents
    python apps/generate.py augment --workdir=runs/mnist_vae --output=balanced
    python apps/generate.py impute --workdir=runs/mnist_vae --output=imputed \
        --mask=half --side=bottom
    python apps/generate.py upscale --workdir=runs/mnist_vae --output=upscaled \
        --factor=4

Images are files and folders named after the verb, or else a split of the run's
dataset: all of them or a seeded subset of --num_images.

To add a verb, add it to `_VERBS` with the flags that its function takes, and
to `_FLAGS` those that do not exist yet. All flags default to None: one that was
not given is not passed on, so the defaults are those of the function, which is
`function(trained, [source,] output, **flags) -> outputs.Written`. The second
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
    from keras_vae.use.sample import sample

    return sample


def _reconstruct() -> Callable[..., Any]:
    from keras_vae.use.reconstruct import reconstruct

    return reconstruct


def _interpolate() -> Callable[..., Any]:
    from keras_vae.use.interpolate import interpolate

    return interpolate


def _traverse() -> Callable[..., Any]:
    from keras_vae.use.traverse import traverse

    return traverse


def _score() -> Callable[..., Any]:
    from keras_vae.use.score import score

    return score


def _encode() -> Callable[..., Any]:
    from keras_vae.use.encode import encode

    return encode


def _augment() -> Callable[..., Any]:
    from keras_vae.use.augment import augment

    return augment


def _impute() -> Callable[..., Any]:
    from keras_vae.use.impute import impute

    return impute


def _upscale() -> Callable[..., Any]:
    from keras_vae.use.impute import upscale

    return upscale


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


_SOURCE = (
    "split",
    "num_images",
    "seed",
    "data_dir",
    "manual_dir",
    "accept_changed_data",
    "label",
)
_CHAINS = ("num_chains", "burn_in", "num_sweeps", "num_shown")
_VERBS = {
    "sample": _Verb(
        _sample,
        (
            "num_images",
            "seed",
            "temperature",
            "label",
            "recalibrate_batch_norm",
            "pixels",
        ),
    ),
    "reconstruct": _Verb(_reconstruct, reads_images=True),
    "interpolate": _Verb(
        _interpolate,
        ("method", "steps", "between_seeds", "temperature"),
        reads_images=True,
    ),
    "traverse": _Verb(_traverse, ("limit", "steps", "seed"), reads_images=True),
    "score": _Verb(
        _score,
        (
            "outliers",
            "outliers_manual_dir",
            "background",
            "num_importance_samples",
            "sort_by",
            "num_shown",
        ),
        reads_images=True,
    ),
    "encode": _Verb(
        _encode, ("max_points", "max_dimensions"), reads_images=True
    ),
    "augment": _Verb(
        _augment,
        (
            "per_class",
            "seed",
            "temperature",
            "data_dir",
            "manual_dir",
            "accept_changed_data",
        ),
    ),
    "impute": _Verb(
        _impute, ("mask", "share", "side", *_CHAINS), reads_images=True
    ),
    "upscale": _Verb(
        _upscale, ("factor", "downsampling", *_CHAINS), reads_images=True
    ),
}


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


def _define_flags() -> None:
    flags.DEFINE_string("workdir", None, "The run folder.", required=True)
    flags.DEFINE_string("weights", None, cli.WEIGHTS_HELP)
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
    from keras_vae.io.local_files import check_local
    from keras_vae.training import load_trained
    from keras_vae.use.source import ImageSource

    check_local("output", flags.FLAGS.output)
    places: list[Any] = [load_trained(flags.FLAGS.workdir, flags.FLAGS.weights)]
    if verb.reads_images:
        places.append(ImageSource(inputs, **cli.given_flags(*_SOURCE)))
    places.append(flags.FLAGS.output)
    options = cli.given_flags(*verb.takes)
    if "background" in options:
        options["background"] = load_trained(options["background"])
    written = verb.load()(*places, **options)
    if written.report:
        print(written.report)
    for path in written.paths:
        print(f"wrote {path}")


if __name__ == "__main__":
    _define_flags()
    cli.run(main)
