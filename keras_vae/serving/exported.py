"""A SavedModel of this package, loaded and asked."""

import os
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae.errors import UserError, did_you_mean
from keras_vae.io.local_files import check_local, read_json
from keras_vae.serving.backend import (
    SignatureInfo,
    TensorInfo,
    graph_error,
    in_order,
    one_line,
)
from keras_vae.serving.metadata import METADATA
from keras_vae.serving.version_folders import versions

__all__ = ["ExportedModel"]

# What a folder that is no SavedModel, or a damaged one, makes TensorFlow raise.
_LOAD_ERRORS = (
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,  # RecursionError is one.
    TypeError,
    ValueError,
    tf.errors.OpError,
)


class ExportedModel:
    """An export, loaded with TensorFlow alone.

    Args:
        path: A version folder, or a model's folder, whose highest version is
            taken.

    Attributes:
        path: The version folder.
        metadata: What `assets.extra/metadata.json` says.

    Raises:
        UserError: If there is no export.

    Example:
        >>> model = ExportedModel("saved_models/mnist_vae")
        >>> model("sample", seed=np.array([[1, 2]], np.int32),
        ...       temperature=np.ones([1], np.float32))["image"].shape
        (1, 28, 28, 1)
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = _version_folder(check_local("saved_model", path))
        self.metadata = _read_metadata(self.path)
        try:
            self._module = tf.saved_model.load(str(self.path))
        except _LOAD_ERRORS as error:
            raise _not_loadable(self.path, type(error).__name__) from error

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images."""
        height, width, channels = self.metadata["image_shape"]
        return height, width, channels

    def __call__(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """Asks one signature.

        Args:
            signature: Its name.
            **inputs: Its inputs by name, as arrays.

        Returns:
            Its outputs by name, `in_order`.

        Raises:
            UserError: If the model has no such signature, or refuses the
                inputs.
        """
        if signature not in self._module.signatures:
            raise UserError(
                "The model has no such signature. "
                f"{did_you_mean(signature, self._module.signatures)} "
                f"Received: {signature}"
            )
        function = self._module.signatures[signature]
        expected = function.structured_input_signature[1]
        if expected.keys() != inputs.keys():
            raise UserError(
                f"{signature} takes {', '.join(sorted(expected))}. "
                f"Received: {', '.join(sorted(inputs)) or 'nothing'}"
            )
        tensors = {k: _tensor(k, value) for k, value in inputs.items()}
        try:
            answer = in_order(function(**tensors))
            return {name: tensor.numpy() for name, tensor in answer.items()}
        except tf.errors.ResourceExhaustedError as error:
            raise UserError(
                "The model ran out of memory: ask for fewer rows at once. "
                f"Received: {self.path}"
            ) from error
        except tf.errors.InvalidArgumentError as error:
            raise UserError(
                "The model refused the request; it says: "
                f"{graph_error(error.message)}. Received: {self.path}"
            ) from error

    @property
    def signatures(self) -> dict[str, SignatureInfo]:
        """What the model answers, by name."""
        return {
            name: SignatureInfo(
                _tensors(function.structured_input_signature[1]),
                _tensors(function.structured_outputs),
            )
            for name, function in self._module.signatures.items()
        }

    def close(self) -> None:
        """Does nothing: there is no connection."""


def _read_metadata(path: pathlib.Path) -> dict[str, Any]:
    """Returns what an export says of itself, as far as it is used checked.

    Raises:
        UserError: If it cannot be read, or says something else.
    """
    try:
        metadata = read_json(path / METADATA)
    except UserError as error:
        raise _not_loadable(path, str(error)) from error
    if not isinstance(metadata, dict):
        raise _not_loadable(path, "its metadata are no dict")
    shape = metadata.get("image_shape")
    names = metadata.get("class_names")
    count = metadata.get("num_classes")
    good = {
        "image_shape": isinstance(shape, list)
        and len(shape) == 3
        and all(type(size) is int and size > 0 for size in shape),
        "class_names": isinstance(names, list)
        and all(isinstance(name, str) for name in names),
        "num_classes": type(count) is int and count >= 0,
    }
    for name, is_good in good.items():
        if not is_good:
            raise _not_loadable(path, f"{name} of its metadata")
    return metadata


def _not_loadable(path: pathlib.Path, why: str) -> UserError:
    return UserError(
        "The SavedModel cannot be loaded as an export of this package "
        f"({why}). Received: {path}"
    )


def _tensor(name: str, value: Any) -> tf.Tensor:
    try:
        return tf.convert_to_tensor(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"{name} must be an array. Received: {type(value).__name__} "
            f"({one_line(str(error))})"
        ) from error


def _tensors(specs: dict[str, tf.TensorSpec]) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(
            np.dtype(spec.dtype.as_numpy_dtype), tuple(spec.shape.as_list())
        )
        for name, spec in in_order(specs).items()
    }


def _version_folder(path: pathlib.Path) -> pathlib.Path:
    if (path / "saved_model.pb").is_file():
        return path
    found = versions(path) if path.is_dir() else []
    if not found or not (path / str(found[-1]) / "saved_model.pb").is_file():
        raise UserError(
            "No SavedModel found: expected saved_model.pb in the folder or in "
            "a version folder such as 1/ below it; apps/export.py makes one. "
            f"Received: --saved_model={path}"
        )
    return path / str(found[-1])
