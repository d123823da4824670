"""Trains a model, evaluates it and exports it for TF Serving.

Example:
    python apps/train.py --dataset=mnist --workdir=runs/mnist_vae

The run folder holds everything that happens. The same command goes on with a
run that was cut off.
"""

import pathlib
import sys
from collections.abc import Sequence

from absl import flags

from keras_vae import cli
from keras_vae.config import DISTRIBUTIONS, PRECISIONS, TrainingConfig

_DATA = (
    "dataset",
    "data_dir",
    "manual_dir",
    "binarization",
    "dequantization",
    "pad",
    "validation_size",
    "num_bits",
    "horizontal_flip",
    "mutation_rate",
    "seed",
)
_TRAINING = (
    "epochs",
    "max_minutes",
    "seed",
    "distribution",
    "precision",
    "jit_compile",
    "batch_parts",
    "patience",
    "keep_checkpoints",
    "checkpoint_seconds",
)


def _define_data_flags() -> None:
    flags.DEFINE_string(
        "dataset",
        "mnist",
        "An image dataset of tensorflow_datasets, mnist_5k (5,000 digits that "
        "need no network), or image_folder.",
    )
    flags.DEFINE_string(
        "data_dir", None, "Folder of prepared data, or of image_folder."
    )
    flags.DEFINE_string(
        "manual_dir", None, "Folder of original archives, to prepare offline."
    )
    flags.DEFINE_string(
        "binarization",
        "auto",
        "none, static (once), dynamic (anew each time), or auto: dynamic for "
        "MNIST and its kin, else none.",
    )
    flags.DEFINE_string(
        "dequantization",
        "auto",
        "none, uniform (noise below the 8 bits), or auto: uniform where the "
        "likelihood is a density.",
    )
    flags.DEFINE_string("resize", None, "Resize images to HEIGHT,WIDTH.")
    flags.DEFINE_integer("pad", 0, "Black pixels added on every side.")
    flags.DEFINE_integer(
        "validation_size", None, "Images cut from train for validation."
    )
    flags.DEFINE_integer("num_bits", 8, "Bits of each value that are kept.")
    flags.DEFINE_boolean(
        "horizontal_flip", False, "Mirror half of the training images."
    )
    flags.DEFINE_float(
        "mutation_rate",
        0.0,
        "Share of the pixels that training sees replaced by random levels: "
        "makes a background model for apps/generate.py score.",
    )


def _define_training_flags() -> None:
    default = TrainingConfig()
    flags.DEFINE_string(
        "workdir", None, "Run folder; runs/<dataset>_<model> unless given."
    )
    flags.DEFINE_boolean("resume", True, "Go on with the run in the folder.")
    flags.DEFINE_string(
        "init_from",
        None,
        "Run folder or model.keras: start from its weights, as far as they "
        "fit; what was taken is listed.",
    )
    flags.DEFINE_boolean(
        "accept_changed_data",
        False,
        "Go on with a run whose images have changed. Those that were there "
        "keep their split, and the results say what changed.",
    )
    flags.DEFINE_integer(
        "epochs",
        default.epochs,
        "Passes through the data; more than a run had make it go on longer.",
    )
    flags.DEFINE_float(
        "max_minutes", None, "Train so many minutes instead of --epochs."
    )
    flags.DEFINE_integer("seed", default.seed, "Base of all chance.")
    flags.DEFINE_string(
        "distribution", default.distribution, f"One of {DISTRIBUTIONS}."
    )
    flags.DEFINE_integer(
        "num_cpu_devices",
        1,
        "Split the CPU into so many logical devices, to try "
        "--distribution=mirrored without accelerators.",
    )
    flags.DEFINE_string("precision", default.precision, f"One of {PRECISIONS}.")
    flags.DEFINE_string(
        "jit_compile",
        default.jit_compile,
        "Whether XLA compiles: auto, true, false.",
    )
    flags.DEFINE_integer(
        "batch_parts",
        default.batch_parts,
        "Parts of a batch that the cores of a CPU work on side by side; 0: as "
        "many as suit.",
    )
    flags.DEFINE_integer(
        "patience",
        default.patience,
        "Epochs without a lower val_loss (what training minimises, with the "
        "beta and the draws of the end of the run) before stopping; 0: never.",
    )
    flags.DEFINE_integer(
        "keep_checkpoints", default.keep_checkpoints, "Checkpoints kept."
    )
    flags.DEFINE_float(
        "checkpoint_seconds",
        default.checkpoint_seconds,
        "Seconds between checkpoints.",
    )
    flags.DEFINE_boolean("evaluate", True, "Evaluate at the end.")
    flags.DEFINE_integer(
        "num_importance_samples", 1000, "Draws for the bound on log p(x)."
    )
    flags.DEFINE_boolean("export", True, "Export at the end.")
    flags.DEFINE_string(
        "export_dir",
        None,
        "The exported model's folder; saved_models/<name of the run folder> "
        "unless given.",
    )
    flags.DEFINE_string(
        "pixels",
        "mean",
        "What samples show of p(x|z), in the pictures at the end and in the "
        "export: mean (smooth) or draw (with the noise of its pixels).",
    )
    flags.DEFINE_integer(
        "keep_versions",
        None,
        "Exported versions that stay, the new one too; all unless given.",
    )
    flags.DEFINE_boolean(
        "replace",
        False,
        "Export even where the clients of the version before would fail.",
    )


def main(arguments: Sequence[str]) -> int:
    values = flags.FLAGS
    cli.no_arguments(arguments)
    # What can be checked is, before TensorFlow takes its seconds.
    model = cli.model_config()
    training = TrainingConfig(**cli.given_flags(*_TRAINING))
    resize = cli.parse_size(values.resize)
    cli.split_cpu(values.num_cpu_devices)

    from keras_vae.data import DataConfig
    from keras_vae.evaluation import EvaluationConfig
    from keras_vae.pipeline import run
    from keras_vae.serving.succession import (
        check_default_export_dir,
        default_export_dir,
    )
    from keras_vae.training import (
        DivergedError,
        ExperimentConfig,
        share_cores,
    )

    share_cores(model, training)
    data = DataConfig(**cli.given_flags(*_DATA), resize=resize)
    evaluation = EvaluationConfig(
        num_importance_samples=values.num_importance_samples
    )
    name = f"{data.dataset.replace('/', '_')}_{values.model}"
    workdir = values.workdir or f"runs/{name}"
    export_dir = values.export_dir or default_export_dir(workdir)
    if values.export and not (values.export_dir or values.replace):
        check_default_export_dir(workdir)
    try:
        result = run(
            ExperimentConfig(data, model, training),
            workdir,
            resume=values.resume,
            init_from=values.init_from,
            accept_changed_data=values.accept_changed_data,
            evaluation=evaluation if values.evaluate else None,
            export_dir=export_dir if values.export else None,
            keep_versions=values.keep_versions,
            pixels=values.pixels,
            replace=values.replace,
        )
    except DivergedError as error:
        # A diagnosis for people: a traceback adds nothing to it.
        print(f"error: {error}", file=sys.stderr)
        return 1
    if result.interrupted:
        print(f"stopped by {result.interrupted}: the same command goes on")
        return cli.interruption_code(result.interrupted)
    print(f"tensorboard --logdir={workdir}/tensorboard")
    return 0


if __name__ == "__main__":
    _define_data_flags()
    _define_training_flags()
    cli.define_model_flags(pathlib.Path(__file__).parent / "configs")
    cli.run(main)
