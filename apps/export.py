"""Exports the model of a run as a SavedModel that TF Serving loads.

Example:
    python apps/export.py --workdir=runs/mnist_vae --serving_files=deploy

The export becomes the next version in saved_models/mnist_vae, named after the
run folder unless --export_dir is given. Without --workdir nothing is exported,
and --serving_files are written for what --export_dir holds.
"""

from collections.abc import Sequence

from absl import flags

from keras_vae import cli
from keras_vae.io.local_files import check_local

# Flag -> the one without which it does nothing.
_NEEDS = {
    "weights": "workdir",
    "keep_versions": "workdir",
    "replace": "workdir",
    "host": "serving_files",
}


def _define_flags() -> None:
    flags.DEFINE_string("workdir", None, "The run folder.")
    flags.DEFINE_string("weights", None, cli.WEIGHTS_HELP)
    flags.DEFINE_string(
        "export_dir",
        None,
        "The model's folder: the export becomes its next version; "
        "saved_models/<name of the run folder> unless given.",
    )
    flags.DEFINE_integer(
        "keep_versions",
        None,
        "Versions that stay, the new one among them; all unless given.",
    )
    flags.DEFINE_boolean(
        "replace",
        False,
        "Export even where the clients of the version before would fail.",
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
    flags.DEFINE_string(
        "host",
        None,
        "Address on which the compose file publishes the ports; 127.0.0.1, "
        "this machine alone, unless given. 0.0.0.0 lets everybody in who "
        "reaches this machine.",
    )


def main(arguments: Sequence[str]) -> None:
    values = flags.FLAGS
    cli.no_arguments(arguments)
    _check_flags()

    cli.load_tensorflow()
    from keras_vae.config import PIXELS, check_choice
    from keras_vae.serving.export import export
    from keras_vae.serving.server_files import (
        ServerOptions,
        write_server_files,
    )
    from keras_vae.serving.succession import (
        check_default_export_dir,
        default_export_dir,
    )
    from keras_vae.serving.version_folders import (
        check_keep_versions,
        check_writable,
    )
    from keras_vae.training import load_trained

    options = ServerOptions(**cli.given_flags("host"))
    export_dir = values.export_dir
    if export_dir is None:
        export_dir = default_export_dir(values.workdir)
        if not values.replace:
            check_default_export_dir(values.workdir)
    if values.workdir is not None:
        # What can be checked is, before the model is loaded.
        check_keep_versions(values.keep_versions)
        check_choice("pixels", values.pixels, PIXELS)
        check_writable(export_dir)
        path = export(
            load_trained(values.workdir, values.weights),
            export_dir,
            keep_versions=values.keep_versions,
            replace=values.replace,
            pixels=values.pixels,
        )
        print(f"exported {path}")
    if values.serving_files is not None:
        files = write_server_files(export_dir, values.serving_files, options)
        for path in files:
            print(f"wrote {path}")


def _check_flags() -> None:
    """Refuses what would do nothing."""
    values = flags.FLAGS
    for name in ("workdir", "export_dir", "serving_files"):
        if values[name].value is not None:
            check_local(name, values[name].value)
    if values.workdir is None and values.export_dir is None:
        raise cli.UserError(
            "Say what to export, --workdir, or what to serve, --export_dir. "
            "Received: neither"
        )
    if values.workdir is None and values.serving_files is None:
        raise cli.UserError(
            "Nothing to do: name a run with --workdir to export it, or a "
            "folder with --serving_files. Received: "
            f"--export_dir={values.export_dir}"
        )
    for name, needed in _NEEDS.items():
        if values[needed].value is None:
            cli.refuse_flags([name], f"without --{needed}")


if __name__ == "__main__":
    _define_flags()
    cli.run(main)
