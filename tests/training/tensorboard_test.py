"""Tests of what TensorBoard is told, read back as TensorBoard reads it."""

import math

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)

from keras_vae.config import (
    AutoencoderConfig,
)
from keras_vae.data import evaluation_batches
from keras_vae.models import latent_statistics
from keras_vae.training import RunFolder, load_trained, train
from keras_vae.units import NATS
from tests.end_to_end import tensorboard_http
from tests.training import experiments


@pytest.fixture(autouse=True)
def no_pictures():
    """Has the pictures that other tests are spared."""


_EPOCH_ENDS = [18, 36, 54, 68]


def _events(folder, run):
    everything = dict.fromkeys(("tensors", "scalars", "images"), 0)
    events = EventAccumulator(
        str(RunFolder(folder).tensorboard / run), everything
    )
    events.Reload()
    return events


@pytest.fixture(scope="module")
def train_events(finished_run):
    return _events(finished_run.path, "train")


@pytest.fixture(scope="module")
def validation_events(finished_run):
    return _events(finished_run.path, "validation")


def _tags(events):
    return {tag for tag in events.Tags()["tensors"] if "hparams" not in tag}


def _series(events, tag):
    """Returns step -> value of a scalar."""
    return {
        event.step: float(tf.make_ndarray(event.tensor_proto))
        for event in events.Tensors(tag)
    }


def _shown(finished_run, name):
    return [
        float(line.split(f" {name} ")[1].split()[0])
        for line in finished_run.output.splitlines()
        if line.startswith("epoch")
    ]


def test_tags_of_training(train_events):
    assert _tags(train_events) == {
        "beta",
        "elbo",
        "gradient_norm",
        "images_per_second",
        "kl_divergence",
        "learning_rate",
        "log_likelihood",
        "loss",
        "skipped_steps",
    }


def test_tags_of_validation(validation_events):
    assert _tags(validation_events) == {
        "active_units",
        "elbo",
        "kl_by_dimension",
        "kl_divergence",
        "log_likelihood",
        "loss",
        "reconstructions",
        "samples",
        "traversals",
    }


@pytest.mark.parametrize("name", ["elbo", "log_likelihood", "kl_divergence"])
def test_training_scalars_are_those_shown(train_events, finished_run, name):
    series = _series(train_events, name)
    assert list(series) == _EPOCH_ENDS
    shown = _shown(finished_run, name)
    assert list(series.values()) == pytest.approx(shown, abs=0.0051)


def test_training_terms_add_up(train_events):
    terms = [
        _series(train_events, name)
        for name in ("elbo", "log_likelihood", "kl_divergence")
    ]
    for elbo, log_likelihood, kl in zip(*(t.values() for t in terms)):
        assert elbo == pytest.approx(log_likelihood - kl, abs=1e-4)


def test_units_are_named(train_events, validation_events):
    for events, tag in (
        (train_events, "loss"),
        (train_events, "log_likelihood"),
        (validation_events, "elbo"),
        (validation_events, "kl_divergence"),
    ):
        assert events.SummaryMetadata(tag).summary_description == NATS


def test_schedules_are_written(train_events):
    rates = _series(train_events, "learning_rate")
    for step, rate in rates.items():
        angle = math.pi * (step / 68 - 0.04) / 0.96
        cosine = 0.5 * (1 + math.cos(angle))
        assert rate == pytest.approx(4e-3 * (0.01 + 0.99 * cosine), rel=1e-4)
    assert list(_series(train_events, "beta").values()) == [1.0] * 4
    speeds = _series(train_events, "images_per_second").values()
    assert all(speed > 0 for speed in speeds)


def test_optimizer_is_watched(train_events, finished_run):
    norms = _series(train_events, "gradient_norm")
    assert list(norms) == _EPOCH_ENDS
    assert all(0 < norm < math.inf for norm in norms.values())
    accepted = next(
        value
        for name, value in finished_run.values.items()
        if np.shape(value) == (64,) and np.any(value == norms[68])
    )
    assert accepted[-1] == norms[68]
    assert _series(train_events, "skipped_steps") == dict.fromkeys(
        _EPOCH_ENDS, 0.0
    )


def test_validation_is_of_the_averaged_weights(
    validation_events, finished_run, dataset
):
    model = load_trained(finished_run.path).model
    model.compile()
    batches = evaluation_batches(
        dataset.splits["validation"], batch_size=500, binarization="dynamic"
    )
    logs = model.evaluate(batches, return_dict=True, verbose=0)
    for name in ("loss", "elbo", "log_likelihood", "kl_divergence"):
        series = _series(validation_events, name)
        assert list(series) == _EPOCH_ENDS
        assert series[68] == pytest.approx(logs[name], rel=1e-5)


def test_latents_are_those_of_the_model(
    validation_events, finished_run, dataset
):
    model = load_trained(finished_run.path).model
    batches = evaluation_batches(
        dataset.splits["validation"], batch_size=500, binarization="dynamic"
    )
    statistics = latent_statistics(model, batches)
    series = _series(validation_events, "active_units")
    # Drawn after the first epoch and the last, 20 s have not passed between.
    assert {18, 68} <= set(series)
    assert series[68] == statistics.active_units
    last = validation_events.Tensors("kl_by_dimension")[-1]
    buckets = tf.make_ndarray(last.tensor_proto)
    assert last.step == 68
    assert buckets[:, 2].sum() == 2
    kl = statistics.kl_by_dimension
    assert buckets[0, 0] == pytest.approx(kl.min(), rel=1e-4)
    assert buckets[-1, 1] == pytest.approx(kl.max(), rel=1e-4)


@pytest.mark.parametrize("name", ["reconstructions", "samples", "traversals"])
def test_pictures_are_png(validation_events, name):
    last = validation_events.Tensors(name)[-1]
    width, height, png = tf.make_ndarray(last.tensor_proto)[:3]
    assert last.step == 68
    image = tf.io.decode_png(png)
    assert image.shape[:2] == (int(height), int(width))
    # Whole grids of 6 x 6 images, and not of one grey.
    assert min(image.shape[:2]) >= 2 * 6
    assert len(set(image.numpy().ravel())) > 2


def test_hparams_show_the_run_beside_its_validation(finished_run):
    folder = RunFolder(finished_run.path).tensorboard
    with tensorboard_http.serve(folder) as server:
        experiment = server.hparams_experiment()
        groups = server.post(
            "data/plugin/hparams/session_groups",
            {
                "experimentName": "",
                "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_RUNNING"],
                "colParams": [{"metric": {"tag": "elbo", "group": ""}}],
                "startIndex": 0,
                "sliceSize": 10,
            },
        )
        elbo = server.scalars("validation", "elbo")[68]
    names = {info["name"] for info in experiment["hparamInfos"]}
    assert {"latent_dim", "learning_rate", "dataset", "precision"} <= names
    metrics = {info["name"]["tag"] for info in experiment["metricInfos"]}
    assert {"elbo", "loss", "kl_divergence"} <= metrics
    (group,) = groups["sessionGroups"]
    assert group["hparams"]["latent_dim"] == 2
    values = {m["name"]["tag"]: m["value"] for m in group["metricValues"]}
    assert values["elbo"] == pytest.approx(elbo)


def test_autoencoder_shows_its_error(tmp_path, dataset):
    experiment = experiments.make_experiment(
        {"epochs": 1}, kind=AutoencoderConfig
    )
    train(experiment, tmp_path, dataset=dataset)
    assert _tags(_events(tmp_path, "validation")) == {
        "loss",
        "reconstructions",
        "squared_error",
    }


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
