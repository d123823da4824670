"""Requests of one signature, several of them in flight."""

import collections
import concurrent.futures
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from keras_vae.errors import UserError
from keras_vae.serving.answers import check_answer
from keras_vae.serving.backend import Backend, SignatureInfo, TensorInfo
from keras_vae.serving.retries import Retries

__all__ = ["RequestQueue", "max_rows"]

# Servers and what stands before them often take at most 4 MiB.
_MAX_MESSAGE_BYTES = 3 << 20

_Rows = dict[str, np.ndarray]


class RequestQueue:
    """Sends requests side by side, and gives the answers in their order.

    Args:
        backend: What answers.
        retries: Sends a request again where that may help.
        max_in_flight: Requests that wait for an answer at the same time.
        target: Who answers, for messages.
    """

    def __init__(
        self,
        backend: Backend,
        retries: Retries,
        max_in_flight: int,
        target: Any,
    ):
        self.backend = backend
        self.retries = retries
        self.max_in_flight = max_in_flight
        self.target = target
        self._executor = concurrent.futures.ThreadPoolExecutor(
            max_in_flight, thread_name_prefix="keras_vae.client"
        )

    def close(self) -> None:
        """Takes no more requests; those that have not been sent fail."""
        self._executor.shutdown(cancel_futures=True)

    def answers(
        self, signature: str, info: SignatureInfo, batches: Iterable[_Rows]
    ) -> Iterator[_Rows]:
        """Sends a stream of requests, which is read as they are answered.

        Args:
            signature: Its name.
            info: What it takes and gives.
            batches: The inputs of each request, which fit it.

        Yields:
            The outputs of each, checked.

        Raises:
            UserError: If one is not answered, or with something else.
        """
        waiting: collections.deque[concurrent.futures.Future[_Rows]] = (
            collections.deque()
        )
        try:
            for rows in batches:
                if len(waiting) == self.max_in_flight:
                    yield waiting.popleft().result()
                waiting.append(self._submit(signature, info, rows))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _submit(
        self, signature: str, info: SignatureInfo, rows: _Rows
    ) -> concurrent.futures.Future[_Rows]:
        try:
            return self._executor.submit(self._request, signature, info, rows)
        except RuntimeError as error:
            raise UserError(
                f"The client is closed. Received: {self.target}"
            ) from error

    def _request(
        self, signature: str, info: SignatureInfo, rows: _Rows
    ) -> _Rows:
        answer = self.retries(lambda: self.backend(signature, **rows))
        num = len(next(iter(rows.values())))
        check_answer(signature, info, answer, num, self.target)
        return answer


def max_rows(info: SignatureInfo, image_shape: tuple[int, ...]) -> int:
    """Returns how many rows keep a request and its answer below 3 MiB.

    Args:
        info: What the signature takes and gives.
        image_shape: Of the model's images; a file is taken to be as large.

    Returns:
        A number of at least 1.
    """

    def row_bytes(tensors: Mapping[str, TensorInfo]) -> int:
        return sum(
            math.prod(image_shape)
            if tensor.dtype == object
            else math.prod(n or 1 for n in tensor.shape) * tensor.dtype.itemsize
            for tensor in tensors.values()
        )

    size = max(row_bytes(info.inputs), row_bytes(info.outputs))
    return max(1, _MAX_MESSAGE_BYTES // max(1, size))
