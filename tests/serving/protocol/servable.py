"""One version of a model, loaded, with the rules of Predict.

References:
    tensorflow_serving/servables/tensorflow/predict_util.cc
"""

import os
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow.core.protobuf import saved_model_pb2

from tests.serving import c_library, signatures, tf_c_api
from tests.serving.protocol.batching import Batcher, BatchingParameters
from tests.serving.protocol.metrics import Metrics
from tests.serving.protocol.status import Code, StatusError

__all__ = ["DEFAULT_SIGNATURE", "Servable"]

DEFAULT_SIGNATURE = "serving_default"


class Servable:
    """A SavedModel that answers requests, from any number of threads.

    Args:
        name: The model's name.
        version: Its version.
        path: The version folder.
        batching: How requests are joined; None where they are not.
        metrics: What counts the calls of the model.

    Attributes:
        signature_defs: Name -> SignatureDef message.

    Raises:
        StatusError: If the SavedModel cannot be loaded.
    """

    def __init__(
        self,
        name: str,
        version: int,
        path: str | os.PathLike[str],
        batching: BatchingParameters | None = None,
        metrics: Metrics | None = None,
    ):
        self.name, self.version = name, version
        self.path = pathlib.Path(path)
        try:
            self._session = tf_c_api.SavedModelSession(path)
        except c_library.CApiError as error:
            raise StatusError(Code(error.code), error.message) from error
        self.signature_defs = self._read_signature_defs()
        self._metrics = metrics or Metrics()
        self._batcher = Batcher(self._run, batching) if batching else None

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        output_filter: Sequence[str] = (),
        deadline: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Answers one request.

        Args:
            signature: Its name; the default one if empty.
            inputs: Name -> array.
            output_filter: Names of the outputs that are wanted; all if empty.
            deadline: On the clock of `time.monotonic`; None for none.

        Returns:
            name -> array.

        Raises:
            StatusError: As TF Serving refuses it.
        """
        name = signature or DEFAULT_SIGNATURE
        spec = self._session.signatures.get(name)
        if spec is None:
            raise StatusError(
                Code.FAILED_PRECONDITION,
                f'Serving signature key "{name}" not found.',
            )
        _check_names(spec, inputs, output_filter)
        if output_filter:
            # Such a request is run by itself.
            return self._run(name, inputs, deadline, output_filter)
        if self._batcher:
            return self._batcher.submit(name, inputs, deadline)
        return self._run(name, inputs, deadline)

    def close(self) -> None:
        """Answers what is queued and frees the model."""
        if self._batcher:
            self._batcher.close()
        self._session.close()

    def _read_signature_defs(self) -> dict[str, Any]:
        data = (self.path / "saved_model.pb").read_bytes()
        saved_model = saved_model_pb2.SavedModel.FromString(data)
        graph = next(
            g
            for g in saved_model.meta_graphs
            if "serve" in g.meta_info_def.tags
        )
        return dict(graph.signature_def)

    def _run(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        deadline: float | None,
        output_filter: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        spec = self._session.signatures[signature]
        for position, (name, array) in enumerate(inputs.items()):
            if array.dtype not in signatures.DTYPES.values():
                raise StatusError(
                    Code.INVALID_ARGUMENT,
                    f"Expects arg[{position}] to be {spec.inputs[name].dtype} "
                    f"but {array.dtype} is provided",
                )
        timeout_ms = 0
        if deadline is not None:
            timeout_ms = int(1000 * (deadline - time.monotonic()))
            if timeout_ms < 1:
                raise StatusError(
                    Code.DEADLINE_EXCEEDED, "Timed out waiting to run"
                )
        start = time.perf_counter()
        try:
            return self._session.run_tensors(
                {spec.inputs[name]: array for name, array in inputs.items()},
                {n: spec.outputs[n] for n in output_filter or spec.outputs},
                timeout_ms,
            )
        except c_library.CApiError as error:
            raise StatusError(Code(error.code), error.message) from error
        finally:
            self._metrics.runtime(self.name, time.perf_counter() - start)


def _check_names(
    spec: signatures.Signature,
    inputs: Mapping[str, np.ndarray],
    output_filter: Sequence[str],
) -> None:
    given, needed = set(inputs), set(spec.inputs)
    if len(given) != len(needed):
        raise StatusError(
            Code.INVALID_ARGUMENT,
            f"input size does not match signature: {len(given)}!={len(needed)} "
            f"len({_braces(given)}) != len({_braces(needed)}). Sent extra: "
            f"{_braces(given - needed)}. Missing but required: "
            f"{_braces(needed - given)}.",
        )
    for name in sorted(given - needed):
        raise StatusError(
            Code.INVALID_ARGUMENT,
            f"input tensor alias not found in signature: {name}. Inputs "
            f"expected to be in the set {_braces(needed)}.",
        )
    for position, name in enumerate(output_filter):
        if name not in spec.outputs:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"output tensor alias not found in signature: {name} Outputs "
                f"expected to be in the set {_braces(set(spec.outputs))}.",
            )
        if name in output_filter[:position]:
            raise StatusError(
                Code.INVALID_ARGUMENT, f"duplicate output tensor alias: {name}"
            )


def _braces(names: set[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
