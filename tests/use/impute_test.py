"""Tests of `impute` and `upscale`: files, figures and bad input."""

import csv
import json
import sys

import numpy as np
import PIL.Image
import pytest

from keras_vae.conditional.block_means import block_means
from keras_vae.config import TrainingConfig, VAEConfig
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.training import ExperimentConfig, TrainedModel
from keras_vae.use import ImageSource, impute, upscale
from keras_vae.use.independent_pixels import IndependentPixels
from keras_vae.use.source import SourceImages
from tests import trained_run
from tests.models.cases import grey_images, make_model

# Few and short chains: what is drawn is tested elsewhere.
_SHORT = {"num_chains": 2, "burn_in": 4, "num_sweeps": 6}


def _source(run, **settings):
    return ImageSource(data_dir=str(run.data_dir), **settings)


@pytest.fixture(scope="module")
def imputed(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("impute") / "imputed"
    source = _source(run, num_images=5)
    return folder, impute(run.trained, source, folder, num_shown=3, **_SHORT)


def test_draws_agree_with_what_is_known(imputed):
    folder, _ = imputed
    with np.load(folder / "imputed.npz") as arrays:
        image, unknown = arrays["image"], arrays["unknown"].astype(bool)
        draws, mean = arrays["draws"], arrays["mean"]
    assert draws.shape == (5, 2, 28, 28, 1)
    assert unknown.reshape(5, -1).mean(axis=1) == pytest.approx(0.5, abs=0.01)
    for values in (mean, draws[:, 0], draws[:, 1]):
        assert (values == image)[~unknown].all()
    assert set(np.unique(draws)) == {0.0, 1.0}
    assert (draws[:, 0] != draws[:, 1]).any()


def test_figures_are_those_of_the_images(imputed):
    folder, written = imputed
    with np.load(folder / "imputed.npz") as arrays:
        rest = (arrays["mean"] - arrays["image"]) * arrays["unknown"]
        count = arrays["unknown"].sum(axis=(1, 2, 3))
    errors = (rest.astype(np.float64) ** 2).sum(axis=(1, 2, 3)) / count
    figures = json.loads((folder / "imputed.json").read_text())
    way = figures["completions"]["posterior_mean"]
    assert way["rmse"] == pytest.approx(np.sqrt(errors.mean()), rel=1e-5)
    with (folder / "imputed.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = [float(row["squared_error_posterior_mean"]) for row in rows]
    np.testing.assert_allclose(found, errors, rtol=1e-5)
    one_pass = [float(row["squared_error_one_pass"]) for row in rows]
    gain = figures["gain_of_posterior_mean"]["one_pass"]["squared_error"]
    difference = np.subtract(one_pass, found)
    assert gain["mean"] == pytest.approx(difference.mean(), rel=1e-4)
    expected = difference.std(ddof=1) / np.sqrt(5)
    assert gain["standard_error"] == pytest.approx(expected, rel=1e-4)
    protocol = written.figures["protocol"]
    assert protocol["seed"] == 0
    assert {name: protocol[name] for name in _SHORT} == _SHORT
    for words in ("one pass", "training images", "R-hat"):
        assert words in written.report
    with PIL.Image.open(folder / "imputed.png") as picture:
        assert picture.width > 3 * 28


def test_seed_decides(imputed, run, tmp_path):
    folder, _ = imputed
    source = _source(run, num_images=5)
    impute(run.trained, source, tmp_path / "again", **_SHORT)
    again = (tmp_path / "again" / "imputed.csv").read_bytes()
    assert again == (folder / "imputed.csv").read_bytes()


def test_upscaled_draws_have_the_known_means(run, tmp_path):
    source = _source(run, num_images=3)
    folder = tmp_path / "upscaled"
    written = upscale(run.trained, source, folder, factor=4, **_SHORT)
    with np.load(folder / "upscaled.npz") as arrays:
        image, draws = arrays["image"], arrays["draws"]
        mean, unknown = arrays["mean"], arrays["unknown"]
    # Blocks that are all black or all white leave nothing open.
    means = np.kron(block_means(image, 4), np.ones([1, 4, 4, 1]))
    np.testing.assert_array_equal(unknown, (means > 0) & (means < 1))
    assert 0.1 < unknown.mean() < 0.6
    rest = (mean - image)[unknown > 0].astype(np.float64)
    way = written.figures["completions"]["posterior_mean"]
    assert way["rmse"] == pytest.approx(np.sqrt(np.mean(rest**2)), rel=1e-5)
    assert way["mae"] == pytest.approx(np.mean(np.abs(rest)), rel=1e-5)
    assert f"{unknown.sum():,} of {unknown.size:,} values" in written.report
    known = block_means(image, 4)
    for draw in draws.swapaxes(0, 1):
        np.testing.assert_allclose(block_means(draw, 4), known, atol=1e-6)
    np.testing.assert_allclose(block_means(mean, 4), known, atol=1e-3)


def test_images_that_are_known_entirely_are_refused(run, tmp_path):
    black = np.zeros([28, 28], np.uint8)
    PIL.Image.fromarray(black).save(tmp_path / "black.png")
    source = ImageSource([str(tmp_path / "black.png")])
    with pytest.raises(UserError, match=r"nothing is left.*black\.png"):
        upscale(run.trained, source, tmp_path / "upscaled", **_SHORT)
    assert not (tmp_path / "upscaled").exists()


def test_a_mask_can_be_a_file(run, tmp_path):
    mask = np.zeros([28, 28], np.uint8)
    mask[:, :10] = 255
    PIL.Image.fromarray(mask).save(tmp_path / "mask.png")
    path = str(tmp_path / "mask.png")
    # The same mask and, black and white, the same image: other draws.
    PIL.Image.fromarray(mask.T.copy()).save(tmp_path / "image.png")
    images, draws = [], []
    for seed in (0, 1):
        source = ImageSource([str(tmp_path / "image.png")], seed=seed)
        folder = tmp_path / str(seed)
        impute(run.trained, source, folder, mask=path, **_SHORT)
        with np.load(folder / "imputed.npz") as arrays:
            assert (arrays["unknown"][..., 0] == (mask > 0)).all()
            images.append(arrays["image"])
            draws.append(arrays["draws"])
    np.testing.assert_array_equal(*images)
    assert (draws[0] != draws[1]).any()


def test_a_conditional_model_is_told_the_classes(tmp_path_factory, tmp_path):
    run = trained_run.make_conditional(tmp_path_factory)
    source = _source(run, num_images=2)
    written = impute(run.trained, source, tmp_path / "imputed", **_SHORT)
    assert written.figures["completions"]["one_pass"]["log_missing"] < 0


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"mask": "rndom"}, "Did you mean.*random.*mask=rndom"),
        ({"mask": "none.png"}, "none.png"),
        ({"mask": "half", "share": 0.5}, "share is of random and box"),
        ({"side": "top"}, "side is of half masks"),
        ({"share": 0.0}, "share"),
        ({"share": 1.0}, "hides all|share"),
        ({"num_sweeps": 1}, "num_sweeps"),
        ({"num_chains": 0}, "num_chains"),
        ({"num_shown": 0}, "num_shown"),
    ],
)
def test_bad_settings_are_refused(settings, message, run, tmp_path):
    with pytest.raises(UserError, match=f"(?s){message}"):
        impute(run.trained, _source(run), tmp_path / "imputed", **settings)
    assert not (tmp_path / "imputed").exists()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"factor": 3}, "factor"),
        ({"factor": 1}, "factor"),
        ({"downsampling": "bicubic"}, "downsampling"),
    ],
)
def test_bad_scales_are_refused(settings, message, run, tmp_path):
    with pytest.raises(UserError, match=message):
        upscale(run.trained, _source(run), tmp_path / "upscaled", **settings)
    assert not (tmp_path / "upscaled").exists()


