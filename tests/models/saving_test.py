"""Nothing that a model or an optimizer is made of is lost in a file."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.distributions import IndependentBernoulli, MultivariateNormalDiag
from keras_vae.models import VAE
from keras_vae.networks import DenseDecoder, DenseEncoder
from keras_vae.objectives import (
    ELBO,
    ImportanceWeighted,
    KLWarmup,
    LinearWarmup,
    OneStep,
    WarmupCosine,
)
from keras_vae.training import Adam, Adamax, Guard, LossScale, Muon
from tests.models.cases import (
    IMAGE,
    binary_images,
    make_hierarchical,
    make_model,
    make_nvae,
)

AVERAGED = {"use_ema": True, "max_norm": 5.0, "skip_factor": 3.0}
OPTIMIZERS = {
    "adam": lambda: Guard(Adam(WarmupCosine(0.01, 0.1, 0.1, 20)), **AVERAGED),
    "adamax": lambda: Guard(Adamax(0.01, l2_penalty=1e-3), **AVERAGED),
    "muon": lambda: Guard(Muon(0.01, block_size=4), **AVERAGED),
    "loss_scale": lambda: LossScale(
        Guard(Adam(0.01), **AVERAGED), initial_scale=8.0
    ),
    "keras": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(0.01, 20), use_ema=True
    ),
}
OBJECTIVES = {
    "elbo": lambda: ELBO(LinearWarmup(0.1, 2.0, 0.5, 40), 0.25, True),
    "nvae": lambda: ELBO(KLWarmup(1.0, 0.3, 40)),
    "draws": lambda: ImportanceWeighted(OneStep(1, 3, 0.2, 10), ELBO(0.5)),
}


def batches():
    return tf.data.Dataset.from_tensor_slices(binary_images(8)).batch(4)


def fit(model, epochs=1):
    return model.fit(batches(), epochs=epochs, shuffle=False, verbose=0).history


def make_vae(objective, **arguments):
    keras.utils.set_random_seed(0)
    return VAE(
        DenseEncoder(MultivariateNormalDiag(3), IMAGE, hidden_units=(8,)),
        DenseDecoder(IndependentBernoulli(IMAGE), 3, hidden_units=(8,)),
        objective,
        **arguments,
    )


def assert_equal_variables(one, two):
    assert len(one) == len(two) > 0
    for old, new in zip(one, two, strict=True):
        np.testing.assert_array_equal(old.numpy(), new.numpy(), old.path)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_is_saved_with_its_averages_and_counters(name, tmp_path):
    model = make_model()
    model.compile(OPTIMIZERS[name]())
    fit(model)
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if name != "keras":
        inner.skipped_steps.assign(1)
        inner.consecutive_skips.assign(1)
        inner.nonfinite_counts.assign_add(inner.nonfinite_counts + 2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is type(model.optimizer)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert_equal_variables(
        model.optimizer.variables, loaded.optimizer.variables
    )
    assert fit(model, 2) == fit(loaded, 2)
    assert_equal_variables(
        model.optimizer.variables, loaded.optimizer.variables
    )
    assert_equal_variables(model.weights, loaded.weights)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("elbo", {}),
        ("elbo", {"batch_parts": 2}),
        ("nvae", {}),
        ("draws", {}),
        ("draws", {"batch_parts": 2, "training_draws": 2}),
    ],
)
def test_what_changes_the_results_is_saved(name, arguments, tmp_path):
    model = make_vae(OBJECTIVES[name](), seed=7, **arguments)
    model.compile(keras.optimizers.SGD(0.01))
    fit(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for attribute in ("seed", "batch_parts", "training_draws", "class_names"):
        assert getattr(loaded, attribute) == getattr(model, attribute)
    assert fit(model, 2) == fit(loaded, 2)


@pytest.mark.parametrize(
    ("attribute", "value", "other"),
    [("batch_parts", 2, 1), ("training_draws", 2, None), ("seed", 3, 0)],
)
def test_what_is_set_later_is_saved_too(attribute, value, other, tmp_path):
    model = make_vae(ELBO())
    assert getattr(model, attribute) == other
    setattr(model, attribute, value)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert getattr(loaded, attribute) == value


@pytest.mark.parametrize("make", [make_hierarchical, make_nvae, make_model])
def test_a_file_without_the_later_settings_still_loads(make):
    model = make()
    config = keras.saving.serialize_keras_object(model)
    for name in ("batch_parts", "training_draws"):
        del config["config"][name]
    config["build_config"] = {"input_shape": (None, *IMAGE)}
    loaded = keras.saving.deserialize_keras_object(config)
    assert (loaded.batch_parts, loaded.training_draws) == (1, None)
    loaded.set_weights(model.get_weights())
    images = binary_images(4)
    np.testing.assert_array_equal(loaded(images), model(images))


@pytest.mark.parametrize(
    ("optimizer", "imports"),
    [
        ("keras", "keras, keras_vae"),
        ("muon", "keras_vae, keras"),
        ("muon", "keras_vae.data, keras"),
    ],
)
def test_one_import_is_all_that_loading_needs(optimizer, imports, tmp_path):
    model = make_vae(OBJECTIVES["draws"]())
    model.compile(OPTIMIZERS[optimizer]())
    path = tmp_path / "model.keras"
    model.save(path)
    code = (
        f"import {imports}\n"
        f"model = keras.saving.load_model({str(path)!r})\n"
        "print(type(model).__name__, type(model.optimizer).__name__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    name = type(model.optimizer).__name__
    assert run.stdout.split() == ["VAE", name], run.stderr


def test_fit_goes_on_after_one_that_was_refused():
    model, other = (make_vae(ELBO()) for _ in range(2))
    for one in (model, other):
        one.compile(keras.optimizers.Adam(0.01))
    with pytest.raises(ValueError):
        model.fit(np.zeros((4, *IMAGE), np.uint8), verbose=0)
    assert fit(model) == fit(other)


def test_compiling_again_starts_an_optimizer_again():
    model = make_vae(ELBO())
    model.compile(Guard(Adam(0.01)))
    fit(model)
    model.compile(Guard(Muon(0.01)))
    assert int(model.optimizer.iterations) == 0
    assert model.optimizer.built
    weights = model.get_weights()
    fit(model)
    assert any((a != b).any() for a, b in zip(weights, model.get_weights()))
    # The same one keeps its moments, as in Keras.
    optimizer = model.optimizer
    model.compile(optimizer)
    fit(model)
    assert int(optimizer.iterations) == 4


def test_weights_of_a_compiled_model_bring_the_optimizer_with_them(tmp_path):
    model, other = (make_vae(ELBO()) for _ in range(2))
    for one in (model, other):
        one.compile(Guard(Adam(0.01)))
    fit(model)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert int(other.optimizer.iterations) == 2
    assert fit(model) == fit(other)


def test_a_scope_holds_the_optimizer_of_a_model_compiled_outside_it():
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    with strategy.scope():
        model = make_vae(ELBO())
        optimizer = Guard(Adam(0.01))
    model.compile(optimizer)
    kinds = {type(v.value) for v in model.optimizer.variables}
    assert all(issubclass(k, tf.distribute.DistributedValues) for k in kinds)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_an_export_takes_images_and_classes_in_their_own_types(
    precision, tmp_path
):
    model = make_model(class_names=("dog", "cat"), precision=precision)
    images, label = binary_images(4), np.array([0, 1, 1, 0], np.int32)
    expected = model((images, label))
    tf.saved_model.save(model, tmp_path)
    loaded = tf.saved_model.load(tmp_path)  # It owns the variables.
    signature = loaded.signatures["serving_default"]
    (specs,) = signature.structured_input_signature[1:]
    assert {name: spec.dtype for name, spec in specs.items()} == {
        "image": tf.float32,
        "label": tf.int32,
    }
    (found,) = signature(image=images, label=label).values()
    # The graph rounds to bfloat16 elsewhere.
    atol = 1e-6 if precision == "float32" else 1e-2
    np.testing.assert_allclose(found, expected, atol=atol)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
