"""Tests of NVAE's top-down tower."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae.distributions import DiscretizedLogisticMixture
from keras_vae.networks.latent_choices import fixed, given
from keras_vae.networks.nvae import collect
from tests.conformance import (
    check_config,
    check_eager_equals_graph,
    check_keras_file,
    check_symbolic_call,
)
from tests.layer_model import LayerModel
from tests.networks.nvae.cases import (
    IMAGE,
    SMALL,
    make_architecture,
    make_decoder,
    make_encoder,
    num_trainable,
)

MANY_GROUPS = {"num_groups": 3, "min_groups": 2}  # 2 of 2x2 and 3 of 4x4.
OPTIONS = {
    "faithful": {},
    "flow": {"num_flows": 1},
    "smooth_scale": {"smooth_scale": True},
    "residual_prior": {"residual_prior": True},
    "depth_scaled_init": {"depth_scaled_init": True},
    "single_group": {"num_scales": 1},
}


def random_like(shapes, rows, seed=0):
    random = np.random.default_rng(seed)
    return [
        tf.constant(random.normal(size=(rows, *shape)), tf.float32)
        for shape in shapes
    ]


def latents(decoder, rows=2, seed=0):
    flat = [
        tf.reshape(z, [rows, -1])
        for z in random_like(decoder.group_shapes, rows, seed)
    ]
    return tf.concat(flat, axis=-1)


def descend(decoder, zs, feature_seed=1, rows=2):
    features = random_like(decoder.feature_shapes, rows, feature_seed)
    choices = [given(feature, z) for feature, z in zip(features, zs)]
    return decoder.descend(choices, rows)


def parameters(distribution):
    return distribution.mean(), distribution.stddev()


def likelihood_of_nvae(px):
    return {"mean": px.mean(), "log_prob": px.log_prob(tf.ones(IMAGE))}


@pytest.mark.parametrize("case", ["faithful", "single_group"])
def test_decoder_conforms(case):
    # As a part of the model it goes through the other checks.
    check_config(make_decoder(**OPTIONS[case]))
    model = LayerModel(make_decoder(**OPTIONS[case]), likelihood_of_nvae)
    inputs = latents(model.layer).numpy()
    model(inputs)
    check_symbolic_call(model, inputs)
    check_eager_equals_graph(model, inputs, lambda m, x: m(x))


def test_a_keras_file_keeps_all_options():
    options = {**OPTIONS["flow"], **OPTIONS["smooth_scale"]}
    options |= {**OPTIONS["residual_prior"], **OPTIONS["depth_scaled_init"]}
    decoder = make_decoder(recompute=True, **options)
    inputs = latents(decoder).numpy()
    check_config(decoder)
    check_keras_file(decoder, inputs, lambda d, z: d(z).mean())


@pytest.mark.parametrize("case", OPTIONS)
def test_shapes(case):
    architecture = make_architecture(**SMALL | OPTIONS[case])
    decoder = make_decoder(**OPTIONS[case])
    assert decoder.group_shapes == architecture.group_shapes
    assert decoder.feature_shapes == architecture.feature_shapes
    assert decoder.latent_dim == architecture.latent_dim
    params, latents = descend(decoder, random_like(decoder.group_shapes, 2))
    assert tuple(params.shape) == (2, *IMAGE)
    for latent, shape in zip(latents, decoder.group_shapes, strict=True):
        for distribution in (latent.prior, latent.posterior):
            assert distribution.batch_shape == [2]
            assert distribution.event_shape == shape


def test_a_prior_depends_on_all_groups_above_and_on_no_other():
    decoder = make_decoder(**MANY_GROUPS)
    zs = random_like(decoder.group_shapes, 2)
    assert len(zs) == 5
    for changed in range(5):
        with tf.GradientTape() as tape:
            tape.watch(zs)
            _, latents = descend(decoder, zs)
            loc, scale = parameters(latents[changed].prior)
            total = tf.reduce_sum(tf.sin(loc)) + tf.reduce_sum(scale)
        gradients = tape.gradient(total, zs)
        reached = [
            g is not None and bool(tf.reduce_any(g != 0)) for g in gradients
        ]
        assert reached == [index < changed for index in range(5)]


def test_all_groups_reach_the_likelihood():
    decoder = make_decoder(**MANY_GROUPS)
    zs = random_like(decoder.group_shapes, 2)
    with tf.GradientTape() as tape:
        tape.watch(zs)
        params, _ = descend(decoder, zs)
    for gradient in tape.gradient(params, zs):
        assert bool(tf.reduce_any(gradient != 0))


@pytest.mark.parametrize("case", OPTIONS)
def test_the_image_reaches_the_likelihood_through_z_alone(case):
    decoder = make_decoder(**OPTIONS[case])
    zs = random_like(decoder.group_shapes, 2)
    one, first = descend(decoder, zs, feature_seed=1)
    two, second = descend(decoder, zs, feature_seed=2)
    np.testing.assert_array_equal(one, two)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(parameters(a.prior), parameters(b.prior))
        assert np.any(a.posterior.mean() != b.posterior.mean())


def test_the_top_prior_is_fixed():
    _, latents = descend(decoder := make_decoder(), latents_of(decoder))
    loc, scale = parameters(latents[0].prior)
    np.testing.assert_array_equal(loc, np.zeros(loc.shape))
    np.testing.assert_array_equal(scale, np.full(scale.shape, np.float32(1.01)))


def latents_of(decoder):
    return random_like(decoder.group_shapes, 2)


@pytest.mark.parametrize("smooth_scale", [False, True])
def test_posteriors_are_relative_to_priors(smooth_scale):
    decoder = make_decoder(smooth_scale=smooth_scale, **MANY_GROUPS)
    for head in decoder.posteriors:
        head.log_gain.assign(tf.fill(head.log_gain.shape, -200.0))
        head.bias.assign(tf.zeros(head.bias.shape))
    _, latents = descend(decoder, latents_of(decoder))
    for latent in latents:
        kl = tfd.kl_divergence(latent.posterior, latent.prior)
        np.testing.assert_array_equal(kl, np.zeros(kl.shape))


def test_the_pass_is_the_one_of_the_specification():
    decoder = make_decoder(kernel_size=5, decoder_expansion=3)
    z0, z1 = latents_of(decoder)
    params, (top, below) = descend(decoder, [z0, z1])
    features = random_like(decoder.feature_shapes, 2, 1)
    h = tf.repeat(tf.convert_to_tensor(decoder.initial_state)[None], 2, axis=0)
    s = decoder.latent_merges[0](tf.concat([h, z0], axis=-1))
    up, plain = decoder.cells[1]
    assert (up.upsample, plain.upsample) == (True, False)
    assert up.expansion == plain.expansion == 3
    s = plain(up(s))
    m, ls = tf.split(decoder.priors[0](tf.nn.elu(s)), 2, axis=-1)
    merged = features[1] + decoder.feature_merges[0](s)
    dm, dls = tf.split(decoder.posteriors[1](merged), 2, axis=-1)
    expected = (bounded(m), tf.exp(bounded(ls)) + 0.01)
    np.testing.assert_allclose(
        parameters(below.prior), expected, rtol=1e-4, atol=1e-6
    )
    expected = (bounded(m + dm), tf.exp(bounded(ls + dls)) + 0.01)
    np.testing.assert_allclose(
        parameters(below.posterior), expected, rtol=1e-4, atol=1e-6
    )
    m, ls = tf.split(decoder.posteriors[0](features[0]), 2, axis=-1)
    expected = (bounded(m), tf.exp(bounded(ls)) + 0.01)
    np.testing.assert_allclose(
        parameters(top.posterior), expected, rtol=1e-4, atol=1e-6
    )
    s = decoder.latent_merges[1](tf.concat([s, z1], axis=-1))
    (post,) = decoder.post
    assert post.upsample and post.expansion == 2
    y = decoder.output_convolution(tf.nn.elu(post(s)))
    np.testing.assert_allclose(params, y[:, 1:-1, 1:-1], rtol=1e-4, atol=1e-5)


def bounded(x):
    return 5.0 * tf.tanh(x / 5.0)


def test_numbers_of_cells():
    decoder = make_decoder(post_cells=2, decoder_cells=2, **MANY_GROUPS)
    assert [len(cells) for cells in decoder.cells] == [0, 2, 3, 2, 2]
    ups = [cell.upsample for cells in decoder.cells for cell in cells]
    assert ups == [False, False, True, *[False] * 6]
    assert [cell.upsample for cell in decoder.post] == [True, False]


@pytest.mark.parametrize("training", [True, False])
def test_batch_statistics_move_in_training_only(training):
    decoder = make_decoder(decoder_cells=2, post_cells=2)
    _, norms = collect(decoder)
    before = [norm.moving_variance.numpy() for norm in norms]
    assert len(norms) > 10
    zs = random_like(decoder.group_shapes, 2)
    decoder.descend([fixed(z) for z in zs], 2, training=training)
    moved = [
        np.any(norm.moving_variance.numpy() != old)
        for norm, old in zip(norms, before, strict=True)
    ]
    assert moved == [training] * len(norms)


@pytest.mark.parametrize("recompute", [True, False])
def test_all_cells_are_recomputed_or_none(recompute):
    options = {"recompute": recompute, "pre_cells": 2, "post_cells": 2}
    encoder, decoder = make_encoder(**options), make_decoder(**options)
    towers = [encoder.cells, *decoder.cells, decoder.post]
    cells = itertools.chain.from_iterable(towers)
    assert {cell.recompute for cell in cells} == {recompute}


def test_a_single_group_starts_from_z():
    decoder = make_decoder(num_scales=1)
    assert decoder.initial_state is None
    assert decoder.cells == [[]]
    (z,) = latents_of(decoder)
    s = decoder.latent_merges[0](z)
    (post,) = decoder.post
    y = decoder.output_convolution(tf.nn.elu(post(s)))
    params, _ = descend(decoder, [z])
    np.testing.assert_allclose(params, y[:, 1:-1, 1:-1], atol=1e-6)


def test_what_is_in_the_padding_is_cropped():
    cropped = make_decoder()
    whole = make_decoder(image_shape=(8, 8, 1), pad=0)
    zs = latents_of(cropped)
    one, two = descend(cropped, zs)[0], descend(whole, zs)[0]
    np.testing.assert_allclose(one, two[:, 1:7, 1:7], atol=1e-6)
    z = latents(cropped)
    px = cropped(z)
    assert px.log_prob(np.ones(IMAGE, np.float32)).shape == (2,)


def test_the_initial_state_is_uniform():
    state = make_decoder(channels=32).initial_state.numpy()
    assert state.min() >= 0 and state.max() < 1
    assert state.mean() == pytest.approx(0.5, abs=0.06)  # 5 deviations.


def test_colour_images_have_100_parameters_a_pixel():
    likelihood = DiscretizedLogisticMixture((6, 6, 3))
    decoder = make_decoder(likelihood, image_shape=(6, 6, 3))
    px = decoder(latents(decoder))
    assert decoder.output_convolution.filters == 100
    assert np.isfinite(px.log_prob(np.zeros((2, 6, 6, 3), np.float32))).all()


def test_each_group_has_its_own_flows():
    assert make_decoder().stages()[0].block.flow is None
    decoder = make_decoder(num_flows=2)
    assert len(decoder.flows) == 4
    for index, z in enumerate(latents_of(decoder)):
        first, second = decoder.flows[2 * index : 2 * index + 2]
        flow = decoder.stages()[index].block.flow
        np.testing.assert_allclose(flow(z), second(first(z)), rtol=1e-6)
        assert np.any(flow(z) != z)


def test_the_output_mean_is_no_parameter():
    decoder = make_decoder()
    mean = np.full(IMAGE, 0.25, np.float32)
    z = latents(decoder)
    before = num_trainable(decoder)
    logits = decoder(z).distribution.logits
    decoder.set_output_mean(mean)
    assert num_trainable(decoder) == before
    np.testing.assert_allclose(
        decoder(z).distribution.logits,
        logits + np.log(1 / 3),
        rtol=1e-5,
        atol=1e-6,
    )


def test_residual_prior_adds_its_feature_to_the_state():
    decoder = make_decoder(residual_prior=True)
    zs = latents_of(decoder)
    params, first = descend(decoder, zs)
    (head,) = decoder.priors
    assert head.filters == 2 * SMALL["latent_channels"] + 8
    bias = head.bias.numpy()
    bias[2 * SMALL["latent_channels"] :] += 1.0
    head.bias.assign(bias)
    changed, second = descend(decoder, zs)
    for name in ("prior", "posterior"):
        np.testing.assert_array_equal(
            *(parameters(getattr(seen[1], name)) for seen in (first, second))
        )
    assert np.any(params != changed)


def test_depth_scaled_init():
    one, two = make_decoder(), make_decoder(depth_scaled_init=True)
    factor = 1 / np.sqrt(3)  # Two cells before the last group, one after it.
    for cell in (*two.cells[1], *two.post):
        gammas = [norm.gamma.numpy() for norm in cell.norms]
        for gamma in gammas[:-1]:
            np.testing.assert_array_equal(gamma, np.ones_like(gamma))
        np.testing.assert_allclose(gammas[-1], factor, rtol=1e-6)
    for plain, scaled in zip(one.latent_merges, two.latent_merges, strict=True):
        expected = plain.effective_kernel().numpy()
        expected[:, :, -2:] *= factor
        np.testing.assert_allclose(
            scaled.effective_kernel(), expected, rtol=1e-3, atol=1e-6
        )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
