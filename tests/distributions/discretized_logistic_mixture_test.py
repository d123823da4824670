"""Tests of keras_vae.distributions.discretized_logistic_mixture."""

import decimal
import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_vae.distributions import DiscretizedLogisticMixture
from keras_vae.errors import UserError
from tests.distributions.sampling import SEED

# The chi-square tests fail with this rate, at seeds that are fixed.
FAILURE_RATE = 1e-6


def random_params(rows, channels, num_components, seed=0):
    """Parameters of single pixels: [rows, 1, 1, (1 + kinds * channels) M].

    Locations go beyond -1 ... 1, and log-scales beyond their floor of -7.
    """
    random = np.random.default_rng(seed)

    def draw(low, high):
        return random.uniform(low, high, (rows, 1, 1, num_components))

    blocks = [draw(-2, 2)]
    for _ in range(channels):
        blocks += [draw(-1.7, 1.7), draw(-8, 2)]
        if channels == 3:
            blocks.append(draw(-2, 2))
    return np.concatenate(blocks, axis=-1).astype(np.float32)


def all_pixels(num_bits, channels):
    """Every value of a pixel, [n, 1, 1, channels]."""
    levels = np.arange(2**num_bits) / (2**num_bits - 1)
    pixels = list(itertools.product(levels, repeat=channels))
    return np.float32(pixels).reshape(-1, 1, 1, channels)


def probabilities(params, channels, num_components, num_bits, **kwargs):
    """Returns P of every value of a pixel, [rows, n]."""
    layer = DiscretizedLogisticMixture(
        (1, 1, channels), num_components, num_bits, **kwargs
    )
    log_prob = layer(params[:, np.newaxis]).log_prob(
        all_pixels(num_bits, channels)
    )
    return np.exp(np.float64(log_prob))


def exact_log_prob(level, loc, log_scale, num_bits):
    """One grey logistic in 60 decimal digits."""
    with decimal.localcontext(prec=60):
        top = 2**num_bits - 1
        scale = decimal.Decimal(log_scale).exp()
        # The smaller tail, in which the digits count.
        sign = 1 if 2 * level / top - 1 < loc else -1

        def tail(edge):
            x = decimal.Decimal(edge) / top - 1 - decimal.Decimal(loc)
            return 1 / (1 + (-sign * x / scale).exp())

        upper = (1 + sign) // 2 if level == top else tail(2 * level + 1)
        lower = (1 - sign) // 2 if level == 0 else tail(2 * level - 1)
        return float(abs(upper - lower).ln())


def reference_log_prob(params, image, num_components, num_bits):
    """The formulas of an RGB image in float64, [H, W, 10 M] and [H, W, 3]."""
    params, image = np.float64(params), np.float64(image)
    top, size = 2**num_bits - 1, num_components
    logits, rest = params[..., :size], params[..., size:]
    rest = rest.reshape(*rest.shape[:-1], 3, 3, size)
    loc, log_scale, c = (
        rest[..., 0, :],
        rest[..., 1, :],
        np.tanh(rest[..., 2, :]),
    )
    x = (2 * image - 1)[..., np.newaxis]
    total = scipy.special.log_softmax(logits, axis=-1)
    for channel in range(3):
        m = loc[..., channel, :]
        if channel == 1:
            m = m + c[..., 0, :] * x[..., 0, :]
        if channel == 2:
            m = m + c[..., 1, :] * x[..., 0, :] + c[..., 2, :] * x[..., 1, :]
        logistic = scipy.stats.logistic(
            m, np.exp(np.maximum(log_scale[..., channel, :], -7))
        )
        at = x[..., channel, :]
        upper = np.where(at > 1 - 1e-9, np.inf, at + 1 / top)
        lower = np.where(at < -1 + 1e-9, -np.inf, at - 1 / top)
        # The tail on the other side of m would be 1 at both ends of the bin.
        large = np.where(at < m, logistic.logcdf(upper), logistic.logsf(lower))
        small = np.where(at < m, logistic.logcdf(lower), logistic.logsf(upper))
        total = total + large + np.log(-np.expm1(small - large))
    return scipy.special.logsumexp(total, axis=-1).sum(axis=(-2, -1))


@pytest.mark.parametrize("num_bits", [1, 2, 5, 7, 8])
def test_levels_sum_to_one(num_bits):
    params = random_params(200, 1, 10)
    total = probabilities(params, 1, 10, num_bits).sum(axis=-1)
    np.testing.assert_allclose(total, 1.0, atol=1e-5)


