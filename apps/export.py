"""Exports the model of a run as a SavedModel that TF Serving loads.

Example:
    python apps/export.py --workdir=runs/mnist_vae \
        --export_dir=saved_models/mnist_vae --serving_files=deploy

Without --workdir nothing is exported, and --serving_files are written for what
--export_dir holds.
"""

from collections.abc import Sequence

from absl import flags

from keras_vae import cli


def _define_flags() -> None:
    flags.DEFINE_string("workdir", None, "The run folder.")
    flags.DEFINE_string(
        "export_dir",
        None,
        "The model's folder: the export becomes its next version.",
        required=True,
    )
    flags.DEFINE_integer(
        "keep_versions",
        None,
        "Versions that stay, the new one among them; all unless given.",
    )
    flags.DEFINE_string(
        "pixels",
        "mean",
        "What the signature sample answers: mean (of p(x|z), smooth) or draw "
        "(from it, with the noise of its pixels).",
    )
    flags.DEFINE_string(
        "serving_files",
        None,
        "Folder for files that start TF Serving: its configuration, a compose "
        "file, a Kubernetes manifest.",
    )


def main(arguments: Sequence[str]) -> None:
    values = flags.FLAGS
    cli.no_arguments(arguments)
    if values.workdir is None and values.serving_files is None:
        raise cli.UserError(
            "Nothing to do: name a run with --workdir to export it, or a "
            "folder with --serving_files. Received: "
            f"--export_dir={values.export_dir}"
        )

    cli.load_tensorflow()
    from keras_vae.serving.export import export
    from keras_vae.serving.server_files import write_server_files

    if values.workdir is not None:
        path = export(
            values.workdir,
            values.export_dir,
            keep_versions=values.keep_versions,
            pixels=values.pixels,
        )
        print(f"exported {path}")
    if values.serving_files is not None:
        for path in write_server_files(values.export_dir, values.serving_files):
            print(f"wrote {path}")


if __name__ == "__main__":
    _define_flags()
    cli.run(main)