def test_mask_of_another_size_is_refused(run, tmp_path):
    PIL.Image.fromarray(np.full([5, 7], 255, np.uint8)).save(
        tmp_path / "mask.png"
    )
    path = str(tmp_path / "mask.png")
    with pytest.raises(UserError, match="28x28.*5x7"):
        impute(run.trained, _source(run), tmp_path / "imputed", mask=path)
    assert not (tmp_path / "imputed").exists()


def test_figures_of_dequantized_images_are_of_their_levels(
    monkeypatch, tmp_path
):
    """A density has 8 log 2 nats too much for each value that is missing."""
    model = make_model("normal_shared")
    model.dequantized_bits = 8
    num = 3
    images = grey_images(num)
    experiment = ExperimentConfig(
        DataConfig("cifar10"), VAEConfig(), TrainingConfig()
    )
    trained = TrainedModel(model, experiment, experiment.prepare())
    module = sys.modules[impute.__module__]
    names = [str(number) for number in range(num)]
    monkeypatch.setattr(
        ImageSource,
        "load",
        lambda *_, **__: SourceImages(images, None, names),
    )
    pixels = IndependentPixels(
        images.mean(axis=0), images.std(axis=0), "mean", "normal_shared"
    )
    monkeypatch.setattr(IndependentPixels, "fit", lambda *_: pixels)
    densities = []

    def keep(name, found):
        real = getattr(module, name)

        def replacement(*arguments, **options):
            result = real(*arguments, **options)
            densities.extend(found(result))
            return result

        monkeypatch.setattr(module, name, replacement)

    keep("compared", lambda ways: [way.log_missing for way in ways])
    keep("sample_posterior", lambda draws: [draws.log_missing])
    impute(trained, ImageSource(), tmp_path / "imputed", **_SHORT)
    one_pass, mean, posterior = densities
    found = json.loads((tmp_path / "imputed" / "imputed.json").read_text())
    for name, density in (
        ("posterior_mean", posterior),
        ("one_pass", one_pass),
        ("mean_baseline", mean),
    ):
        for row, value in zip(found["images"], density, strict=True):
            expected = value - row["num_unknown"] * 8 * np.log(2)
            assert row[f"log_missing_{name}"] == pytest.approx(
                expected, rel=1e-5
            )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