def test_narrow_components_sum_to_one():
    # One component at the floor of the scale: float32 rounds x' - m, of
    # which the exponent is 1,100 times as large.
    params = random_params(300, 1, 1)
    params[..., 2] = -9.0
    total = probabilities(params, 1, 1, 8).sum(axis=-1)
    np.testing.assert_allclose(total, 1.0, atol=2e-4)


def test_colours_sum_to_one():
    params = random_params(30, 3, 4)
    total = probabilities(params, 3, 4, 3).sum(axis=-1)
    np.testing.assert_allclose(total, 1.0, atol=2e-5)


def test_uniform_probabilities_are_num_bits_per_dimension():
    # A logistic with its quartiles on the edges of four bins.
    params = np.float32([0.0, 0.0, -np.log(1.5 * np.log(3.0))])
    two = probabilities(params.reshape(1, 1, 1, 3), 1, 1, 2)
    np.testing.assert_allclose(-np.log2(two), 2.0, rtol=1e-6)
    # A narrow one on each level: 1e-6 falls two bins away, and past the ends.
    loc = 2 * np.arange(256) / 255 - 1
    params = np.concatenate([np.zeros(256), loc, np.full(256, -7.0)])
    eight = probabilities(np.float32(params.reshape(1, 1, 1, -1)), 1, 256, 8)
    np.testing.assert_allclose(-np.log2(eight), 8.0, atol=1e-5)


def test_equal_components_are_one():
    one = random_params(50, 3, 1)
    many = np.repeat(one, 6, axis=-1)  # Each block has one column.
    many[..., :6] = np.random.default_rng(1).normal(size=(50, 1, 1, 6))
    np.testing.assert_allclose(
        probabilities(many, 3, 6, 2), probabilities(one, 3, 1, 2), rtol=2e-5
    )


@pytest.mark.parametrize("log_scale", [-7.0, -4.0, -1.0, 3.0, 20.0, 100.0])
@pytest.mark.parametrize("loc", [-3.0, -1.0, 0.25, 1.5])
def test_one_logistic_agrees_with_60_digits(loc, log_scale):
    # Probabilities from 1 down to e^-4400.
    params = np.float32([0.0, loc, log_scale]).reshape(1, 1, 3)
    levels = [0, 1, 2, 90, 158, 159, 160, 253, 254, 255]
    images = np.float32(levels).reshape(-1, 1, 1, 1) / 255
    log_prob = DiscretizedLogisticMixture((1, 1, 1), 1)(params).log_prob(images)
    exact = [exact_log_prob(level, loc, log_scale, 8) for level in levels]
    # float32 rounds (x' - m) / s: 3e-8 of 1,096 times a number of about 1.
    np.testing.assert_allclose(log_prob, exact, rtol=2e-5, atol=2e-4)


def rgb_case(num_bits=8, size=3):
    random = np.random.default_rng(7)
    params = random.normal(size=(5, 4, 2, 10 * size)).astype(np.float32)
    # Far from the bins and near them; wide and narrow.
    params[1] *= 5
    params[2, ..., size:] *= 0.1
    params[3, ..., 2 * size : 3 * size] = -6.0
    image = random.integers(0, 2**num_bits, (5, 4, 2, 3))
    image[:, 0] = [[0, 1, 2**num_bits - 1], [2**num_bits - 2, 0, 0]]
    return params, np.float32(image / (2**num_bits - 1))


@pytest.mark.parametrize("num_bits", [3, 5, 8])
def test_images_agree_with_float64(num_bits):
    params, image = rgb_case(num_bits)
    layer = DiscretizedLogisticMixture((4, 2, 3), 3, num_bits)
    expected = [
        reference_log_prob(params[i], image[i], 3, num_bits) for i in range(5)
    ]
    structured, flat = layer(params), layer(params.reshape(5, -1))
    for px in (structured, flat):
        np.testing.assert_allclose(px.log_prob(image), expected, rtol=1e-5)


def test_gradient_agrees_with_differences_in_float64():
    params, image = rgb_case()
    params, image = params[:4, :1, :1], image[:4, :1, :1]
    params[3, ..., 6:9] = [4.0, 7.0, 15.0]  # Around the switch to a series.
    x = tf.constant(params)
    with tf.GradientTape() as tape:
        tape.watch(x)
        px = DiscretizedLogisticMixture((1, 1, 3), 3)(x)
        total = tf.reduce_sum(px.log_prob(image))
    gradient = np.reshape(tape.gradient(total, x), (4, 30))
    step = 1e-6 * np.eye(30)[:, np.newaxis, np.newaxis]
    for row in range(4):
        down, up = (
            reference_log_prob(np.float64(params[row]) + s, image[row], 3, 8)
            for s in (-step, step)
        )
        np.testing.assert_allclose(
            gradient[row], (up - down) / 2e-6, rtol=1e-3, atol=2e-4
        )


