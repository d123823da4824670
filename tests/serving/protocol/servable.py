"""One version of a model, loaded, with the rules of Predict.

References:
    tensorflow_serving/servables/tensorflow/predict_util.cc
"""

import os
import pathlib
import threading
import time
from collections.abc import Mapping

import numpy as np
from grpc import StatusCode
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2

from tests.serving import c_library, tf_c_api
from tests.serving.protocol.batching import Batcher, BatchingParameters
from tests.serving.protocol.messages import StatusError

__all__ = ["DEFAULT_SIGNATURE", "Servable"]

DEFAULT_SIGNATURE = "serving_default"


class Servable:
    """A SavedModel that answers requests, from any number of threads.

    Args:
        name: The model's name.
        version: Its version.
        path: The version folder.
        batching: How requests are joined; None where they are not.

    Attributes:
        signature_defs: The SignatureDefMap message.
        calls: Runs of the graph so far: fewer than requests where these were
            joined.
        seconds: What they took.

    Raises:
        StatusError: If the SavedModel cannot be loaded.
    """

    def __init__(
        self,
        name: str,
        version: int,
        path: str | os.PathLike[str],
        batching: BatchingParameters | None = None,
    ):
        self.name, self.version = name, version
        self.path = pathlib.Path(path)
        self.calls, self.seconds = 0, 0.0
        self._lock = threading.Lock()
        try:
            self._session = tf_c_api.SavedModelSession(path)
        except c_library.CApiError as error:
            raise StatusError.of(error) from error
        self.signature_defs = self._read_signature_defs()
        self._answer = self._run
        if batching:
            self._answer = Batcher(self._run, batching).submit

    def predict(
        self, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Answers one request.

        Args:
            signature: Its name; the default one if empty.
            inputs: Name -> array.

        Returns:
            name -> array.

        Raises:
            StatusError: As TF Serving refuses it.
        """
        name = signature or DEFAULT_SIGNATURE
        spec = self._session.signatures.get(name)
        if spec is None:
            raise StatusError(
                StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{name}" not found.',
            )
        _check_names(set(inputs), set(spec.inputs))
        return self._answer(name, inputs)

    def close(self) -> None:
        """Frees the model."""
        self._session.close()

    def _read_signature_defs(self) -> get_model_metadata_pb2.SignatureDefMap:
        data = (self.path / "saved_model.pb").read_bytes()
        graphs = saved_model_pb2.SavedModel.FromString(data).meta_graphs
        graph = next(g for g in graphs if "serve" in g.meta_info_def.tags)
        return get_model_metadata_pb2.SignatureDefMap(
            signature_def=graph.signature_def
        )

    def _run(
        self, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        spec = self._session.signatures[signature]
        start = time.perf_counter()
        try:
            # TensorFlow checks dtypes, and the graph what the shapes may be.
            return self._session.run_tensors(
                {spec.inputs[name]: array for name, array in inputs.items()},
                spec.outputs,
            )
        except c_library.CApiError as error:
            raise StatusError.of(error) from error
        finally:
            with self._lock:
                self.calls += 1
                self.seconds += time.perf_counter() - start


def _check_names(given: set[str], needed: set[str]) -> None:
    extra, missing = given - needed, needed - given
    if len(given) != len(needed):
        raise StatusError(
            StatusCode.INVALID_ARGUMENT,
            f"input size does not match signature: {len(given)}!={len(needed)} "
            f"len({_braces(given)}) != len({_braces(needed)}). Sent extra: "
            f"{_braces(extra)}. Missing but required: {_braces(missing)}.",
        )
    if extra:
        raise StatusError(
            StatusCode.INVALID_ARGUMENT,
            f"input tensor alias not found in signature: {min(extra)}. Inputs "
            f"expected to be in the set {_braces(needed)}.",
        )


def _braces(names: set[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
