"""Every public model keeps what Keras promises of a model after `fit`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import models
from tests import keras_contract
from tests.models.cases import (
    IMAGE,
    binary_images,
    make_autoregressive,
    make_hierarchical,
    make_model,
    make_nvae,
)

CLASSES = ("dog", "cat")


def plain():
    """Returns a plain Keras autoencoder: what is asked of ours, it does."""
    keras.utils.set_random_seed(0)
    image = keras.Input(IMAGE)
    x = keras.layers.Flatten()(image)
    x = keras.layers.Dense(8, activation="tanh")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dense(16)(x)
    return keras.Model(image, keras.layers.Reshape(IMAGE)(x))


KINDS = {
    "plain": plain,
    "autoencoder": lambda: make_model("normal_fixed", model="autoencoder"),
    "autoregressive": make_autoregressive,
    "vae": lambda: make_model(),
    "conditional": lambda: make_model(class_names=CLASSES),
    "hierarchical": make_hierarchical,
    "nvae": make_nvae,
}


def images_for(kind):
    images = binary_images(8)
    if kind == "conditional":
        images = (images, np.arange(8, dtype=np.int32) % len(CLASSES))
    if kind == "plain":
        images = (images, images)
    return tf.data.Dataset.from_tensor_slices(images).batch(4)


def compiled(kind):
    model = KINDS[kind]()
    loss = {"loss": "mse"} if kind == "plain" else {}
    # Graphs take seconds to trace, and the others' are in other tests.
    eager = kind != "vae"
    model.compile(
        keras.optimizers.Adam(0.01),
        run_eagerly=eager,
        jit_compile=False,
        **loss,
    )
    if kind == "plain":  # Else `load_weights` leaves its state out.
        model.optimizer.build(model.trainable_variables)
    return model


@pytest.fixture(scope="module", params=KINDS)
def fitted(request, tmp_path_factory):
    kind, folder = request.param, tmp_path_factory.mktemp("fitted")
    data = images_for(kind)
    model = keras_contract.fit_with_checkpoints(
        lambda: compiled(kind), data, folder
    )
    return kind, model, data, folder


def test_training_goes_on_bit_for_bit(fitted):
    kind, model, data, folder = fitted
    keras_contract.check_resumes(model, lambda: compiled(kind), data, folder)


def test_parameters_are_counted(fitted):
    _, model, _, _ = fitted
    keras_contract.check_counts(model)


def test_export_serves_the_model(fitted, tmp_path):
    _, model, data, _ = fitted
    inputs = keras_contract.inputs_of(model, data)
    keras_contract.check_export(model, inputs, tmp_path)


def test_copies_are_whole(fitted):
    _, model, data, _ = fitted
    keras_contract.check_copies(model, keras_contract.inputs_of(model, data))


def test_the_best_weights_come_back(fitted):
    # The last of them: it trains the model on.
    _, model, data, _ = fitted
    keras_contract.check_early_stopping(model, data)


def test_every_public_model_is_in_the_list():
    covered = {type(make()) for make in KINDS.values()}
    public = {
        value
        for value in (getattr(models, name) for name in models.__all__)
        if isinstance(value, type) and issubclass(value, keras.Model)
    }
    assert public - covered == {models.GenerativeModel}  # Abstract.


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
