"""Tests of joining requests, with a stand-in for the model."""

import concurrent.futures
import threading
import time

import numpy as np
import pytest

from tests.serving.protocol.batching import Batcher, BatchingParameters
from tests.serving.protocol.status import Code, StatusError


class _Model:
    """Doubles `x`, remembers the batches, and waits where it is told to."""

    def __init__(self):
        self.batches = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, signature, inputs, deadline):
        self.batches.append(inputs["x"])
        assert self.go.wait(20)
        return {"y": 2 * inputs["x"]}


@pytest.fixture
def make():
    """Makes batchers, and closes them."""
    made = []

    def make(model=None, **parameters):
        model = model or _Model()
        batcher = Batcher(
            model, BatchingParameters(**{"num_batch_threads": 1, **parameters})
        )
        made.append((model, batcher))
        return model, batcher

    yield make
    for model, batcher in made:
        if isinstance(model, _Model):
            model.go.set()
        batcher.close()


def _x(*values):
    return {"x": np.array(values, np.float32)}


def _code(function, *args):
    with pytest.raises(StatusError) as caught:
        function(*args)
    return caught.value.code


def _wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_waiting_requests_share_a_padded_batch_and_get_their_own_rows(make):
    model, batcher = make(
        max_batch_size=8, allowed_batch_sizes=(2, 8), batch_timeout_micros=0
    )
    model.go.clear()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        first = pool.submit(batcher.submit, "s", _x(1), None)
        _wait_for(lambda: model.batches)
        others = [
            pool.submit(batcher.submit, "s", _x(v, -v), None) for v in (2, 3)
        ]
        _wait_for(lambda: sum(b.size for b in batcher._queues["s"]) == 4)
        model.go.set()
        assert first.result()["y"].tolist() == [2]
        answers = [o.result()["y"].tolist() for o in others]
    assert answers == [[4, -4], [6, -6]]
    assert model.batches[0].tolist() == [1, 1]
    joined = model.batches[1]
    assert joined.shape == (8,)
    # The padding is the first row of the last request.
    assert set(joined[4:].tolist()) == {joined[2]}
    assert len(model.batches) == 2


def test_signatures_are_not_mixed(make):
    model, batcher = make(max_batch_size=8)
    batcher.submit("a", _x(1), None)
    batcher.submit("b", _x(2), None)
    assert [b.tolist() for b in model.batches] == [[1], [2]]


def test_timeout_lets_a_batch_fill(make):
    model, batcher = make(max_batch_size=2, batch_timeout_micros=2 * 10**7)
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda v: batcher.submit("s", _x(v), None), (1, 2)))
    # It was full, and did not wait for the twenty seconds to pass.
    assert time.monotonic() - start < 10
    assert [len(b) for b in model.batches] == [2]


def test_larger_request_than_the_largest_batch_is_refused(make):
    _, batcher = make(max_batch_size=2)
    code = _code(batcher.submit, "s", _x(1, 2, 3), None)
    assert code == Code.INVALID_ARGUMENT


def test_large_request_is_split_where_that_is_enabled(make):
    model, batcher = make(
        max_batch_size=8,
        enable_large_batch_splitting=True,
        max_execution_batch_size=2,
    )
    answer = batcher.submit("s", _x(1, 2, 3, 4, 5), None)
    assert answer["y"].tolist() == [2, 4, 6, 8, 10]
    assert [len(b) for b in model.batches] == [2, 2, 1]


def test_full_queue_is_unavailable(make):
    model, batcher = make(max_batch_size=1, max_enqueued_batches=1)
    model.go.clear()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = pool.submit(batcher.submit, "s", _x(1), None)
        _wait_for(lambda: model.batches)
        waiting = pool.submit(batcher.submit, "s", _x(2), None)
        _wait_for(lambda: batcher._queues["s"])
        assert _code(batcher.submit, "s", _x(3), None) == Code.UNAVAILABLE
        model.go.set()
        assert running.result()["y"].tolist() == [2]
        assert waiting.result()["y"].tolist() == [4]


@pytest.mark.parametrize(
    "inputs",
    [
        {"x": np.zeros(2), "y": np.zeros(3)},
        {"x": np.zeros(()), "y": np.zeros(())},
    ],
)
def test_inputs_must_share_dimension_0(inputs, make):
    _, batcher = make()
    assert _code(batcher.submit, "s", inputs, None) == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("y", [np.zeros(()), np.zeros(3)])
def test_outputs_must_share_dimension_0(y, make):
    _, batcher = make(lambda *_: {"y": y})
    code = _code(batcher.submit, "s", _x(1, 2), None)
    assert code == Code.FAILED_PRECONDITION


def test_batcher_goes_on_after_a_failed_batch(make):
    def run(signature, inputs, deadline):
        if inputs["x"][0] < 0:
            raise StatusError(Code.INVALID_ARGUMENT, "negative")
        return {"y": inputs["x"]}

    _, batcher = make(run)
    assert _code(batcher.submit, "s", _x(-1), None) == Code.INVALID_ARGUMENT
    assert batcher.submit("s", _x(5), None)["y"].tolist() == [5]


def test_request_whose_time_passed_in_the_queue_is_not_run(make):
    model, batcher = make()
    past = time.monotonic() - 1
    code = _code(batcher.submit, "s", _x(1), past)
    assert code == Code.RESOURCE_EXHAUSTED
    assert model.batches == []


@pytest.mark.parametrize("sizes", [(1, 4), (4, 2, 8)])
def test_allowed_sizes_increase_up_to_the_largest(sizes):
    with pytest.raises(StatusError, match="allowed_batch_sizes"):
        BatchingParameters(max_batch_size=8, allowed_batch_sizes=sizes)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
