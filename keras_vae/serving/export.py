"""`export`: from a trained run to a SavedModel that TF Serving loads."""

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

import keras_vae
from keras_vae.errors import UserError
from keras_vae.models import GenerativeModel
from keras_vae.serving.signatures import make_endpoints
from keras_vae.training import ExperimentConfig, load_trained, resolve_data

__all__ = ["export", "export_model", "next_version", "versions"]

METADATA = "assets.extra/metadata.json"


def export(
    workdir: str | os.PathLike[str], export_dir: str | os.PathLike[str]
) -> pathlib.Path:
    """Exports the model of a run as the next version in `export_dir`.

    Args:
        workdir: The run folder.
        export_dir: The model's folder; TF Serving's `base_path`.

    Returns:
        The version folder, `<export_dir>/<version>`.

    Raises:
        UserError: If the run is not trained, or the folder cannot be written.
    """
    check_writable(export_dir)
    model, experiment = load_trained(workdir)
    return export_model(model, experiment, export_dir)


def export_model(
    model: GenerativeModel,
    experiment: ExperimentConfig,
    export_dir: str | os.PathLike[str],
) -> pathlib.Path:
    """Writes a model with its signatures as the next version.

    It is written beside the versions and then renamed, so that a server that
    watches the folder sees a whole version or none.

    Args:
        model: The model, in float32.
        experiment: What it was trained on, for the metadata.
        export_dir: As for `export`.

    Raises:
        UserError: If the folder cannot be written.
    """
    base = pathlib.Path(export_dir)
    resolved = resolve_data(experiment.data, experiment.model)
    with _partial_folder(base) as partial:
        num_bits = experiment.data.num_bits
        signatures = _write(model, resolved, num_bits, partial)
        metadata = partial / METADATA
        metadata.parent.mkdir()
        content = _metadata(model, experiment, resolved, signatures)
        metadata.write_text(json.dumps(content, indent=2) + "\n")
        partial.chmod(0o755)
        target = base / str(next_version(base))
        partial.rename(target)
    return target


def check_writable(export_dir: str | os.PathLike[str]) -> None:
    """Raises UserError if nothing can be written there; leaves no trace."""
    with _partial_folder(pathlib.Path(export_dir)):
        pass


@contextlib.contextmanager
def _partial_folder(base: pathlib.Path) -> Iterator[pathlib.Path]:
    """Makes `base`, where it is missing, and an empty folder in it.

    On leaving, the folder is removed unless it was renamed, and so is what
    was made for it and holds nothing.
    """
    made: list[pathlib.Path] = []
    partial = None
    try:
        try:
            made += [p for p in (base, *base.parents) if not p.exists()]
            base.mkdir(parents=True, exist_ok=True)
            partial = pathlib.Path(
                tempfile.mkdtemp(prefix=".partial-", dir=base)
            )
        except OSError as error:
            raise UserError(
                "The export folder cannot be written: choose another "
                f"--export_dir. Received: --export_dir={base} "
                f"({error.strerror})"
            ) from error
        yield partial
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()


def versions(base: pathlib.Path) -> list[int]:
    """Returns the versions in a model's folder, in increasing order."""
    return sorted(
        int(path.name)
        for path in base.iterdir()
        if path.is_dir() and path.name.isdecimal()
    )


def next_version(base: pathlib.Path) -> int:
    """Returns the number after the highest version, 1 for an empty folder."""
    return max(versions(base), default=0) + 1


def _write(
    model: GenerativeModel,
    resolved: dict[str, str],
    num_bits: int,
    folder: pathlib.Path,
) -> list[str]:
    archive = keras.export.ExportArchive()
    archive.track(model)
    endpoints = make_endpoints(model, resolved, num_bits)
    for name, (function, specs) in endpoints.items():
        # Keras makes the first one `serving_default` too.
        archive.add_endpoint(name, function, input_signature=specs)
    archive.write_out(str(folder), verbose=False)
    return ["serving_default", *endpoints]


def _metadata(
    model: GenerativeModel,
    experiment: ExperimentConfig,
    resolved: dict[str, str],
    signatures: list[str],
) -> dict[str, Any]:
    return {
        "package": f"keras_vae {keras_vae.__version__}",
        "tensorflow": tf.__version__,
        "image_shape": list(model.image_shape),
        "image_range": [0.0, 1.0],
        "latent_dim": model.latent_dim,
        "groups": [list(shape) for shape in model.group_shapes],
        "signatures": signatures,
        **resolved,
        "experiment": experiment.to_dict(),
    }
