"""Tests of NVAE's bottom-up tower."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.errors import UserError
from tests.conformance import (
    check_config,
    check_eager_equals_graph,
    check_gradients,
    check_keras_file,
    check_symbolic_call,
)
from tests.networks.nvae.cases import (
    IMAGE,
    SMALL,
    images,
    make_architecture,
    make_encoder,
)

MANY_GROUPS = {"num_groups": 2}  # One of 2x2 and two of 4x4.


def call(encoder, image):
    return encoder(image, training=False)


def test_encoder_conforms():
    # As a part of the model it goes through the other checks.
    encoder, inputs = make_encoder(), images()
    check_config(encoder)
    check_symbolic_call(encoder, inputs)
    check_eager_equals_graph(encoder, inputs, call)
    check_gradients(encoder, inputs, call)
    check_keras_file(encoder, inputs, call)


@pytest.mark.parametrize(
    "options",
    [{}, MANY_GROUPS, {"num_scales": 1, "num_groups": 3}, {"num_scales": 1}],
)
def test_shapes_of_features(options):
    expected = make_architecture(**{**SMALL, **options}).feature_shapes
    features = make_encoder(**options)(images(2))
    assert [tuple(f.shape) for f in features] == [(2, *s) for s in expected]


def changed_by(encoder, cell):
    """Returns which features change with the parameters of a cell."""
    before = encoder(images())
    for variable in cell.trainable_variables:
        variable.assign(variable + 0.1)
    after = encoder(images())
    return [np.any(a != b) for a, b in zip(before, after, strict=True)]


def test_features_come_after_their_cells_and_the_top_group_first():
    encoder = make_encoder(**MANY_GROUPS)
    # Halving, two groups of 4x4, halving, the group of 2x2.
    for cell, expected in (
        (encoder.cells[4], [True, False, False]),
        (encoder.cells[3], [True, False, False]),
        (encoder.cells[2], [True, True, False]),
        (encoder.cells[1], [True, True, True]),
        (encoder.cells[0], [True, True, True]),
        (encoder.top, [True, False, False]),
    ):
        assert changed_by(encoder, cell) == expected
    assert len(encoder.cells) == 5


def test_a_single_group_has_no_tower():
    encoder = make_encoder(num_scales=1)
    assert len(encoder.cells) == SMALL["num_blocks"] * SMALL["pre_cells"]


def test_the_last_cell_of_a_block_halves():
    encoder = make_encoder(pre_cells=3)
    downs = [cell.downsample for cell in encoder.cells]
    assert downs == [False, False, True, False, True, False]
    filters = [cell.filters_out for cell in encoder.cells]
    assert filters == [4, 4, 8, 8, 16, 16]


def test_images_are_padded_with_black():
    padded = np.pad(images(), ((0, 0), (1, 1), (1, 1), (0, 0)))
    plain = make_encoder(image_shape=(8, 8, 1), pad=0)
    for one, two in zip(make_encoder()(images()), plain(padded), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_batch_statistics_move_in_training_only():
    encoder = make_encoder()
    encoder(images(), training=False)
    moving = encoder.non_trainable_variables
    assert moving
    before = [variable.numpy() for variable in moving]
    encoder(images(), training=False)
    for old, variable in zip(before, moving, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())
    encoder(images(), training=True)
    for old, variable in zip(before, moving, strict=True):
        assert np.any(old != variable.numpy()), variable.path


def test_depth_scaled_init():
    one, two = make_encoder(), make_encoder(depth_scaled_init=True)
    assert len(one.cells) == 4  # Hence a half.
    for plain, scaled in zip(one.cells, two.cells, strict=True):
        first, last = plain.convolutions
        x = tf.random.stateless_normal([2, 4, 4, last.filters], [0, 0])
        np.testing.assert_allclose(
            0.5 * last(x), scaled.convolutions[-1](x), rtol=1e-4, atol=1e-6
        )
        np.testing.assert_array_equal(
            first.effective_kernel(), scaled.convolutions[0].effective_kernel()
        )


def outputs_and_gradients(encoder):
    with tf.GradientTape() as tape:
        features = encoder(images(), training=True)
        total = tf.add_n([tf.reduce_sum(tf.sin(f)) for f in features])
    sources = [v.value for v in encoder.trainable_variables]
    return [*features, *tape.gradient(total, sources)]


def test_recomputing_changes_nothing():
    for one, two in zip(
        outputs_and_gradients(make_encoder()),
        outputs_and_gradients(make_encoder(recompute=True)),
        strict=True,
    ):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_an_image_that_cannot_be_halved_is_refused():
    with pytest.raises(UserError, match="divisible by"):
        make_encoder(pad=0)
    assert IMAGE[0] % 4


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
