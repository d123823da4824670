"""Tests that requests are joined, and that answers that do not fit are seen.

Without them an export that cannot bear joining would pass on a server that
never joins.
"""

import concurrent.futures

import numpy as np
import pytest
from grpc import StatusCode

from tests.serving.protocol.batching import Batcher, BatchingParameters
from tests.serving.protocol.messages import StatusError


def _x(*values):
    return {"x": np.array(values, np.float32)}


def _doubling(batches):
    def run(signature, inputs):
        batches.append(inputs["x"].tolist())
        return {"y": 2 * inputs["x"]}

    return run


def test_joined_requests_share_a_padded_batch_and_get_their_own_rows():
    batches = []
    sizes = {"max_batch_size": 8, "allowed_batch_sizes": (8,)}
    waiting = BatchingParameters(**sizes, batch_timeout_micros=2 * 10**6)
    batcher = Batcher(_doubling(batches), waiting)
    requests = [_x(1, 2, 3), _x(4, 5, 6), _x(7, 8, 9)]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = list(
            pool.map(lambda inputs: batcher.submit("s", inputs), requests)
        )
    for inputs, answer in zip(requests, answers, strict=True):
        assert answer["y"].tolist() == (2 * inputs["x"]).tolist()
    joined, alone = batches
    # What is missing is the first row of the last request.
    assert len(set(joined)) == 6 and joined[6:] == [joined[3]] * 2
    assert len(set(alone)) == 3 and alone[3:] == [alone[0]] * 5


@pytest.mark.parametrize(
    "inputs",
    [
        {"x": np.zeros(2), "y": np.zeros(3)},
        {"x": np.zeros(()), "y": np.zeros(())},
        {"x": np.zeros(1001)},
    ],
    ids=["sizes", "scalars", "large"],
)
def test_inputs_that_cannot_be_joined_are_refused(inputs):
    batcher = Batcher(_doubling([]), BatchingParameters())
    with pytest.raises(StatusError) as caught:
        batcher.submit("s", inputs)
    assert caught.value.code == StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("y", [np.zeros(()), np.zeros(3)])
def test_outputs_must_share_dimension_0(y):
    batcher = Batcher(lambda *_: {"y": y}, BatchingParameters())
    with pytest.raises(StatusError) as caught:
        batcher.submit("s", _x(1, 2))
    assert caught.value.code == StatusCode.FAILED_PRECONDITION


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