@pytest.mark.parametrize("channels", [1, 3])
def test_extreme_params_give_finite_values_and_gradients(channels):
    num_params = DiscretizedLogisticMixture.params_size((1, 1, channels), 2)
    signs = np.random.default_rng(0).choice([-1, 0, 1], (400, 1, 1, num_params))
    sizes = (1e2, 1e4, 1e30)
    params = tf.constant(np.concatenate([np.float32(signs * s) for s in sizes]))
    images = np.tile(all_pixels(1, channels), (400, 1, 1, 1))[:400]
    images[200:] *= 100 / 255
    images = np.concatenate([images] * len(sizes))
    with tf.GradientTape() as tape:
        tape.watch(params)
        px = DiscretizedLogisticMixture((1, 1, channels), 2)(params)
        log_prob = px.log_prob(images)
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, params)).all()
    assert np.isfinite(px.sample(seed=SEED)).all()
    assert np.isfinite(px.mean()).all()


def test_code_length_is_not_negative():
    params = np.float32([0.0, 0.2, -7.0]).reshape(1, 1, 3)
    px = DiscretizedLogisticMixture((1, 1, 1), 1, 2)(params)
    log_prob = px.log_prob(all_pixels(2, 1))
    assert np.max(log_prob) == pytest.approx(0.0, abs=1e-6)


def test_reference_top_bin_counts_the_upper_tail_twice():
    params = random_params(100, 1, 5)
    right = probabilities(params, 1, 5, 8)
    theirs = probabilities(params, 1, 5, 8, reference_top_bin=True)
    np.testing.assert_array_equal(theirs[:, :254], right[:, :254])
    np.testing.assert_array_equal(theirs[:, 255], right[:, 255])
    np.testing.assert_allclose(
        theirs.sum(axis=-1), 1 + right[:, 255], atol=2e-5
    )
    assert right[:, 255].max() > 0.5


@pytest.mark.parametrize("num_bits", [1, 5, 7])
def test_reference_top_bin_is_right_below_8_bits(num_bits):
    params = random_params(20, 1, 5)
    np.testing.assert_array_equal(
        probabilities(params, 1, 5, num_bits, reference_top_bin=True),
        probabilities(params, 1, 5, num_bits),
    )


def test_x_is_taken_as_the_nearest_level():
    px = DiscretizedLogisticMixture((1, 1, 1), 10)(random_params(9, 1, 10))
    level = np.float32(np.arange(10, 19)).reshape(9, 1, 1, 1)
    expected = px.log_prob(level / 255)
    for offset in (-0.45, 0.45):
        np.testing.assert_array_equal(
            px.log_prob((level + offset) / 255), expected
        )
    np.testing.assert_array_equal(
        px.log_prob(np.full((1, 1, 1), 1.1, np.float32)),
        px.log_prob(np.ones((1, 1, 1), np.float32)),
    )


@pytest.mark.parametrize(("channels", "num_bits"), [(1, 8), (1, 1), (3, 2)])
def test_samples_have_the_probabilities_of_log_prob(channels, num_bits):
    # A wide and a narrow component, and tails beyond the end levels; strong
    # coefficients, and components that the channels share.
    grey = [[0.3, -0.3], [0.4, -0.6], [-1.2, -2.6]]
    red = [*grey, [1.5, -0.9]]
    green = [[-0.8, 0.7], [-1.0, -1.6], [1.2, -0.5]]
    blue = [[0.9, -0.5], [-1.5, -0.8], [-0.7, 1.3]]
    blocks = {1: grey, 3: red + green + blue}
    params = np.float32(blocks[channels]).reshape(1, 1, 1, -1)
    expected = probabilities(params, channels, 2, num_bits)[0]
    layer = DiscretizedLogisticMixture((1, 1, channels), 2, num_bits)
    draws = layer(params).sample(100_000, seed=SEED).numpy()
    levels = np.round(draws * (2**num_bits - 1)).astype(int)
    np.testing.assert_allclose(
        draws, np.float32(levels / (2**num_bits - 1)), rtol=1e-7
    )
    numbers = levels.reshape(-1, channels) @ (
        (2**num_bits) ** np.arange(channels)[::-1]
    )
    # Values of less than 10 expected draws are joined to the commonest.
    rare = expected * 100_000 < 10
    group = np.where(rare, np.argmax(expected), np.arange(len(expected)))
    expected = 100_000 * np.bincount(group, expected / expected.sum())
    seen = np.bincount(group[numbers], minlength=len(expected))
    assert np.count_nonzero(expected) > 2**num_bits / 2
    expected, seen = expected[expected > 0], seen[expected > 0]
    assert scipy.stats.chisquare(seen, expected).pvalue > FAILURE_RATE


