"""Tests of the model of a run as verbs ask it."""

import numpy as np
import pytest

from keras_vae.config import TrainingConfig, VAEConfig
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.training import ExperimentConfig, TrainedModel
from keras_vae.use import TrainedRun
from keras_vae.use.model_target import ModelTarget
from keras_vae.use.target import answered
from tests.models.cases import binary_images, make_hierarchical, make_model

_CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def _trained(model):
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), VAEConfig(), TrainingConfig()
    )
    return TrainedModel(model, experiment, experiment.prepare())


def test_a_hierarchy_gives_all_its_groups():
    model = make_hierarchical()
    x = binary_images(5)
    latents = answered(ModelTarget(_trained(model)), "encode", {"image": x})
    mean, stddev = model.latent_moments(x)
    assert list(latents) == ["mean", "stddev"]
    assert latents["mean"].shape == (5, model.latent_dim)
    np.testing.assert_allclose(latents["mean"], mean, **_CLOSE)
    np.testing.assert_allclose(latents["stddev"], stddev, **_CLOSE)


def test_an_autoencoder_gives_its_codes():
    model = make_model("normal_fixed", model="autoencoder")
    x = binary_images(5)
    latents = TrainedRun(_trained(model)).encode(x)
    np.testing.assert_allclose(latents.mean, model.encode(x), **_CLOSE)
    assert latents.stddev is None


def test_verbs_of_a_run_are_traced_once():
    model = make_model()
    traces = []
    for name in ("reconstruct", "decode", "generate"):
        method = getattr(model, name)

        def traced(*args, method=method, name=name, **kwargs):
            traces.append(name)
            return method(*args, **kwargs)

        object.__setattr__(model, name, traced)
    run = TrainedRun(_trained(model))
    for num in (1, 5, 300):
        run.sample(num)
        run.reconstruct(np.repeat(binary_images(1), num, axis=0))
    assert traces == ["generate", "reconstruct"]


def test_images_of_latents_are_those_of_the_decoder():
    model = make_model()
    run = TrainedRun(_trained(model))
    z = np.random.default_rng(0).normal(size=[300, model.latent_dim])
    z = z.astype(np.float32)
    np.testing.assert_allclose(run.decode(z), model.decode(z), **_CLOSE)
    with pytest.raises(ValueError, match=r"`z` must be .*Received: \[300\]"):
        run.decode(z[:, 0])


def test_what_a_model_cannot_use_is_said():
    model = make_model()
    target = ModelTarget(_trained(model))
    image = np.full([2, *model.image_shape], 2.0, np.float32)
    with pytest.raises(UserError, match=r"image must be in \[0, 1\].*Received"):
        answered(target, "reconstruct", {"image": image})


def test_what_a_model_cannot_do_is_said():
    model = make_model("normal_fixed", model="autoencoder")
    with pytest.raises(UserError, match="cannot sample: it has no likelihood"):
        TrainedRun(_trained(model)).sample(3)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
