"""Runs a SavedModel through TensorFlow's C API, with no Python TensorFlow.

A SavedModel that only runs where Python TensorFlow, Keras or this project can
be imported is of no use to a server. This client loads the shared libraries of
the tensorflow wheel with ctypes, and nothing else of the wheel, so what it can
run is in the SavedModel itself. It imports nothing of `keras_vae`.

As a script it runs one signature in a process of its own, and fails if
anything in it has imported Python TensorFlow:

    python -m tests.serving.tf_c_api SAVED_MODEL_DIR SIGNATURE IN.npz OUT.npz
"""

import argparse
import base64
import ctypes
import os
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from tests.serving import c_library, signatures

__all__ = ["SavedModelSession", "load_npz", "main", "save_npz"]


class SavedModelSession:
    """A SavedModel, loaded with the tag `serve`.

    Example:
        with SavedModelSession("saved_models/mnist_vae/1") as session:
            outputs = session.run("decode", {"z": np.zeros([2, 16], "f4")})
            outputs["image"].shape  # (2, 28, 28, 1)

    Attributes:
        signatures: Name -> `Signature`.
    """

    def __init__(self, path: str | os.PathLike[str]):
        """Loads the SavedModel.

        Args:
            path: Folder that holds `saved_model.pb`.

        Raises:
            RuntimeError: TensorFlow cannot load it, with TensorFlow's message.
        """
        library = c_library.library()
        self._session: int | None = None
        self._graph = library.TF_NewGraph()
        options = library.TF_NewSessionOptions()
        meta_graph = library.TF_NewBuffer()
        try:
            with c_library.Status() as status:
                self._session = library.TF_LoadSessionFromSavedModel(
                    options,
                    None,
                    os.fsencode(path),
                    (ctypes.c_char_p * 1)(b"serve"),
                    1,
                    self._graph,
                    meta_graph,
                    status,
                )
            buffer = meta_graph.contents
            self.signatures = signatures.parse(
                ctypes.string_at(buffer.data, buffer.length)
            )
        except (RuntimeError, ValueError):
            self.close()
            raise
        finally:
            library.TF_DeleteBuffer(meta_graph)
            library.TF_DeleteSessionOptions(options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Frees the session and its graph; a second call does nothing."""
        library = c_library.library()
        if self._session:
            with c_library.Status() as status:
                library.TF_CloseSession(self._session, status)
            with c_library.Status() as status:
                library.TF_DeleteSession(self._session, status)
            self._session = None
        if self._graph:
            library.TF_DeleteGraph(self._graph)
            self._graph = None

    def run(
        self, signature: str, inputs: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Runs one signature.

        Args:
            signature: Name of the signature.
            inputs: Name -> array, exactly those of the signature and of its
                dtypes: nothing is cast, as a server casts nothing. A string
                tensor is an array of bytes objects, or a list of them.

        Returns:
            outputs: name -> array; strings as bytes objects, dtype object.

        Raises:
            ValueError: There is no such signature, or an input is missing,
                unknown, or of another dtype.
            RuntimeError: TensorFlow refused the run, with its message.
        """
        if self._session is None:
            raise RuntimeError("The session was closed. Received: run().")
        spec = self._find(signature)
        arrays = _check_inputs(signature, spec.inputs, inputs)
        return self.run_tensors(
            {spec.inputs[name]: array for name, array in arrays.items()},
            spec.outputs,
        )

    def run_tensors(
        self,
        feeds: Mapping[signatures.TensorSpec, np.ndarray],
        fetches: Mapping[str, signatures.TensorSpec],
    ) -> dict[str, np.ndarray]:
        """Runs the graph; TensorFlow alone checks the feeds.

        Args:
            feeds: Tensor -> array.
            fetches: Name -> tensor.

        Returns:
            name -> array; strings as bytes objects, dtype object.

        Raises:
            RuntimeError: TensorFlow refused the run, with its message.
        """
        if self._session is None:
            raise RuntimeError("The session was closed. Received: run().")
        library = c_library.library()
        tensors = [c_library.to_tensor(array) for array in feeds.values()]
        answers = (ctypes.c_void_p * len(fetches))()
        try:
            with c_library.Status() as status:
                library.TF_SessionRun(
                    self._session,
                    None,
                    self._places(list(feeds)),
                    (ctypes.c_void_p * len(tensors))(*tensors),
                    len(tensors),
                    self._places(list(fetches.values())),
                    answers,
                    len(answers),
                    None,
                    0,
                    None,
                    status,
                )
            # An output may share the memory of an input, so it is read while
            # `feeds` still holds the bytes of the string inputs.
            values = [c_library.to_array(t) for t in answers if t]
        finally:
            for tensor in (*tensors, *filter(None, answers)):
                library.TF_DeleteTensor(tensor)
        return dict(zip(fetches, values, strict=True))

    def _find(self, signature: str) -> signatures.Signature:
        """Returns the signature of that name."""
        if signature not in self.signatures:
            raise ValueError(
                "`signature` must be one that the SavedModel has: "
                f"{sorted(self.signatures)}. Received: "
                f"signature={signature!r}."
            )
        return self.signatures[signature]

    def _places(self, specs: Sequence[signatures.TensorSpec]) -> ctypes.Array:
        """Returns where in the graph the tensors of `specs` are."""
        places = (c_library.Output * len(specs))()
        for place, spec in zip(places, specs, strict=True):
            operation, _, index = spec.tensor_name.partition(":")
            place.operation = c_library.library().TF_GraphOperationByName(
                self._graph, operation.encode()
            )
            if not place.operation:
                raise RuntimeError(
                    "The signature names a tensor that the graph does not "
                    f"have. Received: {spec.tensor_name!r}."
                )
            place.index = int(index or 0)
        return places


def _check_inputs(
    signature: str,
    specs: Mapping[str, signatures.TensorSpec],
    inputs: Mapping[str, Any],
) -> dict[str, np.ndarray]:
    """Returns the inputs as arrays of exactly the dtypes of `specs`."""
    if set(inputs) != set(specs):
        raise ValueError(
            f"`inputs` of signature {signature!r} must be exactly "
            f"{sorted(specs)}. Received: {sorted(inputs)}."
        )
    arrays = {}
    for name, spec in specs.items():
        if spec.dtype == object:
            array = np.asarray(inputs[name], dtype=object)
            kinds = {type(value).__name__ for value in array.flat} - {"bytes"}
            if kinds:
                raise ValueError(
                    f"Input {name!r} must hold bytes. Received: {kinds}."
                )
        else:
            array = np.asarray(inputs[name])
            if array.dtype != spec.dtype:
                raise ValueError(
                    f"Input {name!r} must be {spec.dtype}. Received: "
                    f"{array.dtype}."
                )
        arrays[name] = array
    return arrays


def save_npz(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]
) -> None:
    """Saves arrays, strings in base64: NumPy's own strings drop last zeros.

    Args:
        path: The `.npz` file.
        arrays: Name -> array; strings as bytes objects, dtype object.
    """
    saved: dict[str, Any] = {}
    for name, array in arrays.items():
        if array.dtype == object:
            encoded = [base64.b64encode(value) for value in array.flat]
            array = np.array(encoded, dtype=bytes).reshape(array.shape)
        saved[name] = array
    with open(path, "wb") as file:
        np.savez(file, **saved)


