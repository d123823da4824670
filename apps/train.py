"""Trains a model, evaluates it and exports it for TF Serving.

Example:
    python apps/train.py --dataset=mnist --workdir=runs/mnist_vae

The run folder holds everything that happens. The same command continues a
run that was cut off.
"""

import sys
from collections.abc import Sequence

from absl import flags

from keras_vae import cli
from keras_vae.config import TrainingConfig
from keras_vae.config.data_config import DataConfig
from keras_vae.io.local_files import check_local


def _define_run_flags() -> None:
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
        "num_cpu_devices",
        1,
        "Split the CPU into so many logical devices, to try "
        "--distribution=mirrored without accelerators.",
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
    training = cli.settings(TrainingConfig)
    data = cli.settings(DataConfig)
    for flag in ("workdir", "export_dir", "init_from"):
        if values[flag].value is not None:
            check_local(flag, values[flag].value)
    cli.split_cpu(values.num_cpu_devices)

    from keras_vae.evaluation import EvaluationConfig
    from keras_vae.serving.succession import (
        check_default_export_dir,
        default_export_dir,
    )
    from keras_vae.training import (
        DivergedError,
        ExperimentConfig,
        share_cores,
    )
    from keras_vae.use.end_to_end import run

    share_cores(model, training)
    evaluation = EvaluationConfig(
        num_importance_samples=values.num_importance_samples
    )
    workdir, export_dir = values.workdir, values.export_dir
    if workdir is None:
        workdir = f"runs/{data.dataset.replace('/', '_')}_{values.model}"
    if export_dir is None:
        export_dir = default_export_dir(workdir)
        if values.export and not values.replace:
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
        print(f"stopped by {result.interrupted}: the same command continues")
        return cli.interruption_code(result.interrupted)
    print(f"tensorboard --logdir={workdir}/tensorboard")
    return 0


if __name__ == "__main__":
    cli.define_settings(DataConfig)
    cli.define_settings(TrainingConfig, leave=["seed"])
    _define_run_flags()
    cli.run(main, define_flags=cli.define_model_flags)
