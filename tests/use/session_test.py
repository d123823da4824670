"""Tests of `keras_vae.train` and `keras_vae.load`, and of the verbs."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import keras_vae
from keras_vae.conditional.posterior_sampling import ChainConfig
from keras_vae.errors import UserError
from keras_vae.serving import Client
from keras_vae.use.session import make_experiment

_SIDE = 6
_CLOSE = {"rtol": 1e-5, "atol": 1e-6}
_SIZES = {
    "architecture": {"name": "dense", "hidden_units": (8,)},
    "latent_dim": 2,
    "batch_size": 8,
    "epochs": 1,
    "distribution": "one_device",
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of 40 grey pictures of two kinds."""
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for index in range(40):
        kind = folder / ("dark", "light")[index % 2]
        kind.mkdir(exist_ok=True)
        low = 128 * (index % 2)
        levels = random.integers(low, low + 128, [_SIDE, _SIDE])
        Image.fromarray(levels.astype(np.uint8)).save(kind / f"{index}.png")
    return folder


def _train(images, workdir, **settings):
    return keras_vae.train(
        "image_folder",
        workdir=workdir,
        data_dir=str(images),
        **{**_SIZES, **settings},
    )


@pytest.fixture(scope="module")
def run(images, tmp_path_factory):
    return _train(images, tmp_path_factory.mktemp("runs") / "grey")


@pytest.fixture(scope="module")
def conditional(images, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "conditional"
    return _train(images, workdir, num_classes="auto")


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """The folder that `run` was exported in, and what `export` returned."""
    folder = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, run.export()


@pytest.fixture(scope="module")
def levels():
    random = np.random.default_rng(3)
    return random.integers(0, 256, [5, _SIDE, _SIDE, 1]).astype(np.uint8)


def test_settings_go_where_they_belong():
    experiment = make_experiment(
        "mnist_5k", "hierarchical", seed=3, epochs=2, pad=1, dense_units=7
    )
    assert (experiment.data.seed, experiment.training.seed) == (3, 3)
    assert (experiment.data.pad, experiment.training.epochs) == (1, 2)
    assert experiment.model.dense_units == 7
    with pytest.raises(ValueError, match=r"latent_dim.*Received: latentdim=2"):
        make_experiment("mnist_5k", "vae", latentdim=2)
    with pytest.raises(UserError, match="Unknown model"):
        make_experiment("mnist_5k", "vea")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resume": "no"}, "resume must be true or false. .*'no'"),
        ({"accept_changed_data": "x"}, "accept_changed_data must be true or"),
        ({"workdir": ""}, "workdir must not be empty"),
        ({"init_from": ""}, "init_from must not be empty"),
        ({"seed": 2**31}, "seed must be .* at most 2147483647"),
        ({"seed": 2**32}, "seed must be .* at most 2147483647"),
        ({"batch_size": 33}, "give --config.batch_size=32 or less"),
    ],
)
def test_what_a_training_is_asked_for_is_checked(
    images, tmp_path, given, message
):
    with pytest.raises(UserError, match=message):
        _train(images, **{"workdir": tmp_path / "run", **given})
    assert not (tmp_path / "run").exists()


def test_export_asks_for_true_or_false(run, tmp_path):
    with pytest.raises(UserError, match="replace must be true or false"):
        run.export(tmp_path / "model", replace="no")


def test_a_loaded_run_is_the_trained_one(run, levels):
    loaded = keras_vae.load(run._trained.folder.path)
    assert isinstance(loaded, keras_vae.TrainedRun)
    assert "vae on image_folder, last weights, of step" in repr(loaded)
    np.testing.assert_array_equal(loaded.sample(9), run.sample(9))
    np.testing.assert_array_equal(
        loaded.encode(levels).mean, run.encode(levels).mean
    )
    alone = keras_vae.load(run._trained.folder.model)
    np.testing.assert_array_equal(alone.sample(3), run.sample(3))


