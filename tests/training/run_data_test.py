"""Tests that a run goes on with the images that it began with, or says so."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_vae import notes
from keras_vae.data import ArraySplit, DataConfig, load
from keras_vae.data.contents import Contents
from keras_vae.errors import UserError
from keras_vae.evaluation import EvaluationConfig, evaluate
from keras_vae.training import RunFolder, load_trained, open_run_data, train
from keras_vae.use.end_to_end import draw_pictures
from keras_vae.use.source import ImageSource
from tests.training import experiments

_NUM_IMAGES = 60
_EVALUATION = EvaluationConfig(num_importance_samples=2)


def _write(path, number):
    levels = np.random.RandomState(number).randint(0, 256, (6, 6), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels).save(path)


def _experiment(images, epochs=1):
    data = {"dataset": "image_folder", "data_dir": str(images)}
    return experiments.make_experiment({"epochs": epochs}, data)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns a folder with `images` and the finished run `run` on them."""
    root = tmp_path_factory.mktemp("trained")
    for number in range(_NUM_IMAGES):
        _write(root / "images" / f"{number:02}.png", number)
    train(_experiment(root / "images"), root / "run")
    return root


@pytest.fixture
def run(trained):
    """Returns a copy of `trained` in its place; what is done to it is undone.

    The folder of the images is part of a run's configuration.
    """
    kept = trained.with_name(trained.name + "_kept")
    shutil.copytree(trained, kept)
    yield trained
    shutil.rmtree(trained)
    kept.rename(trained)


def _open(root, **kwargs):
    folder = RunFolder(root / "run")
    return open_run_data(folder, folder.load_experiment().data, **kwargs)


def _add(root):
    _write(root / "images" / "aaa.png", 1000)
    return r"1 added \(aaa\.png\)"


def _add_a_copy(root):
    shutil.copy(root / "images" / "00.png", root / "images" / "aaa.png")
    return r"1 added \(aaa\.png\)"


def _remove(root):
    (root / "images" / "07.png").unlink()
    return r"1 removed \(07\.png\)"


def _change(root):
    _write(root / "images" / "07.png", 1000)
    return r"1 changed \(07\.png\)"


def _rename(root):
    (root / "images" / "07.png").rename(root / "images" / "x.png")
    return r"1 added \(x\.png\), 1 removed \(07\.png\)"


def _swap(root):
    paths = [root / "images" / f"0{number}.png" for number in range(2)]
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, reversed(contents), strict=True):
        path.write_bytes(content)
    return r"2 changed \(00\.png, 01\.png\)"


_CHANGES = (_add, _add_a_copy, _remove, _change, _rename, _swap)


def test_images_are_named_from_their_folder_on(run):
    recorded = json.loads((run / "run" / "data.json").read_text())["contents"]
    names = {f"{number:02}.png" for number in range(_NUM_IMAGES)}
    assert set(recorded["digests"]) == set(recorded["splits"]) == names


@pytest.mark.parametrize("change", _CHANGES)
def test_change_of_a_folder_is_described(run, change):
    expected = rf"{_add(run)}.*--accept_changed_data.*Received: .*images"
    with pytest.raises(UserError, match=expected):
        _open(run)


def test_changed_folder_is_refused_and_nothing_is_written(run):
    folder = RunFolder(run / "run")
    evaluate(load_trained(folder.path), _EVALUATION)
    before = folder.results.path.read_text()
    expected = rf"{_add(run)}.*--accept_changed_data.*Received: .*images"
    with pytest.raises(UserError, match=expected):
        train(_experiment(run / "images", 1), folder.path)
    with pytest.raises(UserError, match=expected):
        evaluate(load_trained(folder.path), _EVALUATION)
    with pytest.raises(UserError, match=expected):
        ImageSource().load(load_trained(folder.path))
    with pytest.raises(UserError, match=expected):
        draw_pictures(load_trained(folder.path))
    assert folder.results.path.read_text() == before


