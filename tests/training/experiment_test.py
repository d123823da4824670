"""Tests of the run folder: what it takes, what it refuses, what it keeps."""

import concurrent.futures
import dataclasses
import json

import pytest

from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.training import ExperimentConfig, RunFolder
from keras_vae.training.run_folder import write_json
from tests.training import experiments

_SHAPE = (6, 6, 1)


@pytest.fixture
def experiment():
    return experiments.make_experiment(data={"data_dir": "/here"})


@pytest.fixture
def folder(tmp_path, experiment):
    """A run folder that holds `experiment`."""
    folder = RunFolder(tmp_path / "runs" / "one")
    folder.start(experiment, _SHAPE)
    return folder


def _changed(experiment, part, **changes):
    value = dataclasses.replace(getattr(experiment, part), **changes)
    return dataclasses.replace(experiment, **{part: value})


def test_experiment_survives_json(experiment):
    experiment = _changed(experiment, "data", resize=(8, 8))
    text = json.dumps(experiment.to_dict())
    assert ExperimentConfig.from_dict(json.loads(text)) == experiment


def test_experiment_of_an_older_version_is_read(experiment):
    # A setting that it does not know stands at its default.
    old = experiment.to_dict()
    del old["data"]["mutation_rate"]
    assert ExperimentConfig.from_dict(old) == experiment


def test_capital_name_of_an_older_version_keeps_its_protocol(experiment):
    old = experiment.to_dict()
    old["data"]["dataset"] = "MNIST"
    found = ExperimentConfig.from_dict(old)
    assert found.data.dataset == "mnist"
    assert found.data.binarization == "none"


def test_folder_gives_back_what_started_it(folder, experiment):
    assert folder.load_experiment() == experiment
    assert folder.load_image_shape() == _SHAPE


def test_checking_touches_nothing(tmp_path, experiment):
    RunFolder(tmp_path / "run").check(experiment)
    assert list(tmp_path.iterdir()) == []


def test_same_configuration_may_resume(folder, experiment):
    folder.check(experiment)


def test_other_configuration_is_refused_by_name(folder, experiment):
    other = _changed(experiment, "model", latent_dim=3, learning_rate=0.5)
    other = _changed(other, "training", seed=7)
    with pytest.raises(UserError) as error:
        folder.check(other)
    message = str(error.value)
    assert "model.latent_dim: 2 -> 3" in message
    assert "model.learning_rate: 0.004 -> 0.5" in message
    assert "training.seed: 0 -> 7" in message
    assert "epochs" not in message
    assert str(folder.path) in message


def test_data_may_have_moved(folder, experiment):
    folder.check(_changed(experiment, "data", data_dir="/there"))
    folder.check(_changed(experiment, "data", manual_dir="/there"))


def test_image_folder_is_where_it_is(tmp_path, experiment):
    data = DataConfig("image_folder", data_dir="/here")
    experiment = dataclasses.replace(experiment, data=data)
    folder = RunFolder(tmp_path / "run")
    folder.start(experiment, _SHAPE)
    with pytest.raises(UserError, match=r"data\.data_dir: /here -> /there"):
        folder.check(_changed(experiment, "data", data_dir="/there"))


def test_noresume_wants_a_free_folder(folder, experiment, tmp_path):
    with pytest.raises(UserError, match=r"already holds a run.*--noresume"):
        folder.check(experiment, resume=False)
    RunFolder(tmp_path / "other").check(experiment, resume=False)


def test_folder_below_a_file_cannot_be_written(tmp_path, experiment):
    file = tmp_path / "file"
    file.write_text("")
    folder = RunFolder(file / "run")
    for call in (folder.check, lambda e: folder.start(e, _SHAPE)):
        with pytest.raises(UserError, match=r"cannot be written.*: .*run"):
            call(experiment)


def test_no_run(tmp_path):
    with pytest.raises(UserError, match=r"No run found.*Received: --workdir="):
        RunFolder(tmp_path).load_experiment()


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"data": ',
        "[]",
        "{}",
        '{"data": {}, "model": {"latent_dim": 0}, "training": {}}',
        '{"data": {}, "model": {"no_such": 0}, "training": {}}',
        "\x00\x01",
    ],
)
def test_corrupt_configuration(folder, experiment, text):
    folder.config.write_text(text)
    for call in (folder.load_experiment, lambda: folder.check(experiment)):
        with pytest.raises(UserError, match=r"cannot be read.*config\.json"):
            call()


def test_results_are_added(folder):
    folder.results.update({"training": {"steps": 1}})
    folder.results.update({"test": {"elbo": -1.0}})
    folder.results.update({"training": {"steps": 2}})
    assert json.loads(folder.results.path.read_text()) == {
        "training": {"steps": 2},
        "test": {"elbo": -1.0},
    }


def test_no_result_is_lost_to_another_writer(folder):
    def update(writer):
        for number in range(25):
            folder.results.update({f"{writer}-{number}": number})

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(update, range(6)))
    assert len(json.loads(folder.results.path.read_text())) == 150
    names = {path.name for path in folder.path.iterdir()}
    assert names == {"config.json", "results.json"}


def test_corrupt_results(folder):
    folder.results.path.write_text("{")
    with pytest.raises(UserError, match=r"cannot be read.*results\.json"):
        folder.results.update({"training": {}})


def test_json_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "results.json"
    write_json(path, {"old": 1})
    with pytest.raises(TypeError):
        write_json(path, {"new": object()})
    assert json.loads(path.read_text()) == {"old": 1}
    # Who reads while it is written holds the old file.
    with path.open() as reader:
        write_json(path, {"new": 2})
        assert json.load(reader) == {"old": 1}
    assert json.loads(path.read_text()) == {"new": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_a_run_is_the_same_whatever_is_kept_of_it_and_nothing_else(experiment):
    identity, config = experiment.identity(), experiment.to_dict()
    left_out = {
        (part, name)
        for part in ("data", "model", "training")
        for name in config[part]
        if name not in identity[part]
    }
    # Where its parts come from is no part of what it is.
    assert config.keys() - identity.keys() == {"imports"}
    assert left_out == {
        ("data", "data_dir"),
        ("data", "manual_dir"),
        # A run may become longer.
        ("training", "epochs"),
        ("training", "max_minutes"),
        ("training", "keep_checkpoints"),
        ("training", "checkpoint_seconds"),
    }
    for part in ("data", "model", "training"):
        assert identity[part].items() <= config[part].items()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
