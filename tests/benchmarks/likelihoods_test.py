"""Tests of the records of run folders."""

import json

import pytest

from benchmarks import likelihoods, records

_RESULTS = {
    "training": {
        "num_parameters": 1234,
        "epochs": 12.34,
        "precision": "float32",
    },
    "test": [
        {"elbo": {}, "nll": {}},
        {
            "elbo": {"nats_per_image": 90.126, "standard_error": 0.31},
            "nll": {
                "nats_per_image": 86.5,
                "standard_error": 0.2,
                "num_importance_samples": 100,
                "num_images": 1000,
            },
            "latent": {
                "groups": [{"kl_divergence": 7.96}, {"kl_divergence": 0.04}]
            },
        },
    ],
}
_CONFIG = {
    "command": [
        "apps/train.py",
        "--dataset=mnist",
        "--manual_dir=/some/where",
        "--workdir=/some/run",
    ],
    "machine": {"system": "Linux", "cpus": 2, "accelerators": []},
    "versions": {"python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1"},
}


@pytest.fixture
def workdir(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(_CONFIG))
    (tmp_path / "results.json").write_text(json.dumps(_RESULTS))
    return tmp_path


def test_a_run_says_how_its_likelihood_was_measured(workdir, tmp_path):
    arguments = [
        f"--workdir={workdir}",
        "--name=some_run",
        "--label=a model",
        "--protocol=nothing beside it",
        "--commit=0123abc",
        f"--results={tmp_path / 'results'}",
    ]
    likelihoods.main(arguments)
    table = records.load(tmp_path / "results")["likelihoods"]
    (cells,) = table.rows()[1:]
    assert cells[:3] == ["a model", "1,234", "12.3"]
    assert cells[3:5] == ["90.13 ± 0.31", "86.50 ± 0.20"]
    assert cells[5:] == ["100", "8.0; 0.0"]
    (record,) = table.records
    assert record.command == [
        "python apps/train.py --dataset=mnist",
        "python apps/evaluate.py --workdir=RUN --num_importance_samples=100 "
        "--num_images=1000",
    ]
    assert record.protocol == "float32; 1,000 test images; nothing beside it"
    assert record.machine == (
        "Linux, 2 CPUs, no accelerator; Python 3.11.7, TensorFlow 2.21.0, "
        "Keras 3.15.1"
    )


def test_one_latent_vector_has_no_groups():
    test = {**_RESULTS["test"][-1], "latent": {"groups": []}}
    row = likelihoods.row("a model", {**_RESULTS, "test": [test]})
    assert "kl" not in row


def test_kept_likelihoods_fit_the_columns():
    keys = {column.key for column in likelihoods._COLUMNS}
    kept = records.load()["likelihoods"].columns
    assert {column.key for column in kept} == keys


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