@pytest.mark.parametrize("change", _CHANGES)
def test_accepted_change_moves_no_image(run, change, capfd):
    old = _open(run).contents
    change(run)
    data = _open(run, accept_changed_data=True)
    (line,) = data.changes
    assert f"note: images are not those that the run began with: {line}" in (
        capfd.readouterr().err
    )
    for name, split in data.contents.splits.items():
        if name in old.splits:
            assert split == old.splits[name]
    if change in (_add_a_copy, _rename):
        new = "aaa.png" if change is _add_a_copy else "x.png"
        was = "00.png" if change is _add_a_copy else "07.png"
        assert data.contents.splits[new] == old.splits[was]


def test_accepted_change_is_in_the_results(run):
    folder = RunFolder(run / "run")
    _swap(run)
    line = "2 changed (00.png, 01.png)"
    evaluate(load_trained(folder.path), _EVALUATION, accept_changed_data=True)
    results = json.loads(folder.results.path.read_text())["test"][-1]
    assert results["elbo"]["data_changes"] == [line]
    assert results["nll"]["data_changes"] == [line]
    # An evaluation changes nothing of what the run was trained on.
    with pytest.raises(UserError, match="--accept_changed_data"):
        _open(run)
    source = ImageSource(accept_changed_data=True)
    found = source.load(load_trained(folder.path))
    assert len(found.images) == _NUM_IMAGES // 10


def test_training_on_changed_images_is_recorded(run):
    folder = RunFolder(run / "run")
    gone = _open(run).contents
    _remove(run)
    _add(run)
    experiment = _experiment(run / "images")
    result = train(experiment, folder.path, accept_changed_data=True)
    line = "1 added (aaa.png), 1 removed (07.png)"
    assert result.summary["data_changes"] == (line,)
    # From now on these are the run's images, and what changed stays known.
    data = _open(run)
    assert data.changes == (line,)
    assert data.contents.former == {
        gone.digests["07.png"]: gone.splits["07.png"]
    }
    assert (
        "data_changes"
        in evaluate(load_trained(folder.path), _EVALUATION)["test"]["elbo"]
    )
    # The image that was gone comes back under another name.
    _write(run / "images" / "back.png", 7)
    splits = _open(run, accept_changed_data=True).contents.splits
    assert splits["back.png"] == gone.splits["07.png"]


def test_unchanged_folder_says_nothing(run, capfd):
    folder = RunFolder(run / "run")
    data = _open(run)
    assert data.changes == ()
    assert data.is_recorded
    figures = evaluate(load_trained(folder.path), _EVALUATION)["test"]["elbo"]
    assert "data_changes" not in figures
    assert "note:" not in capfd.readouterr().err
    fresh = load(folder.load_experiment().data)
    for name, split in fresh.splits.items():
        kept = data.dataset.splits[name]
        np.testing.assert_array_equal(kept.images, split.images)


def test_what_is_passed_over_is_said_in_full_where_a_run_begins(run, capfd):
    (run / "images" / "notes.txt").touch()
    for start, text in (
        (lambda: load(_experiment(run / "images").data), "image (notes.txt)"),
        (lambda: _open(run), "image"),
    ):
        for _ in range(2):  # And once in a process.
            start()
        assert capfd.readouterr().err == (
            f"note: passed over in {run / 'images'}: 1 file not named as an "
            f"{text}\n"
        )


