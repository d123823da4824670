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
    python apps/generate.py encode --workdir=runs/mnist_vae --output=codes.npz
    python apps/generate.py decode --workdir=runs/mnist_vae --output=back.png \
        codes.npz

Images are files and folders named after the verb, or else a split of the run's
dataset: all of them or a seeded subset of --num_images.

To add a verb, add it to `_VERBS` with the flags that its function takes, to
`keras_vae/cli/verb_flags.py` those that do not exist yet, and the function to
`keras_vae/use/verb_calls.py`. The function is
`function(model, [source,] output, **flags) -> outputs.Written`.
"""

from collections.abc import Sequence

from absl import flags

from keras_vae import cli
from keras_vae.cli.verb_flags import (
    Verb,
    chosen_verb,
    define_verb_flags,
)

_DATA = ("data_dir", "manual_dir", "accept_changed_data")
_SOURCE = ("split", "num_images", "seed", *_DATA, "label")
_CHAINS = ("num_chains", "burn_in", "num_sweeps", "num_shown")
_VERBS = {
    "sample": Verb(
        (
            "num_images",
            "seed",
            "temperature",
            "label",
            "recalibrate_batch_norm",
            "pixels",
        ),
    ),
    "reconstruct": Verb(of_source=_SOURCE),
    "interpolate": Verb(
        ("method", "steps", "between_seeds", "temperature"),
        _SOURCE,
    ),
    "traverse": Verb(("limit", "steps", "seed"), _SOURCE),
    "score": Verb(
        (
            "outliers",
            "outliers_manual_dir",
            "background",
            "num_importance_samples",
            "sort_by",
            "num_shown",
        ),
        _SOURCE,
    ),
    "encode": Verb(("max_points", "max_dimensions"), _SOURCE),
    "decode": Verb(("label",), reads_files=True),
    "augment": Verb(
        ("per_class", "seed", "temperature", *_DATA),
    ),
    "impute": Verb(
        ("mask", "share", "side", *_CHAINS),
        _SOURCE,
    ),
    "upscale": Verb(
        ("factor", "downsampling", *_CHAINS),
        _SOURCE,
    ),
}


def main(arguments: Sequence[str]) -> None:
    name, inputs = chosen_verb(arguments, _VERBS, ["workdir", "output"])

    cli.load_tensorflow()
    from keras_vae.training import load_trained
    from keras_vae.use.verb_calls import call_verb

    values = flags.FLAGS
    call_verb(
        name,
        lambda: load_trained(values.workdir, values.weights),
        inputs,
        **_VERBS[name].given(),
    )


if __name__ == "__main__":
    flags.DEFINE_string("workdir", None, "The run folder.", required=True)
    flags.DEFINE_string("weights", None, cli.WEIGHTS_HELP)
    define_verb_flags(_VERBS)
    cli.run(main)
