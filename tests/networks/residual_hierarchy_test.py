"""Tests of the hierarchy of dense convolutions."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.distributions import IndependentBernoulli
from keras_vae.networks import (
    ResidualBottomUp,
    ResidualTopDown,
    TopDownBlock,
)
from keras_vae.networks.latent_choices import from_posterior, from_prior
from tests.networks.cases import seeded

_IMAGE = (8, 8, 1)
_SIZES = {
    "filters": (4, 6),
    "bottlenecks": (3, 4),
    "num_blocks": (1, 1),
    "num_groups": (1, 2),
    "dense_units": 8,
    "dense_groups": 2,
    "dense_bottleneck": 5,
}


def _networks(**kwargs):
    encoder = seeded(ResidualBottomUp, _IMAGE, **_SIZES)
    decoder = seeded(
        ResidualTopDown,
        IndependentBernoulli(_IMAGE),
        **{
            **_SIZES,
            "latent_channels": 2,
            "top_latent_dim": 3,
            "dense_latent_dim": 4,
            **kwargs,
        },
    )
    encoder.build()
    decoder.build()
    return encoder, decoder


def _images(count: int = 4) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.uniform(size=(count, *_IMAGE)).astype(np.float32)


def test_features_fit_the_groups_from_the_top_down():
    encoder, decoder = _networks()
    assert decoder.group_shapes == (
        (3,),
        (4,),
        (4,),
        (2, 2, 2),
        (2, 2, 2),
        (4, 4, 2),
    )
    shapes = [tuple(feature.shape[1:]) for feature in encoder(_images())]
    assert shapes == [
        (8,),
        (5,),
        (5,),
        (2, 2, 4),
        (2, 2, 4),
        (4, 4, 3),
    ]


def test_the_default_has_the_size_that_its_parts_add_up_to():
    """Counted by hand: k * k * in * out + out for each convolution."""

    def conv(size, inputs, outputs):
        return size * size * inputs * outputs + outputs

    def block(filters, inner):
        mix = conv(3, inner, inner)
        return conv(1, filters, inner) + mix + conv(1, inner, filters)

    group = (
        conv(1, 96, 64)
        + 2 * conv(3, 32, 32)
        + conv(1, 32, 16)
        + conv(1, 32, 8)
        + conv(1, 40, 96)
    )
    dense_group = (
        conv(1, 256, 128)
        + 2 * conv(1, 64, 64)
        + conv(1, 64, 32)
        + conv(1, 64, 16)
        + conv(1, 80, 256)
    )
    encoder = (
        conv(3, 4, 32)
        + block(32, 16)
        + conv(2, 32, 96)
        + 3 * block(96, 32)
        + conv(1, 96, 160)
        + conv(1, 96, 16)
        + conv(1, 784, 256)
        + conv(1, 256, 4 * 64)
    )
    decoder = (
        conv(1, 256, 64)
        + conv(1, 32, 256)
        + 4 * dense_group
        + conv(1, 256, 784)
        + conv(1, 16, 96)
        + 7 * 7 * 96
        + 5 * group
        + conv(1, 96, 128)
        + 2 * block(32, 16)
        + conv(3, 32, 4)
        + 784
    )
    shape = (28, 28, 1)
    bottom_up = ResidualBottomUp(shape)
    bottom_up.build()
    top_down = ResidualTopDown(IndependentBernoulli(shape))
    top_down.build()
    assert bottom_up.count_params() == encoder
    assert top_down.count_params() == decoder


def test_a_latent_is_white_and_scaled_by_its_prior():
    """x + W [h, w g]: twice the latent is twice the step from w = 0."""
    block = seeded(TopDownBlock, 4, 3, 2, activation="tanh")
    x = np.random.default_rng(0).normal(size=(1, 2, 2, 4)).astype(np.float32)
    block.build((None, 2, 2, 4))
    state = block.read(x)
    zero, one, two = (
        block.merge(state, tf.fill([1, 2, 2, 2], value)).numpy()
        for value in (0.0, 1.0, 2.0)
    )
    np.testing.assert_allclose(two - zero, 2 * (one - zero), atol=1e-5)
    assert np.abs(one - zero).max() > 0.01
    prior = block.prior(state)
    assert prior.event_shape == [2, 2, 2]
    np.testing.assert_array_equal(prior.mean(), np.zeros([1, 2, 2, 2]))
    np.testing.assert_array_equal(prior.stddev(), np.ones([1, 2, 2, 2]))


def test_a_dense_group_is_one_of_maps_of_a_single_position():
    """There a 3x3 kernel sees zeros but for its centre."""
    dense = seeded(TopDownBlock, 4, 3, 2, dense=True)
    maps = seeded(TopDownBlock, 4, 3, 2)
    dense.build((None, 4))
    maps.build((None, 1, 1, 4))
    random = np.random.default_rng(0)
    for theirs, ours in zip(maps.weights, dense.weights, strict=True):
        value = random.normal(size=theirs.shape)
        theirs.assign(value)
        centre = value.shape[0] // 2
        ours.assign(value[centre, centre] if value.ndim == 4 else value)
    x, w, feature = (
        random.normal(size=(5, size)).astype(np.float32) for size in (4, 2, 3)
    )

    def run(block, shape):
        state = block.read(tf.reshape(x, [*shape, 4]))
        q = block.posterior(state, tf.reshape(feature, [*shape, 3]))
        y = block.merge(state, tf.reshape(w, [*shape, 2]))
        return [tf.reshape(t, [5, -1]) for t in (y, q.mean(), q.stddev())]

    for ours, theirs in zip(run(dense, [5]), run(maps, [5, 1, 1])):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_without_dense_groups_the_maps_follow_the_top():
    encoder = seeded(ResidualBottomUp, _IMAGE, **{**_SIZES, "dense_groups": 0})
    _, decoder = _networks(dense_groups=0)
    assert decoder.group_shapes == ((3,), (2, 2, 2), (2, 2, 2), (4, 4, 2))
    shapes = [tuple(feature.shape[1:]) for feature in encoder(_images())]
    assert shapes == [(8,), (2, 2, 4), (2, 2, 4), (4, 4, 3)]


def _descend_far_out(factor):
    """Posteriors and output where the features are `factor` times theirs."""
    encoder, decoder = _networks()
    choices = [from_posterior(factor * f) for f in encoder(_images())]
    params, latents = decoder.descend(choices, 4)
    return [latent.posterior for latent in latents], params.numpy()


def test_a_posterior_is_bounded():
    posteriors, _ = _descend_far_out(1e4)
    assert len(posteriors) == 6
    for posterior in posteriors:
        assert np.abs(posterior.mean()).max() <= 5.0
        scale = posterior.stddev().numpy()
        assert scale.min() >= math.exp(-6.0) * (1 - 1e-6)
        assert scale.max() <= math.exp(1.5) * (1 + 1e-6)


def test_an_image_unlike_all_others_has_a_finite_likelihood():
    """The further out, the nearer to the bounds: the output does not grow."""
    _, far = _descend_far_out(1e6)
    _, farther = _descend_far_out(1e10)
    assert np.abs(far).max() > 0.1
    np.testing.assert_allclose(farther, far, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("upsampling", ["nearest", "depth_to_space"])
def test_the_groups_come_in_their_order(upsampling):
    _, decoder = _networks(upsampling=upsampling)
    noise = [tf.zeros([2, *shape]) for shape in decoder.group_shapes]
    params, latents = decoder.descend([from_prior(n, 1.0) for n in noise], 2)
    assert params.shape == (2, *_IMAGE)
    shapes = [tuple(latent.z.shape) for latent in latents]
    assert shapes == [(2, *shape) for shape in decoder.group_shapes]
    # One choice for each group, no more and no less.
    for few in (noise[:-1], [*noise, noise[-1]]):
        with pytest.raises(ValueError, match="shorter|longer"):
            decoder.descend([from_prior(n, 1.0) for n in few], 2)


def test_leading_axes_of_latents_become_the_batch_shape():
    _, decoder = _networks()
    z = np.random.default_rng(0).normal(size=(2, 3, decoder.latent_dim))
    z = z.astype(np.float32)
    joint = decoder(z)
    assert joint.batch_shape == (2, 3)
    np.testing.assert_allclose(
        joint.mean()[1], decoder(z[1]).mean(), rtol=1e-5, atol=1e-6
    )


def test_latents_of_another_size_are_refused():
    _, decoder = _networks()
    with pytest.raises(ValueError, match=r"`z` must have the shape"):
        decoder(tf.zeros([2, decoder.latent_dim + 1]))


def test_bfloat16_networks_have_float32_latents():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder, decoder = _networks()
    finally:
        keras.config.set_dtype_policy(before)
    features = encoder(_images())
    assert features[1].dtype == tf.bfloat16
    params, latents = decoder.descend([from_posterior(f) for f in features], 4)
    assert params.dtype == tf.bfloat16
    for latent in latents:
        dtypes = {latent.z.dtype, latent.prior.dtype, latent.posterior.dtype}
        assert dtypes == {tf.float32}


@pytest.mark.parametrize(
    "sizes, message",
    [
        ({"num_groups": (1,)}, "must have one entry for each scale"),
        ({"upsampling": "bicubic"}, "`upsampling` must be one of"),
        (
            dict.fromkeys(
                ("filters", "bottlenecks", "num_blocks", "num_groups"),
                (4, 4, 4, 4),
            ),
            "must be divisible by 16",
        ),
        ({"filters": (4, 0)}, r"filters\[1\] must be .*Received: .*=0"),
        ({"bottlenecks": (0, 4)}, r"bottlenecks\[0\] must be .*Received: .*=0"),
        ({"num_groups": (-1, 2)}, r"num_groups\[0\] must be .*Received: .*=-1"),
        (
            {"num_blocks": (1, 1.5)},
            r"num_blocks\[1\] must be .*Received: .*1.5",
        ),
        ({"dense_groups": -1}, "dense_groups must be .*Received: .*=-1"),
    ],
)
def test_sizes_that_do_not_fit_are_named(sizes, message):
    with pytest.raises(ValueError, match=message):
        ResidualTopDown(IndependentBernoulli(_IMAGE), **{**_SIZES, **sizes})
    if "upsampling" not in sizes:
        with pytest.raises(ValueError, match=message):
            ResidualBottomUp(_IMAGE, **{**_SIZES, **sizes})


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