def test_animations_and_missing_classes_are_said_where_a_run_begins(
    tmp_path, capfd
):
    images = tmp_path / "images"
    for number, split in enumerate(["train"] * 4 + ["test", "validation"]):
        _write(images / split / "a" / f"{number}.png", number)
    frames = [Image.new("L", (6, 6), level) for level in (10, 90)]
    (images / "train" / "b").mkdir()
    moving = images / "train" / "b" / "x.gif"
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    config = _experiment(images).data
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    data = open_run_data(folder, config)
    said = capfd.readouterr().err
    assert "1 of 2 classes has no test images: b" in said
    assert f"of which the first is read: {moving}" in said
    data.record(folder, step=0)
    notes._said.clear()  # As in another process.
    assert open_run_data(folder, config).is_recorded
    assert capfd.readouterr().err == ""
    # Of images that were not there before it is said again.
    second = moving.with_name("y.gif")
    frames[1].save(second, save_all=True, append_images=frames[:1])
    open_run_data(folder, config, accept_changed_data=True)
    assert f"read: {moving}, {second}" in capfd.readouterr().err


def test_run_of_an_older_version_is_said_to_be_unchecked(run, capfd):
    folder = RunFolder(run / "run")
    (folder.path / "data.json").unlink()
    _open(run)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"note: {folder.path} does not say")
    # Once it goes on it is recorded, and that it was not before.
    train(_experiment(run / "images"), folder.path)
    assert _open(run).changes == ("not recorded before step 6",)


def test_images_that_do_not_fit_the_model_are_refused(run):
    _write(run / "images" / "z.png", 3)
    Image.open(run / "images" / "z.png").convert("RGB").save(
        run / "images" / "z.png"
    )
    with pytest.raises(UserError, match=r"\(6, 6, 1\), .* \(6, 6, 3\)"):
        _open(run, accept_changed_data=True)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"contents": {}, "changes": []}', "\0"]
)
def test_damaged_record_is_named(run, text):
    (run / "run" / "data.json").write_text(text)
    with pytest.raises(UserError, match=r"cannot be read.*data\.json"):
        _open(run)


def test_splits_that_are_cut_otherwise_are_refused(run):
    config = RunFolder(run / "run").load_experiment().data
    dataset = load(dataclasses.replace(config, seed=1))
    with pytest.raises(UserError, match="same files in other splits"):
        _open(run, dataset=dataset)


def test_changed_classes_of_a_conditional_model_are_refused(tmp_path):
    for name in "ab":
        for number in range(10):
            _write(tmp_path / "images" / name / f"{number}.png", number)
    config = DataConfig("image_folder", str(tmp_path / "images"))
    experiment = _experiment(tmp_path / "images")
    folder = RunFolder(tmp_path / "run")
    folder.start(experiment, (6, 6, 1), ("a", "b"))
    open_run_data(folder, config).record(folder, 0)
    _write(tmp_path / "images" / "aa" / "0.png", 99)
    with pytest.raises(UserError, match="classes a, b, .* now a, aa, b"):
        open_run_data(folder, config, accept_changed_data=True)


@pytest.fixture
def arrays(tmp_path):
    """Returns a dataset of arrays and a run that it is recorded with."""
    dataset = experiments.make_dataset(20)
    experiment = experiments.make_experiment()
    folder = RunFolder(tmp_path / "run")
    folder.start(experiment, dataset.image_shape)
    open_run_data(folder, experiment.data, dataset).record(folder, 0)
    return folder, experiment.data, dataset


def test_arrays_are_compared_by_their_values(arrays):
    folder, config, dataset = arrays
    assert not open_run_data(folder, config, dataset).changes
    images = dataset.splits["test"].images.copy()
    images[-1, -1, -1, 0] ^= 1
    splits = {**dataset.splits, "test": ArraySplit(images)}
    other = dataclasses.replace(dataset, splits=splits)
    with pytest.raises(UserError, match=r"1 changed \(test images\)"):
        open_run_data(folder, config, other)


def test_images_are_compared_where_the_configuration_is_lost(arrays):
    folder, config, dataset = arrays
    folder.config.unlink()
    assert open_run_data(folder, config, dataset).is_recorded
    images = 255 - dataset.splits["train"].images
    splits = {**dataset.splits, "train": ArraySplit(images)}
    other = dataclasses.replace(dataset, splits=splits)
    with pytest.raises(UserError, match=r"1 changed \(train images\)"):
        open_run_data(folder, config, other)


