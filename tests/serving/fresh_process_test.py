"""An export answers without Python TensorFlow and without keras_vae."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from keras_vae.config import NVAEConfig, TrainingConfig, VAEConfig
from keras_vae.data import DataConfig
from keras_vae.serving import ExportedModel, export
from keras_vae.training import ExperimentConfig, TrainedModel
from tests.apps import app
from tests.models.cases import make_model, make_nvae
from tests.serving import tf_c_api

pytestmark = pytest.mark.slow

_SIGNATURES = (
    "decode",
    "encode",
    "reconstruct",
    "reconstruct_bytes",
    "sample",
    "score",
    "serving_default",
)

# Asks every signature through the C API: in one thread, then all of them in
# many threads of the one session. Then looks at what was imported.
_ASK = """
import concurrent.futures, json, pathlib, sys
import numpy as np
from tests.serving import tf_c_api
folder = pathlib.Path(sys.argv[2])
inputs = {
    path.name.partition(".")[0]: tf_c_api.load_npz(path)
    for path in sorted(folder.glob("*.in.npz"))
}
with tf_c_api.SavedModelSession(sys.argv[1]) as session:
    answers = {name: session.run(name, inputs[name]) for name in inputs}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        names = 6 * list(inputs)
        found = list(pool.map(lambda n: session.run(n, inputs[n]), names))
errors = sum(
    not np.array_equal(answer[key], values)
    if values.dtype == object
    else not np.allclose(answer[key], values, rtol=1e-5, atol=1e-5)
    for name, answer in zip(names, found)
    for key, values in answers[name].items()
)
for name, answer in answers.items():
    tf_c_api.save_npz(folder / f"{name}.out.npz", answer)
roots = sorted({name.partition(".")[0] for name in sys.modules})
threads = {"compared": len(found), "errors": errors}
print(json.dumps([sorted(session.signatures), roots, threads]))
"""


def _inputs(exported):
    """Returns signature -> its inputs, three rows, for an export."""
    random = np.random.default_rng(3)
    shape = exported.image_shape
    images = random.uniform(size=[3, *shape]).astype(np.float32)
    latent_dim = exported.signatures["decode"].inputs["z"].shape[1]
    seed = np.array([[1, 2], [3, 4], [5, 6]], np.int32)
    files = []
    for image in images:
        data = io.BytesIO()
        levels = (image[..., 0] * 255).astype(np.uint8)
        PIL.Image.fromarray(levels).save(data, "PNG")
        files.append(data.getvalue())
    inputs = {
        "serving_default": {"image": images},
        "reconstruct": {"image": images},
        "encode": {"image": images},
        "decode": {"z": random.normal(size=[3, latent_dim]).astype(np.float32)},
        "sample": {"seed": seed, "temperature": np.ones([3], np.float32)},
        "score": {"image": images, "seed": seed},
        "reconstruct_bytes": {"image_bytes": np.array(files, dtype=object)},
    }
    if exported.metadata.get("num_classes"):
        for arrays in inputs.values():
            arrays["label"] = np.array([0, 2, 1], np.int32)
        inputs["class_names"] = {"label": np.array([0, 2, 1], np.int32)}
    return inputs


_MODELS = {
    "conditional": (
        VAEConfig(num_classes="auto"),
        lambda: make_model(num_classes="auto", class_names=("a", "b", "c")),
    ),
    "nvae": (NVAEConfig(), make_nvae),
}


@pytest.fixture(scope="module", params=["vae", *_MODELS])
def exported(request, tmp_path_factory):
    """The export of a trained VAE, or of another model as it is built."""
    if request.param == "vae":
        run = request.getfixturevalue("trained_run")
        return ExportedModel(run.export_dir)
    folder = tmp_path_factory.mktemp(request.param)
    config, make = _MODELS[request.param]
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), config, TrainingConfig()
    )
    export(TrainedModel(make(), experiment, experiment.prepare()), folder)
    return ExportedModel(folder)


@pytest.fixture(scope="module")
def fresh(exported, tmp_path_factory):
    """Folder of the answers, signatures, modules imported, and threads."""
    folder = tmp_path_factory.mktemp("fresh")
    for name, arrays in _inputs(exported).items():
        tf_c_api.save_npz(folder / f"{name}.in.npz", arrays)
    version = str(exported.path)
    result = subprocess.run(
        [sys.executable, "-c", _ASK, version, str(folder)],
        check=False,
        cwd=app.ROOT,
        env={**app.environment(), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return folder, *json.loads(result.stdout.splitlines()[-1])


def test_process_imported_neither_tensorflow_nor_this_package(fresh):
    _, _, modules, _ = fresh
    assert "numpy" in modules
    assert not {"tensorflow", "keras", "keras_vae"} & set(modules)


def test_every_signature_is_there(fresh, exported):
    _, signatures, _, _ = fresh
    more = {"class_names"} if exported.metadata["num_classes"] else set()
    assert set(signatures) == {*_SIGNATURES, *more}


def test_threads_get_the_answers_of_one_thread(fresh):
    _, signatures, _, threads = fresh
    assert threads == {"compared": 6 * len(signatures), "errors": 0}


@pytest.mark.parametrize("signature", _SIGNATURES)
def test_numbers_are_those_of_python(signature, fresh, exported):
    folder, _, _, _ = fresh
    answer = tf_c_api.load_npz(folder / f"{signature}.out.npz")
    expected = exported(signature, **_inputs(exported)[signature])
    assert set(answer) == set(expected)
    for name, values in expected.items():
        if values.dtype == object:
            assert answer[name].tolist() == values.tolist()
            continue
        assert answer[name].dtype == np.float32
        np.testing.assert_allclose(
            answer[name], values, rtol=1e-5, atol=1e-6 * np.abs(values).max()
        )


def test_class_names_are_those_of_the_model(fresh, exported):
    folder, signatures, _, _ = fresh
    if "class_names" in signatures:
        answer = tf_c_api.load_npz(folder / "class_names.out.npz")
        assert answer["class_name_bytes"].tolist() == [b"a", b"c", b"b"]
    else:
        assert not exported.metadata["class_names"]


def test_app_and_package_are_not_needed_to_read_the_signatures(exported):
    # What the test above relies on: nothing in the graph calls back to Python.
    path = exported.path / "saved_model.pb"
    assert b"PyFunc" not in path.read_bytes()
    assert os.path.getsize(path) < 2**24


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
