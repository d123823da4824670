"""What the verbs write, by the suffix of the output."""

import os
import pathlib

from keras_vae.io import outputs

__all__ = ["check_output"]

_IMAGES = (".png", ".npz", "")
_SUFFIXES = {
    "sample": _IMAGES,
    "reconstruct": _IMAGES,
    "decode": _IMAGES,
    "encode": ("", ".npz"),
    "score": ("", ".csv"),
    "interpolate": (".png",),
    "traverse": (".png",),
    "augment": ("",),
    "impute": ("",),
    "upscale": ("",),
}


def check_output(verb: str, output: str | os.PathLike[str]) -> pathlib.Path:
    """Returns where a verb writes, if it can.

    Args:
        verb: Its name.
        output: The file or, without a suffix, the folder.

    Raises:
        UserError: If the verb writes nothing of that suffix, or a folder holds
            something.
    """
    path = outputs.check_suffix(output, _SUFFIXES[verb], verb)
    if not path.suffix:
        outputs.check_free_folder(path)
    return path