def test_arrays_that_lost_their_labels_are_others(arrays):
    folder, config, dataset = arrays
    images = dataset.splits["test"].images
    labelled = ArraySplit(images, np.arange(len(images)))
    splits = {**dataset.splits, "test": labelled}
    other = dataclasses.replace(dataset, splits=splits)
    open_run_data(folder, config, other, accept_changed_data=True).record(
        folder, 0
    )
    with pytest.raises(UserError, match=r"1 removed \(test labels\)"):
        open_run_data(folder, config, dataset)


def test_one_split_alone_may_be_given(arrays):
    folder, config, dataset = arrays
    splits = {"test": dataset.splits["test"]}
    some = dataclasses.replace(dataset, splits=splits)
    assert not open_run_data(folder, config, some).changes


def test_prepared_dataset_that_was_replaced_is_refused(tmp_path):
    config = DataConfig("mnist_5k", str(tmp_path / "data"))
    dataset = load(config)
    experiment = experiments.make_experiment()
    folder = RunFolder(tmp_path / "run")
    folder.start(experiment, dataset.image_shape)
    data = open_run_data(folder, config, dataset)
    assert list(data.contents.archives) == ["mnist_5k.csv"]
    data.record(folder, 0)
    recorded = json.loads((folder.path / "data.json").read_text())["contents"]
    assert Contents.from_dict(recorded) == data.contents
    assert len(recorded["digests"]) == 3
    digests = dict.fromkeys(recorded["digests"], "other")
    contents = dataclasses.replace(dataset.contents, digests=digests)
    other = dataclasses.replace(dataset, contents=contents)
    with pytest.raises(UserError, match=r"3 changed \(mnist_5k-test"):
        open_run_data(folder, config, other)


def _accept(root):
    """Goes on with the images that there are now."""
    data = _open(root, accept_changed_data=True)
    data.record(RunFolder(root / "run"), step=6)


def test_images_that_are_gone_keep_their_split_over_several_changes(run):
    old = _open(run).contents
    for name in ("07.png", "08.png"):
        (run / "images" / name).unlink()
        _accept(run)
    data = _open(run)
    assert data.changes == ("1 removed (07.png)", "1 removed (08.png)")
    assert data.contents.former == {
        old.digests[name]: old.splits[name] for name in ("07.png", "08.png")
    }
    figures = evaluate(load_trained(run / "run"), _EVALUATION)["test"]
    assert figures["nll"]["data_changes"] == list(data.changes)


def test_image_that_was_replaced_comes_back_into_its_split(run):
    """Whatever its split: else what was trained on would be tested on."""
    old = _open(run).contents
    names = [f"{number:02}.png" for number in range(_NUM_IMAGES)]
    for number, name in enumerate(names):
        _write(run / "images" / name, 1000 + number)
    _accept(run)
    for number in range(_NUM_IMAGES):
        _write(run / "images" / f"back{number:02}.png", number)
    splits = _open(run, accept_changed_data=True).contents.splits
    for name in names:
        assert splits[f"back{name}"] == old.splits[name]


def test_image_of_two_splits_comes_back_for_training(run):
    """Though its copy for testing left last, or is still there."""
    old = _open(run).contents
    by_split = {split: name for name, split in old.splits.items()}
    names = sorted([by_split["train"], by_split["test"]])
    for name in names:
        _write(run / "images" / name, 2000)
    _accept(run)
    (run / "images" / by_split["train"]).unlink()
    _accept(run)
    _write(run / "images" / "back.png", 2000)
    assert (
        _open(run, accept_changed_data=True).contents.splits["back.png"]
        == "train"
    )
    (run / "images" / by_split["test"]).unlink()
    _accept(run)
    assert _open(run).contents.splits["back.png"] == "train"


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
