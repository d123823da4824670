"""One unit everywhere: all the ways to a log-likelihood give one figure.

The model is one whose answers are known: its likelihood is uniform whatever z
is, so that of D values with 2^b levels each `log p(x) = -D b log 2`; its
posterior is N(c, I) in two dimensions, so that the KL is c^2.
"""

import csv
import json
import math

import keras
import numpy as np
import pytest
from PIL import Image

from keras_vae.config import (
    DenseConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig
from keras_vae.evaluation import EvaluationConfig, evaluate
from keras_vae.serving import Client
from keras_vae.serving.export import export
from keras_vae.training import ExperimentConfig, load_trained, train
from keras_vae.units import DENSITY_NATS, NATS
from keras_vae.use import ImageSource, impute, score

_SIDE, _NUM_FILES = 6, 60
_SHIFT = 0.5
_KL = _SHIFT**2
# float32 sums of some hundred nats.
_TOLERANCE = 2e-3


class _KnownAnswer(keras.callbacks.Callback):
    """Keeps the weights where the answer is known, and what `fit` showed."""

    def __init__(self):
        super().__init__()
        self.logs = {}

    def on_train_begin(self, logs=None):
        self.on_train_batch_end(0)

    def on_train_batch_end(self, batch, logs=None):
        for variable in self.model.trainable_variables:
            variable.assign(np.zeros(variable.shape))
        loc_and_scale = self.model.encoder.trainable_variables[-1]
        assert loc_and_scale.shape == (4,)
        loc_and_scale.assign([_SHIFT, _SHIFT, 0.0, 0.0])

    def on_epoch_end(self, epoch, logs=None):
        self.logs = dict(logs)


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for index in range(_NUM_FILES):
        levels = random.integers(0, 256, (_SIDE, _SIDE), dtype=np.uint8)
        Image.fromarray(levels).save(folder / f"{index}.png")
    return folder


@pytest.fixture(
    scope="module",
    params=[(5, "uniform"), (8, "none")],
    ids=["5_bits", "density"],
)
def known_run(request, image_folder, tmp_path_factory):
    """Returns the run, what `fit` showed, and the right log-likelihood."""
    num_bits, dequantization = request.param
    experiment = ExperimentConfig(
        DataConfig(
            "image_folder",
            data_dir=str(image_folder),
            num_bits=num_bits,
            dequantization=dequantization,
        ),
        VAEConfig(
            architecture=DenseConfig((4,)),
            latent_dim=2,
            likelihood="continuous_bernoulli",
            batch_size=40,
            objective={"beta_warmup": 0.0},
            ema_momentum=0.0,
        ),
        TrainingConfig(epochs=1, distribution="one_device"),
    )
    workdir = tmp_path_factory.mktemp("known") / "run"
    known = _KnownAnswer()
    train(experiment, workdir, callbacks=[known])
    bits = num_bits if dequantization == "uniform" else 0
    return load_trained(workdir), known.logs, -(_SIDE**2) * bits * math.log(2)


def _approx(value):
    return pytest.approx(value, abs=_TOLERANCE)


def _unit(log_likelihood):
    return NATS if log_likelihood else DENSITY_NATS


def test_fit_shows_it(known_run):
    _, logs, log_likelihood = known_run
    for prefix in ("", "val_"):
        assert logs[f"{prefix}log_likelihood"] == _approx(log_likelihood)
        assert logs[f"{prefix}kl_divergence"] == _approx(_KL)
        assert logs[f"{prefix}elbo"] == _approx(log_likelihood - _KL)
        assert logs[f"{prefix}loss"] == _approx(_KL - log_likelihood)


def test_evaluate_gives_it(known_run):
    trained, _, log_likelihood = known_run
    config = EvaluationConfig(num_importance_samples=3)
    elbo = evaluate(trained, config)["test"]["elbo"]
    assert elbo["nats_per_image"] == _approx(_KL - log_likelihood)
    assert elbo["log_likelihood"] == _approx(log_likelihood)
    assert elbo["kl_divergence"] == _approx(_KL)
    results = json.loads(trained.folder.results.path.read_text())
    figures = (results["training"], elbo, results["test"][-1]["nll"])
    assert {figure["unit"] for figure in figures} == {_unit(log_likelihood)}
    if log_likelihood:
        bits = (_KL - log_likelihood) / _SIDE**2 / math.log(2)
        assert elbo["bits_per_dimension"] == pytest.approx(bits, abs=1e-4)


def test_score_writes_it(known_run, tmp_path):
    trained, _, log_likelihood = known_run
    score(trained, ImageSource(), tmp_path / "s", num_importance_samples=1)
    with (tmp_path / "s" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        assert float(row["nll"]) == _approx(_KL - log_likelihood)
        assert float(row["elbo"]) == _approx(log_likelihood - _KL)
        assert float(row["log_likelihood"]) == _approx(log_likelihood)
        assert float(row["kl_divergence"]) == _approx(_KL)
    scores = json.loads((tmp_path / "s" / "scores.json").read_text())
    assert scores["protocol"]["unit"] == _unit(log_likelihood)


def test_tables_of_scores_name_it(known_run, image_folder, tmp_path):
    trained, _, log_likelihood = known_run
    path = export(trained, tmp_path / "export")
    source = ImageSource(inputs=(str(image_folder / "0.png"),))
    with Client(path) as client:
        for number, model in enumerate((trained, client)):
            output = tmp_path / f"{number}.csv"
            written = score(model, source, output)
            assert written.report == f"1 image, {_unit(log_likelihood)}"
            with output.open() as file:
                (row,) = csv.DictReader(file)
            assert float(row["elbo"]) == _approx(log_likelihood - _KL)


def test_impute_reports_it(known_run, tmp_path):
    trained, _, log_likelihood = known_run
    written = impute(
        trained,
        ImageSource(),
        tmp_path / "imputed",
        mask="half",
        num_chains=2,
        burn_in=1,
        num_sweeps=4,
    )
    assert written.figures["unit"]["log_missing"] == _unit(log_likelihood)
    assert _unit(log_likelihood) in written.report.splitlines()[0]
    # Half of the values, which z and the other half say nothing about.
    for way in ("posterior_mean", "one_pass"):
        found = written.figures["completions"][way]["log_missing"]
        assert found == _approx(log_likelihood / 2)


def test_export_answers_it(known_run, image_folder, tmp_path):
    trained, _, log_likelihood = known_run
    path = export(trained, tmp_path / "export")
    metadata = json.loads((path / "assets.extra/metadata.json").read_text())
    assert metadata["unit"] == _unit(log_likelihood)
    with Client(path) as client:
        images = np.random.default_rng(1).random((3, _SIDE, _SIDE, 1), "f4")
        answer = client.score(images)
    assert answer["elbo"] == _approx(log_likelihood - _KL)
    assert answer["log_likelihood"] == _approx(log_likelihood)
    assert answer["kl_divergence"] == _approx(_KL)
