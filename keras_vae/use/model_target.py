"""`ModelTarget`: asks the model of a run, in memory, as its export answers."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import PIXELS, check_choice, check_number
from keras_vae.errors import UserError
from keras_vae.models import pixel_seed
from keras_vae.models.abilities import check_can
from keras_vae.serving.backend import graph_error, in_order
from keras_vae.serving.signatures import make_endpoints
from keras_vae.training import TrainedModel

__all__ = ["ModelTarget"]

_BATCH_SIZE = 256


class ModelTarget:
    """The model of a run, as verbs ask it; see `keras_vae.use.target.Target`.

    A verb is traced once, whatever the batches: keep the target, where a model
    is asked again.

    Args:
        trained: The model, with how its images are prepared.

    Attributes:
        trained: The same.
    """

    def __init__(self, trained: TrainedModel):
        self.trained = trained
        self._functions: dict[tuple[Any, ...], Callable[..., Any]] = {}

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.trained.model.image_shape

    @property
    def resize(self) -> tuple[int, int] | None:
        return self.trained.preparation.resize

    @property
    def pad(self) -> int:
        return self.trained.preparation.pad

    @property
    def unit(self) -> str:
        return self.trained.preparation.unit

    @property
    def latent_dim(self) -> int:
        return self.trained.model.latent_dim

    @property
    def is_conditional(self) -> bool:
        return self.trained.model.num_classes > 0

    @property
    def num_classes(self) -> int | None:
        return self.trained.model.num_classes

    @property
    def class_names(self) -> list[str] | None:
        return list(self.trained.model.class_names)

    def check_can(self, verb: str) -> None:
        check_can(self.trained.model, verb)

    def rows_per_request(self, verb: str) -> int:
        return _BATCH_SIZE

    def ask_batches(
        self, verb: str, batches: Iterable[Mapping[str, np.ndarray]]
    ) -> Iterator[dict[str, np.ndarray]]:
        return self._answers(self._endpoint(verb), batches)

    def check_sampling(
        self, temperature: Sequence[float], options: Mapping[str, Any]
    ) -> None:
        model = self.trained.model
        check_choice("pixels", options.get("pixels", "mean"), PIXELS)
        groups = len(model.group_shapes)
        if len(temperature) not in (1, groups):
            raise UserError(
                "temperature must be one number, or one for each latent "
                f"group, of which the model has {groups}. "
                f"Received: {len(temperature)} numbers"
            )
        passes = options.get("recalibrate_batch_norm", 0)
        check_number("recalibrate_batch_norm", passes, 0, whole=True)
        if passes and not model.normalizes_samples:
            raise UserError(
                "recalibrate_batch_norm is for NVAE, whose decoder normalises "
                f"over batches. Received: {type(model).__name__}"
            )

    def sample_batches(
        self,
        batches: Iterable[Mapping[str, np.ndarray]],
        temperature: Sequence[float],
        seed: int,
        options: Mapping[str, Any],
    ) -> Iterator[dict[str, np.ndarray]]:
        pixels = options.get("pixels", "mean")
        if len(temperature) == 1:
            function = self._endpoint("sample", pixels)
            batches = (_with_temperature(b, temperature[0]) for b in batches)
        else:
            function = self._by_group(tuple(temperature), pixels)
        passes = options.get("recalibrate_batch_norm", 0)
        with self._recalibrated(passes, temperature, seed):
            yield from self._answers(function, batches)

    def _answers(
        self,
        function: Callable[..., Any],
        batches: Iterable[Mapping[str, np.ndarray]],
    ) -> Iterator[dict[str, np.ndarray]]:
        for batch in batches:
            try:
                answer = function(
                    **{k: tf.constant(v) for k, v in batch.items()}
                )
                yield {k: v.numpy() for k, v in in_order(answer).items()}
            except tf.errors.InvalidArgumentError as error:
                raise UserError(
                    f"The model cannot use this: {graph_error(error.message)}. "
                    f"Received: rows for {self.trained.place or 'a model'}"
                ) from error

    def _endpoint(self, verb: str, pixels: str = "mean") -> Callable[..., Any]:
        def make() -> Callable[..., Any]:
            trained = self.trained
            known = make_endpoints(trained.model, trained.preparation, pixels)
            function, specs = known[verb]
            return tf.function(function, input_signature=specs, autograph=False)

        return self._traced((verb, pixels), make)

    def _by_group(
        self, temperature: tuple[float, ...], pixels: str
    ) -> Callable[..., Any]:
        """Returns `sample` with a temperature of each latent group."""
        model = self.trained.model

        @tf.function(autograph=False, reduce_retracing=True)
        def sample(
            seed: tf.Tensor, **condition: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            image = model.generate(
                seeds.row_normal(seed, model.noise_size),
                list(temperature),
                pixel_seed=pixel_seed(pixels, seed),
                **condition,
            )
            return {"image": image}

        return self._traced(("sample", pixels, temperature), lambda: sample)

    def _traced(
        self, key: tuple[Any, ...], make: Callable[[], Callable[..., Any]]
    ) -> Callable[..., Any]:
        if key not in self._functions:
            self._functions[key] = make()
        return self._functions[key]

    def _recalibrated(
        self, passes: int, temperature: Sequence[float], seed: int
    ) -> contextlib.AbstractContextManager[object]:
        if not passes:
            return contextlib.nullcontext()
        scale = temperature[0] if len(temperature) == 1 else list(temperature)
        return self.trained.model.recalibrated_batch_norm(
            passes, temperature=scale, seed=(seed, 0)
        )


def _with_temperature(
    batch: Mapping[str, np.ndarray], temperature: float
) -> dict[str, np.ndarray]:
    scale = np.full([len(batch["seed"])], temperature, np.float32)
    return {**batch, "temperature": scale}
