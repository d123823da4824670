"""Exports the model of a run as a SavedModel that TF Serving loads.

Example:
    python apps/export.py --workdir=runs/mnist_vae \
        --export_dir=saved_models/mnist_vae
"""

from collections.abc import Sequence

from absl import flags

from keras_vae import cli


def _define_flags() -> None:
    flags.DEFINE_string("workdir", None, "The run folder.", required=True)
    flags.DEFINE_string(
        "export_dir",
        None,
        "The model's folder: the export becomes its next version.",
        required=True,
    )


def main(arguments: Sequence[str]) -> None:
    cli.no_arguments(arguments)

    cli.load_tensorflow()
    from keras_vae.serving.export import export

    print(f"exported {export(flags.FLAGS.workdir, flags.FLAGS.export_dir)}")


if __name__ == "__main__":
    _define_flags()
    cli.run(main)