def test_pixels_are_independent():
    # Two equal, far components: black or white, each pixel for itself.
    params = np.float32([0, 0, -1.5, 1.5, -4, -4])
    px = DiscretizedLogisticMixture((2, 2, 1), 2)(np.tile(params, (2, 2, 1)))
    draws = px.sample(20_000, seed=SEED).numpy().reshape(-1, 4)
    assert set(np.unique(draws)) == {0.0, 1.0}
    counts = np.bincount((draws @ [1, 2, 4, 8]).astype(int), minlength=16)
    assert scipy.stats.chisquare(counts).pvalue > FAILURE_RATE


def test_samples_are_a_function_of_their_seed():
    px = DiscretizedLogisticMixture((4, 4, 3), 5)(
        np.random.default_rng(0).normal(size=(2, 4, 4, 50)).astype(np.float32)
    )
    draws = px.sample([3, 2], seed=SEED)
    assert draws.shape == (3, 2, 2, 4, 4, 3)
    np.testing.assert_array_equal(draws, px.sample([3, 2], seed=SEED))
    assert not np.array_equal(draws, px.sample([3, 2], seed=[3, 15]))


@pytest.mark.parametrize("num_bits", [1, 3, 8])
def test_mean_of_grey_is_the_sum_over_all_levels(num_bits):
    params = random_params(200, 1, 4)
    p = probabilities(params, 1, 4, num_bits)
    expected = p @ all_pixels(num_bits, 1)[:, 0, 0, 0].astype(np.float64)
    px = DiscretizedLogisticMixture((1, 1, 1), 4, num_bits)(params)
    # What is left is the rounding of the probabilities of narrow components.
    np.testing.assert_allclose(
        np.ravel(px.mean()), expected / p.sum(axis=-1), atol=2e-5
    )


def test_mean_of_colours_is_the_sum_over_all_pixels():
    params = random_params(60, 3, 4)
    p = probabilities(params, 3, 4, 3)
    expected = p @ all_pixels(3, 3)[:, 0, 0].astype(np.float64)
    mean = DiscretizedLogisticMixture((1, 1, 3), 4, 3)(params).mean()
    error = np.abs(np.reshape(mean, (60, 3)) - expected)
    assert error[:, 0].max() < 2e-5
    assert error.max() < 0.01
    assert np.median(error[:, 1:]) < 5e-4


def one_colour_mean(loc, log_scale, coefficients, num_bits):
    """Returns E[x] of one component of three channels, exact, float64."""
    top = 2**num_bits - 1
    levels = np.arange(top + 1)
    x = 2 * levels / top - 1
    edges = (2 * np.arange(1, top + 1) - 1) / top - 1

    def at_least(channel, shift):  # P(level >= 1 ... top), [..., top]
        rest = np.asarray(loc[channel] + shift)[..., np.newaxis] - edges
        return scipy.special.expit(rest / np.exp(log_scale[channel]))

    def levels_of(channel, shift):
        tail = np.pad(at_least(channel, shift), [(0, 0), (1, 1)])
        tail[:, 0] = 1
        return -np.diff(tail)

    red = levels_of(0, [0.0])[0]
    green = levels_of(1, coefficients[0] * x)
    blue = [
        at_least(2, coefficients[1] * r + coefficients[2] * x).sum(-1)
        for r in x
    ]
    sums = [red @ levels, red @ (green @ levels), red @ (green * blue).sum(-1)]
    return np.array(sums) / top


