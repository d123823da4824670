"""The models that a server serves, behind both interfaces.

References:
    tensorflow_serving/model_servers/server_core.cc,
    tensorflow_serving/model_servers/get_model_status_impl.cc,
    tensorflow_serving/servables/tensorflow/get_model_metadata_impl.cc
"""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
)

from tests.serving.protocol.metrics import Metrics
from tests.serving.protocol.servable import Servable
from tests.serving.protocol.status import Code, StatusError
from tests.serving.protocol.versions import ModelConfig, Versions, WatchOptions

__all__ = ["Core"]

_SIGNATURE_DEF = "signature_def"


class Core:
    """Models by name, and a thread that watches their folders.

    Args:
        configs: The models.
        options: How they are watched.

    Attributes:
        models: Name -> `Versions`.
        metrics: Counts of the requests.
    """

    def __init__(self, configs: Sequence[ModelConfig], options: WatchOptions):
        self.metrics = Metrics()
        self.models = {
            c.name: Versions(c, options, self.metrics) for c in configs
        }
        self._poll_seconds = options.poll_seconds
        self._closing = threading.Event()
        self._poll()
        self._watcher = threading.Thread(
            target=self._watch, name="watch", daemon=True
        )
        self._watcher.start()

    def close(self) -> None:
        """Ends the watch and unloads the models."""
        self._closing.set()
        self._watcher.join()
        for versions in self.models.values():
            versions.close()

    @contextlib.contextmanager
    def servable(self, spec: model_pb2.ModelSpec) -> Iterator[Servable]:
        """Lends what a request's `model_spec` asks for."""
        if not spec.name:
            raise StatusError(
                Code.INVALID_ARGUMENT, "ModelSpec has no name specified."
            )
        if spec.name not in self.models:
            version = spec.WhichOneof("version_choice") == "version"
            what = (
                f"Specific({spec.name}, {spec.version.value})"
                if version
                else f"Latest({spec.name})"
            )
            raise StatusError(
                Code.NOT_FOUND, f"Servable not found for request: {what}"
            )
        with self.models[spec.name].servable(*self._choice(spec)) as servable:
            yield servable

    def predict(
        self,
        spec: model_pb2.ModelSpec,
        inputs: Mapping[str, np.ndarray],
        output_filter: Sequence[str],
        deadline: float | None,
    ) -> tuple[Servable, dict[str, np.ndarray]]:
        """Runs a request; returns what answered, and the outputs."""
        start = time.perf_counter()
        code = Code.OK
        try:
            with self.servable(spec) as servable:
                return servable, servable.predict(
                    spec.signature_name, inputs, output_filter, deadline
                )
        except StatusError as error:
            code = error.code
            raise
        finally:
            if spec.name in self.models:
                seconds = time.perf_counter() - start
                self.metrics.request(spec.name, code, seconds)

    def metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Returns the signatures of a model."""
        if not request.HasField("model_spec"):
            raise StatusError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
        if not request.metadata_field:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                "GetModelMetadataRequest must specify at least one "
                "metadata_field",
            )
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                raise StatusError(
                    Code.INVALID_ARGUMENT,
                    f"Metadata field {field} is not supported",
                )
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self.servable(request.model_spec) as servable:
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            defs = get_model_metadata_pb2.SignatureDefMap()
            for name, definition in servable.signature_defs.items():
                defs.signature_def[name].CopyFrom(definition)
            response.metadata[_SIGNATURE_DEF].Pack(defs)
        return response

    def status(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Returns the states of a model's versions."""
        if not request.HasField("model_spec"):
            raise StatusError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
        name = request.model_spec.name
        known = self.models.get(name)
        states = known.states() if known else {}
        if known and request.model_spec.WhichOneof("version_choice"):
            version, label = self._choice(request.model_spec)
            if label is not None:
                version = known.version_of(label)
            states = {v: s for v, s in states.items() if v == version}
            if not states:
                raise StatusError(
                    Code.NOT_FOUND,
                    f"Could not find version {version} of model {name}",
                )
        if not states:
            raise StatusError(
                Code.NOT_FOUND, f"Could not find any versions of model {name}"
            )
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state in states.items():
            added = response.model_version_status.add(
                version=version, state=state.state
            )
            # Empty where all is well, and there all the same.
            added.status.SetInParent()
            if state.error:
                added.status.error_code = int(state.error.code)
                added.status.error_message = state.error.message
        return response

    def _choice(
        self, spec: model_pb2.ModelSpec
    ) -> tuple[int | None, str | None]:
        chosen = spec.WhichOneof("version_choice")
        return (
            spec.version.value if chosen == "version" else None,
            spec.version_label if chosen == "version_label" else None,
        )

    def _poll(self) -> None:
        for versions in self.models.values():
            versions.poll()

    def _watch(self) -> None:
        while not self._closing.wait(self._poll_seconds):
            self._poll()
