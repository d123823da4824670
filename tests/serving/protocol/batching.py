"""Joins requests of one signature to a batch, and cuts the answers apart.

An export must bear it: its inputs and outputs share dimension 0, and a row's
answer depends on neither its neighbours nor the rows that fill the batch up.

References:
    tensorflow_serving/batching/batching_session.cc: what may be joined, the
    padding, the codes
"""

import concurrent.futures
import dataclasses
import os
import threading
from collections.abc import Callable, Mapping

import numpy as np
from grpc import StatusCode

from tests.serving.protocol.messages import StatusError

__all__ = ["Batcher", "BatchingParameters"]

_Arrays = Mapping[str, np.ndarray]
_Run = Callable[[str, _Arrays], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """What `batching_parameters.txt` says.

    Attributes:
        max_batch_size: Largest request, and largest batch, in rows.
        batch_timeout_micros: How long a batch waits to be filled.
        max_enqueued_batches: Read for its test; no queue is ever full here.
        num_batch_threads: Batches that run at a time.
        allowed_batch_sizes: Sizes that batches are padded to; any if empty.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()

    def padded(self, size: int) -> int:
        """Returns the size that a batch of `size` rows is padded to."""
        return next((s for s in self.allowed_batch_sizes if s >= size), size)


class _Batch:
    """Requests that run together, and their answers in the same order."""

    def __init__(self) -> None:
        self.requests: list[_Arrays] = []
        self.sizes: list[int] = []
        self.full = threading.Event()
        self.answers: concurrent.futures.Future[list[dict[str, np.ndarray]]]
        self.answers = concurrent.futures.Future()


class Batcher:
    """Runs batches of requests in the threads that ask.

    The first request of a batch waits for others, and runs it for all.

    Args:
        run: Runs one batch: (signature, inputs) -> outputs.
        parameters: Sizes and times.
    """

    def __init__(self, run: _Run, parameters: BatchingParameters):
        self._run = run
        self._parameters = parameters
        self._lock = threading.Lock()
        self._open: dict[str, _Batch] = {}
        self._slots = threading.Semaphore(parameters.num_batch_threads)

    def submit(self, signature: str, inputs: _Arrays) -> dict[str, np.ndarray]:
        """Answers a request, together with others if there are some.

        Args:
            signature: Only requests of one are joined.
            inputs: Name -> array; all share dimension 0.

        Raises:
            StatusError: If it cannot be joined, or its batch failed.
        """
        size = _shared_size(inputs)
        limit = self._parameters.max_batch_size
        if size > limit:
            raise StatusError(
                StatusCode.INVALID_ARGUMENT,
                f"Task size {size} is larger than maximum input batch size "
                f"{limit}",
            )
        batch, place = self._add(signature, inputs, size)
        if place == 0:
            batch.full.wait(self._parameters.batch_timeout_micros / 1e6)
            with self._slots:
                self._close(signature, batch)
                self._answer(signature, batch)
        # All share its fate, as in the sources: one bad row fails the requests
        # that it was joined with.
        return batch.answers.result()[place]

    def _add(
        self, signature: str, inputs: _Arrays, size: int
    ) -> tuple[_Batch, int]:
        """Returns the batch that a request joins, and its place there."""
        limit = self._parameters.max_batch_size
        with self._lock:
            batch = self._open.setdefault(signature, _Batch())
            if sum(batch.sizes) + size > limit:
                batch.full.set()
                batch = self._open[signature] = _Batch()
            batch.requests.append(inputs)
            batch.sizes.append(size)
            if sum(batch.sizes) == limit:
                batch.full.set()
            return batch, len(batch.sizes) - 1

    def _close(self, signature: str, batch: _Batch) -> None:
        """No request joins the batch any more."""
        with self._lock:
            if self._open.get(signature) is batch:
                del self._open[signature]

    def _answer(self, signature: str, batch: _Batch) -> None:
        padded = self._parameters.padded(sum(batch.sizes))
        try:
            outputs = self._run(signature, _merge(batch.requests, padded))
            batch.answers.set_result(_split(outputs, batch.sizes, padded))
        except Exception as error:
            batch.answers.set_exception(error)


def _shared_size(inputs: _Arrays) -> int:
    """Returns the size of dimension 0, which all inputs must share."""
    sizes = {array.shape[:1] for array in inputs.values()}
    if len(sizes) != 1 or () in sizes:
        raise StatusError(
            StatusCode.INVALID_ARGUMENT,
            "Batching Run() input tensors must have equal 0th-dimension size",
        )
    return sizes.pop()[0]


def _merge(requests: list[_Arrays], padded: int) -> dict[str, np.ndarray]:
    """Joins the inputs, and repeats the last one's first row up to `padded`."""
    merged = {}
    for name in requests[0]:
        arrays = [inputs[name] for inputs in requests]
        missing = padded - sum(map(len, arrays))
        padding = np.repeat(arrays[-1][:1], missing, axis=0)
        merged[name] = np.concatenate([*arrays, padding])
    return merged


def _split(
    outputs: _Arrays, sizes: list[int], padded: int
) -> list[dict[str, np.ndarray]]:
    """Cuts the outputs to the tasks' sizes; what was padded is dropped."""
    for array in outputs.values():
        if not array.ndim or len(array) != padded:
            raise StatusError(
                StatusCode.FAILED_PRECONDITION,
                "Batched output tensor's 0th dimension does not equal the sum "
                "of the 0th dimension sizes of the input tensors",
            )
    ends = np.cumsum(sizes)
    return [
        {name: array[end - size : end] for name, array in outputs.items()}
        for size, end in zip(sizes, ends, strict=True)
    ]