def load_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Loads what `save_npz` saved.

    Args:
        path: The `.npz` file.

    Returns:
        arrays: name -> array; strings as bytes objects, dtype object.
    """
    arrays = {}
    with np.load(path, allow_pickle=False) as saved:
        for name, array in saved.items():
            if array.dtype.kind == "S":
                strings = np.empty(array.shape, dtype=object)
                for index, value in np.ndenumerate(array):
                    strings[index] = base64.b64decode(value)
                array = strings
            arrays[name] = array
    return arrays


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one signature of a SavedModel on the arrays of a file.

    Args:
        arguments: Command-line arguments; those of the process if None.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("saved_model", help="folder with saved_model.pb")
    parser.add_argument("signature", help="name of a signature")
    parser.add_argument("inputs", help=".npz of inputs, from save_npz")
    parser.add_argument("outputs", help=".npz to write, for load_npz")
    flags = parser.parse_args(arguments)
    with SavedModelSession(flags.saved_model) as session:
        outputs = session.run(flags.signature, load_npz(flags.inputs))
    save_npz(flags.outputs, outputs)


if __name__ == "__main__":
    main()
    if "tensorflow" in sys.modules:
        raise AssertionError(
            "Python TensorFlow was imported in the C API client, so this run "
            "says nothing about serving without it. Received: tensorflow in "
            "sys.modules."
        )