def test_a_sample_is_a_function_of_its_own_seed(run):
    many, few = run.sample(300, seed=7), run.sample(3, seed=7)
    assert many.shape == (300, _SIDE, _SIDE, 1) and many.dtype == np.float32
    np.testing.assert_allclose(many[:3], few, **_CLOSE)
    assert np.abs(run.sample(3, seed=8) - few).max() > 1e-3
    cold = run.sample(3, seed=7, temperature=0.0)
    np.testing.assert_array_equal(cold[0], cold[1])


def test_levels_are_prepared_as_in_training(run, levels):
    grey = levels.astype(np.float32) / 255.0
    np.testing.assert_array_equal(
        run.encode(levels).mean, run.encode(grey).mean
    )
    mean, stddev = run.model.latent_moments(grey)
    np.testing.assert_allclose(run.encode(grey).mean, mean, **_CLOSE)
    np.testing.assert_allclose(run.encode(grey).stddev, stddev, **_CLOSE)
    np.testing.assert_allclose(
        run.reconstruct(levels), run.model.reconstruct(grey), **_CLOSE
    )
    assert run.preparation.dequantization == "uniform"
    # Of a likelihood they have their noise: (level + u) / 256.
    score, again = run.score(levels, seed=1), run.score(levels, seed=1)
    np.testing.assert_array_equal(score.nll, again.nll)
    assert np.all(score.nll != run.score(levels, seed=2).nll)
    np.testing.assert_array_equal(
        run.encode(levels[..., 0]).mean, run.encode(levels).mean
    )


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((2, 5, 6, 1), "uint8"), ((2, 6, 6, 3), "float32"), ((6, 6), "uint8"),
     ((2, 6, 6, 1), "int64")],
)  # fmt: skip
def test_other_images_are_refused(run, shape, dtype):
    with pytest.raises(ValueError, match=r"`images` must be .*Received"):
        run.encode(np.zeros(shape, dtype))


