"""A conditional VAE, from one command to a served answer for a class."""

import json
import shutil

import numpy as np
import PIL.Image
import pytest

from keras_vae.errors import UserError
from keras_vae.serving import Client, ExportedModel
from keras_vae.training import RunFolder, load_trained
from keras_vae.use import ImageSource, encode, interpolate, sample, score
from tests import trained_run
from tests.apps import app
from tests.serving.protocol import asking
from tests.serving.protocol.server import running_server

pytestmark = pytest.mark.slow

_DIGITS = [str(digit) for digit in range(10)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained_run.make_conditional(tmp_path_factory)


@pytest.fixture(scope="module")
def exported(run):
    return ExportedModel(run.export_dir)


def _inputs(count=5):
    random = np.random.default_rng(0)
    seeds = np.stack([np.full(count, 7), np.arange(count)], 1).astype(np.int32)
    images = (random.uniform(size=(count, 28, 28, 1)) > 0.7).astype(np.float32)
    z = random.normal(size=[count, 4]).astype(np.float32)
    return {
        "reconstruct": {"image": images},
        "encode": {"image": images},
        "decode": {"z": z},
        "sample": {"seed": seeds, "temperature": np.ones(count, np.float32)},
        "score": {"image": images, "seed": seeds},
        "reconstruct_bytes": {
            "image_bytes": asking.byte_strings(*map(asking.png, images))
        },
    }


def _labels(count=5):
    return (np.arange(count) * 3 % 10).astype(np.int32)


def test_figures_say_that_the_class_is_given(run):
    assert "given the class" in run.result.stdout
    results = json.loads((run.workdir / "results.json").read_text())["test"][-1]
    assert results["nll"]["given"] == results["elbo"]["given"] == "class"
    assert 100 < results["nll"]["nats_per_image"] < 300
    config = json.loads((run.workdir / "config.json").read_text())
    assert config["class_names"] == _DIGITS
    assert list((run.workdir / "tensorboard").iterdir())
    with PIL.Image.open(run.workdir / "pictures" / "samples.png") as picture:
        # A column for each class, a row for each draw.
        assert picture.width > picture.height


def test_finished_run_goes_on(run, warm_process, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(run.workdir, workdir)
    arguments = (*run.flags, "--workdir=run", "--noevaluate", "--noexport")
    result = warm_process.run("train", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert load_trained(workdir).model.class_names == tuple(_DIGITS)
    assert RunFolder(workdir).load_class_names() == tuple(_DIGITS)


def test_dataset_without_labels_is_refused(run, warm_process, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for index, image in enumerate(asking.images(20)):
        (folder / f"{index}.png").write_bytes(asking.png(image))
    arguments = ("--dataset=image_folder", f"--data_dir={folder}")
    arguments += ("--config.architecture=dense", "--config.batch_size=8")
    arguments += ("--config.num_classes=auto",)
    arguments += ("--workdir=run",)
    result = warm_process.run("train", *arguments, cwd=tmp_path)
    app.assert_refused(result, "needs labels", "config.num_classes=auto")
    assert not (tmp_path / "run").exists()


def test_export_says_which_classes_there_are(exported):
    assert exported.metadata["num_classes"] == 10
    assert exported.metadata["class_names"] == _DIGITS
    for signature in exported.signatures.values():
        assert signature.inputs["label"].dtype == np.int32
        assert signature.inputs["label"].shape == (None,)


def test_export_answers_as_the_model(run, exported):
    model = run.trained.model
    y, inputs = _labels(), _inputs()
    image, z = inputs["encode"]["image"], inputs["decode"]["z"]
    mean, stddev = model.latent_moments(image, label=y)
    expected = {
        "reconstruct": {"reconstruction": model.reconstruct(image, label=y)},
        "encode": {"mean": mean, "stddev": stddev},
        "decode": {"image": model.decode(z, label=y)},
    }
    for name, outputs in expected.items():
        answer = exported(name, label=y, **inputs[name])
        for key, value in outputs.items():
            np.testing.assert_allclose(answer[key], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("signature", sorted(_inputs()))
def test_class_matters_and_is_the_row_s_own(signature, exported):
    inputs, y = _inputs()[signature], _labels()
    whole = exported(signature, label=y, **inputs)
    order = [4, 0, 4]
    some = {key: value[order] for key, value in inputs.items()}
    moved = exported(signature, label=y[order], **some)
    others = exported(signature, label=(y + 1) % 10, **inputs)
    for key, value in whole.items():
        if value.dtype == object:
            assert list(moved[key]) == list(value[order])
            assert list(others[key]) != list(value)
            continue
        np.testing.assert_allclose(
            moved[key], value[order], rtol=1e-4, atol=1e-5
        )
        assert np.abs(others[key] - value).max() > 1e-3


def test_server_answers_for_a_class_and_refuses_what_is_none(run, exported):
    inputs, y = _inputs(), _labels()
    with running_server(run.export_dir) as server:
        for address in (server.grpc_address, server.rest_address):
            with Client(address, model_name="vae") as client:
                assert client.is_conditional
                np.testing.assert_allclose(
                    client.decode(inputs["decode"]["z"], label=y),
                    exported("decode", label=y, **inputs["decode"])["image"],
                    rtol=1e-4,
                    atol=1e-5,
                )
                with pytest.raises(UserError, match="give a label"):
                    client.decode(inputs["decode"]["z"])
                with pytest.raises(
                    UserError, match=r"label must be a class, 0 \.\.\. 9"
                ):
                    client.decode(inputs["decode"]["z"], label=y * 0 + 10)
                assert client.decode(inputs["decode"]["z"], label=y).any()


def test_samples_of_an_export_are_of_classes(run, tmp_path):
    client = Client(str(run.export_dir))
    sample(client, tmp_path / "s", num_images=4, label=[1, 7])
    assert len(list((tmp_path / "s").rglob("*.png"))) == 4
    with pytest.raises(UserError, match="label must be a class"):
        sample(client, tmp_path / "t.png", label=[10])


def test_verbs_know_the_classes(run, tmp_path):
    source = ImageSource(num_images=8, data_dir=str(run.data_dir))
    sample(run.trained, tmp_path / "s.npz", num_images=4, label="7,3")
    with np.load(tmp_path / "s.npz") as arrays:
        assert arrays["label"].tolist() == [7, 3, 7, 3]
    exported = ExportedModel(run.export_dir)
    with np.load(tmp_path / "s.npz") as arrays:
        served = exported(
            "sample",
            seed=arrays["seed"],
            temperature=np.ones(4, np.float32),
            label=arrays["label"],
        )
        np.testing.assert_allclose(
            arrays["image"], served["image"], rtol=1e-4, atol=1e-5
        )
    sample(run.trained, tmp_path / "folder", num_images=20)
    folders = sorted(path.name for path in (tmp_path / "folder").iterdir())
    assert folders == _DIGITS
    interpolate(run.trained, source, tmp_path / "between.png")
    encode(run.trained, source, tmp_path / "latents")
    with np.load(tmp_path / "latents" / "latents.npz") as arrays:
        assert len(arrays["label"]) == 8
    files = ImageSource(inputs=[str(tmp_path / "folder")], label="3")
    score(run.trained, files, tmp_path / "scores", num_importance_samples=2)
    with pytest.raises(UserError, match="name of a class.*Received: label=10"):
        sample(run.trained, tmp_path / "no.png", label="10")
    assert not (tmp_path / "no.png").exists()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
