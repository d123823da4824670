"""Tests of what an export refuses by itself, wherever it runs."""

import functools

import grpc
import numpy as np
import pytest

from keras_vae.config import (
    DenseConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.models import build_model
from keras_vae.serving import ExportedModel, export
from keras_vae.training import ExperimentConfig, TrainedModel
from tests.serving.protocol import asking
from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.server import running_server

_SHAPE = (4, 6, 1)
_ROWS = 3


@pytest.fixture(scope="module")
def export_dir(tmp_path_factory):
    """An export of a small conditional VAE of two classes, version 1."""
    config = VAEConfig(architecture=DenseConfig((8,)), latent_dim=2)
    model = build_model(
        config, _SHAPE, likelihood="bernoulli", class_names=("a", "b"), seed=7
    )
    path = tmp_path_factory.mktemp("checks") / "vae"
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), config, TrainingConfig()
    )
    export(TrainedModel(model, experiment, experiment.prepare()), path)
    return path


@pytest.fixture(scope="module", params=["folder", "bare", "batched"])
def ask(request, export_dir):
    """Returns a function that asks, and returns answers or what was said."""
    if request.param == "folder":
        model = ExportedModel(export_dir)
        return functools.partial(_ask_folder, model)
    batching = BatchingParameters(
        max_batch_size=64, batch_timeout_micros=500, allowed_batch_sizes=(4, 64)
    )
    running = running_server(
        export_dir, batching=batching if request.param == "batched" else None
    )
    server = running.__enter__()
    request.addfinalizer(lambda: running.__exit__(None, None, None))
    return functools.partial(_ask_server, server)


def _ask_folder(model, signature, inputs):
    try:
        return model(signature, **inputs)
    except UserError as error:
        return str(error)


def _ask_server(server, signature, inputs):
    try:
        return asking.predict(server, signature, inputs)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        return error.details()


def _inputs(signature):
    random = np.random.default_rng(0)
    every = {
        "image": random.uniform(size=[_ROWS, *_SHAPE]).astype(np.float32),
        "z": random.normal(size=[_ROWS, 2]).astype(np.float32),
        "seed": np.array([[5, i] for i in range(_ROWS)], np.int32),
        "temperature": np.ones(_ROWS, np.float32),
        "label": np.array([0, 1, 0], np.int32),
    }
    names = {
        "reconstruct": ["image"],
        "encode": ["image"],
        "decode": ["z"],
        "sample": ["seed", "temperature"],
        "score": ["image", "seed"],
    }
    return {name: every[name] for name in [*names[signature], "label"]}


_SIGNATURES = ("reconstruct", "encode", "decode", "sample", "score")
_NOT_FINITE = (np.nan, np.inf, -np.inf)
_BAD_VALUES = [
    *(("image", value) for value in (*_NOT_FINITE, -0.01, 1.01, -3, 255)),
    *(("z", value) for value in _NOT_FINITE),
    *(("temperature", value) for value in (*_NOT_FINITE, -1, -1e-6)),
    *(("label", value) for value in (-1, 2, 2**31 - 1, -(2**31))),
]


@pytest.mark.parametrize("signature", _SIGNATURES)
def test_value_that_cannot_be_used_is_refused(signature, ask):
    good = _inputs(signature)
    expected = ask(signature, good)
    assert all(np.isfinite(value).all() for value in expected.values())
    for name, value in _BAD_VALUES:
        if name not in good:
            continue
        for row in (0, _ROWS - 1):
            bad = {k: array.copy() for k, array in good.items()}
            bad[name][row].flat[-1] = value
            if bad[name].ndim == 1:
                bad[name][row] = value
            said = ask(signature, bad)
            assert isinstance(said, str), (name, value)
            assert f"{name} must be" in said
    # It goes on answering.
    for name, values in ask(signature, good).items():
        np.testing.assert_array_equal(values, expected[name])


@pytest.mark.parametrize("signature", _SIGNATURES)
def test_limits_are_answered(signature, ask):
    rows = _inputs(signature)
    for name, values in (
        ("image", [0.0, 1.0, -0.0]),
        ("temperature", [0.0, 1e-6, 3.0]),
        ("label", [0, 1, 1]),
        ("seed", [-(2**31), 2**31 - 1, 0]),
    ):
        if name in rows:
            column = np.array(values, rows[name].dtype)
            shape = [_ROWS] + [1] * (rows[name].ndim - 1)
            rows[name] = np.zeros_like(rows[name]) + column.reshape(shape)
    for values in ask(signature, rows).values():
        assert len(values) == _ROWS
        assert np.isfinite(values).all()


@pytest.mark.parametrize("signature", _SIGNATURES)
def test_one_row_is_not_broadcast_to_others(signature, ask):
    good = _inputs(signature)
    for name in good:
        bad = good | {name: good[name][:1]}
        assert isinstance(ask(signature, bad), str), name


@pytest.mark.parametrize("signature", _SIGNATURES)
def test_other_shapes_are_refused(signature, ask):
    good = _inputs(signature)
    for name, values in good.items():
        shapes = [(_ROWS, 1, *values.shape[1:]), (*values.shape, 1)]
        if name == "image":
            # As many numbers, but turned; and without channels.
            shapes += [(_ROWS, 6, 4, 1), (_ROWS, 24), (_ROWS, 4, 6)]
        for shape in shapes:
            bad = good | {name: values.reshape(shape)}
            assert isinstance(ask(signature, bad), str), (name, shape)


@pytest.mark.parametrize(
    ("signature", "name"), [("decode", "z"), ("sample", "temperature")]
)
def test_answer_that_overflows_is_refused(signature, name, ask):
    rows = _inputs(signature)
    rows[name] = np.full_like(rows[name], 3e38)
    said = ask(signature, rows)
    assert isinstance(said, str) or np.isfinite(said["image"]).all()


def test_export_refuses_other_names_and_what_is_no_array(export_dir):
    model = ExportedModel(export_dir)
    good = _inputs("sample")
    for inputs, message in (
        ({}, "sample takes label, seed, temperature. Received: nothing"),
        ({"x": 1, **good}, "Received: label, seed, temperature, x"),
        (good | {"seed": [[1, [2]]]}, "seed must be an array.*list"),
        (good | {"seed": [[1, 10**30]]}, "seed must be an array.*list"),
        (good | {"seed": object()}, "seed must be an array.*object"),
        (good | {"seed": good["seed"] + 0.5}, "int32"),
        (good | {"label": good["label"] + 0.7}, "int32"),
        (good | {"temperature": ["warm"] * 3}, "float"),
    ):
        with pytest.raises(UserError, match=message):
            model("sample", **inputs)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