def errors_of_colour_means(cases, num_bits):
    """Returns the errors of the means of pixels of one component, [n, 3].

    Args:
        cases: Locations, log-scales and coefficients before tanh, [n, 3, 3].
        num_bits: Bits of a channel.
    """
    params = np.swapaxes(cases, 1, 2).reshape(-1, 1, 1, 9)
    params = np.float32(np.pad(params, [(0, 0)] * 3 + [(1, 0)]))
    layer = DiscretizedLogisticMixture((1, 1, 3), 1, num_bits)
    exact = [
        one_colour_mean(loc, log_scale, np.tanh(raw), num_bits)
        for loc, log_scale, raw in cases
    ]
    return np.abs(np.reshape(layer(params).mean(), (-1, 3)) - exact)


def random_colours(count, seed, low=-6.0, high=2.0):
    random = np.random.default_rng(seed)
    return np.stack(
        [
            random.uniform(-1.7, 1.7, (count, 3)),
            random.uniform(low, high, (count, 3)),
            random.uniform(-2.0, 2.0, (count, 3)),
        ],
        axis=1,
    )


@pytest.mark.parametrize(
    ("num_bits", "count", "median", "nine_in_ten", "largest"),
    [
        (1, 400, 1e-3, 5e-3, 0.02),
        (3, 400, 3e-4, 2e-3, 6e-3),
        # What the docstring says.
        (5, 400, 1e-4, 6e-4, 4e-3),
        (8, 6, 1e-4, 6e-4, 4e-3),
    ],
)
def test_mean_of_colours_is_as_exact_as_is_said(
    num_bits, count, median, nine_in_ten, largest
):
    errors = errors_of_colour_means(random_colours(count, 0), num_bits)
    assert errors[:, 0].max() < 1e-5
    for channel in (1, 2):
        assert np.median(errors[:, channel]) < median
        assert np.quantile(errors[:, channel], 0.9) < nine_in_ten
        assert errors[:, channel].max() < largest


def test_mean_of_colours_where_scales_are_wide():
    # A lattice of draws alone is 0.0116 off for blue.
    raw = np.arctanh([-0.832, -0.935, 0.876])
    case = np.array([[-0.414, -1.68, 0.653], [1.716, 1.098, -0.128], raw])
    exact = one_colour_mean(*case[:2], np.tanh(raw), 5)
    assert exact[2] == pytest.approx(0.5822, abs=1e-4)
    assert errors_of_colour_means(case[np.newaxis], 5).max() < 5e-4


def test_mean_of_colours_of_any_scale():
    cases = np.tile(random_colours(20, 3), (6, 1, 1))
    scales = [-5.0, 0.0, 4.0, 5.0, 12.0, 60.0]
    cases[:, 1] = np.repeat(scales, 20)[:, np.newaxis]
    assert errors_of_colour_means(cases, 5).max() < 4e-3


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_is_that_of_draws_and_within_the_range(channels):
    params = random_params(200, channels, 2)
    px = DiscretizedLogisticMixture((1, 1, channels), 2)(params)
    mean = px.mean().numpy()
    assert mean.min() >= 0.0
    assert mean.max() <= 1.0
    draws = px.sample(4000, seed=SEED).numpy().mean(axis=0)
    # The error of a mean of 4,000 values of a spread of at most 1/2.
    np.testing.assert_allclose(mean, draws, atol=5.5 * 0.5 / 4000**0.5)


@pytest.mark.parametrize("channels", [1, 3])
def test_gradient_of_the_mean_is_that_of_its_values(channels):
    params = random_params(6, channels, 1)
    # Wide: quadrature by levels has no gradient within a level.
    params[..., 2::3] = -1.0
    layer = DiscretizedLogisticMixture((1, 1, channels), 1)
    x = tf.constant(params)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(layer(x).mean())
    gradient = tape.gradient(total, x).numpy()[:, 0, 0]
    steps = 0.05 * np.eye(params.shape[-1], dtype=np.float32)[:, np.newaxis]
    pixels = params[:, 0, 0]
    moved = np.concatenate([pixels + steps, pixels - steps])
    sums = np.sum(layer(moved[:, :, np.newaxis, np.newaxis]).mean(), (2, 3, 4))
    up, down = np.split(sums, 2)
    np.testing.assert_allclose(gradient.T, (up - down) / 0.1, atol=0.02)


@pytest.mark.parametrize("channels", [1, 3])
def test_params_from_mean_put_all_components_there(channels):
    mean = np.random.default_rng(0).uniform(size=(3, 2, channels))
    layer = DiscretizedLogisticMixture((3, 2, channels), 4)
    params = layer.params_from_mean(np.float32(mean))
    assert params.shape == (3, 2, 40 if channels == 3 else 12)
    assert np.count_nonzero(params) == mean.size * 4
    # Narrow components have their location as their mean.
    narrow = params.copy()
    for start in range(4, params.shape[-1], 12 if channels == 3 else 8):
        narrow[..., start + 4 : start + 8] = -6.0
    np.testing.assert_allclose(layer(narrow).mean(), mean, atol=2e-3)


