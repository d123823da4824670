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
import time
from collections.abc import Iterator, Sequence

from tests.serving.protocol import warmup
from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.metrics import Metrics
from tests.serving.protocol.servable import Servable
from tests.serving.protocol.status import Code, StatusError

__all__ = ["ModelConfig", "VersionState", "Versions", "WatchOptions"]

_VERSION = re.compile(r"\d+")
_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One entry of `models.config`.

    Attributes:
        name: Name that requests ask for.
        base_path: Folder of the version folders.
        num_versions: How many of the highest versions are served.
        specific: The versions that are served, in place of the highest.
        all_versions: Whether all are.
        labels: Label -> version.
    """

    name: str
    base_path: pathlib.Path
    num_versions: int = 1
    specific: tuple[int, ...] = ()
    all_versions: bool = False
    labels: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class WatchOptions:
    """How folders are watched.

    Attributes:
        poll_seconds: Time between two looks.
        max_load_retries: Times that a failed load is repeated.
        retry_seconds: Time until then.
        batching: As for `Servable`.
    """

    poll_seconds: float = 1.0
    max_load_retries: int = 5
    retry_seconds: float = 60.0
    batching: BatchingParameters | None = None


@dataclasses.dataclass
class VersionState:
    """What became of one version.

    Attributes:
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        error: Why it cannot be served; None if it can.
        servable: The loaded model, while it is AVAILABLE.
        requests: Requests that use it now.
        attempts: Failed loads.
        retry_time: When the next one is due, on the clock of
            `time.monotonic`.
    """

    state: str = "START"
    error: StatusError | None = None
    servable: Servable | None = None
    requests: int = 0
    attempts: int = 0
    retry_time: float = 0.0


class Versions:
    """The served versions of one model.

    Args:
        config: The model.
        options: How its folder is watched.
        metrics: What counts the calls of the model.
    """

    def __init__(
        self,
        config: ModelConfig,
        options: WatchOptions,
        metrics: Metrics | None = None,
    ):
        self.config, self._options = config, options
        self._metrics = metrics
        self._states: dict[int, VersionState] = {}
        self._lock = threading.Lock()

    def states(self) -> dict[int, VersionState]:
        """Returns version -> state, of all that were ever seen."""
        with self._lock:
            return {
                version: dataclasses.replace(state)
                for version, state in sorted(self._states.items())
            }

    def version_of(self, label: str) -> int:
        """Returns the version that a label names."""
        if label not in self.config.labels:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"Unrecognized servable version label: {label}",
            )
        return self.config.labels[label]

    @contextlib.contextmanager
    def servable(
        self, version: int | None = None, label: str | None = None
    ) -> Iterator[Servable]:
        """Lends a version, which is not unloaded meanwhile.

        Args:
            version: The version; the highest available one if None.
            label: A label in its place.

        Raises:
            StatusError: If there is none.
        """
        with self._lock:
            state = self._find(version, label)
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
            wanted = self._wanted()
        except OSError as error:
            _LOGGER.warning("Cannot list %s: %s", self.config.base_path, error)
            return
        for version, folder in wanted.items():
            self._load(version, folder)
        with self._lock:
            ready = any(self._states[v].state == "AVAILABLE" for v in wanted)
            unwanted = [
                state
                for version, state in self._states.items()
                if version not in wanted
            ]
        # The old one goes when a new one answers, and not before.
        if ready or not wanted:
            for state in unwanted:
                self._unload(state)

    def close(self) -> None:
        """Unloads all, after the requests that use them."""
        for state in self._states.values():
            self._unload(state)

    def _find(self, version: int | None, label: str | None) -> VersionState:
        name = self.config.name
        if label is not None:
            version = self.version_of(label)
        available = [
            v for v, s in self._states.items() if s.state == "AVAILABLE"
        ]
        if version is None and available:
            version = max(available)
        if version not in available:
            what = f"Latest({name})"
            if version is not None:
                what = f"Specific({name}, {version})"
            raise StatusError(
                Code.NOT_FOUND, f"Servable not found for request: {what}"
            )
        return self._states[version]

    def _wanted(self) -> dict[int, pathlib.Path]:
        """Returns the versions that are to be served, and their folders."""
        found = {
            int(path.name): path
            for path in self.config.base_path.iterdir()
            if _VERSION.fullmatch(path.name)
        }
        versions: Sequence[int] = sorted(found)
        if self.config.specific:
            versions = [v for v in versions if v in self.config.specific]
        elif not self.config.all_versions:
            versions = versions[-self.config.num_versions :]
        return {version: found[version] for version in versions}

    def _load(self, version: int, folder: pathlib.Path) -> None:
        with self._lock:
            state = self._states.setdefault(version, VersionState())
            if state.state == "END" and not state.error:
                # It was unloaded, and is wanted again.
                state = self._states[version] = VersionState()
            retries = state.attempts <= self._options.max_load_retries
            due = retries and time.monotonic() >= state.retry_time
            if state.state in ("AVAILABLE", "UNLOADING") or not due:
                return
            state.state = "LOADING"
        servable = None
        try:
            servable = Servable(
                self.config.name,
                version,
                folder,
                self._options.batching,
                self._metrics,
            )
            warmup.replay(servable)
        except Exception as error:
            if servable:
                servable.close()
            if not isinstance(error, StatusError):
                error = StatusError(Code.INTERNAL, str(error))
            _LOGGER.warning("Cannot load %s: %s", folder, error)
            with self._lock:
                state.state, state.error = "END", error
                state.attempts += 1
                state.retry_time = (
                    time.monotonic() + self._options.retry_seconds
                )
        else:
            with self._lock:
                state.servable, state.error = servable, None
                state.state = "AVAILABLE"

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
