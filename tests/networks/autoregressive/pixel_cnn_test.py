"""Tests of the gated PixelCNN: what it sees, what it is, and its draws."""

import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_vae.distributions import IndependentNormal
from keras_vae.networks.autoregressive import PixelCNN
from tests.networks.autoregressive.cases import binary, levels

# By chance one test in a million fails, with other seeds.
_FAILURE_RATE = 1e-6


def _uniform(rows, network, seed=0):
    random = np.random.default_rng(seed)
    size = (rows, network.noise_size)
    return tf.constant(random.uniform(1e-6, 1 - 1e-6, size), tf.float32)


def _draw(network, rows, seed=0, temperature=1.0, **kept):
    draw = tf.function(network.draw, autograph=False)
    noise = _uniform(rows, network, seed)
    return draw(noise, tf.fill([rows], temperature), **kept).numpy()


def _dependence(network):
    """Whether a parameter of pixel i depends on value j: `[i, p, j]`.

    It does where the derivative is not 0 at one of several images. Each has a
    copy for each parameter: all derivatives are one pass.
    """
    random = np.random.default_rng(0)
    image = random.uniform(size=(4, *network.image_shape)).astype(np.float32)
    *_, height, width, size = network.params(image).shape
    count = height * width * size
    copies = tf.repeat(image, count, axis=0)
    with tf.GradientTape() as tape:
        tape.watch(copies)
        params = tf.reshape(network.params(copies), [4, count, count])
        own = tf.linalg.diag_part(params)
    gradient = tape.gradient(own, copies).numpy()
    seen = np.any(gradient.reshape([4, count, -1]), axis=0)
    return seen.reshape([height * width, size, -1])