def test_log_prob_sums_over_the_pixels():
    params = random_params(6, 3, 2)
    pixels = np.float32(np.random.default_rng(0).integers(0, 256, (6, 1, 1, 3)))
    one = DiscretizedLogisticMixture((1, 1, 3), 2)(params)
    six = DiscretizedLogisticMixture((2, 3, 3), 2)(params.reshape(2, 3, 20))
    np.testing.assert_allclose(
        six.log_prob(pixels.reshape(2, 3, 3) / 255),
        np.sum(one.log_prob(pixels / 255)),
        rtol=1e-5,
    )


def test_params_size_is_10_or_3_for_each_component_of_a_pixel():
    assert DiscretizedLogisticMixture.params_size((32, 32, 3)) == 32 * 32 * 100
    assert DiscretizedLogisticMixture.params_size((28, 28, 1), 5) == 784 * 15
    assert DiscretizedLogisticMixture((4, 3, 3), 7).num_params == 840


@pytest.mark.parametrize(
    "shape", [3, (32, 3), (4, 4, 2), (4, 4, 4), (2, 4, 4, 3)]
)
def test_other_shapes_are_an_error(shape):
    with pytest.raises(UserError, match=r"`event_shape` .* Received: \("):
        DiscretizedLogisticMixture(shape)
    with pytest.raises(UserError, match="1 or 3 channels"):
        DiscretizedLogisticMixture.params_size(shape)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_components": 0}, "`num_components` must be .* Received: 0"),
        ({"num_bits": 0}, "`num_bits` must be .* Received: 0"),
        ({"num_bits": 9}, "`num_bits` must be 1 ... 8.* Received: 9"),
        ({"num_bits": 5.5}, "`num_bits` must be .* Received: 5.5"),
    ],
)
def test_impossible_arguments_are_an_error(arguments, message):
    with pytest.raises(UserError, match=message):
        DiscretizedLogisticMixture((4, 4, 3), **arguments)


@pytest.mark.parametrize("channels", [1, 3])
def test_draws_from_noise_come_as_often_as_they_are_probable(channels):
    shape, num = (1, 1, channels), 20_000
    layer = DiscretizedLogisticMixture(shape, num_components=3, num_bits=2)
    assert layer.noise_size == 3 + channels
    random = np.random.default_rng(0)
    size = [1, 1, 1, layer.num_params]
    params = tf.constant(random.normal(size=size), tf.float32)
    noise = random.uniform(1e-7, 1 - 1e-7, [num, layer.noise_size])
    drawn = layer.from_noise(
        tf.tile(params, [num, 1, 1, 1]),
        tf.constant(noise[:, np.newaxis, np.newaxis], tf.float32),
        tf.constant([[[1.0]]]),
    )
    levels = np.round(drawn.numpy() * 3).astype(int).reshape([num, channels])
    every = np.array(list(itertools.product(range(4), repeat=channels)))
    images = (every.reshape([-1, *shape]) / 3).astype(np.float32)
    exact = np.exp(layer(params).log_prob(images).numpy())
    places = levels @ 4 ** np.arange(channels)[::-1]
    counts = np.bincount(places, minlength=len(every))
    # Each within five standard deviations, and a few for those that are rare.
    slack = 5 * np.sqrt(num * exact * (1 - exact)) + 8
    np.testing.assert_array_less(np.abs(counts - num * exact), slack)


def test_temperature_of_draws_from_noise():
    """A single component is a logistic distribution of another scale."""
    layer = DiscretizedLogisticMixture((1, 1, 1), 1, num_bits=8)
    noise = np.stack([np.full(99, 0.5), np.arange(1, 100) / 100], axis=-1)
    noise = tf.constant(noise, tf.float32)
    params = tf.constant([[0.0, 0.1, -2.0]])
    for temperature in (0.0, 0.5, 1.0):
        drawn = layer.from_noise(params, noise, tf.constant([temperature]))
        scale = temperature * np.exp(-2.0)
        x = 0.1 + scale * scipy.special.logit(noise[:, 1:])
        expected = (np.clip(x, -1, 1) + 1) / 2
        np.testing.assert_allclose(drawn, expected, atol=0.5 / 255 + 1e-6)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
