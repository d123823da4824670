"""Whether an export may follow the version that is served before it.

A server switches to the newest version by itself, and its clients go on as
they are: a version that takes other inputs, gives other outputs, or means
something else by them breaks them without a word.
"""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from keras_vae.config import differences
from keras_vae.errors import UserError
from keras_vae.serving.metadata import METADATA
from keras_vae.serving.version_folders import newest_version

__all__ = [
    "check_default_export_dir",
    "check_succession",
    "default_export_dir",
    "run_path",
]

_ROOT = "saved_models"
# What clients rely on, beside the signatures: metadata that the model and its
# data determine before anything is trained.
_PROMISES = (
    "image_shape",
    "image_range",
    "num_bits",
    "latent_dim",
    "latent_layout",
    "num_classes",
    "class_names",
    "likelihood",
    "binarization",
    "dequantization",
)
_MAX_SHOWN = 4
_MAX_TEXT = 100


def check_succession(
    export_dir: str | os.PathLike[str], metadata: Mapping[str, Any]
) -> None:
    """Checks that clients of the newest version can ask this export too.

    Args:
        export_dir: The model's folder; it may be missing, or hold nothing.
        metadata: What `metadata.describe` returned for the export. Without
            `signatures`, which only an exported model has, all but them is
            compared.

    Raises:
        UserError: If names, dtypes or shapes of a signature, the images, the
            latents, the classes, the likelihood or how images are prepared
            differ, or the newest version does not say.
    """
    version = newest_version(pathlib.Path(export_dir))
    if version is None:
        return
    names = [*_PROMISES, *(["signatures"] if "signatures" in metadata else [])]
    try:
        old = json.loads((version / METADATA).read_text("utf-8"))
        before = {name: old[name] for name in names}
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(
            "The version before does not say what it answers, so nothing shows "
            "that its clients can ask the new one: choose another "
            "--export_dir, or give --replace. "
            f"Received: {version} ({type(error).__name__})"
        ) from error
    after = json.loads(json.dumps({name: metadata[name] for name in names}))
    changed = differences(before, after)
    if changed:
        raise UserError(
            "The export would answer otherwise than the version before it, and "
            "that one's clients would fail: choose another --export_dir, or "
            f"give --replace. Received: {_listed(changed)}; before is {version}"
        )


def default_export_dir(workdir: str | os.PathLike[str]) -> str:
    """Returns the folder of a run's exports, named after the run folder."""
    return os.path.join(_ROOT, pathlib.Path(workdir).resolve().name)


def check_default_export_dir(workdir: str | os.PathLike[str]) -> None:
    """Checks that the default folder holds exports of this run alone.

    Run folders in two places may have the same name. Where the folder is
    chosen with `--export_dir`, a better run may follow another; by default it
    must not happen by chance. An export that does not name its run, as those
    of earlier versions of this package, passes.

    Raises:
        UserError: If the newest version is of a run folder elsewhere.
    """
    export_dir = default_export_dir(workdir)
    version = newest_version(pathlib.Path(export_dir))
    if version is None:
        return
    try:
        run = json.loads((version / METADATA).read_text("utf-8")).get("run")
    except (OSError, AttributeError, ValueError, RecursionError):
        return  # `check_succession` refuses it in its own words.
    if run not in (None, own := run_path(workdir, export_dir)):
        raise UserError(
            f"{export_dir} holds the exports of another run folder of this "
            "name: choose --export_dir, or give --replace. "
            f"Received: {_short(str(run))} in {version}, and now {own}"
        )


def run_path(
    workdir: str | os.PathLike[str], export_dir: str | os.PathLike[str]
) -> str:
    """Returns the path to the run folder from the exported model's folder.

    So the two may be moved together, and no other path of the machine is
    written into what is served.
    """
    return os.path.relpath(
        pathlib.Path(workdir).resolve(), pathlib.Path(export_dir).resolve()
    )


def _listed(changed: list[str]) -> str:
    shown = "; ".join(_short(line) for line in changed[:_MAX_SHOWN])
    more = len(changed) - _MAX_SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 3]}..."