@pytest.mark.parametrize("shape", [(4, 5, 1), (5, 3, 2), (3, 3, 3)])
def test_a_value_depends_on_all_before_it_and_nothing_else(shape):
    seen = _dependence(binary(*shape, num_blocks=5))
    size = np.prod(shape)
    expected = np.tri(size, k=-1, dtype=bool)  # There is no blind spot.
    np.testing.assert_array_equal(seen.reshape([size, size]), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mixture_of_a_pixel_depends_on_all_pixels_before_it(channels):
    seen = _dependence(levels(3, 4, channels, num_blocks=5))
    expected = np.repeat(np.tri(12, k=-1, dtype=bool), channels, axis=1)
    np.testing.assert_array_equal(seen.any(axis=1), expected)


@pytest.mark.parametrize(("blocks", "rows"), [(1, 2), (1, 3), (2, 2)])
def test_receptive_field_of_few_blocks(blocks, rows):
    """Counted by hand: rows up, columns aside, and pixels to the left."""
    height, width = 6, 7
    seen = _dependence(
        binary(height, width, 1, num_blocks=blocks, first_rows=rows)
    ).reshape([height, width, height, width])
    # Each stack reaches one row, or pixel, further with each later block.
    up = left = rows + blocks - 1
    aside = rows + blocks - 2
    expected = np.zeros_like(seen)
    for i, j, k, m in itertools.product(
        range(height), range(width), range(height), range(width)
    ):
        same_row = k == i and j - left <= m < j
        above = i - up <= k < i and abs(m - j) <= aside
        expected[i, j, k, m] = same_row or above
    np.testing.assert_array_equal(seen, expected)


def _all_binary(shape):
    size = int(np.prod(shape))
    every = list(itertools.product([0.0, 1.0], repeat=size))
    return np.array(every, np.float32).reshape([-1, *shape])


@pytest.mark.parametrize("shape", [(2, 2, 1), (3, 2, 1), (2, 2, 2), (1, 2, 3)])
def test_probabilities_of_all_binary_images_sum_to_one(shape):
    log_prob = binary(*shape)(_all_binary(shape)).log_prob(_all_binary(shape))
    assert scipy.special.logsumexp(log_prob) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("shape", [(2, 2, 1), (1, 1, 3)])
def test_probabilities_of_all_levels_sum_to_one(shape):
    every = np.array(
        list(itertools.product(range(4), repeat=int(np.prod(shape))))
    )
    images = every.reshape([-1, *shape]).astype(np.float32) / 3
    log_prob = levels(*shape)(images).log_prob(images)
    assert scipy.special.logsumexp(log_prob) == pytest.approx(0, abs=1e-5)


def _chi_square(images, every, probability):
    """Returns the p-value of images against exact probabilities."""
    order = {image.tobytes(): i for i, image in enumerate(every)}
    found = [order[image.tobytes()] for image in images]
    counts = np.bincount(found, minlength=len(every))
    expected = len(images) * probability / probability.sum()
    rare = expected < 5  # Their counts are taken together.
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    if expected[-1] < 5:
        counts[-2], expected[-2] = counts[-2:].sum(), expected[-2:].sum()
        counts, expected = counts[:-1], expected[:-1]
    assert len(counts) > 3
    return scipy.stats.chisquare(counts, expected).pvalue


@pytest.mark.parametrize("shape", [(3, 2, 1), (1, 2, 2)])
def test_draws_come_as_often_as_they_are_probable(shape):
    network, every = binary(*shape), _all_binary(shape)
    probability = np.exp(network(every).log_prob(every).numpy(), dtype=float)
    images = _draw(network, 20_000)
    assert _chi_square(images, every, probability) > _FAILURE_RATE
    # It would see another network.
    other = binary(*shape, filters=5)(every).log_prob(every)
    wrong = np.exp(other.numpy(), dtype=float)
    assert _chi_square(images, every, wrong) < _FAILURE_RATE


def test_draws_of_the_rest_are_those_given_the_first_rows():
    network, every = binary(3, 2, 1), _all_binary((3, 2, 1))
    probability = np.exp(network(every).log_prob(every).numpy(), dtype=float)
    top = np.array([[1.0], [0.0]], np.float32)
    given = np.all(every[:, 0] == top, axis=(1, 2))
    image = np.zeros([20_000, 3, 2, 1], np.float32)
    image[:, 0] = top
    images = _draw(network, 20_000, image=image, num_kept=1)
    np.testing.assert_array_equal(images[:, 0], image[:, 0])
    p_value = _chi_square(images, every[given], probability[given])
    assert p_value > _FAILURE_RATE


@pytest.mark.parametrize(
    ("make", "shape"),
    [(binary, (7, 5, 3)), (levels, (6, 7, 1)), (levels, (7, 5, 3))],
)
def test_pixel_by_pixel_is_what_a_pass_says(make, shape):
    """A draw is made again by its own conditionals, with the same noise."""
    network = make(*shape, first_rows=3)
    images = _draw(network, 8)
    noise = tf.reshape(_uniform(8, network), [8, *shape[:2], -1])
    params = network.params(images)
    again = network.distribution.from_noise(params, noise, tf.ones([1, 1, 1]))
    np.testing.assert_array_equal(images, again)
    assert len(np.unique(images)) == (2 if make is binary else 4)


def test_a_draw_is_a_function_of_its_own_noise():
    network = binary(4, 4, 1)
    many, noise = _draw(network, 6), _uniform(6, network)
    for row in (0, 5):
        one = network.draw(noise[row : row + 1], tf.ones([1]))
        np.testing.assert_array_equal(one[0], many[row])
    assert len(np.unique(many, axis=0)) == 6


def test_at_temperature_zero_no_chance_is_left():
    for network in (binary(4, 4, 1), levels(3, 3, 3)):
        images = _draw(network, 6, temperature=0.0)
        assert len(np.unique(images, axis=0)) == 1


def test_temperature_is_of_the_row():
    network = binary(4, 4, 1)
    noise = _uniform(2, network)
    mixed = network.draw(noise, tf.constant([0.0, 1.0]))
    np.testing.assert_array_equal(
        mixed[:1], network.draw(noise[:1], tf.zeros([1]))
    )
    np.testing.assert_array_equal(
        mixed[1:], network.draw(noise[1:], tf.ones([1]))
    )


def test_training_starts_at_the_mean():
    network = PixelCNN(levels(2, 2, 1).distribution, filters=4, num_blocks=2)
    network.build()
    mean = np.full([2, 2, 1], 0.5)
    network.set_output_mean(mean)
    image = np.random.default_rng(0).uniform(size=[5, 2, 2, 1])
    np.testing.assert_allclose(
        network(image.astype(np.float32)).mean(), [mean] * 5, atol=0.05
    )


def test_what_cannot_be_drawn_by_position_is_refused():
    with pytest.raises(ValueError, match="Received: IndependentNormal"):
        PixelCNN(IndependentNormal((2, 2, 1), "fixed"))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
