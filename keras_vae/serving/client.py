"""`Client`: asks a model, wherever it is."""

import functools
import os
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_vae.errors import UserError, did_you_mean, shown
from keras_vae.labels import Label
from keras_vae.serving import connection, input_checks
from keras_vae.serving.address import ServerAddress
from keras_vae.serving.backend import SignatureInfo
from keras_vae.serving.contract import check_signature
from keras_vae.serving.request_queue import RequestQueue, max_rows
from keras_vae.serving.request_rows import MAX_SEED, count_rows, row_seeds
from keras_vae.serving.retries import Retries
from keras_vae.serving.row_labels import labels_of_rows, read_class_names
from keras_vae.serving.setting_checks import check_temperature, whole_number

__all__ = ["Client"]

_MAX_ROWS = 2**31 - 1


class Client:
    """Asks a model: an export in process, or TF Serving over gRPC or REST.

    Arrays go in and come out. However many rows there are, they are sent in
    batches that a server takes, several at once, and the answers come in the
    order of the rows. Inputs are checked before they are sent. Threads may
    share a client. All that goes wrong is a `keras_vae.errors.UserError`.

    Args:
        target: The folder of an export; or the address of a server,
            `host:8500` (gRPC), `grpcs://host:8500` (gRPC with TLS),
            `http://host:8501` or `https://host:8501` (REST).
        model_name: The model's name on the server; that of the official
            image is `model` unless it is told another.
        version: The model's version; None for the highest one in a folder,
            and for the one that a server chooses.
        timeout: Seconds until the server must have answered a request.
        retries: Further tries where the server cannot be reached or says that
            it is not available; each waits about twice as long as the one
            before. Nothing else is tried again.
        batch_size: Rows of a request at most; fewer where images are large.
        max_in_flight: Requests that wait for an answer at the same time.
        tls_ca: PEM file with the certificate to trust; a gRPC server is then
            asked with TLS. None for whom the system trusts.
        retry_seed: Of the waiting times between tries; None for chance, so
            that clients do not come back all at once.

    Raises:
        UserError: If the target is none, or the certificate cannot be read.
            Whether a server is there shows when it is first asked.

    Example:
        >>> with Client("localhost:8500", model_name="mnist_vae") as client:
        ...     images = client.sample(16, seed=1)  # [16, 28, 28, 1]
        ...     codes = client.encode(images)["mean"]
        ...     again = client.decode(codes)
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | ServerAddress,
        *,
        model_name: str = "model",
        version: int | None = None,
        timeout: float = 30.0,
        retries: int = 4,
        batch_size: int = 64,
        max_in_flight: int = 4,
        tls_ca: str | os.PathLike[str] | None = None,
        retry_seed: int | None = None,
    ):
        connection.check_settings(
            {
                "version": version,
                "batch_size": batch_size,
                "max_in_flight": max_in_flight,
            },
            timeout,
            retries,
        )
        if retry_seed is not None:
            whole_number("retry_seed", retry_seed, -MAX_SEED - 1, MAX_SEED)
        self.target = connection.parse_target(target, model_name)
        self.batch_size = batch_size
        self.max_in_flight = max_in_flight
        self._retries = Retries(retries, retry_seed)
        self._backend = connection.connect(
            self.target, model_name, version, timeout, max_in_flight, tls_ca
        )
        self._requests = RequestQueue(
            self._backend, self._retries, max_in_flight, self.target
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the connections go; requests that still wait fail."""
        self._retries.close()
        self._backend.close()
        self._requests.close()

    @property
    def signatures(self) -> dict[str, SignatureInfo]:
        """The model's signatures by name: dtypes and shapes.

        Raises:
            UserError: If the server does not say.
        """
        return self._retries(lambda: self._backend.signatures)

    @property
    def metadata(self) -> dict[str, Any]:
        """What an export says of itself; a server does not: empty."""
        return self._backend.metadata

    @functools.cached_property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the model's images."""
        height, width, channels = self._sizes(self._of_images, "image")
        return height, width, channels

    @functools.cached_property
    def latent_dim(self) -> int:
        """Size of the latent vector."""
        return self._sizes("decode", "z")[0]

    @property
    def is_conditional(self) -> bool:
        """Whether the model takes labels."""
        return "label" in self.signature(self._of_images).inputs

    @property
    def num_classes(self) -> int | None:
        """How many classes there are; None where a server does not say."""
        return self.metadata.get("num_classes") or None

    @functools.cached_property
    def class_names(self) -> list[str] | None:
        """Names of the classes in the order of their numbers.

        Empty without classes; None where a server does not tell, whose model
        is an export of version 0.1.
        """
        if self.metadata:
            return list(self.metadata.get("class_names", ()))
        if not self.is_conditional:
            return []
        if "class_names" not in self.signatures:
            return None
        return read_class_names(self.ask, self.batch_size)

    def signature(self, name: str) -> SignatureInfo:
        """Returns one of the signatures.

        Raises:
            UserError: If the model has no such signature, or one of the
                package's names and of another form.
        """
        known = self.signatures
        if not isinstance(name, str) or name not in known:
            raise UserError(
                "The model has no such signature. "
                f"{did_you_mean(shown(name), known)} Received: {shown(name)}"
            )
        check_signature(name, known[name])
        return known[name]

    def reconstruct(
        self, images: Any, label: Label | None = None
    ) -> np.ndarray:
        """Returns reconstructions, float32 `[num, height, width, channels]`.

        Args:
            images: `[num, height, width, channels]`, floats in [0, 1].
            label: For a conditional model, of each image or of all: names,
                or numbers, as `keras_vae.labels.class_numbers` reads them.
        """
        return self._ask("reconstruct", label, image=images)["reconstruction"]

    def encode(
        self, images: Any, label: Label | None = None
    ) -> dict[str, np.ndarray]:
        """Returns `mean` and `stddev` of the latents, float32 `[num, D]`.

        An autoencoder's are `z` alone.

        Args:
            images, label: As for `reconstruct`.
        """
        return self._ask("encode", label, image=images)

    def decode(self, z: Any, label: Label | None = None) -> np.ndarray:
        """Returns images, float32 `[num, height, width, channels]`.

        Args:
            z: Latents, floats `[num, latent_dim]`.
            label: As for `reconstruct`, of each row or of all.
        """
        return self._ask("decode", label, z=z)["image"]

    def sample(
        self,
        num: int,
        seed: int = 0,
        temperature: float = 1.0,
        label: Label | None = None,
    ) -> np.ndarray:
        """Returns new images, float32 `[num, height, width, channels]`.

        Args:
            num: How many.
            seed: Image i is that of the seed `[seed, i]`, whatever the batch
                and the server.
            temperature: Multiplies the prior's standard deviation.
            label: As for `reconstruct`.
        """
        whole_number("num", num, 1, _MAX_ROWS)
        scale = check_temperature(temperature)
        return self._ask(
            "sample",
            label,
            seed=row_seeds(seed, num),
            temperature=np.full([num], scale, np.float32),
        )["image"]

    def score(
        self, images: Any, seed: int = 0, label: Label | None = None
    ) -> dict[str, np.ndarray]:
        """Returns `elbo`, `log_likelihood`, `kl_divergence`, nats, `[num]`.

        Args:
            images, label: As for `reconstruct`.
            seed: Image i is scored with the seed `[seed, i]`.
        """
        seeds = row_seeds(seed, count_rows(images))
        return self._ask("score", label, image=images, seed=seeds)

    def reconstruct_bytes(
        self,
        files: Sequence[bytes | str | os.PathLike[str]],
        label: Label | None = None,
    ) -> list[bytes]:
        """Returns the reconstruction of each file, as the bytes of a PNG.

        Args:
            files: PNG or JPEG files of the model's size: paths, or contents.
            label: As for `reconstruct`.
        """
        shape = self.image_shape
        rows = input_checks.check_list("files", files)
        data = [input_checks.read_file(file, shape) for file in rows]
        answer = self._ask("reconstruct_bytes", label, image_bytes=data)
        return answer["reconstruction_bytes"].tolist()

    def ask(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """Asks one signature, in as many requests as it takes.

        Args:
            signature: Its name.
            **inputs: Its inputs by name, each `[num, ...]`.

        Returns:
            Its outputs by name, each `[num, ...]`.

        Raises:
            UserError: If the model has no such signature, an input does not
                fit, or the server does not answer.
        """
        rows = input_checks.check_inputs(
            signature, self.signature(signature), inputs, self.num_classes
        )
        num = len(next(iter(rows.values())))
        step = self.rows_per_request(signature)
        batches = (
            {
                name: values[start : start + step]
                for name, values in rows.items()
            }
            for start in range(0, num, step)
        )
        answers = list(self.ask_batches(signature, batches))
        return {k: np.concatenate([a[k] for a in answers]) for k in answers[0]}

    def ask_batches(
        self, signature: str, batches: Iterable[Mapping[str, Any]]
    ) -> Iterator[dict[str, np.ndarray]]:
        """Asks one signature for a stream of batches, several in flight.

        Batches are taken as they are needed, so that memory does not grow
        with their number.

        Args:
            signature: Its name.
            batches: The inputs of each request; of `rows_per_request` rows at
                most, as they are sent as they are.

        Yields:
            The outputs of each batch, in the order of the batches.
        """
        info = self.signature(signature)
        rows = (
            input_checks.check_inputs(signature, info, batch, self.num_classes)
            for batch in input_checks.check_list("batches", batches)
        )
        yield from self._requests.answers(signature, info, rows)

    def rows_per_request(self, signature: str) -> int:
        """Returns how many rows a request may have.

        That is `batch_size`, or fewer where the request or the answer would
        otherwise have more than 3 MiB.
        """
        info = self.signature(signature)
        return min(self.batch_size, max_rows(info, self.image_shape))

    def _ask(
        self, signature: str, label: Label | None, **inputs: Any
    ) -> dict[str, np.ndarray]:
        if label is not None:
            num = count_rows(next(iter(inputs.values())))
            inputs["label"] = labels_of_rows(self, label, num)
        return self.ask(signature, **inputs)

    @property
    def _of_images(self) -> str:
        """The name of a signature that takes images; all models have one."""
        return "reconstruct" if "reconstruct" in self.signatures else "score"

    def _sizes(self, signature: str, name: str) -> tuple[int, ...]:
        """Returns the shape of an input without the batch."""
        shape = self.signature(signature).inputs[name].shape
        return tuple(size for size in shape[1:] if size is not None)
