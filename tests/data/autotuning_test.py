"""Tests that iterators end at once."""

import time

import pytest
import tensorflow as tf

from keras_vae.config.data_config import DataConfig
from keras_vae.data import (
    evaluation_batches,
    load,
    training_batches,
)
from keras_vae.data.autotuning import without_autotuning


def test_no_iterator_waits_for_its_end():
    dataset = tf.data.Dataset.range(10**9).map(
        lambda x: x + 1, num_parallel_calls=2
    )
    iterators = [iter(without_autotuning(dataset)) for _ in range(100)]
    for iterator in iterators:
        next(iterator)
    time.sleep(2.0)
    waited = 0
    while iterators:
        start = time.monotonic()
        iterators.pop()
        waited += time.monotonic() - start > 1.0
        # Of those that are tuned, one in seven waits for 1.28 s at least: of
        # 100 fewer than three do with a probability of 4e-5. A busy machine
        # may have a pause or two of its own.
        assert waited < 3


@pytest.mark.parametrize("max_bytes", [0, 10**9])
def test_batches_are_not_tuned(max_bytes, tiny_data_dir):
    config = DataConfig("tiny_images", data_dir=str(tiny_data_dir))
    split = load(config, max_bytes_in_memory=max_bytes).splits["train"]
    settings = {"batch_size": 10, "binarization": "none"}
    for batches in (
        training_batches(split, seed=0, **settings),
        evaluation_batches(split, **settings),
    ):
        assert batches.options().autotune.enabled is False


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
