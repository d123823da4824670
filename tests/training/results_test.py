"""Tests that evaluations stand side by side, each by its protocol."""

import json

import pytest

from keras_vae.errors import UserError
from keras_vae.training import RunFolder
from keras_vae.training.results import Results
from tests.training import experiments


def _figures(value, **protocol):
    return {
        "elbo": {"nats_per_image": value, "seed": 0, **protocol},
        "latent": {"active_units": int(value)},
    }


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results.json")


def test_evaluations_by_other_protocols_stand_side_by_side(results):
    results.update({"training": {"steps": 5}})
    for value, protocol in (
        (1.0, {}),
        (2.0, {"num_importance_samples": 9}),
        (3.0, {"weights": "best"}),
    ):
        results.add_evaluation("test", _figures(value, **protocol))
    results.add_evaluation("validation", _figures(4.0))
    content = results.load()
    assert content["training"] == {"steps": 5}
    found = [one["elbo"]["nats_per_image"] for one in content["test"]]
    assert found == [1.0, 2.0, 3.0]
    assert content["validation"] == [_figures(4.0)]


def test_the_same_protocol_takes_the_place_of_the_one_before(results):
    results.add_evaluation("test", _figures(1.0))
    results.add_evaluation("test", _figures(2.0, step=3))
    results.add_evaluation("test", _figures(5.0, classes=("a",)))
    # Tuples are lists in JSON.
    results.add_evaluation("test", _figures(6.0, classes=("a",)))
    results.add_evaluation("test", _figures(7.0))
    found = [one["elbo"]["nats_per_image"] for one in results.load()["test"]]
    assert found == [2.0, 6.0, 7.0]


def test_the_only_evaluation_of_an_older_version_is_kept(results):
    results.update({"test": _figures(1.0)})
    results.add_evaluation("test", _figures(2.0, step=3))
    assert results.load()["test"] == [_figures(1.0), _figures(2.0, step=3)]


def test_a_split_that_holds_something_else_is_refused(results):
    results.path.write_text(json.dumps({"test": 3}))
    with pytest.raises(UserError, match=r"test is no list.*results\.json"):
        results.add_evaluation("test", _figures(1.0))
    assert json.loads(results.path.read_text()) == {"test": 3}


@pytest.mark.parametrize("text", ["{", "[]", None])
def test_damage_is_said_once(results, text):
    if text is None:
        results.path.mkdir()
    else:
        results.path.write_text(text)
    with pytest.raises(UserError, match="move the file away") as error:
        results.load()
    assert str(error.value).count("Received: ") == 1


def test_damage_is_said_before_the_run_begins(tmp_path):
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(UserError, match=r"results of the run cannot be read"):
        RunFolder(tmp_path).check(experiments.make_experiment())


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
