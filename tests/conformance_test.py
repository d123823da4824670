"""The conformance checks fail where they should."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import conformance

INPUTS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


@keras.saving.register_keras_serializable(package="keras_vae_tests")
class Scaled(keras.Model):
    """Multiplies a dense layer's outputs; subclasses have one fault each."""

    def __init__(self, factor: float = 2.0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.factor = factor
        initializer = keras.initializers.GlorotUniform(seed=1)
        self.dense = keras.layers.Dense(2, kernel_initializer=initializer)

    def call(self, x):
        return self.factor * tf.cast(self.dense(x), tf.float32)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Forgetful(Scaled):
    def get_config(self):
        config = super().get_config()
        del config["factor"]
        return config


@keras.saving.register_keras_serializable(package="keras_vae_tests")
class Reset(Scaled):
    @classmethod
    def from_config(cls, config):
        return cls(name=config["name"])


class GradientStopped(Scaled):
    def call(self, x):
        return tf.stop_gradient(self.dense(x)) + tf.reduce_sum(x)


class Halved(Scaled):
    def call(self, x):
        return self.dense(x)


class BatchCoupled(Scaled):
    def call(self, x):
        y = super().call(x)
        return y - tf.reduce_mean(y, axis=0)


class EagerOnly(Scaled):
    def call(self, x):
        return super().call(x) + float(tf.executing_eagerly())


def test_a_good_model_passes():
    conformance.run_model_conformance(Scaled, lambda: INPUTS)


def test_a_forgotten_argument_is_found():
    with pytest.raises(AssertionError, match="factor is missing"):
        conformance.check_config(Forgetful())


def test_a_lost_argument_is_found():
    model = Reset(3.0)
    with pytest.raises(AssertionError):
        conformance.check_config(model)
    with pytest.raises(AssertionError):
        conformance.check_keras_file(model, INPUTS)


def test_an_unregistered_class_is_found():
    with pytest.raises((AssertionError, TypeError), match="GradientStopped"):
        conformance.check_config(GradientStopped())


def test_a_stopped_gradient_is_found():
    with pytest.raises(AssertionError, match=r"no gradient reaches .*kernel"):
        conformance.check_gradients(GradientStopped(), INPUTS)


def test_a_low_precision_output_is_found():
    with pytest.raises(AssertionError, match="bfloat16"):
        conformance.check_mixed_precision(Halved, INPUTS)
    assert keras.config.dtype_policy().name == "float32"


def test_a_different_graph_is_found():
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        conformance.check_eager_equals_graph(EagerOnly(), INPUTS)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        conformance.check_saved_model(EagerOnly(), INPUTS)


def test_coupled_examples_are_found():
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        conformance.check_replicas(BatchCoupled, INPUTS)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
