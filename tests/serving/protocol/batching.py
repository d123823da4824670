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

__all__ = ["Arrays", "Batcher", "BatchingParameters"]

Arrays = Mapping[str, np.ndarray]
_Run = Callable[[str, Arrays], dict[str, np.ndarray]]


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


@dataclasses.dataclass(frozen=True)
class _Task:
    """A request that waits for its answer."""

    inputs: Arrays
    size: int
    answer: concurrent.futures.Future[dict[str, np.ndarray]]


class _Batch:
    """Tasks that run together."""

    def __init__(self) -> None:
        self.tasks: list[_Task] = []
        self.size = 0
        self.full = threading.Event()


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

    def submit(self, signature: str, inputs: Arrays) -> dict[str, np.ndarray]:
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
        task = _Task(inputs, size, concurrent.futures.Future())
        batch = self._add(signature, task)
        if batch.tasks[0] is task:
            batch.full.wait(self._parameters.batch_timeout_micros / 1e6)
            with self._slots:
                self._close(signature, batch)
                self._answer(signature, batch)
        return task.answer.result()

    def _add(self, signature: str, task: _Task) -> _Batch:
        with self._lock:
            batch = self._open.get(signature)
            limit = self._parameters.max_batch_size
            if batch is None or batch.size + task.size > limit:
                if batch is not None:
                    batch.full.set()
                batch = self._open[signature] = _Batch()
            batch.tasks.append(task)
            batch.size += task.size
            if batch.size == limit:
                batch.full.set()
            return batch

    def _close(self, signature: str, batch: _Batch) -> None:
        """No request joins the batch any more."""
        with self._lock:
            if self._open.get(signature) is batch:
                del self._open[signature]

    def _answer(self, signature: str, batch: _Batch) -> None:
        try:
            padded = self._parameters.padded(batch.size)
            merged = _merge([task.inputs for task in batch.tasks], padded)
            outputs = self._run(signature, merged)
            answers = _split(outputs, [t.size for t in batch.tasks], padded)
        except Exception as error:
            # All share its fate, as in the sources: one bad row fails the
            # requests that it was joined with.
            for task in batch.tasks:
                task.answer.set_exception(error)
        else:
            for task, answer in zip(batch.tasks, answers, strict=True):
                task.answer.set_result(answer)


def _shared_size(inputs: Arrays) -> int:
    """Returns the size of dimension 0, which all inputs must share."""
    sizes = {array.shape[:1] for array in inputs.values()}
    if len(sizes) != 1 or () in sizes:
        raise StatusError(
            StatusCode.INVALID_ARGUMENT,
            "Batching Run() input tensors must have equal 0th-dimension size",
        )
    return sizes.pop()[0]


def _merge(requests: list[Arrays], padded: int) -> dict[str, np.ndarray]:
    """Joins the inputs, and repeats the last one's first row up to `padded`."""
    merged = {}
    for name in requests[0]:
        arrays = [inputs[name] for inputs in requests]
        missing = padded - sum(map(len, arrays))
        padding = np.repeat(arrays[-1][:1], missing, axis=0)
        merged[name] = np.concatenate([*arrays, padding])
    return merged


def _split(
    outputs: Arrays, sizes: list[int], padded: int
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
