"""`ClientTarget`: asks an export, in its folder or on a server."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_vae.errors import UserError
from keras_vae.serving.client import Client
from keras_vae.serving.setting_checks import check_temperature
from keras_vae.units import DENSITY_NATS, NATS

__all__ = ["ClientTarget"]

_MAX_SIDE = 1 << 16


class ClientTarget:
    """What a client asks, as verbs do; see `keras_vae.use.target.Target`.

    A server does not tell how images were resized, so that theirs must have the
    model's size.

    Args:
        client: Asks the model.
    """

    def __init__(self, client: Client):
        self._client = client

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self._client.image_shape

    @property
    def resize(self) -> tuple[int, int] | None:
        size = self._data().get("resize")
        if not isinstance(size, list) or len(size) != 2:
            return None
        height, width = size
        return (
            (height, width) if _is_count(height) and _is_count(width) else None
        )

    @property
    def pad(self) -> int:
        pad = self._data().get("pad", 0)
        return pad if _is_count(pad) else 0

    @property
    def unit(self) -> str | None:
        unit = self._client.metadata.get("unit")
        return unit if unit in (NATS, DENSITY_NATS) else None

    @property
    def latent_dim(self) -> int:
        return self._client.latent_dim

    @property
    def is_conditional(self) -> bool:
        return self._client.is_conditional

    @property
    def num_classes(self) -> int | None:
        names = self.class_names
        return self._client.num_classes or (names and len(names)) or None

    @property
    def class_names(self) -> list[str] | None:
        return self._client.class_names

    def check_can(self, verb: str) -> None:
        known = self._client.signatures
        if verb not in known:
            answered = ", ".join(sorted(known))
            raise UserError(
                f"The model cannot {verb}: it answers {answered}. "
                f"Received: {verb}"
            )
        self._client.signature(verb)  # Checks its form.

    def rows_per_request(self, verb: str) -> int:
        return self._client.rows_per_request(verb)

    def ask_batches(
        self, verb: str, batches: Iterable[Mapping[str, np.ndarray]]
    ) -> Iterator[dict[str, np.ndarray]]:
        return self._client.ask_batches(verb, batches)

    def check_sampling(
        self, temperature: Sequence[float], options: Mapping[str, Any]
    ) -> None:
        for name, value in options.items():
            raise UserError(
                f"{name} is of the model of a run: what an export answers is "
                f"decided. Received: {name}={value}"
            )
        if len(temperature) != 1:
            raise UserError(
                "temperature must be one number for an export. "
                f"Received: {len(temperature)} numbers"
            )
        check_temperature(temperature[0])

    def sample_batches(
        self,
        batches: Iterable[Mapping[str, np.ndarray]],
        temperature: Sequence[float],
        seed: int,
        options: Mapping[str, Any],
    ) -> Iterator[dict[str, np.ndarray]]:
        def whole() -> Iterator[dict[str, np.ndarray]]:
            for batch in batches:
                rows = [len(batch["seed"])]
                scale = np.full(rows, temperature[0], np.float32)
                yield {**batch, "temperature": scale}

        return self._client.ask_batches("sample", whole())

    def _data(self) -> Mapping[str, Any]:
        """Returns the run's settings of images; of a server nothing."""
        experiment = self._client.metadata.get("experiment")
        data = experiment.get("data") if isinstance(experiment, dict) else None
        return data if isinstance(data, dict) else {}


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MAX_SIDE
