"""The models that a server serves, behind both interfaces.

References:
    tensorflow_serving/model_servers/server_core.cc
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence

from grpc import StatusCode
from tensorflow_serving.apis import model_pb2

from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.messages import StatusError
from tests.serving.protocol.servable import Servable
from tests.serving.protocol.versions import (
    ModelConfig,
    Versions,
    VersionState,
)

__all__ = ["Core"]


class Core:
    """Models by name, and a thread that watches their folders.

    Args:
        configs: The models.
        batching: How requests are joined; None where they are not.
        poll_seconds: Time between two looks.

    Attributes:
        models: Name -> `Versions`.
    """

    def __init__(
        self,
        configs: Sequence[ModelConfig],
        batching: BatchingParameters | None,
        poll_seconds: float,
    ):
        self.models = {c.name: Versions(c, batching) for c in configs}
        self._poll_seconds = poll_seconds
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
        version = _version(spec)
        if spec.name not in self.models:
            what = f"Latest({spec.name})"
            if version is not None:
                what = f"Specific({spec.name}, {version})"
            raise StatusError(
                StatusCode.NOT_FOUND, f"Servable not found for request: {what}"
            )
        with self.models[spec.name].servable(version) as servable:
            yield servable

    def states(self, spec: model_pb2.ModelSpec) -> dict[int, VersionState]:
        """Returns the states of a model's versions, or of the one asked for."""
        known = self.models.get(spec.name)
        version = _version(spec)
        states = {
            v: state
            for v, state in (known.states() if known else {}).items()
            if version in (None, v)
        }
        if not states:
            raise StatusError(
                StatusCode.NOT_FOUND,
                f"Could not find such versions of model {spec.name}",
            )
        return states

    def _poll(self) -> None:
        for versions in self.models.values():
            versions.poll()

    def _watch(self) -> None:
        while not self._closing.wait(self._poll_seconds):
            self._poll()


def _version(spec: model_pb2.ModelSpec) -> int | None:
    return spec.version.value if spec.HasField("version") else None
