"""Watches the folders of models, loads new versions and unloads old ones.

References:
    tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc:
    which versions; tensorflow_serving/core/availability_preserving_policy.cc:
    in which order; tensorflow_serving/core/basic_manager.cc and
    model_servers/server_core.cc: how requests find one
"""

import contextlib
import dataclasses
import logging
import pathlib
import re
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from grpc import StatusCode
from tensorflow_serving.apis import model_pb2

from tests.serving.protocol import warmup
from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.messages import StatusError
from tests.serving.protocol.servable import Servable

__all__ = ["Core", "ModelConfig", "VersionState", "Versions"]

_VERSION = re.compile(r"\d+")
_LOGGER = logging.getLogger(__name__)


class ModelConfig(NamedTuple):
    """One entry of `models.config`.

    Attributes:
        name: Name that requests ask for.
        base_path: Folder of the version folders; the highest is served.
    """

    name: str
    base_path: pathlib.Path


@dataclasses.dataclass
class VersionState:
    """What became of one version.

    Attributes:
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        error: Why it cannot be served; None if it can.
        servable: The loaded model, while it is AVAILABLE.
        requests: Requests that use it now.
    """

    state: str = "START"
    error: StatusError | None = None
    servable: Servable | None = None
    requests: int = 0


class Versions:
    """The served versions of one model.

    Args:
        config: The model.
        batching: As for `Servable`.
    """

    def __init__(
        self, config: ModelConfig, batching: BatchingParameters | None = None
    ):
        self.config, self._batching = config, batching
        self._states: dict[int, VersionState] = {}
        self._lock = threading.Lock()

    def states(self) -> dict[int, VersionState]:
        """Returns version -> state, of all that were ever seen."""
        with self._lock:
            return {
                version: dataclasses.replace(state)
                for version, state in sorted(self._states.items())
            }

    @contextlib.contextmanager
    def servable(self, version: int | None = None) -> Iterator[Servable]:
        """Lends a version, which is not unloaded meanwhile.

        Args:
            version: The version; the highest available one if None.

        Raises:
            StatusError: If there is none.
        """
        with self._lock:
            state = self._find(version)
            assert state.servable is not None
            servable = state.servable
            state.requests += 1
        try:
            yield servable
        finally:
            with self._lock:
                state.requests -= 1
                last = state.state == "UNLOADING" and not state.requests
            if last:
                self._free(state)

    def poll(self) -> None:
        """Looks once: loads what is new, then unloads what is not wanted.

        A folder that cannot be listed changes nothing.
        """
        try:
            wanted, folder = self._wanted()
        except OSError as error:
            _LOGGER.warning("Cannot list %s: %s", self.config.base_path, error)
            return
        if folder:
            self._load(wanted, folder)
        with self._lock:
            # The old one goes when a new one answers, and not before.
            if folder and self._states[wanted].state != "AVAILABLE":
                return
            unwanted = [s for v, s in self._states.items() if v != wanted]
        for state in unwanted:
            self._unload(state)

    def close(self) -> None:
        """Unloads all, after the requests that use them."""
        for state in self._states.values():
            self._unload(state)

    def _find(self, version: int | None) -> VersionState:
        available = [
            v for v, s in self._states.items() if s.state == "AVAILABLE"
        ]
        found = version
        if version is None and available:
            found = max(available)
        if found not in available:
            raise _not_found(self.config.name, version)
        return self._states[found]

    def _wanted(self) -> tuple[int, pathlib.Path | None]:
        """Returns the version that is to be served, and its folder."""
        found = {
            int(path.name): path
            for path in self.config.base_path.iterdir()
            if _VERSION.fullmatch(path.name)
        }
        version = max(found, default=0)
        return version, found.get(version)

    def _load(self, version: int, folder: pathlib.Path) -> None:
        with self._lock:
            state = self._states.setdefault(version, VersionState())
            if state.state == "END" and not state.error:
                # It was unloaded, and is wanted again.
                state = self._states[version] = VersionState()
            if state.state != "START":
                return
            state.state = "LOADING"
        servable = None
        try:
            servable = Servable(
                self.config.name, version, folder, self._batching
            )
            warmup.replay(servable)
        except Exception as error:
            if servable:
                servable.close()
            if not isinstance(error, StatusError):
                error = StatusError(StatusCode.INTERNAL, str(error))
            _LOGGER.warning("Cannot load %s: %s", folder, error)
            with self._lock:
                state.state, state.error = "END", error
        else:
            with self._lock:
                state.state, state.servable = "AVAILABLE", servable

    def _unload(self, state: VersionState) -> None:
        with self._lock:
            if state.state != "AVAILABLE":
                return
            state.state = "UNLOADING"
            used = state.requests > 0
        # The last request that uses it frees it otherwise.
        if not used:
            self._free(state)

    def _free(self, state: VersionState) -> None:
        assert state.servable is not None
        state.servable.close()
        with self._lock:
            state.servable, state.state = None, "END"


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
        self._closing = threading.Event()
        for versions in self.models.values():
            versions.poll()
        self._watcher = threading.Thread(
            target=self._watch, args=[poll_seconds], name="watch", daemon=True
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
            raise _not_found(spec.name, version)
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

    def _watch(self, poll_seconds: float) -> None:
        while not self._closing.wait(poll_seconds):
            for versions in self.models.values():
                versions.poll()


def _version(spec: model_pb2.ModelSpec) -> int | None:
    return spec.version.value if spec.HasField("version") else None


def _not_found(name: str, version: int | None) -> StatusError:
    what = f"Latest({name})"
    if version is not None:
        what = f"Specific({name}, {version})"
    return StatusError(
        StatusCode.NOT_FOUND, f"Servable not found for request: {what}"
    )
