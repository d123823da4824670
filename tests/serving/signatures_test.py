"""Tests of the signatures: what they take, give, and compute."""

import dataclasses
import io
import math

import numpy as np
import PIL.Image
import pytest
import scipy.stats
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import (
    AutoencoderConfig,
    DenseConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.evaluation import likelihood_bounds
from keras_vae.models import build_model
from keras_vae.serving import ExportedModel, export, make_endpoints
from keras_vae.training import ExperimentConfig, TrainedModel

_SHAPE = (4, 6, 1)
_COLOUR = (4, 6, 3)
_D = 3
# Another batch size takes other paths through the matrix products.
_CLOSE = {"rtol": 1e-5, "atol": 1e-6}

_F, _I, _S = tf.float32, tf.int32, tf.string


def _exported(
    folder, shape=_SHAPE, data="mnist_5k", num_bits=8, kind=VAEConfig, **config
):
    """Returns a model with some weights, and its export, loaded."""
    experiment = ExperimentConfig(
        DataConfig(data, num_bits=num_bits),
        kind(
            architecture=DenseConfig((16,)),
            latent_dim=_D,
            **config,
        ),
        TrainingConfig(),
    )
    preparation = experiment.prepare()
    model = build_model(
        experiment.model,
        shape,
        likelihood=preparation.likelihood,
        num_bits=experiment.data.num_bits,
        dequantization=preparation.dequantization,
        seed=7,
    )
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        noise = random.normal(size=variable.shape, scale=0.2)
        variable.assign(variable.numpy() + noise)
    export(TrainedModel(model, experiment, preparation), folder)
    return model, ExportedModel(folder), preparation


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    """A Bernoulli VAE for images that are binarized anew each time."""
    return _exported(tmp_path_factory.mktemp("binary"))


@pytest.fixture(scope="module")
def colour(tmp_path_factory):
    """A Gaussian VAE, full posterior, of dequantized colour images."""
    folder = tmp_path_factory.mktemp("colour")
    return _exported(folder, _COLOUR, "cifar10", posterior="full")


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoencoder")
    return _exported(folder, kind=AutoencoderConfig)


def _images(count, shape=_SHAPE, seed=1):
    random = np.random.default_rng(seed)
    levels = random.integers(0, 256, [count, *shape])
    return (levels / 255.0).astype(np.float32)


def _seeds(count, seed=5):
    rows = np.arange(count, dtype=np.int32)
    return np.stack([np.full_like(rows, seed), rows], axis=1)


def _specs(function):
    _, inputs = function.structured_input_signature
    outputs = function.structured_outputs
    return tuple(
        {name: (spec.dtype, *spec.shape) for name, spec in specs.items()}
        for specs in (inputs, outputs)
    )


def _table(shape):
    image, reconstruction = (_F, None, *shape), (_F, None, *shape)
    z, row = (_F, None, _D), (_F, None)
    seed = (_I, None, 2)
    return {
        "serving_default": (
            {"image": image},
            {"reconstruction": reconstruction},
        ),
        "reconstruct": ({"image": image}, {"reconstruction": reconstruction}),
        "encode": ({"image": image}, {"mean": z, "stddev": z}),
        "decode": ({"z": z}, {"image": image}),
        "sample": ({"seed": seed, "temperature": row}, {"image": image}),
        "score": (
            {"image": image, "seed": seed},
            {"elbo": row, "log_likelihood": row, "kl_divergence": row},
        ),
        "reconstruct_bytes": (
            {"image_bytes": (_S, None)},
            {"reconstruction_bytes": (_S, None)},
        ),
    }


@pytest.mark.parametrize(
    ("fixture", "shape"), [("binary", _SHAPE), ("colour", _COLOUR)]
)
def test_signatures_of_a_vae(fixture, shape, request):
    _, exported, _ = request.getfixturevalue(fixture)
    signatures = exported._module.signatures
    found = {name: _specs(function) for name, function in signatures.items()}
    assert found == _table(shape)
    assert next(iter(exported.metadata["signatures"])) == "serving_default"
    assert set(exported.metadata["signatures"]) == set(found)


def test_autoencoder_has_no_sample_and_no_score(autoencoder):
    model, exported, _ = autoencoder
    table = _table(_SHAPE)
    del table["sample"], table["score"]
    table["encode"] = ({"image": (_F, None, *_SHAPE)}, {"z": (_F, None, _D)})
    signatures = exported._module.signatures
    assert {n: _specs(f) for n, f in signatures.items()} == table
    images = _images(5)
    z = exported("encode", image=images)["z"]
    np.testing.assert_allclose(z, model.encode(images), **_CLOSE)
    np.testing.assert_allclose(
        exported("decode", z=z)["image"], model.decode(z), **_CLOSE
    )


@pytest.mark.parametrize("fixture", ["binary", "colour", "autoencoder"])
def test_reconstruction_is_that_of_the_model(fixture, request):
    model, exported, _ = request.getfixturevalue(fixture)
    images = _images(5, model.image_shape)
    expected = model.reconstruct(images)
    for signature in ("reconstruct", "serving_default"):
        answer = exported(signature, image=images)["reconstruction"]
        np.testing.assert_allclose(answer, expected, **_CLOSE)


@pytest.mark.parametrize("fixture", ["binary", "colour"])
def test_encode_and_decode_are_those_of_the_model(fixture, request):
    model, exported, _ = request.getfixturevalue(fixture)
    images = _images(5, model.image_shape)
    answer = exported("encode", image=images)
    posterior = model.encode(images)
    np.testing.assert_allclose(answer["mean"], posterior.mean(), **_CLOSE)
    np.testing.assert_allclose(answer["stddev"], posterior.stddev(), **_CLOSE)
    np.testing.assert_allclose(
        exported("decode", z=answer["mean"])["image"],
        model.decode(answer["mean"]),
        **_CLOSE,
    )


def test_temperature_zero_gives_the_decoded_mean_of_the_prior(binary):
    model, exported, _ = binary
    images = exported(
        "sample", seed=_seeds(4), temperature=np.zeros([4], np.float32)
    )["image"]
    expected = model.decode(tf.zeros([1, _D]))
    np.testing.assert_allclose(images, np.repeat(expected, 4, axis=0), **_CLOSE)


def test_sample_decodes_standard_normal_numbers(binary, monkeypatch):
    model, _, preparation = binary
    sample, _ = make_endpoints(model, preparation)["sample"]
    seen = []
    call = type(model.decoder).__call__

    def watched(decoder, z, *args, **kwargs):
        seen.append(z)
        return call(decoder, z, *args, **kwargs)

    monkeypatch.setattr(type(model.decoder), "__call__", watched)
    sample(tf.constant(_seeds(2000)), tf.fill([2000], 0.5))
    z = seen[0].numpy().ravel() / 0.5
    # The seed is fixed; a right generator fails one time in a million.
    assert scipy.stats.kstest(z, "norm").pvalue > 1e-6


@pytest.mark.parametrize("signature", ["sample", "score"])
@pytest.mark.parametrize("fixture", ["binary", "colour"])
def test_row_depends_on_itself_alone(fixture, signature, request):
    model, exported, _ = request.getfixturevalue(fixture)
    rows = {"seed": _seeds(7)}
    if signature == "score":
        rows["image"] = _images(7, model.image_shape)
    else:
        rows["temperature"] = np.linspace(0.3, 1.0, 7, dtype=np.float32)
    whole = exported(signature, **rows)
    order = np.array([4, 2, 6, 4, 0])
    moved = exported(signature, **{k: v[order] for k, v in rows.items()})
    alone = exported(signature, **{k: v[3:4] for k, v in rows.items()})
    for name, values in whole.items():
        scale = np.abs(values).max()
        close = {"rtol": 0, "atol": 1e-6 * scale}
        np.testing.assert_allclose(moved[name], values[order], **close)
        np.testing.assert_allclose(alone[name], values[3:4], **close)


@pytest.mark.parametrize("signature", ["sample", "score"])
def test_answers_differ_by_seed_and_are_the_same_for_the_same(
    signature, binary
):
    _, exported, _ = binary
    rows = {"seed": _seeds(3)}
    if signature == "score":
        rows["image"] = np.repeat(_images(1), 3, axis=0)
    else:
        rows["temperature"] = np.ones([3], np.float32)
    first, second = exported(signature, **rows), exported(signature, **rows)
    name = "elbo" if signature == "score" else "image"
    np.testing.assert_array_equal(first[name], second[name])
    assert len(np.unique(first[name].reshape(3, -1)[:, 0])) == 3


def _by_hand(model, image, seed, preparation):
    """Returns the score of one image, with the noise drawn one by one."""
    noise_seed, latent_seed = seeds.split(tf.constant(seed))
    offset = 0.0
    noise = tf.random.stateless_uniform(model.image_shape, noise_seed).numpy()
    if preparation.binarization == "dynamic":
        image = (noise < image).astype(np.float32)
    else:
        image = (np.round(image * 255) + noise) / 256
        offset = image.size * math.log(256)
    image = tf.constant(image[np.newaxis], tf.float32)
    posterior = model.encode(image)
    epsilon = tf.random.stateless_normal([_D], latent_seed).numpy()
    scale = posterior.scale.to_dense()[0].numpy()
    z = posterior.mean()[0].numpy() + scale @ epsilon
    log_likelihood = model.decoder(z[np.newaxis]).log_prob(image)
    kl = posterior.kl_divergence(model.prior.distribution())
    return float(log_likelihood[0]) - offset, float(kl[0])


@pytest.mark.parametrize("fixture", ["binary", "colour"])
def test_score_is_what_its_noise_gives_by_hand(fixture, request):
    model, exported, preparation = request.getfixturevalue(fixture)
    images, row_seeds = _images(3, model.image_shape), _seeds(3)
    answer = exported("score", image=images, seed=row_seeds)
    for i, (image, seed) in enumerate(zip(images, row_seeds)):
        log_likelihood, kl = _by_hand(model, image, seed, preparation)
        assert answer["log_likelihood"][i] == pytest.approx(
            log_likelihood, rel=1e-5
        )
        assert answer["kl_divergence"][i] == pytest.approx(kl, rel=1e-5)
    np.testing.assert_array_equal(
        answer["elbo"], answer["log_likelihood"] - answer["kl_divergence"]
    )


def test_dequantized_score_is_offset_by_the_width_of_the_levels(
    colour, monkeypatch
):
    model, exported, preparation = colour
    assert model.dequantized_bits == 8
    monkeypatch.setattr(model, "dequantized_bits", None)
    score, _ = make_endpoints(model, preparation)["score"]
    images, row_seeds = _images(3, _COLOUR), _seeds(3)
    # Levels that are not dequantized, as 8-bit levels in the middle of theirs.
    plain = score(tf.constant(images), tf.constant(row_seeds))
    served = exported("score", image=images, seed=row_seeds)
    offset = math.prod(_COLOUR) * math.log(256)
    difference = plain["log_likelihood"] - served["log_likelihood"]
    # Half a level of noise moves the log-likelihood far less than the offset.
    np.testing.assert_allclose(difference, offset, rtol=0.05)


def test_score_of_fewer_bits_is_that_of_their_levels(tmp_path, monkeypatch):
    model, exported, preparation = _exported(
        tmp_path, data="cifar10", num_bits=5
    )
    rows = {"image": _images(3), "seed": _seeds(3)}
    found = exported("score", **rows)
    for num_bits in (5, 8):
        monkeypatch.setattr(model, "dequantized_bits", num_bits)
        kept = dataclasses.replace(preparation, num_bits=num_bits)
        score, _ = make_endpoints(model, kept)["score"]
        expected = score(*map(tf.constant, rows.values()))
        for name, values in expected.items():
            is_close = np.allclose(found[name], values, rtol=1e-4, atol=1e-4)
            assert is_close == (num_bits == 5), name


def test_scores_agree_with_the_bounds_of_evaluation(binary):
    model, exported, _ = binary
    # Binary pixels, so that binarization changes nothing.
    image = np.round(_images(1))
    draws = 4000
    answer = exported(
        "score", image=np.repeat(image, draws, axis=0), seed=_seeds(draws)
    )
    batches = tf.data.Dataset.from_tensors(tf.constant(image))
    bounds = likelihood_bounds(model, batches, draws, 0)
    error = answer["elbo"].std() * math.sqrt(2 / draws)
    # Two means of independent draws: 5 standard errors fail once in 1.7e6.
    assert abs(answer["elbo"].mean() - float(bounds.elbo[0])) < 5 * error
    np.testing.assert_allclose(
        answer["kl_divergence"], answer["kl_divergence"][0], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("signature", "inputs"),
    [
        ("reconstruct", {"image": np.zeros([0, *_SHAPE], np.float32)}),
        (
            "sample",
            {
                "seed": np.zeros([0, 2], np.int32),
                "temperature": np.zeros([0], np.float32),
            },
        ),
        (
            "score",
            {
                "image": np.zeros([0, *_SHAPE], np.float32),
                "seed": np.zeros([0, 2], np.int32),
            },
        ),
        ("reconstruct_bytes", {"image_bytes": np.array([], dtype=np.bytes_)}),
    ],
)
def test_empty_batch_gives_an_empty_answer(signature, inputs, binary):
    _, exported, _ = binary
    for values in exported(signature, **inputs).values():
        assert len(values) == 0


def _file(image, kind):
    data = io.BytesIO()
    grey = image.shape[-1] == 1
    picture = PIL.Image.fromarray(image[..., 0] if grey else image)
    picture.save(data, kind)
    return data.getvalue()


@pytest.mark.parametrize("fixture", ["binary", "colour"])
def test_bytes_are_decoded_reconstructed_and_encoded(fixture, request):
    model, exported, _ = request.getfixturevalue(fixture)
    levels = (_images(3, model.image_shape) * 255).round().astype(np.uint8)
    files = [_file(image, "PNG") for image in levels]
    answer = exported("reconstruct_bytes", image_bytes=np.array(files))
    answers = answer["reconstruction_bytes"]
    expected = model.reconstruct(levels / np.float32(255))
    for data, image in zip(answers, expected.numpy(), strict=True):
        assert data.startswith(b"\x89PNG")
        found = np.asarray(PIL.Image.open(io.BytesIO(data)), np.float32)
        found = found.reshape(model.image_shape) / 255
        np.testing.assert_allclose(
            found, np.clip(image, 0, 1), atol=0.5 / 255 + 1e-5
        )


def test_jpeg_bytes_are_taken(binary):
    _, exported, _ = binary
    # All of one grey, which JPEG keeps as it is.
    image = np.full(_SHAPE, 100, np.uint8)
    answers = [
        exported("reconstruct_bytes", image_bytes=np.array([_file(image, k)]))
        for k in ("JPEG", "PNG")
    ]
    assert len({a["reconstruction_bytes"][0] for a in answers}) == 1


def test_bytes_of_another_size_are_refused(binary):
    _, exported, _ = binary
    data = _file(np.zeros([6, 4, 1], np.uint8), "PNG")
    message = r"\[6,4,0\] is not compatible with expected shape \[4,6,0\]"
    with pytest.raises(UserError, match=message):
        exported("reconstruct_bytes", image_bytes=np.array([data]))


def test_bytes_that_are_no_image_are_refused(binary):
    _, exported, _ = binary
    with pytest.raises(UserError, match="PNG or JPEG file is needed"):
        exported("reconstruct_bytes", image_bytes=np.array([b"no image"]))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
