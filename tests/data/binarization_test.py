"""Tests of scaling, binarization and dequantization."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae.data import binarization
from keras_vae.errors import UserError


def _seed(index):
    return binarization.noise_seed(0, "binarization", index)


def test_unit_interval_is_exact_at_its_ends():
    levels = np.arange(256, dtype=np.uint8)
    scaled = binarization.to_unit_interval(levels).numpy()
    np.testing.assert_array_equal(scaled, levels.astype(np.float32) / 255)
    assert scaled[0] == 0.0
    assert scaled[255] == 1.0


@pytest.mark.parametrize("num_bits", range(1, 9))
def test_fewer_bits_are_the_floor_of_levels(num_bits):
    levels = np.arange(256, dtype=np.uint8)
    # In whole numbers: floor(level / 2^(8 - b)).
    coarse = [level // 2 ** (8 - num_bits) for level in range(256)]
    expected = np.float32(coarse) / np.float32(2**num_bits - 1)
    scaled = binarization.to_unit_interval(levels, num_bits).numpy()
    np.testing.assert_array_equal(scaled, expected)
    assert len(np.unique(scaled)) == 2**num_bits
    assert (scaled[0], scaled[255]) == (0.0, 1.0)


def test_fewer_bits_are_those_of_nvae():
    # Its formula in x = level / 255: floor(x 255 / 2^(8 - b)) / (2^b - 1).
    levels = np.array([0, 7, 8, 100, 247, 248, 255], np.uint8)
    expected = np.array([0, 0, 1, 12, 30, 31, 31]) / 31
    np.testing.assert_allclose(
        binarization.to_unit_interval(levels, 5), expected, rtol=1e-7
    )


def test_unit_interval_rejects_floats():
    with pytest.raises(UserError, match="uint8.*Received: dtype=float32"):
        binarization.to_unit_interval(np.zeros(3, np.float32))


def test_probability_of_a_bit_is_level_over_255():
    draws = 4000
    images = np.tile(np.arange(256, dtype=np.uint8), (draws, 1))
    ones = binarization.sample_binary(images, _seed(1)).numpy().sum(axis=0)
    assert ones[0] == 0
    assert ones[255] == draws
    for level in range(1, 255):
        # 254 levels: each test fails with 4e-9, one of them with 1e-6.
        p = scipy.stats.binomtest(int(ones[level]), draws, level / 255).pvalue
        assert p > 4e-9, level


def test_bits_are_independent_of_each_other():
    images = np.full((2, 100_000), 128, np.uint8)
    bits = binarization.sample_binary(images, _seed(2)).numpy().astype(float)
    # Correlations have a standard deviation of n ** -0.5.
    limit = 5 / np.sqrt(bits.shape[1])
    assert abs(np.corrcoef(bits[0], bits[1])[0, 1]) < limit
    assert abs(np.corrcoef(bits[0, 1:], bits[0, :-1])[0, 1]) < limit


def test_dequantization_fills_its_bin_evenly():
    images = np.full(20_000, 200, np.uint8)
    values = binarization.dequantize(images, _seed(3)).numpy()
    assert values.dtype == np.float32
    uniform = scipy.stats.uniform(200 / 256, 1 / 256)
    assert scipy.stats.kstest(values, uniform.cdf).pvalue > 1e-6


def test_dequantization_of_fewer_bits_fills_a_wider_bin():
    images = np.repeat(np.array([200, 207], np.uint8), 10_000)
    values = binarization.dequantize(images, _seed(6), 5).numpy()
    uniform = scipy.stats.uniform(25 / 32, 1 / 32)
    assert scipy.stats.kstest(values, uniform.cdf).pvalue > 1e-6


def test_dequantization_stays_in_the_unit_interval():
    images = np.full(1_000_000, 255, np.uint8)
    assert binarization.dequantize(images, _seed(4)).numpy().max() <= 1.0


def test_noise_seeds_of_different_uses_differ():
    uses = (
        "binarization",
        "dequantization",
        "order",
        "files",
        "window",
        "flip",
    )
    seeds = {
        tuple(binarization.noise_seed(seed, use, 0).numpy())
        for use in uses
        for seed in (0, 1, 2**32 - 1)
    }
    assert len(seeds) == 18


def test_array_is_binarized_as_documented(monkeypatch):
    images = np.random.RandomState(1).randint(0, 256, (50, 4, 5, 1), np.uint8)
    expected = np.random.RandomState(9).rand(50, 4, 5, 1) < images / 255
    # Chunks of 3 images: the stream of numbers is the same.
    monkeypatch.setattr(binarization, "_CHUNK_BYTES", 3 * 4 * 5 * 8)
    binary = binarization.binarize_array(images, 9)
    assert binary.dtype == np.uint8
    np.testing.assert_array_equal(binary, expected * 255)


def test_eager_and_graph_draw_the_same_bits():
    images = np.full((3, 50), 100, np.uint8)
    eager = binarization.sample_binary(images, _seed(5))
    graph = tf.function(binarization.sample_binary)(images, _seed(5))
    np.testing.assert_array_equal(eager, graph)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
