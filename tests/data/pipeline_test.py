"""Tests of the batches, for each kind of split."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae.config.data_config import DataConfig
from keras_vae.data.file_split import FileSplit
from keras_vae.data.image_dataset import ArraySplit
from keras_vae.data.load import load
from keras_vae.data.pipeline import (
    evaluation_batches,
    steps_per_epoch,
    training_batches,
)
from keras_vae.errors import UserError
from keras_vae.training import make_strategy
from tests.data import builders

KINDS = ("array", "file", "record")


@pytest.fixture(params=KINDS)
def split(request, numbered_split, tiny_data_dir):
    """Returns a split in memory, of files, or of records."""
    if request.param == "array":
        return numbered_split
    if request.param == "file":
        return FileSplit(
            builders.tiny_image,
            lambda image: tf.ensure_shape(image, (4, 5, 1)),
            np.arange(103) % 7,
            103,
            (4, 5, 1),
        )
    config = DataConfig("tiny_images", data_dir=str(tiny_data_dir))
    return load(config, max_bytes_in_memory=0).splits["train"]


def _numbers(batches):
    """Returns the number in the first pixel of each image, by batch."""
    return [
        np.round(batch[:, 0, 0, 0] * 255).astype(int).tolist()
        for batch in batches.as_numpy_iterator()
    ]


def _train(split, **kwargs):
    settings = {"batch_size": 10, "seed": 3, "binarization": "none"}
    return training_batches(split, **(settings | kwargs))


def test_epochs_are_exact(split):
    steps = steps_per_epoch(split, 10)
    assert steps == split.num_images // 10
    batches = _numbers(_train(split, num_steps=3 * steps))
    assert len(batches) == 3 * steps
    epochs = np.reshape(batches, (3, 10 * steps)).tolist()
    for epoch in epochs:
        assert len(set(epoch)) == 10 * steps
    # Another order, and another remainder that is left out.
    assert epochs[0] != epochs[1] != epochs[2]
    assert len({frozenset(epoch) for epoch in epochs}) == 3


def _assert_restart_is_exact(split, **settings):
    settings = {"num_steps": 25, "horizontal_flip": True, **settings}
    whole = list(_train(split, **settings).as_numpy_iterator())
    steps = steps_per_epoch(split, 10)
    for start in (1, steps, steps + 3, 25):
        rest = _train(split, start_step=start, **settings)
        rest = list(rest.as_numpy_iterator())
        assert len(rest) == 25 - start
        for ours, theirs in zip(rest, whole[start:], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_restart_is_exact(split):
    _assert_restart_is_exact(split, binarization="static", mutation_rate=0.3)


@pytest.mark.parametrize(
    "settings",
    [
        {"dequantization": "uniform", "num_bits": 3},
        {"binarization": "dynamic", "mutation_rate": 0.3},
    ],
)
def test_restart_is_exact_with_the_noise_of_a_step(numbered_split, settings):
    # A step's noise is added to batches of any kind of split alike.
    _assert_restart_is_exact(numbered_split, **settings)


def test_batches_do_not_depend_on_the_global_seed(split):
    batches = []
    for seed in (1, 2):
        tf.random.set_seed(seed)
        settings = {"binarization": "dynamic", "num_steps": 12}
        batches.append(list(_train(split, **settings).as_numpy_iterator()))
    np.testing.assert_array_equal(*batches)


def _mirrored(split, num_steps, **settings):
    """Returns (is as without mirroring, is mirrored) of each image."""
    plain, other = (
        np.stack(
            list(
                _train(
                    split, num_steps=num_steps, horizontal_flip=flip, **settings
                ).as_numpy_iterator()
            )
        )
        for flip in (False, True)
    )
    same = np.all(other == plain, axis=(2, 3, 4))
    return same, np.all(other == plain[:, :, :, ::-1], axis=(2, 3, 4))


def test_training_mirrors_half_of_the_images_anew_at_each_step(numbered_split):
    same, mirrored = _mirrored(numbered_split, 60)
    assert np.all(same != mirrored)
    # Both tests fail with 1e-6.
    flips = int(mirrored.sum())
    assert scipy.stats.binomtest(flips, mirrored.size).pvalue > 1e-6
    changes = int(np.sum(mirrored[1:] != mirrored[:-1]))
    assert scipy.stats.binomtest(changes, mirrored[1:].size).pvalue > 1e-6


def test_mirrored_images_keep_their_static_bits(numbered_split):
    same, mirrored = _mirrored(numbered_split, 20, binarization="static")
    assert np.all(same | mirrored)  # Both where the bits are symmetric.
    assert 0.3 < mirrored.mean() < 0.7


def test_mirroring_depends_on_the_seed():
    # Images with one bright column: the side tells whether it was mirrored.
    images = np.zeros((64, 2, 2, 1), np.uint8)
    images[:, :, 0] = 255
    sides = [
        next(
            _train(
                ArraySplit(images),
                batch_size=64,
                seed=seed,
                horizontal_flip=True,
            ).as_numpy_iterator()
        )[:, 0, 0, 0]
        for seed in (0, 1)
    ]
    # Equal with a probability of 2^-64.
    assert not np.array_equal(*sides)


def test_mirroring_keeps_the_shape_known(split):
    batches = _train(split, horizontal_flip=True, num_bits=4)
    assert batches.element_spec == tf.TensorSpec((10, 4, 5, 1), tf.float32)


def _mutated(split, num_steps=40, rate=0.2, **settings):
    """Returns the images without and with mutation, [step, N, H, W, C]."""
    return (
        np.stack(
            list(
                _train(
                    split, num_steps=num_steps, mutation_rate=r, **settings
                ).as_numpy_iterator()
            )
        )
        for r in (0.0, rate)
    )


def test_mutation_replaces_its_share_of_the_pixels_by_any_level(numbered_split):
    rate = 0.2
    plain, mutated = _mutated(numbered_split, rate=rate)
    changed = mutated != plain
    # A level is replaced by itself once in 256. Each test fails with 1e-6.
    expected = rate * 255 / 256
    count = int(changed.sum())
    test = scipy.stats.binomtest(count, changed.size, expected)
    assert test.pvalue > 1e-6
    levels = np.round(mutated[changed] * 255).astype(int)
    counts = np.bincount(levels // 16, minlength=16)
    assert scipy.stats.chisquare(counts).pvalue > 1e-6
    # Anew at each step: the same pixel again with the same small probability.
    again = int(np.sum(changed[1:] & changed[:-1]))
    test = scipy.stats.binomtest(again, changed[1:].size, expected**2)
    assert test.pvalue > 1e-6


def test_mutation_of_all_pixels_and_of_none(numbered_split):
    plain, none = _mutated(numbered_split, num_steps=5, rate=0)
    np.testing.assert_array_equal(plain, none)
    plain, every = _mutated(numbered_split, rate=1)
    same = int(np.sum(plain == every))
    assert scipy.stats.binomtest(same, plain.size, 1 / 256).pvalue > 1e-6


@pytest.mark.parametrize("binarization", ["static", "dynamic"])
def test_mutated_pixels_are_binary_and_even(numbered_split, binarization):
    # All pixels replaced: bits are 0 and 1 with probability 1/2 each.
    _, bits = _mutated(numbered_split, rate=1, binarization=binarization)
    assert set(np.unique(bits)) == {0.0, 1.0}
    ones = int(bits.sum())
    assert scipy.stats.binomtest(ones, bits.size).pvalue > 1e-6


def test_mutation_leaves_the_other_noise_alone(numbered_split):
    # Where nothing is replaced, bits and noise are those without mutation.
    plain, mutated = _mutated(numbered_split, rate=0.2, binarization="dynamic")
    different = int(np.sum(plain != mutated))
    # Bits of replaced pixels are even: at most half of the share differs,
    # and less where a dark pixel's bit would hardly ever be 1.
    assert 0 < different / plain.size < 0.2 / 2 + 0.02
    plain, mutated = _mutated(
        numbered_split, rate=0.2, num_steps=5, dequantization="uniform"
    )
    assert np.mean(plain == mutated) == pytest.approx(0.8, abs=0.05)


def test_mutation_depends_on_the_seed(numbered_split):
    # The same image in all places, so that the order plays no part.
    split = ArraySplit(np.zeros((20, 4, 5, 1), np.uint8))
    first, second = (
        next(_train(split, seed=seed, mutation_rate=0.5).as_numpy_iterator())
        for seed in (0, 1)
    )
    assert not np.array_equal(first, second)


def test_levels_are_reduced_for_training_and_evaluation(numbered_split):
    num_bits = 5
    settings = {"batch_size": 10, "binarization": "none"}
    for make, extra in (
        (training_batches, {"seed": 3, "num_steps": 4}),
        (evaluation_batches, {}),
    ):
        whole = make(numbered_split, **settings, **extra)
        coarse = make(numbered_split, num_bits=num_bits, **settings, **extra)
        for images, fewer in zip(
            whole.as_numpy_iterator(), coarse.as_numpy_iterator(), strict=True
        ):
            levels = np.round(images * 255).astype(int)
            expected = levels // 2 ** (8 - num_bits) / (2**num_bits - 1)
            np.testing.assert_allclose(fewer, expected, rtol=1e-7)


def test_dequantization_of_fewer_bits_stays_within_the_level(numbered_split):
    settings = {"num_bits": 3, "batch_size": 103, "binarization": "none"}
    for make, extra in (
        (training_batches, {"seed": 3, "num_steps": 1}),
        (evaluation_batches, {}),
    ):
        (images,) = make(
            numbered_split, **settings, **extra
        ).as_numpy_iterator()
        (noisy,) = make(
            numbered_split, dequantization="uniform", **settings, **extra
        ).as_numpy_iterator()
        levels = np.round(images * 7)
        assert np.array_equal(np.floor(noisy * 8), levels)
        assert len(np.unique(noisy)) > 1000


def test_seeds_give_different_batches(split):
    first, second = (
        _numbers(_train(split, seed=seed, num_steps=1)) for seed in (0, 1)
    )
    assert first != second


def test_training_goes_on_for_ever_without_num_steps(split):
    batches = _train(split)
    assert batches.cardinality() == tf.data.INFINITE_CARDINALITY
    assert batches.element_spec == tf.TensorSpec((10, 4, 5, 1), tf.float32)
    assert sum(1 for _ in batches.take(40)) == 40


def test_dynamic_binarization_changes_and_static_does_not(split):
    size = split.num_images
    seen = {}
    for binarization in ("static", "dynamic"):
        batches = training_batches(
            split,
            batch_size=size,
            seed=0,
            num_steps=2,
            binarization=binarization,
        )
        epochs = [
            sorted(batch.reshape(size, -1).tolist())
            for batch in batches.as_numpy_iterator()
        ]
        assert set(np.unique(epochs)) == {0.0, 1.0}
        seen[binarization] = epochs
    assert seen["static"][0] == seen["static"][1]
    assert seen["dynamic"][0] != seen["dynamic"][1]


def test_dynamic_binarization_averages_to_the_image(numbered_split):
    size, steps = numbered_split.num_images, 30
    images = evaluation_batches(
        numbered_split, batch_size=size, binarization="none"
    )
    (images,) = images.as_numpy_iterator()
    batches = training_batches(
        numbered_split,
        batch_size=size,
        seed=0,
        num_steps=steps,
        binarization="dynamic",
    )
    mean = np.mean(list(batches.as_numpy_iterator()))
    # 5 standard errors of a Bernoulli mean: 6e-7.
    variance = np.mean(images * (1 - images)) / (steps * images.size)
    assert abs(mean - np.mean(images)) < 5 * np.sqrt(variance)


def test_evaluation_is_in_order_and_complete(split):
    batches = evaluation_batches(split, batch_size=16, binarization="none")
    numbers = _numbers(batches)
    assert [len(batch) for batch in numbers][:-1] == [16] * (len(numbers) - 1)
    together = np.concatenate(list(batches.as_numpy_iterator()))
    assert together.shape == (split.num_images, 4, 5, 1)
    assert batches.cardinality() == len(numbers)
    numbers = {number for batch in numbers for number in batch}
    assert len(numbers) == split.num_images


@pytest.mark.parametrize(
    ("binarization", "dequantization"),
    [("none", "uniform"), ("static", "none"), ("dynamic", "none")],
)
def test_evaluation_does_not_depend_on_batch_size(
    split, binarization, dequantization
):
    results = [
        np.concatenate(
            list(
                evaluation_batches(
                    split,
                    batch_size=batch_size,
                    binarization=binarization,
                    dequantization=dequantization,
                    seed=seed,
                ).as_numpy_iterator()
            )
        )
        for batch_size, seed in ((7, 0), (100, 0), (100, 1))
    ]
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_evaluation_in_memory_binarizes_as_documented(numbered_split):
    batches = evaluation_batches(
        numbered_split, batch_size=10, binarization="dynamic", seed=5
    )
    images = numbered_split.images
    expected = np.random.RandomState(5).rand(*images.shape) < images / 255
    np.testing.assert_array_equal(
        np.concatenate(list(batches.as_numpy_iterator())), expected
    )


def test_evaluation_subset_is_random_but_its_images_are_the_same(split):
    def evaluate(num_images):
        batches = evaluation_batches(
            split,
            batch_size=8,
            binarization="dynamic",
            num_images=num_images,
        )
        return np.concatenate(list(batches.as_numpy_iterator()))

    every, some = evaluate(None), evaluate(30)
    assert len(some) == 30
    rows = {image.tobytes(): i for i, image in enumerate(every)}
    found = [rows[image.tobytes()] for image in some]
    assert found == sorted(found)
    assert found != list(range(30))


def test_labels_stay_with_their_images(split):
    images_and_labels = (
        *_train(split, num_steps=3, with_labels=True),
        *evaluation_batches(
            split, batch_size=9, binarization="none", with_labels=True
        ),
    )
    modulus = 7 if split.num_images == 103 else 2
    for images, labels in images_and_labels:
        numbers = np.round(images[:, 0, 0, 0] * 255).astype(int)
        np.testing.assert_array_equal(labels, numbers % modulus)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 104}, "batch_size must be between"),
        ({"batch_size": 0}, "batch_size must be between"),
        ({"seed": -1}, "seed must be"),
        ({"start_step": -1}, "start_step must not"),
        ({"binarization": "auto"}, "binarization must be"),
        ({"dequantization": "auto"}, 'dequantization must be.*"auto" is'),
        ({"dequantization": "gauss"}, "dequantization must be"),
        (
            {"binarization": "static", "dequantization": "uniform"},
            "dequantization",
        ),
        ({"num_bits": 0}, "num_bits must be 1 ... 8"),
        ({"num_bits": 9}, "num_bits must be 1 ... 8"),
        ({"num_bits": 5, "binarization": "dynamic"}, "num_bits below 8"),
        ({"mutation_rate": -0.1}, "mutation_rate must be"),
        ({"mutation_rate": float("nan")}, "mutation_rate must be"),
    ],
)
def test_bad_training_arguments_are_named(numbered_split, changes, message):
    with pytest.raises(UserError, match=message):
        _train(numbered_split, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size must be"),
        ({"num_images": 104}, "num_images must be"),
        ({"num_images": 0}, "num_images must be"),
        ({"seed": 2**32}, "seed must be"),
        ({"num_bits": 9}, "num_bits must be 1 ... 8"),
        ({"num_bits": 5, "binarization": "static"}, "num_bits below 8"),
        ({"dequantization": "auto"}, 'dequantization must be.*"auto" is'),
    ],
)
def test_bad_evaluation_arguments_are_named(numbered_split, changes, message):
    settings = {"batch_size": 8, "binarization": "none"} | changes
    with pytest.raises(UserError, match=message):
        evaluation_batches(numbered_split, **settings)


def test_two_replicas_share_each_batch(numbered_split):
    strategy = make_strategy("mirrored")
    batches = _train(numbered_split, num_steps=4, binarization="dynamic")
    expected = list(batches.as_numpy_iterator())
    distributed = strategy.experimental_distribute_dataset(batches)
    for batch, whole in zip(distributed, expected, strict=True):
        parts = strategy.experimental_local_results(batch)
        assert [len(part) for part in parts] == [5, 5]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize(
    ("settings", "is_noise_of_a_step"),
    [
        ({"binarization": "dynamic"}, True),
        ({"binarization": "none", "dequantization": "uniform"}, True),
        ({"binarization": "none", "mutation_rate": 0.5}, True),
        ({"binarization": "none", "horizontal_flip": True}, True),
        ({"binarization": "none"}, False),
    ],
)
def test_noise_of_equal_images_is_new_in_each_row_and_step(
    settings, is_noise_of_a_step
):
    # Equal images: neither their order nor their choice can tell steps apart.
    image = np.random.RandomState(0).randint(0, 256, (1, 9, 9, 1), np.uint8)
    split = ArraySplit(np.repeat(image, 40, axis=0))
    batches = training_batches(
        split, batch_size=20, seed=0, num_steps=4, **settings
    )
    steps = np.stack(list(batches.as_numpy_iterator()))
    distinct_steps = {step.tobytes() for step in steps}
    distinct_rows = {row.tobytes() for row in steps[0]}
    assert len(distinct_steps) == (4 if is_noise_of_a_step else 1)
    assert (len(distinct_rows) > 1) == is_noise_of_a_step


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
