"""Tests of the signatures of models with many latent groups."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import HierarchicalConfig, TrainingConfig
from keras_vae.data import DataConfig, to_unit_interval
from keras_vae.errors import UserError
from keras_vae.evaluation import likelihood_bounds
from keras_vae.models import build_model
from keras_vae.serving import ExportedModel, export, make_endpoints
from keras_vae.training import ExperimentConfig, Preparation, TrainedModel
from keras_vae.units import NATS
from tests.models.cases import (
    IMAGE,
    binary_images,
    grey_images,
    make_hierarchical,
    make_nvae,
)

_BINARY = Preparation("dynamic", "none", "bernoulli", NATS)
_LEVELS = "discretized_logistic_mixture"
# Another batch size takes other paths through the matrix products.
_CLOSE = {"rtol": 1e-4, "atol": 1e-5}
_SHAPES = r"\[2,26\] is not compatible with expected shape \[\?,13\]"


def _seeds(count):
    rows = np.arange(count, dtype=np.int32)
    return tf.constant(np.stack([np.full_like(rows, 5), rows], axis=1))


def _disturbed(model):
    """Returns the model with other statistics and weights than the first."""
    random = np.random.default_rng(0)
    for variable in model.variables:
        if variable.dtype == "float32" and "spectral" not in variable.path:
            noise = random.uniform(0.0, 0.1, size=variable.shape)
            variable.assign(variable.numpy() + noise)
    return model


@pytest.fixture(scope="module")
def hierarchy():
    return _disturbed(make_hierarchical())


@pytest.fixture(scope="module")
def nvae():
    return _disturbed(make_nvae(num_flows=1))


@pytest.fixture(params=["hierarchy", "nvae"])
def model(request):
    return request.getfixturevalue(request.param)


def _ask(model, name, *inputs, preparation=_BINARY):
    function, _ = make_endpoints(model, preparation)[name]
    outputs = function(*map(tf.constant, inputs))
    return {key: value.numpy() for key, value in outputs.items()}


def test_specs_are_those_of_flat_latents(model):
    endpoints = make_endpoints(model, _BINARY)
    assert set(endpoints) == {
        "reconstruct",
        "reconstruct_bytes",
        "encode",
        "decode",
        "sample",
        "score",
    }
    (spec,) = endpoints["decode"][1]
    assert spec.shape.as_list() == [None, model.latent_dim]


def test_sample_is_a_function_of_its_own_row(model):
    temperature = np.linspace(0.2, 1.0, 5, dtype=np.float32)
    rows = _seeds(5).numpy()
    whole = _ask(model, "sample", rows, temperature)["image"]
    assert whole.shape == (5, *IMAGE)
    order = [3, 0, 3]
    moved = _ask(model, "sample", rows[order], temperature[order])["image"]
    np.testing.assert_allclose(moved, whole[order], **_CLOSE)
    assert len(np.unique(whole.reshape(5, -1)[:, 0])) == 5


def test_sample_follows_the_priors_from_its_row_of_noise(hierarchy):
    temperature = np.array([0.5, 1.0], np.float32)
    images = _ask(hierarchy, "sample", _seeds(2).numpy(), temperature)["image"]
    for row, seed in enumerate(_seeds(2)):
        noise = tf.random.stateless_normal([hierarchy.latent_dim], seed)
        # The priors of this network are N(0, I): the noise is the latents.
        z = temperature[row] * noise[tf.newaxis]
        np.testing.assert_allclose(
            images[row], hierarchy.decode(z)[0], **_CLOSE
        )


def test_decoded_mean_is_the_reconstruction(model):
    images = binary_images(3)
    encoded = _ask(model, "encode", images)
    assert encoded["mean"].shape == (3, model.latent_dim)
    assert np.all(encoded["stddev"] > 0)
    decoded = _ask(model, "decode", encoded["mean"])["image"]
    expected = _ask(model, "reconstruct", images)["reconstruction"]
    np.testing.assert_allclose(decoded, expected, **_CLOSE)


def _evaluated(model, images, latent_seeds, monkeypatch):
    """Returns what evaluation makes of the noise of these seeds."""
    noise = tf.stack(
        [
            tf.random.stateless_normal([model.latent_dim], s)
            for s in latent_seeds
        ]
    )
    with monkeypatch.context() as patch:
        groups = model.decoder.split(noise)
        patch.setattr(model.decoder, "draw_noise", lambda rows, seed: groups)
        batches = tf.data.Dataset.from_tensors(images)
        return likelihood_bounds(model, batches, 1)


def _assert_scores(answer, bounds):
    for name in ("elbo", "log_likelihood", "kl_divergence"):
        np.testing.assert_allclose(
            answer[name], getattr(bounds, name), rtol=1e-4, err_msg=name
        )


def test_score_is_what_evaluation_gives(model, monkeypatch):
    images, rows = grey_images(3), _seeds(3)
    answer = _ask(model, "score", images, rows.numpy())
    both = [seeds.split(seed) for seed in rows]
    binary = tf.stack(
        [
            tf.cast(tf.random.stateless_uniform(IMAGE, s) < image, tf.float32)
            for (s, _), image in zip(both, images, strict=True)
        ]
    )
    latent_seeds = [s for _, s in both]
    _assert_scores(answer, _evaluated(model, binary, latent_seeds, monkeypatch))


_OF_LEVELS = HierarchicalConfig(
    filters=(4,),
    bottlenecks=(3,),
    encoder_blocks=(0,),
    decoder_blocks=(0,),
    num_groups=(1,),
    likelihood={"name": _LEVELS, "num_mixtures": 2},
)


@pytest.mark.parametrize("num_bits", [8, 5])
def test_score_of_levels_is_what_evaluation_gives(num_bits, monkeypatch):
    model = build_model(
        _OF_LEVELS, IMAGE, likelihood=_LEVELS, num_bits=num_bits
    )
    levels = np.random.default_rng(0).integers(0, 256, [3, *IMAGE])
    images = (levels / 255).astype(np.float32)
    answer = _ask(
        model,
        "score",
        images,
        _seeds(3).numpy(),
        preparation=Preparation(
            "none", "none", _LEVELS, NATS, num_bits=num_bits
        ),
    )
    prepared = to_unit_interval(levels.astype(np.uint8), num_bits)
    latent_seeds = [seeds.split(seed)[1] for seed in _seeds(3)]
    bounds = _evaluated(model, prepared, latent_seeds, monkeypatch)
    _assert_scores(answer, bounds)


def test_latents_of_another_size_are_refused(hierarchy):
    assert hierarchy.latent_dim == 13
    z = tf.zeros([2, 26])
    with pytest.raises(ValueError, match=r"13.*Received: .*\(2, 26\)"):
        hierarchy.decode(z)
    with pytest.raises(tf.errors.InvalidArgumentError, match=_SHAPES):
        _ask(hierarchy, "decode", z)


def test_export_answers_as_the_model(hierarchy, tmp_path):
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), HierarchicalConfig(), TrainingConfig()
    )
    export(TrainedModel(hierarchy, experiment, experiment.prepare()), tmp_path)
    exported = ExportedModel(tmp_path)
    assert exported.metadata["groups"] == [[3], [1, 1, 2], [2, 2, 2]]
    images, rows = binary_images(3), _seeds(3).numpy()
    for name, inputs in {
        "reconstruct": {"image": images},
        "encode": {"image": images},
        "sample": {"seed": rows, "temperature": np.ones([3], np.float32)},
        "score": {"image": images, "seed": rows},
    }.items():
        expected = _ask(hierarchy, name, *inputs.values())
        answer = exported(name, **inputs)
        assert answer.keys() == expected.keys()
        for key, value in answer.items():
            np.testing.assert_allclose(value, expected[key], **_CLOSE)
    # It needs no Python: the export of an NVAE is asked without.
    assert b"PyFunc" not in (exported.path / "saved_model.pb").read_bytes()
    with pytest.raises(UserError, match=_SHAPES):
        exported("decode", z=np.zeros([2, 26], np.float32))


def test_exported_draws_are_functions_of_their_own_rows(tmp_path):
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), _OF_LEVELS, TrainingConfig()
    )
    model = build_model(_OF_LEVELS, IMAGE, likelihood=_LEVELS)
    export(
        TrainedModel(model, experiment, experiment.prepare()),
        tmp_path,
        pixels="draw",
    )
    exported = ExportedModel(tmp_path)
    assert exported.metadata["pixels"] == "draw"
    rows = _seeds(5).numpy()
    ones = np.ones([5], np.float32)
    whole = exported("sample", seed=rows, temperature=ones)["image"]
    noise = seeds.row_normal(rows, model.latent_dim)
    expected = model.generate(noise, tf.constant(ones), pixel_seed=rows)
    # Draws are levels: what rounding moves, it moves by one of 255.
    assert np.mean(np.abs(whole - expected) > 1e-6) < 0.05
    np.testing.assert_allclose(whole, expected, atol=1.1 / 255)
    order = [3, 0, 3]
    some = exported("sample", seed=rows[order], temperature=ones[:3])["image"]
    np.testing.assert_allclose(some, whole[order], atol=1.1 / 255)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