@pytest.mark.parametrize("value", [2.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("verb", ["encode", "reconstruct", "score"])
def test_values_that_are_no_image_are_refused(run, verb, value):
    images = np.zeros([2, _SIDE, _SIDE, 1])
    images[1, 2, 3] = value
    with pytest.raises(ValueError, match=r"\[0, 1\].*Received"):
        getattr(run, verb)(images)


def test_latents_are_finite_rows(run):
    for z, message in (
        (np.zeros([0, 2]), "1 row at least"),
        ([[0.0, np.nan]], "finite"),
    ):
        with pytest.raises(ValueError, match=rf"`z` must .*{message}"):
            run.decode(z)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_no_images_are_refused_in_one_line(run, dtype):
    with pytest.raises(ValueError, match="at least one image. Received") as e:
        run.score(np.zeros([0, _SIDE, _SIDE, 1], dtype))
    assert "\n" not in str(e.value)


def test_a_masked_array_is_refused(run, levels):
    mask = np.eye(_SIDE, dtype=bool)
    with pytest.raises(ValueError, match="`images` must be a plain array"):
        run.encode(np.ma.array(levels, mask=levels > 9))
    with pytest.raises(ValueError, match="`mask` must be a plain array"):
        run.impute(levels, np.ma.array(mask))


@pytest.mark.parametrize(
    "given",
    [{"seed": 1.5}, {"seed": -1}, {"seed": "0"}, {"seed": [1, 2]},
     {"seed": 2**31}, {"seed": True}, {"num_images": 0}, {"num_images": 1.5},
     {"num_images": "4"}, {"num_images": -1}, {"temperature": "1"},
     {"temperature": -1}],
)  # fmt: skip
def test_numbers_of_a_sample_are_checked(run, given):
    (name,) = given
    with pytest.raises(UserError, match=rf"{name} must be .*Received: {name}="):
        run.sample(**given)


def test_the_seed_of_scores_is_checked(run, levels):
    for seed in (1.5, -1, "0", 2**31):
        with pytest.raises(UserError, match="seed must be .*2147483647"):
            run.score(levels, seed=seed)


def test_no_class_at_all_is_refused(conditional, levels):
    with pytest.raises(UserError, match="label must be .*Received: an empty"):
        conditional.sample(4, label=[])


@pytest.mark.parametrize(
    "mask",
    [np.full([_SIDE, _SIDE], "0"), np.full([_SIDE, _SIDE], ""),
     np.full([_SIDE, _SIDE], np.nan), np.full([_SIDE, _SIDE], 255),
     np.ones([_SIDE, _SIDE]), np.zeros([_SIDE, _SIDE]), None],
)  # fmt: skip
def test_a_mask_is_of_truth_values(run, levels, mask):
    with pytest.raises(ValueError, match="`mask` must .*Received"):
        run.impute(levels, mask)


def test_what_is_hidden_makes_no_difference(run, levels):
    mask = np.zeros([_SIDE, _SIDE])
    mask[:, 3:] = 1
    grey = levels.astype(np.float32) / 255.0
    values = np.array([np.nan, -1.0, 2.0, np.inf, -np.inf], np.float32)
    hidden = np.where(
        mask[..., np.newaxis] > 0, values[:, None, None, None], grey
    )
    chains = ChainConfig(2, 2, 4, seed=1)
    draws, same = (run.impute(x, mask, chains=chains) for x in (grey, hidden))
    np.testing.assert_array_equal(same.image, draws.image)
    np.testing.assert_array_equal(same.r_hat, draws.r_hat)
    assert np.isfinite(same.trajectory_acceptance).all()
    assert np.isfinite(draws.log_missing).all()
    # There is no truth that could have a probability.
    assert np.isnan(same.log_missing).all()
    hidden[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="`images` must be finite"):
        run.impute(hidden, mask, chains=chains)


def test_what_was_observed_is_kept(run, levels):
    mask = np.zeros([_SIDE, _SIDE], bool)
    mask[:, 3:] = True
    grey = levels.astype(np.float32) / 255.0
    draws = run.impute(grey, mask, chains=ChainConfig(2, 2, 4, seed=1))
    assert draws.image.shape == (2, 5, _SIDE, _SIDE, 1)
    known = np.broadcast_to(grey[:, :, :3], draws.image[:, :, :, :3].shape)
    np.testing.assert_array_equal(draws.image[:, :, :, :3], known)
    assert np.abs(draws.image[0, :, :, 3:] - draws.image[1, :, :, 3:]).max() > 0
    with pytest.raises(ValueError, match=r"`mask` must be .*Received: \(3,\)"):
        run.impute(levels, [1, 0, 1])


def test_evaluations_are_kept_with_the_run(run):
    found = run.evaluate(num_importance_samples=2)
    again = run.evaluate(num_importance_samples=3)
    written = json.loads(run._trained.folder.results.path.read_text())["test"]
    assert written == [found["test"], again["test"]]
    assert found["test"]["nll"]["weights"] == "last"


def test_export_is_named_after_the_run(run, exported):
    folder, path = exported
    assert str(path) == "saved_models/grey/1"
    path = folder / path
    metadata = json.loads((path / "assets.extra/metadata.json").read_text())
    assert (metadata["weights"], metadata["step"]) == ("last", run.step)
    with Client(path) as client:
        served = client.sample(3, seed=5)
    np.testing.assert_allclose(served, run.sample(3, seed=5), atol=1e-5)
    alone = keras_vae.load(run._trained.folder.model)
    with pytest.raises(UserError, match="export_dir must be given"):
        alone.export()


def test_a_conditional_model_is_told_the_class(conditional, run, levels):
    with pytest.raises(UserError, match="classes are not known"):
        conditional.encode(levels)
    one = conditional.encode(levels, label="light").mean
    np.testing.assert_array_equal(
        one, conditional.encode(levels, label=[1] * 5).mean
    )
    assert np.any(one != conditional.encode(levels, label=0).mean)
    assert len(conditional.sample(4, label="dark")) == 4
    with pytest.raises(UserError, match="does not know classes"):
        run.sample(4, label="dark")


def test_a_conditional_export_never_follows_another(
    conditional, exported, tmp_path
):
    folder, path = exported
    shutil.copytree(folder / path, tmp_path / "model" / "1")
    with pytest.raises(UserError, match=r"--replace.*num_classes: 0 -> 2"):
        conditional.export(tmp_path / "model")
    assert conditional.export(tmp_path / "model", replace=True).name == "2"


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
