"""`export`: from a trained run to a SavedModel that TF Serving loads."""

import json
import os
import pathlib
from typing import Any

import keras

from keras_vae.config import PIXELS, check_bool, check_choice
from keras_vae.io.local_files import check_local
from keras_vae.serving.metadata import METADATA, describe, read_signatures
from keras_vae.serving.signatures import make_endpoints
from keras_vae.serving.succession import check_succession, run_path
from keras_vae.serving.version_folders import (
    add_version,
    check_keep_versions,
    check_writable,
)
from keras_vae.serving.warmup import WARMUP, write_warmup
from keras_vae.training import TrainedModel

__all__ = ["export"]


def export(
    trained: TrainedModel,
    export_dir: str | os.PathLike[str],
    *,
    keep_versions: int | None = None,
    pixels: str = "mean",
    replace: bool = False,
) -> pathlib.Path:
    """Exports a model as the next version in `export_dir`.

    It is written beside the versions and then renamed, so that a server that
    watches the folder sees a whole version or none; only then are old ones
    removed.

    Args:
        trained: The model of a run.
        export_dir: The model's folder; TF Serving's `base_path`.
        keep_versions: How many of the newest versions stay, the new one
            among them; None for all.
        pixels: What the signature `sample` answers: the `mean` of p(x|z), or
            a `draw` from it.
        replace: Whether it may follow a version that answers otherwise, whose
            clients then fail; see `check_succession`.

    Returns:
        The version folder, `<export_dir>/<version>`.

    Raises:
        UserError: If the folder cannot be written, or the model answers
            otherwise than the version before.
    """
    check_bool("replace", replace)
    check_keep_versions(keep_versions)
    check_choice("pixels", pixels, PIXELS)
    check_writable(export_dir)
    run = run_path(trained.place, export_dir) if trained.folder else None
    metadata = describe(trained, pixels, run)

    def check() -> None:
        if not replace:
            check_succession(export_dir, metadata)

    def write(folder: pathlib.Path) -> None:
        metadata["signatures"] = _write(trained, pixels, folder)
        (folder / METADATA).parent.mkdir()
        (folder / METADATA).write_text(json.dumps(metadata, indent=2) + "\n")
        write_warmup(folder / WARMUP, metadata)

    check()  # What can be seen before the graphs are made.
    base = check_local("export_dir", export_dir)
    return add_version(base, write, keep_versions, check)


def _write(
    trained: TrainedModel, pixels: str, folder: pathlib.Path
) -> dict[str, Any]:
    """Writes the SavedModel; returns its signatures."""
    archive = keras.export.ExportArchive()
    archive.track(trained.model)
    endpoints = make_endpoints(trained.model, trained.preparation, pixels)
    for name, (function, specs) in endpoints.items():
        # Keras makes the first one `serving_default` too.
        archive.add_endpoint(name, function, input_signature=specs)
    archive.write_out(str(folder), verbose=False)
    return read_signatures(folder)
