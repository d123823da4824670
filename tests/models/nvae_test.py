"""Tests of the NVAE model, around its networks."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from keras_vae import seeds
from keras_vae.models import NVAE
from keras_vae.networks.nvae import collect
from keras_vae.objectives import (
    ELBO,
    ImportanceWeighted,
    KLWarmup,
    LinearWarmup,
    ObjectiveContext,
    OneStep,
)
from keras_vae.training import Adamax, Guard, make_strategy
from tests.networks.nvae.cases import IMAGE, images, make_decoder, make_encoder

SEED = np.array([3, 4], np.int32)  # No tensor: it would start the devices.


ONE_GROUP = {"num_scales": 1}
TWO_SCALES = {"num_scales": 2}


@pytest.fixture(scope="module")
def networks():
    """Networks for tests that run them not, or change nothing in them."""
    return make_encoder(**ONE_GROUP), make_decoder(**ONE_GROUP)


def make_model(sizes=ONE_GROUP, **options):
    networks = make_encoder(**sizes), make_decoder(**sizes)
    model = NVAE(*networks, **options)
    model.build()
    return model


def infer(model, image=None, training=False):
    image = images() if image is None else image
    encoding = model.encode(image, training)
    return model.infer(image, encoding, SEED, training=training)


def flat_samples(inference):
    samples = [group.sample for group in inference.groups]
    return tf.concat([tf.reshape(z, [z.shape[0], -1]) for z in samples], -1)


def moving_averages(network):
    return [
        variable
        for norm in collect(network)[1]
        for variable in (norm.moving_mean, norm.moving_variance)
    ]


def values(variables):
    return [variable.numpy() for variable in variables]


def assert_equal(one, two):
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


# The pass.


@pytest.mark.parametrize(
    "sizes",
    [
        {"num_groups": 2},
        {"num_flows": 1},
        {"residual_prior": True, "smooth_scale": True},
        ONE_GROUP,
    ],
)
def test_decoding_what_was_inferred_gives_the_same_likelihood(sizes):
    model = make_model(sizes)
    inference = infer(model)
    decoded = model.decoder(flat_samples(inference))
    np.testing.assert_array_equal(
        decoded.distribution.logits, inference.likelihood.distribution.logits
    )


def test_nothing_is_left_of_a_training_step_in_an_evaluation():
    model = make_model(TWO_SCALES)
    variables = values(model.variables)
    one, two = infer(model), infer(model)
    np.testing.assert_array_equal(one.elbo, two.elbo)
    assert_equal(variables, values(model.variables))
    infer(model, training=True)
    assert np.any(infer(model).elbo != one.elbo)  # Batch statistics moved.


def test_a_flow_gives_a_monte_carlo_estimate_of_the_kl():
    group = infer(make_model({"num_flows": 1})).groups[1]
    log_q = group.posterior.log_prob(group.base_sample)
    expected = log_q - group.prior.log_prob(group.sample)
    np.testing.assert_allclose(group.kl_divergence, expected, rtol=1e-6)
    assert np.any(group.base_sample != group.sample)


def test_loss_at_the_start_is_that_of_guessing():
    model = make_model({"image_shape": (28, 28, 1), "pad": 2, "num_blocks": 2})
    image = images(shape=(28, 28, 1))
    nats = -tf.reduce_mean(infer(model, image, training=True).log_likelihood)
    assert float(nats) == pytest.approx(543.4, rel=0.05)  # 784 log(2)


@pytest.mark.parametrize("training", [False, True])
def test_what_is_in_the_padding_costs_nothing(training, monkeypatch):
    def loss(inside, padding):
        model = make_model()
        border = np.full([8, 8, 1], padding, np.float32)
        border[1:-1, 1:-1] = inside
        last = model.decoder.output_convolution
        call = last.call
        monkeypatch.setattr(last, "call", lambda x: call(x) + border)
        return model.objective(
            infer(model, training=training), ObjectiveContext(0)
        )

    expected = loss(0.0, 0.0)
    np.testing.assert_array_equal(loss(0.0, 1e3), expected)
    assert np.all(loss(1e-2, 0.0) != expected)


def test_samples_without_temperature_do_not_depend_on_the_seed():
    model = make_model(TWO_SCALES)
    one, two = (model.sample([2], seed, 0.0) for seed in ((0, 1), (2, 3)))
    np.testing.assert_array_equal(one, two)
    one, two = (model.sample([2], seed, 1.0) for seed in ((0, 1), (2, 3)))
    assert np.any(one != two)


# The regularizers.


def penalty_of(model):
    """The penalty of a model by singular value decompositions."""
    total = 0.0
    for network in (model.encoder, model.decoder):
        convolutions, norms = collect(network)
        for layer in convolutions:
            kernel = layer.effective_kernel().numpy()
            order = (2, 3, 0, 1) if layer.depthwise else (3, 0, 1, 2)
            kernel = kernel.transpose(order)
            matrix = kernel.reshape(len(kernel), -1)
            total += np.linalg.svd(matrix, compute_uv=False)[0]
        total += sum(np.abs(norm.gamma.numpy()).max() for norm in norms)
    return total


def test_regularization_is_that_of_all_layers():
    model = make_model(regularization_weight=0.25)
    for norm in collect(model.decoder)[1]:
        norm.gamma.assign(-2.0 * norm.gamma)
    for _ in range(20):
        value = model.regularization(tf.constant(0))
    assert float(value) == pytest.approx(0.25 * penalty_of(model), rel=1e-3)


def test_regularization_is_an_estimate_from_below():
    model = make_model(regularization_weight=1.0)
    first = float(model.regularization(tf.constant(0)))
    assert 0.9 * penalty_of(model) < first < penalty_of(model) * (1 + 1e-6)


def test_without_a_weight_nothing_is_added():
    model = make_model(regularization_weight=0.0)
    assert model.regularization(tf.constant(0)) == 0


_LAST_BETAS = [1e-3, 0.5, 1.0, 4.0]


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        # A warm-up, at 0, 25, 50 and 80 steps of 100, whatever it ends at.
        *(
            (ELBO(LinearWarmup(0.0, beta, 0.5, 100)), [1.0, 0.1, 0.01, 0.01])
            for beta in _LAST_BETAS
        ),
        *(
            (ELBO(KLWarmup(beta, 0.5, 100, 0.0, 0.0)), [1.0, 0.1, 0.01, 0.01])
            for beta in _LAST_BETAS
        ),
        (
            ImportanceWeighted(5, ELBO(LinearWarmup(0.0, 2.0, 0.5, 100))),
            [1.0, 0.1, 0.01, 0.01],
        ),
        # It begins at half of the last value.
        (ELBO(LinearWarmup(1.0, 2.0, 0.5, 100)), [0.1, 10**-1.5, 0.01, 0.01]),
        # Never below the last value, or without any: there is no warm-up.
        *((ELBO(beta), [0.01] * 4) for beta in (0.0, *_LAST_BETAS)),
        (ELBO(LinearWarmup(3.0, 1.0, 0.5, 100)), [0.01] * 4),
        (ELBO(KLWarmup(0.0, 0.5, 100)), [0.01] * 4),
    ],
)
def test_weight_of_the_regularizers_falls_with_the_warmup(
    objective, expected, networks
):
    model = NVAE(
        *networks,
        objective=objective,
        regularization_weight=0.01,
        initial_regularization_weight=1.0,
    )
    found = [
        float(model.regularization_weight_at(tf.constant(step, tf.int64)))
        for step in (0, 25, 50, 80)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("weight", "initial"), [(-1.0, None), (0.0, 1.0), (0.1, 0.0), (0.1, -1.0)]
)
def test_weights_that_cannot_be_are_refused(weight, initial, networks):
    with pytest.raises(ValueError, match="regularization_weight"):
        NVAE(
            *networks,
            regularization_weight=weight,
            initial_regularization_weight=initial,
        )


# Training.


class Recorder(keras.optimizers.Optimizer):
    """Keeps the gradients and changes nothing."""

    def apply_gradients(self, pairs):
        self.gradients = [gradient for gradient, _ in pairs]
        self.iterations.assign_add(1)


def gradients_of_a_step(weight):
    model = make_model(regularization_weight=weight)
    model.compile(optimizer=Recorder(learning_rate=0.1))
    model.train_step(images())
    return model.optimizer.gradients


def test_training_adds_the_regularizers():
    model = make_model(regularization_weight=0.5)
    with tf.GradientTape() as tape:
        penalty = model.regularization(tf.constant(0))
    variables = model.trainable_variables
    expected = tape.gradient(
        penalty,
        [variable.value for variable in variables],
        unconnected_gradients="zero",
    )
    for variable, one, two, gradient in zip(
        variables,
        gradients_of_a_step(0.0),
        gradients_of_a_step(0.5),
        expected,
        strict=True,
    ):
        np.testing.assert_allclose(
            two - one, gradient, rtol=1e-3, atol=1e-3, err_msg=variable.path
        )


def test_an_evaluation_adds_no_regularizer():
    model = make_model(regularization_weight=100.0)
    vectors = values(model.spectral_norms.variables)
    result = model.test_step(images())
    np.testing.assert_allclose(result["loss"], -result["elbo"], rtol=1e-6)
    assert_equal(vectors, values(model.spectral_norms.variables))


def test_a_step_reaches_all_variables():
    model = make_model({"num_flows": 1}, regularization_weight=0.01)
    model.compile(optimizer=Recorder(learning_rate=0.1))
    model.train_step(images())
    for variable, gradient in zip(
        model.trainable_variables, model.optimizer.gradients, strict=True
    ):
        assert np.isfinite(gradient).all(), variable.path
        assert np.any(gradient != 0), variable.path


def test_a_batch_that_is_not_finite_leaves_the_model_as_it_was():
    model = make_model(regularization_weight=0.01)
    model.compile(optimizer=Guard(Adamax(1e-2)), jit_compile=False)
    model.train_step(images())
    before = [v.numpy() for v in model.variables]
    model.train_step(np.full_like(images(), np.nan))
    assert int(model.optimizer.skipped_steps) == 1
    # The power iterations went on, with the weights that there are.
    vectors = {id(v) for v in model.spectral_norms.variables}
    for variable, old in zip(model.variables, before, strict=True):
        assert np.all(np.isfinite(variable.numpy())), variable.path
        if id(variable) not in vectors:
            np.testing.assert_array_equal(variable, old, variable.path)
    model.train_step(images())
    assert int(model.optimizer.skipped_steps) == 1


def test_a_resumed_training_repeats_an_uninterrupted_one(tmp_path):
    model = make_model(
        {"num_scales": 1, "num_flows": 1},
        objective=ELBO(LinearWarmup(0.0, 1.0, 0.5, total_steps=8)),
        initial_regularization_weight=1.0,
    )
    model.compile(optimizer=Guard(Adamax(1e-2)))
    model(images())
    for step in range(2):
        model.train_step(images(seed=step))
    model.save(tmp_path / "model.keras")
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    assert_equal(values(model.variables), values(resumed.variables))
    for other in (model, resumed):
        other.reset_metrics()
        other.train_step(images(seed=2))
    assert_equal(values(model.variables), values(resumed.variables))
    one, two = (m.get_metrics_result() for m in (model, resumed))
    assert one == two
    assert_equal([model(images())], [resumed(images())])


def step_on_two_replicas():
    with make_strategy("mirrored").scope():
        model = make_model(regularization_weight=1.0)
        optimizer = keras.optimizers.SGD(0.01)
        model.compile(optimizer=optimizer, run_eagerly=True)
    dataset = tf.data.Dataset.from_tensor_slices(images())
    dataset = dataset.batch(4, drop_remainder=True)
    model.fit(dataset, shuffle=False, verbose=0)
    return model


def step_on_one_device():
    model = make_model(regularization_weight=1.0)
    optimizer = keras.optimizers.SGD(0.01)
    model.compile(optimizer=optimizer, run_eagerly=True)
    model.train_step(images())
    return model


def test_two_replicas_take_the_step_of_one():
    one, two = step_on_one_device(), step_on_two_replicas()
    assert len(one.weights) == len(two.weights)
    for a, b in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(
            a.numpy(), b.numpy(), rtol=1e-3, atol=1e-4, err_msg=a.path
        )


def test_configuration():
    model = make_model(
        regularization_weight=0.5, initial_regularization_weight=2.0
    )
    copy = NVAE.from_config(model.get_config())
    assert copy.get_config() == model.get_config()
    assert copy.regularization_weight == 0.5
    assert copy.initial_regularization_weight == 2.0


# Batch normalisation for samples.


def test_recalibration_restores_all_variables():
    model = make_model()
    infer(model, training=True)
    before = values(model.variables)
    averages = values(moving_averages(model.decoder))
    with model.recalibrated_batch_norm(3, 4, temperature=0.7) as count:
        assert count == 3
        for old, variable in zip(
            averages, moving_averages(model.decoder), strict=True
        ):
            assert np.any(old != variable.numpy()), variable.path
    assert_equal(before, values(model.variables))


def test_recalibration_restores_after_an_error():
    model = make_model()
    before = values(model.variables)
    with (
        pytest.raises(KeyError),
        model.recalibrated_batch_norm(1, 2, temperature=0.7),
    ):
        raise KeyError
    assert_equal(before, values(model.variables))


def _noise(model, index, batch_size=4):
    """Returns the noise of a pass of the recalibration."""
    rows = seeds.rows(seeds.fold_in(SEED, index), batch_size)
    return seeds.row_normal(rows, model.latent_dim)


def test_recalibration_is_a_moving_average_over_samples():
    model, copy = make_model(), make_model()
    moving = moving_averages(copy.decoder)
    for index in range(3):
        copy.generate(_noise(copy, index), 0.5, training=True)
    with model.recalibrated_batch_norm(3, 4, 0.5, SEED):
        for one, two in zip(
            moving, moving_averages(model.decoder), strict=True
        ):
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


class Failing(NVAE):
    """Some of its samples are no numbers."""

    def generate(self, noise, temperature, training):
        images = super().generate(noise, temperature, training=training)
        return tf.where(noise[0, 0] > 0, np.nan, images)


def test_recalibration_leaves_out_passes_that_are_not_finite():
    model = Failing(make_encoder(**ONE_GROUP), make_decoder(**ONE_GROUP))
    copy = make_model()
    num_finite = 0
    for index in range(6):
        noise = _noise(copy, index)
        if noise[0, 0] <= 0:
            num_finite += 1
            copy.generate(noise, 1.0, training=True)
    assert 0 < num_finite < 6
    with model.recalibrated_batch_norm(6, 4, 1.0, SEED) as count:
        assert count == num_finite
        for one, two in zip(
            moving_averages(copy.decoder),
            moving_averages(model.decoder),
            strict=True,
        ):
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


def test_recalibration_without_a_finite_pass_is_an_error():
    model = make_model()
    before = values(model.variables)
    with (
        pytest.raises(ValueError, match="No pass gave finite samples"),
        model.recalibrated_batch_norm(2, 2, temperature=3e38),
    ):
        pass
    assert_equal(before, values(model.variables))


def test_images_have_the_shape_of_the_data():
    model = make_model(TWO_SCALES)
    assert model(images()).shape == (4, *IMAGE)
    assert model.sample([3], (0, 0)).shape == (3, *IMAGE)


def test_a_step_weighs_the_draws_of_posteriors_with_flows():
    model = make_model(
        {"num_flows": 1},
        objective=ImportanceWeighted(OneStep(1, 3, 0.5, total_steps=10)),
    )
    for step, count in [(0, 1), (5, 3)]:
        inference, losses = model.infer_losses(
            images(), {}, SEED, tf.constant(step), training=True
        )
        assert inference.log_weight.shape == [count, images().shape[0]]
        if count == 1:
            expected = -inference.elbo[0]
        else:
            expected = -scipy.special.logsumexp(
                inference.log_weight, axis=0, b=1 / count
            )
        np.testing.assert_allclose(losses, expected, rtol=1e-5)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
