"""Tests of short runs of the hierarchical models, cut off and not."""

import contextlib
import io
import pathlib
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)

from keras_vae.data import evaluation_batches
from keras_vae.models import NVAE, HierarchicalVAE, latent_statistics
from keras_vae.training import RunFolder, load_trained, train
from keras_vae.training.average_statistics import AverageStatistics
from keras_vae.training.state import make_state
from tests.training import experiments

pytestmark = pytest.mark.slow

_TRAINING = {"epochs": 2, "checkpoint_seconds": 0}


@pytest.fixture(autouse=True)
def no_pictures():
    """Leaves it to the runs, which are made within a test, what they draw."""


class _Runs(NamedTuple):
    """Two runs of an experiment.

    Attributes:
        whole: The folder of the run that was not cut off.
        output: What it printed.
        cut: The folder of the one that was cut off, at an instant at which
            the other went on, and resumed.
    """

    whole: pathlib.Path
    output: str
    cut: pathlib.Path


def _run_twice(experiment, dataset, folder) -> _Runs:
    whole, cut = folder / "whole", folder / "cut"
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        copy = experiments.CopyAt(27, whole, cut)
        train(experiment, whole, dataset=dataset, callbacks=[copy])
        output = stream.getvalue()
        path = tf.train.latest_checkpoint(str(RunFolder(cut).checkpoints))
        assert path.endswith("-27")
        with experiments.without_pictures():
            train(experiment, cut, dataset=dataset)
    return _Runs(whole, output, cut)


@pytest.fixture(scope="module")
def hierarchy(dataset, tmp_path_factory):
    experiment = experiments.make_hierarchical_experiment(_TRAINING)
    folder = tmp_path_factory.mktemp("hierarchy")
    return _run_twice(experiment, dataset, folder)


@pytest.fixture(scope="module")
def nvae(dataset, tmp_path_factory):
    experiment = experiments.make_nvae_experiment(_TRAINING)
    with experiments.without_pictures():
        return _run_twice(experiment, dataset, tmp_path_factory.mktemp("nvae"))


@pytest.fixture(params=["hierarchy", "nvae"])
def runs(request):
    return request.getfixturevalue(request.param)


def test_resumed_run_ends_as_the_whole_one(runs):
    values = experiments.checkpoint_values(runs.whole)
    found = experiments.checkpoint_values(runs.cut)
    assert found.keys() == values.keys()
    for name, value in values.items():
        assert "best_loss" in name or np.all(np.isfinite(value)), name
        np.testing.assert_allclose(
            found[name], value, rtol=1e-4, atol=1e-5, err_msg=name
        )


def test_trained_model_scores_as_its_last_validation(runs, dataset):
    # NVAE: averaged weights, with the statistics that belong to them.
    model = load_trained(runs.whole).model
    model.compile()
    batches = evaluation_batches(
        dataset.splits["validation"], batch_size=500, binarization="dynamic"
    )
    logs = model.evaluate(batches, return_dict=True, verbose=0)
    shown = runs.output.splitlines()[-1]
    assert f"val_elbo {logs['elbo']:.2f} " in shown


def test_run_learns(runs):
    elbos = [
        float(line.split("val_elbo")[1].split()[0])
        for line in runs.output.splitlines()
        if "val_elbo" in line
    ]
    assert elbos[-1] > elbos[0]


def test_statistics_of_the_averages_are_in_the_checkpoint(nvae, hierarchy):
    def names(run):
        values = experiments.checkpoint_values(run)
        moving = ("moving_mean", "moving_variance")
        return [
            name
            for name in values
            if name.startswith("averages/") and any(m in name for m in moving)
        ]

    assert names(hierarchy.whole) == []
    assert len(names(nvae.whole)) > 10
    trained = load_trained(nvae.whole)
    model, experiment = trained.model, trained.experiment
    assert isinstance(model, NVAE)
    state = make_state(
        experiment.model,
        (6, 6, 1),
        likelihood="bernoulli",
        total_steps=None,
        seed=0,
        precision="float32",
    )
    path = tf.train.latest_checkpoint(str(RunFolder(nvae.whole).checkpoints))
    state.checkpoint().restore(path).assert_existing_objects_matched()
    statistics = state.average_statistics
    loaded = AverageStatistics(model).statistics
    for variable, average, trained in zip(
        loaded, statistics.averages, statistics.statistics, strict=True
    ):
        np.testing.assert_array_equal(variable.numpy(), average.numpy())
        assert np.any(average.numpy() != trained.numpy())


def _events(folder, name):
    everything = dict.fromkeys(("tensors", "scalars", "images"), 0)
    events = EventAccumulator(
        str(RunFolder(folder).tensorboard / name), everything
    )
    events.Reload()
    return events


def test_tensorboard_shows_the_groups(hierarchy, dataset):
    events = _events(hierarchy.whole, "validation")
    tags = {tag for tag in events.Tags()["tensors"] if "hparams" not in tag}
    assert tags == {
        "active_units",
        "collapsed_groups",
        "elbo",
        "kl_by_dimension",
        "kl_by_group",
        "kl_by_group/00",
        "kl_by_group/01",
        "kl_by_group/02",
        "kl_divergence",
        "log_likelihood",
        "loss",
        "reconstructions",
        "resampled_from_group",
        "samples",
    }
    model = load_trained(hierarchy.whole).model
    assert isinstance(model, HierarchicalVAE)
    batches = evaluation_batches(
        dataset.splits["validation"], batch_size=500, binarization="dynamic"
    )
    statistics = latent_statistics(model, batches)
    for index, kl in enumerate(statistics.kl_by_group):
        last = events.Tensors(f"kl_by_group/{index:02d}")[-1]
        assert last.step == 34
        shown = float(tf.make_ndarray(last.tensor_proto))
        assert shown == pytest.approx(kl, rel=1e-4)
    buckets = tf.make_ndarray(events.Tensors("kl_by_group")[-1].tensor_proto)
    assert buckets[:, 2].sum() == 3
    last = events.Tensors("collapsed_groups")[-1]
    collapsed = float(tf.make_ndarray(last.tensor_proto))
    assert collapsed == len(statistics.collapsed_groups)
    last = events.Tensors("resampled_from_group")[-1]
    width, height, png = tf.make_ndarray(last.tensor_proto)[:3]
    # 3 images, 4 draws of each; 0 ... 3 groups kept; 6 pixels and a gap of 2.
    assert (int(width), int(height)) == (15 * 8 + 2, 4 * 8 + 2)
    assert tf.io.decode_png(png).shape[:2] == (34, 122)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
