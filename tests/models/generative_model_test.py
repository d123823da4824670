"""Tests of `fit`, `evaluate`, `predict` and `save`."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from keras_vae import seeds
from keras_vae.distributions import IndependentBernoulli, MultivariateNormalDiag
from keras_vae.models import VAE, GenerativeModel
from keras_vae.networks import DenseDecoder, DenseEncoder
from keras_vae.objectives import ObjectiveContext
from tests.models.cases import IMAGE, binary_images, grey_images, make_model

KINDS = {
    "vae": lambda **kwargs: make_model(**kwargs),
    "autoencoder": lambda **kwargs: make_model(
        "normal_fixed", model="autoencoder", **kwargs
    ),
}
LIKELIHOODS = (
    "bernoulli",
    "continuous_bernoulli",
    "normal_fixed",
    "normal_shared",
    "normal_per_pixel",
)


def compiled(kind="vae", optimizer="adam", run_eagerly=True, **kwargs):
    """Returns a model for a few steps: to trace their graph takes longer."""
    model = KINDS[kind](**kwargs)
    model.compile(optimizer, run_eagerly=run_eagerly, jit_compile=False)
    return model


def losses(model, images, epochs=2):
    history = model.fit(
        images, batch_size=4, epochs=epochs, shuffle=False, verbose=0
    )
    return history.history["loss"]


@pytest.mark.parametrize("kind", KINDS)
def test_fit_lowers_the_loss_and_logs_every_metric(kind):
    model = compiled(kind, keras.optimizers.Adam(0.02), run_eagerly=False)
    history = model.fit(
        binary_images(),
        batch_size=4,
        epochs=30,
        validation_data=binary_images(),
        verbose=0,
    ).history
    names = {"loss", *model.METRICS}
    assert history.keys() == names | {f"val_{name}" for name in names}
    assert history["loss"][-1] < 0.8 * history["loss"][0]


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_fit_maximises_the_importance_weighted_bound(start):
    model = compiled(
        optimizer=keras.optimizers.Adam(0.02),
        run_eagerly=False,
        objective={
            "name": "importance_weighted",
            "num_samples": 4,
            "start": start,
        },
        total_steps=60,
    )
    images = binary_images()

    def bound():
        (batch,) = tf.data.Dataset.from_tensor_slices(images).batch(8)
        key = seeds.fold_in(seeds.from_int(model.seed), tf.constant(0))
        key = seeds.replica(key)
        inference = model.infer(batch, model.encode(batch), key, num_samples=4)
        weights = inference.log_weight.numpy()
        return float(np.mean(scipy.special.logsumexp(weights, 0, b=1 / 4)))

    before = bound()
    found = model.evaluate(images, batch_size=8, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(-before, rel=1e-5)
    assert found["elbo"] < before
    model.fit(images, batch_size=4, epochs=30, shuffle=False, verbose=0)
    after = model.evaluate(images, batch_size=8, verbose=0, return_dict=True)
    assert after["loss"] < 0.8 * found["loss"]


@pytest.mark.parametrize(("draws", "step"), [(1, 0), (4, 30)])
def test_constant_draws_are_those_of_the_schedule(draws, step):
    images, results = binary_images(4), []
    for constant in (None, draws):
        model = compiled(
            objective={
                "name": "importance_weighted",
                "num_samples": 4,
                "start": 0.5,
            },
            total_steps=60,
            optimizer=keras.optimizers.SGD(0.1),
        )
        model.training_draws = constant
        model.optimizer.iterations.assign(step)
        results.append(losses(model, images, epochs=1))
    assert results[0] == pytest.approx(results[1], rel=1e-6)
    # A validation has those of the end of the run.
    model.training_draws = 1
    found = model.evaluate(images, batch_size=4, verbose=0, return_dict=True)
    assert found["loss"] < -found["elbo"]


@pytest.mark.parametrize("kind", KINDS)
def test_data_may_be_tuples_and_datasets(kind):
    images, labels = binary_images(), np.arange(8)
    alone = losses(compiled(kind), images)
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    model = compiled(kind)
    history = model.fit(dataset, epochs=2, shuffle=False, verbose=0).history
    np.testing.assert_allclose(history["loss"], alone, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_training(kind):
    first = losses(compiled(kind), binary_images())
    assert first == losses(compiled(kind), binary_images())


def test_another_seed_gives_other_noise():
    model, other = compiled(seed=0), compiled(seed=1)
    other.set_weights(model.get_weights())
    images = binary_images()
    assert losses(model, images) != losses(other, images)


def test_training_loss_is_that_of_the_seed_of_the_step():
    images = binary_images(4)
    sgd = keras.optimizers.SGD(0.0)
    model = compiled(optimizer=sgd, run_eagerly=False, seed=5)
    history = losses(model, images, epochs=3)
    assert len(set(history)) == 3  # Its noise changes from step to step.
    for step, loss in enumerate(history):
        seed = seeds.fold_in(seeds.fold_in(seeds.from_int(5), step), 0)
        inference = model.infer(images, model.encode(images), seed)
        expected = -float(tf.reduce_mean(inference.elbo))
        assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("seed", [0, 7])
def test_parts_of_a_batch_have_noise_of_their_own(seed):
    images = binary_images(4)
    model = compiled(optimizer=keras.optimizers.SGD(0.0), seed=seed)
    model.batch_parts = 2
    (loss,) = losses(model, images, epochs=1)
    key = seeds.fold_in(seeds.fold_in(seeds.from_int(seed), 0), 0)
    passes = [
        model.infer(part, model.encode(part), seeds.fold_in(key, index))
        for index, part in enumerate(np.split(images, 2))
    ]
    expected = -float(np.mean([p.elbo for p in passes]))
    assert loss == pytest.approx(expected, rel=1e-5)
    first, second = (
        (p.groups[0].sample - p.groups[0].posterior.mean())
        / p.groups[0].posterior.stddev()
        for p in passes
    )
    assert np.abs(first - second).min() > 1e-3


@pytest.mark.parametrize(
    ("architecture", "parts"), [("dense", 4), ("residual", 2)]
)
def test_parts_of_a_batch_add_up_to_the_whole(architecture, parts):
    # A plain autoencoder draws nothing: parts change nothing but rounding.
    whole, parted = (
        compiled(
            "autoencoder",
            optimizer=keras.optimizers.SGD(0.01),
            architecture=architecture,
        )
        for _ in range(2)
    )
    parted.batch_parts = parts
    images = grey_images(8)
    names = {"loss", "squared_error"}
    logs = [
        model.fit(images, batch_size=8, epochs=3, verbose=0).history
        for model in (whole, parted)
    ]
    for name in names:
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=1e-5)
    for one, two in zip(whole.weights, parted.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), two.numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluate_repeats_itself_and_weighs_each_image_alike(kind):
    model = compiled(kind)
    images = binary_images(7)
    first = model.evaluate(images, batch_size=4, verbose=0, return_dict=True)
    again = model.evaluate(images, batch_size=4, verbose=0, return_dict=True)
    assert first == again
    if kind == "autoencoder":
        mean = model.decoder(model.encode(images)).mean().numpy()
        expected = ((images - mean) ** 2).sum((1, 2, 3)).mean()
        assert first["squared_error"] == pytest.approx(expected, rel=1e-5)
        assert first["loss"] == first["squared_error"]
    else:
        assert first["loss"] == pytest.approx(-first["elbo"], rel=1e-6)


@pytest.mark.parametrize("total_steps", [100, 2**40])
def test_warmup_does_not_change_the_validation_loss(total_steps):
    images = binary_images()
    warm = compiled(
        objective={"beta_warmup": 0.5, "beta": 2.0}, total_steps=total_steps
    )
    plain = compiled(objective={"beta": 2.0})
    expected = plain.evaluate(images, verbose=0)[0]
    assert warm.evaluate(images, verbose=0)[0] == pytest.approx(expected)
    # While the training loss does see it: beta is 0.2 at the first step.
    assert losses(warm, images, 1)[0] < losses(plain, images, 1)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_predict_is_the_reconstruction_without_noise(kind):
    model = compiled(kind)
    images = grey_images(5)
    predicted = model.predict(images, batch_size=2, verbose=0)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, model.reconstruct(images), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixed_precision_model_is_saved_with_its_precision(kind, tmp_path):
    model = compiled(kind, precision="mixed_bfloat16")
    images = binary_images()
    losses(model, images)
    expected = model.predict(images, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), expected)


@pytest.mark.parametrize("num_samples", [None, 3])
def test_eager_equals_graph(num_samples):
    model = make_model()
    images = binary_images()

    def elbo(image):
        seed = tf.constant([1, 2])
        return model.infer(image, model.encode(image), seed, num_samples).elbo

    np.testing.assert_allclose(
        elbo(images), tf.function(elbo)(images), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("architecture", "likelihood", "posterior"),
    [
        ("dense", "bernoulli", "diagonal"),
        ("convolutional", "continuous_bernoulli", "full"),
        ("residual", "normal_fixed", "diagonal"),
        ("dense", "normal_shared", "full"),
        ("convolutional", "normal_per_pixel", "diagonal"),
    ],
)
def test_gradients_reach_every_variable(architecture, likelihood, posterior):
    model = make_model(
        likelihood, architecture=architecture, posterior=posterior
    )
    variables = model.trainable_variables
    images = binary_images()
    with tf.GradientTape() as tape:
        inference = model.infer(
            images, model.encode(images, training=True), tf.constant([0, 1])
        )
        loss = tf.reduce_mean(model.objective(inference, ObjectiveContext(0)))
    gradients = tape.gradient(loss, [v.value for v in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path
        assert np.any(gradient), variable.path


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_mixed_precision_keeps_the_likelihood_in_float32(likelihood):
    model = make_model(likelihood, precision="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"  # As it was.
    assert model.encoder.stack[1].compute_dtype == "bfloat16"
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    images = binary_images()
    inference = model.infer(images, model.encode(images), tf.constant([0, 1]))
    assert inference.likelihood.mean().dtype == tf.float32
    for name in ("log_likelihood", "kl_divergence", "elbo", "log_weight"):
        assert getattr(inference, name).dtype == tf.float32
    # Exactly the log-probability of the mean, not one rounded to bfloat16.
    expected = inference.likelihood.log_prob(images)
    np.testing.assert_array_equal(inference.log_likelihood, expected)


def test_latents_of_different_size_are_named():
    encoder = DenseEncoder(MultivariateNormalDiag(2), IMAGE)
    decoder = DenseDecoder(IndependentBernoulli(IMAGE), latent_dim=3)
    with pytest.raises(ValueError, match=r"latent_dim.*Received: 2 and 3"):
        VAE(encoder, decoder)


def test_images_of_different_shape_are_named():
    encoder = DenseEncoder(MultivariateNormalDiag(2), (4, 4, 1))
    decoder = DenseDecoder(IndependentBernoulli((4, 4, 3)), latent_dim=2)
    with pytest.raises(ValueError, match=r"image_shape.*Received: \(4, 4, 1\)"):
        VAE(encoder, decoder)


def test_the_base_class_leaves_its_parts_open():
    vae = make_model()
    model = GenerativeModel((vae.encoder, vae.decoder), vae.objective)
    images = binary_images()
    with pytest.raises(NotImplementedError):
        model.encode(images)
    with pytest.raises(NotImplementedError):
        model.infer(images, None, tf.constant([0, 0]))
    with pytest.raises(NotImplementedError):
        model.reconstruct(images)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "bool"])
def test_levels_are_no_images(dtype):
    model = make_model()
    model.compile(optimizer="adam", jit_compile=False)
    levels = np.zeros([4, *IMAGE], dtype)
    message = rf"numbers in \[0, 1\].* Received: {dtype} images"
    for call in (model.unpack, model.test_step):
        with pytest.raises(ValueError, match=message):
            call(tf.constant(levels))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
