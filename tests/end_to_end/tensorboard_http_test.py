"""Tests of the TensorBoard helper on a small folder of events."""

import pathlib
import sys

import pytest
import tensorflow as tf
from tensorboard.plugins.hparams import api as hp

from tests.end_to_end import tensorboard_http

pytestmark = pytest.mark.slow


def _write_events(logdir):
    with tf.summary.create_file_writer(str(logdir)).as_default() as writer:
        hp.hparams_config(
            hparams=[hp.HParam("beta", hp.RealInterval(0.0, 10.0))],
            metrics=[hp.Metric("elbo", display_name="ELBO")],
        )
        writer.close()
    folder = str(logdir / "train")
    with tf.summary.create_file_writer(folder).as_default() as writer:
        hp.hparams({"beta": 4.0})
        for step in range(3):
            tf.summary.scalar("elbo", -100.0 + step, step=step)
        tf.summary.image("samples", tf.zeros([1, 4, 4, 1]), step=2)
        tf.summary.histogram("weights", tf.range(10.0), step=2)
        writer.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A TensorBoard over one run, `train`."""
    logdir = tmp_path_factory.mktemp("events")
    _write_events(logdir)
    with tensorboard_http.serve(logdir) as server:
        yield server


def test_runs_and_plugins_are_listed(server):
    assert "train" in server.runs()
    assert {"scalars", "images", "histograms", "hparams"} <= server.plugins()


def test_tags_are_those_that_were_written(server):
    assert "elbo" in server.scalar_tags()["train"]
    assert set(server.image_tags()["train"]) == {"samples"}
    assert set(server.histogram_tags()["train"]) == {"weights"}


def test_scalars_keep_their_steps(server):
    assert server.scalars("train", "elbo") == {0: -100.0, 1: -99.0, 2: -98.0}


def test_image_is_png(server):
    assert server.image("train", "samples").startswith(b"\x89PNG")


def test_hparams_experiment_names_hparams_and_metrics(server):
    experiment = server.hparams_experiment()
    assert [info["name"] for info in experiment["hparamInfos"]] == ["beta"]
    assert [info["name"]["tag"] for info in experiment["metricInfos"]] == [
        "elbo"
    ]


def test_server_that_ends_shows_its_output(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        pytest.raises(RuntimeError, match=r"not up.*exit code 1"),
        tensorboard_http.serve(pathlib.Path(tmp_path)),
    ):
        pass


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
