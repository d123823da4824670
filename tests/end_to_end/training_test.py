"""What one command leaves: the run folder, its results, its pictures."""

import json
import math
import shutil

import numpy as np
import PIL.Image
import pytest

from tests import trained_run as shared
from tests.end_to_end import tensorboard_http

pytestmark = pytest.mark.slow

_PROTOCOL = {
    "dataset": "mnist_5k",
    "split": "test",
    "num_images": 500,
    "binarization": "dynamic",
    "seed": 0,
}


def _results(workdir):
    return json.loads((workdir / "results.json").read_text())


def test_run_says_what_it_does_and_nothing_else(trained_run):
    assert trained_run.result.stderr == ""
    lines = trained_run.result.stdout.splitlines()
    epochs = [line for line in lines if line.startswith("epoch")]
    assert len(epochs) == 6
    for line in epochs:
        for part in ("elbo", "val_elbo", "images/s"):
            assert part in line
    assert " left" in epochs[0]
    assert " left" not in epochs[-1]
    assert f"exported {trained_run.export_dir}/1" in lines
    assert f"tensorboard --logdir={trained_run.workdir}/tensorboard" in lines


def test_run_folder_holds_all_that_happened(trained_run):
    names = {path.name for path in trained_run.workdir.iterdir()}
    assert names == {
        "checkpoints",
        "config.json",
        "data.json",
        "model.keras",
        "pictures",
        "results.json",
        "tensorboard",
    }
    config = json.loads((trained_run.workdir / "config.json").read_text())
    assert config["data"]["dataset"] == "mnist_5k"
    assert config["model"]["latent_dim"] == 4
    assert config["training"]["epochs"] == 6
    kept = list((trained_run.workdir / "checkpoints").glob("*.index"))
    assert len(kept) == 3


def test_results_name_every_bound_with_its_protocol(trained_run):
    results = _results(trained_run.workdir)
    (figures,) = results["test"]
    for name, bound, draws in (
        ("elbo", "negative ELBO", 1),
        ("nll", "importance-weighted", shared.NUM_IMPORTANCE_SAMPLES),
    ):
        figure = figures[name]
        assert figure["bound"] == bound
        assert figure["num_importance_samples"] == draws
        assert _PROTOCOL.items() <= figure.items()
        nats = figure["nats_per_image"]
        assert figure["bits_per_dimension"] == pytest.approx(
            nats / 784 / math.log(2)
        )
        assert 0 < figure["standard_error"] < 10
    # It has learned: a Bernoulli model of each pixel alone gives 206 nats.
    assert 100 < figures["nll"]["nats_per_image"] < 200
    # K draws bound the likelihood at least as well as one.
    assert figures["nll"]["nats_per_image"] < figures["elbo"]["nats_per_image"]
    assert 0 <= figures["latent"]["active_units"] <= 4
    # 4,000 images in batches of 128, the last one dropped.
    assert results["training"]["steps"] == pytest.approx(6 * 31, abs=16)
    assert results["training"]["num_replicas"] == 1


def test_table_shows_the_results(trained_run):
    figures = _results(trained_run.workdir)["test"][-1]
    text = trained_run.result.stdout
    for name in ("elbo", "nll"):
        assert f"{figures[name]['nats_per_image']:.3f} ±" in text
    for part in (
        "-ELBO",
        f"NLL (IW, K={shared.NUM_IMPORTANCE_SAMPLES})",
        "500 images of mnist_5k, dynamic binarization, seed 0",
        "active units",
    ):
        assert part in text


def test_pictures_are_drawn(trained_run):
    folder = trained_run.workdir / "pictures"
    names = ("reconstructions", "samples", "traversals")
    for name in names:
        path = folder / f"{name}.png"
        assert f"wrote {path}" in trained_run.result.stdout
        with PIL.Image.open(path) as picture:
            levels = np.asarray(picture)
        assert min(levels.shape) > 100
        assert levels.std() > 10
    assert len(list((folder / "test_images").glob("*.png"))) == 8


def test_tensorboard_shows_every_promised_tag(trained_run):
    scalars = {"loss", "elbo", "log_likelihood", "kl_divergence"}
    training = scalars | {"beta", "learning_rate", "images_per_second"}
    validation = scalars | {"active_units"}
    logdir = trained_run.workdir / "tensorboard"
    with tensorboard_http.serve(logdir) as server:
        assert {
            "scalars",
            "images",
            "histograms",
            "hparams",
        } <= server.plugins()
        assert {"train", "validation"} <= set(server.runs())
        tags = server.scalar_tags()
        assert training <= set(tags["train"])
        assert validation <= set(tags["validation"])
        pictures = {"reconstructions", "samples", "traversals"}
        assert pictures <= set(server.image_tags()["validation"])
        histograms = server.histogram_tags()["validation"]
        assert "kl_by_dimension" in histograms
        assert len(server.scalars("validation", "elbo")) == 6
        beta = server.scalars("train", "beta")
        assert beta[max(beta)] == 1.0
        for tag in pictures:
            picture = server.image("validation", tag)
            assert picture.startswith(b"\x89PNG")
        experiment = server.hparams_experiment()
    with pytest.raises(OSError, match="refused"):
        server.runs()
    hparams = {info["name"] for info in experiment["hparamInfos"]}
    # Those with one value in all runs may be left out of the comparison.
    assert hparams
    metrics = {info["name"]["tag"] for info in experiment["metricInfos"]}
    assert "elbo" in metrics


def test_evaluate_repeats_the_figures_of_training(
    trained_run, warm_process, tmp_path
):
    workdir = tmp_path / "run"
    shutil.copytree(trained_run.workdir, workdir)
    before = _results(workdir)
    result = warm_process.run(
        "evaluate",
        f"--workdir={workdir}",
        f"--num_importance_samples={shared.NUM_IMPORTANCE_SAMPLES}",
        cwd=tmp_path,
    )
    assert (result.returncode, result.stderr) == (0, "")
    after = _results(workdir)
    assert after["training"] == before["training"]
    # By the same protocol: it takes the place of the one before.
    (found,), (wanted,) = after["test"], before["test"]
    for name in ("elbo", "nll"):
        assert found[name] == pytest.approx(wanted[name])
    assert f"{found['nll']['nats_per_image']:.3f} ±" in result.stdout


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
