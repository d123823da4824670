"""Joins requests of one signature to batches, and cuts the answers apart.

References:
    tensorflow_serving/batching/batching_session.cc: what may be joined, the
    padding, the codes; tensorflow/core/kernels/batching_util/
    shared_batch_scheduler.h: the queue.
"""

import collections
import concurrent.futures
import dataclasses
import os
import threading
import time
from collections.abc import Callable, Mapping

import numpy as np

from tests.serving.protocol.status import Code, StatusError

__all__ = ["Arrays", "Batcher", "BatchingParameters"]

Arrays = Mapping[str, np.ndarray]
_Run = Callable[[str, Arrays, float | None], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class BatchingParameters:
    """What `batching_parameters.txt` says; defaults are the scheduler's.

    Attributes:
        max_batch_size: Largest request, and largest batch, in rows.
        batch_timeout_micros: How long a batch waits to be filled.
        max_enqueued_batches: Batches that wait for a thread; beyond that a
            request is UNAVAILABLE.
        num_batch_threads: Batches that run at a time.
        allowed_batch_sizes: Sizes that batches are padded to; any if empty.
        enable_large_batch_splitting: Whether batches may be smaller than
            requests.
        max_execution_batch_size: Largest batch where they may be; 0 means
            `max_batch_size`.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0

    def __post_init__(self) -> None:
        sizes = self.allowed_batch_sizes
        if sizes and sizes[-1] != self.max_batch_size:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                "Last entry in allowed_batch_sizes must match max_batch_size; "
                f"last entry was {sizes[-1]}; expected {self.max_batch_size}",
            )
        if list(sizes) != sorted(set(sizes)):
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"allowed_batch_sizes must increase; they are {sizes}",
            )

    @property
    def execution_size(self) -> int:
        """The largest batch that runs, in rows."""
        if not self.enable_large_batch_splitting:
            return self.max_batch_size
        return self.max_execution_batch_size or self.max_batch_size

    def padded(self, size: int) -> int:
        """Returns the size that a batch of `size` rows is padded to."""
        return next((s for s in self.allowed_batch_sizes if s >= size), size)


@dataclasses.dataclass(frozen=True)
class _Task:
    """A request, or a piece of one, that waits for its answer."""

    inputs: Arrays
    size: int
    deadline: float | None
    answer: concurrent.futures.Future[dict[str, np.ndarray]]


class _Batch:
    """Tasks that run together; open until it is full or its time is up."""

    def __init__(self, parameters: BatchingParameters):
        self.tasks: list[_Task] = []
        self.size = 0
        self.due = time.monotonic() + parameters.batch_timeout_micros / 1e6

    def add(self, task: _Task) -> None:
        self.tasks.append(task)
        self.size += task.size


class Batcher:
    """Threads that run batches of requests; one queue for each signature.

    Args:
        run: Runs one batch: (signature, inputs, deadline) -> outputs.
        parameters: Sizes and times.
    """

    def __init__(self, run: _Run, parameters: BatchingParameters):
        self._run = run
        self._parameters = parameters
        self._queues: dict[str, collections.deque[_Batch]] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name="batch", daemon=True)
            for _ in range(parameters.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, signature: str, inputs: Arrays, deadline: float | None
    ) -> dict[str, np.ndarray]:
        """Queues a request and waits for its answer.

        Args:
            signature: Its queue.
            inputs: Name -> array; all share dimension 0.
            deadline: On the clock of `time.monotonic`; None for none.

        Raises:
            StatusError: If it cannot be joined, or its batch failed.
        """
        size = _shared_size(inputs)
        limit = self._parameters.max_batch_size
        if size > limit:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"Task size {size} is larger than maximum input batch size "
                f"{limit}",
            )
        if not size and self._parameters.padded(0):
            # The sources would pad with a first row that is not there.
            raise StatusError(
                Code.INVALID_ARGUMENT, "An empty batch cannot be padded"
            )
        step = self._parameters.execution_size
        pieces = [
            _Task(
                {name: array[i : i + step] for name, array in inputs.items()},
                min(step, size - i),
                deadline,
                concurrent.futures.Future(),
            )
            for i in range(0, max(size, 1), step)
        ]
        self._enqueue(signature, pieces)
        answers = [piece.answer.result() for piece in pieces]
        return {
            name: np.concatenate([answer[name] for answer in answers])
            for name in answers[0]
        }

    def close(self) -> None:
        """Runs what is queued and ends the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _enqueue(self, signature: str, tasks: list[_Task]) -> None:
        step = self._parameters.execution_size
        with self._changed:
            if self._closed:
                raise StatusError(Code.UNAVAILABLE, "The servable is unloading")
            queue = self._queues.setdefault(signature, collections.deque())
            fits = bool(queue) and queue[-1].size + tasks[0].size <= step
            added = len(tasks) - fits
            if len(queue) + added > self._parameters.max_enqueued_batches:
                raise StatusError(
                    Code.UNAVAILABLE,
                    "The batch scheduling queue to which this task was "
                    "submitted is full",
                )
            for task in tasks:
                if not queue or queue[-1].size + task.size > step:
                    queue.append(_Batch(self._parameters))
                queue[-1].add(task)
            self._changed.notify()

    def _work(self) -> None:
        while (found := self._next()) is not None:
            signature, batch = found
            try:
                answers = self._run_batch(signature, batch)
            except Exception as error:
                # All share its fate, as in the sources: one bad row fails the
                # requests that it was joined with.
                for task in batch.tasks:
                    task.answer.set_exception(error)
            else:
                for task, answer in zip(batch.tasks, answers, strict=True):
                    task.answer.set_result(answer)

    def _next(self) -> tuple[str, _Batch] | None:
        """Waits for a batch that is full or due; None once closed."""
        with self._changed:
            while True:
                now = time.monotonic()
                wait = None
                for signature, queue in self._queues.items():
                    if not queue:
                        continue
                    batch = queue[0]
                    full = batch.size >= self._parameters.execution_size
                    if full or len(queue) > 1 or self._closed:
                        batch.due = now
                    if batch.due <= now:
                        queue.popleft()
                        # The others come first next time.
                        self._queues[signature] = self._queues.pop(signature)
                        self._changed.notify()
                        return signature, batch
                    left = batch.due - now
                    wait = left if wait is None else min(wait, left)
                if self._closed:
                    return None
                self._changed.wait(wait)

    def _run_batch(
        self, signature: str, batch: _Batch
    ) -> list[dict[str, np.ndarray]]:
        deadlines = [task.deadline for task in batch.tasks]
        finite = [d for d in deadlines if d is not None]
        # The batch is given the time of the task that has most.
        deadline = max(finite) if len(finite) == len(deadlines) else None
        if deadline is not None and deadline <= time.monotonic():
            raise StatusError(
                Code.RESOURCE_EXHAUSTED,
                "Run() timeout exceeded while waiting in batching queue",
            )
        padded = self._parameters.padded(batch.size)
        merged = _merge([task.inputs for task in batch.tasks], padded)
        outputs = self._run(signature, merged, deadline)
        return _split(outputs, [task.size for task in batch.tasks], padded)


def _shared_size(inputs: Arrays) -> int:
    """Returns the size of dimension 0, which all inputs must share."""
    if not all(array.ndim for array in inputs.values()):
        raise StatusError(
            Code.INVALID_ARGUMENT,
            "Batching Run() input tensors must have at least one dimension",
        )
    sizes = {len(array) for array in inputs.values()}
    if len(sizes) != 1:
        raise StatusError(
            Code.INVALID_ARGUMENT,
            "Batching Run() input tensors must have equal 0th-dimension size",
        )
    return sizes.pop()


def _merge(requests: list[Arrays], padded: int) -> dict[str, np.ndarray]:
    """Joins the inputs, and repeats the last one's first row up to `padded`."""
    merged = {}
    for name in requests[0]:
        arrays = [inputs[name] for inputs in requests]
        if len({array.shape[1:] for array in arrays}) != 1:
            raise StatusError(
                Code.FAILED_PRECONDITION,
                f"Tensors with name '{name}' from different tasks have "
                "different shapes and padding is turned off. Set "
                "pad_variable_length_inputs to true, or ensure that all "
                "tensors with the same name have equal dimensions starting "
                "with the first dim.",
            )
        if len({array.dtype for array in arrays}) != 1:
            raise StatusError(
                Code.INTERNAL, "Tensor concat operation failed: dtypes differ"
            )
        missing = padded - sum(len(array) for array in arrays)
        padding = np.repeat(arrays[-1][:1], missing, axis=0)
        merged[name] = np.concatenate([*arrays, padding])
    return merged


def _split(
    outputs: Arrays, sizes: list[int], padded: int
) -> list[dict[str, np.ndarray]]:
    """Cuts the outputs to the tasks' sizes; what was padded is dropped."""
    for array in outputs.values():
        if not array.ndim:
            raise StatusError(
                Code.FAILED_PRECONDITION,
                "Batched output tensor has 0 dimensions",
            )
        if len(array) != padded:
            raise StatusError(
                Code.FAILED_PRECONDITION,
                "Batched output tensor's 0th dimension does not equal the sum "
                "of the 0th dimension sizes of the input tensors",
            )
    ends = np.cumsum(sizes)
    return [
        {name: array[end - size : end] for name, array in outputs.items()}
        for size, end in zip(sizes, ends, strict=True)
    ]
