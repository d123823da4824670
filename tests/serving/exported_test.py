"""Tests of loading an export, and of what cannot be loaded."""

import itertools
import json
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.errors import UserError
from keras_vae.serving import ExportedModel
from keras_vae.training import load_trained


@pytest.fixture
def copied(trained_run, tmp_path):
    """A copy of the export, to be damaged."""
    return shutil.copytree(trained_run.export_dir, tmp_path / "model")


def test_export_of_a_run_is_its_averaged_model(trained_run):
    model = load_trained(trained_run.workdir).model
    exported = ExportedModel(trained_run.export_dir)
    assert exported.path == trained_run.export_dir / "1"
    assert exported.image_shape == model.image_shape == (28, 28, 1)
    random = np.random.default_rng(0)
    images = random.uniform(size=[6, 28, 28, 1]).astype(np.float32)
    close = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(
        exported("reconstruct", image=images)["reconstruction"],
        model.reconstruct(images),
        **close,
    )
    answer = exported("encode", image=images)
    posterior = model.encode(images)
    np.testing.assert_allclose(answer["mean"], posterior.mean(), **close)
    np.testing.assert_allclose(answer["stddev"], posterior.stddev(), **close)
    np.testing.assert_allclose(
        exported("decode", z=answer["mean"])["image"],
        model.decode(answer["mean"]),
        **close,
    )


def _answering(function, names):
    """Returns a signature's function whose answer has another order."""

    def answer(**inputs):
        outputs = function(**inputs)
        return {name: outputs[name] for name in names}

    answer.structured_input_signature = function.structured_input_signature
    specs = function.structured_outputs
    answer.structured_outputs = {name: specs[name] for name in names}
    return answer


@pytest.mark.parametrize(
    ("signature", "order"),
    [
        ("score", ("elbo", "log_likelihood", "kl_divergence")),
        ("encode", ("mean", "stddev")),
    ],
)
def test_outputs_have_one_order(signature, order, trained_run):
    exported = ExportedModel(trained_run.export_dir)
    function = exported._module.signatures[signature]
    inputs = {"image": np.zeros([1, 28, 28, 1], np.float32)}
    if signature == "score":
        inputs["seed"] = np.zeros([1, 2], np.int32)
    for names in itertools.permutations(order):
        answering = _answering(function, names)
        exported._module = types.SimpleNamespace(
            signatures={signature: answering}
        )
        assert tuple(exported(signature, **inputs)) == order
        assert tuple(exported.signatures[signature].outputs) == order


def test_metadata_names_the_run(trained_run):
    metadata = ExportedModel(trained_run.export_dir).metadata
    assert metadata["experiment"]["data"]["dataset"] == "mnist_5k"
    networks = metadata["experiment"]["model"]["architecture"]
    assert networks["hidden_units"] == [32]
    assert metadata["tensorflow"] == tf.__version__


def test_highest_version_is_taken(trained_run, copied):
    (copied / "1").rename(copied / "10")
    shutil.copytree(copied / "10", copied / "9")
    assert ExportedModel(copied).path == copied / "10"
    assert ExportedModel(copied / "9").path == copied / "9"


def test_unknown_signature_is_named(trained_run):
    exported = ExportedModel(trained_run.export_dir)
    with pytest.raises(UserError, match=r"'encode'.*Received: encod$"):
        exported("encod", image=np.zeros([1, 28, 28, 1], np.float32))


@pytest.mark.parametrize("made", [None, "folder", "version", "file"])
def test_path_without_a_saved_model(made, tmp_path):
    path = tmp_path / "model"
    if made == "folder":
        path.mkdir()
    elif made == "version":
        (path / "3").mkdir(parents=True)
    elif made == "file":
        path.touch()
    message = r"No SavedModel found.*Received: --saved_model=.*model"
    with pytest.raises(UserError, match=message):
        ExportedModel(path)


@pytest.mark.parametrize(
    "name",
    [
        "saved_model.pb",
        "fingerprint.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        "assets.extra/metadata.json",
    ],
)
def test_damaged_saved_model_is_refused(name, copied):
    path = copied / "1" / name
    if name == "fingerprint.pb":
        # A note about the model, which it can do without.
        path.unlink()
        ExportedModel(copied)
        return
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    message = r"cannot be loaded as an export.*Received: .*model/1$"
    with pytest.raises(UserError, match=message):
        ExportedModel(copied)


@pytest.mark.parametrize(
    "name", ["variables", "variables/variables.index", "saved_model.pb"]
)
def test_missing_part_is_named(name, copied):
    path = copied / "1" / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    message = "No SavedModel found|cannot be loaded as an export"
    with pytest.raises(UserError, match=message):
        ExportedModel(copied)


def _flipped(data, random):
    """Returns bytes of which some hundred are others, after the header."""
    damaged = bytearray(data)
    for place in random.integers(len(data) // 9, len(data), 100):
        damaged[place] ^= 1 << int(random.integers(8))
    return bytes(damaged)


@pytest.mark.parametrize("seed", range(4))
def test_graph_of_flipped_bits_is_refused(seed, copied):
    path = copied / "1" / "saved_model.pb"
    path.write_bytes(_flipped(path.read_bytes(), np.random.default_rng(seed)))
    with pytest.raises(UserError, match="cannot be loaded as an export"):
        ExportedModel(copied)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "null", "7", '"x"', "{", "{}", "\xff", "[" * 100_000),
        *('{"image_shape": []}', '{"image_shape": "x"}'),
    ],
    ids=lambda text: text[:20],
)
def test_metadata_of_another_form(text, copied):
    (copied / "1/assets.extra/metadata.json").write_text(text, "latin-1")
    with pytest.raises(UserError, match="cannot be loaded as an export"):
        ExportedModel(copied)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("image_shape", v) for v in (None, [28, 28, 1.0], [28, 0, 1])),
        *(("image_shape", v) for v in ([28, 28, True], {"0": 28})),
        *(("num_classes", v) for v in (None, "10", -1, 2.5, True)),
        *(("class_names", v) for v in (None, "cat", [1, 2], {"cat": 0})),
    ],
    ids=str,
)
def test_metadata_of_another_type(name, value, copied):
    path = copied / "1/assets.extra/metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    message = rf"cannot be loaded as an export.*\({name} of its metadata\)"
    with pytest.raises(UserError, match=message):
        ExportedModel(copied)


def test_saved_model_of_somebody_else_is_refused(copied):
    shutil.rmtree(copied / "1" / "assets.extra")
    message = "cannot be loaded as an export of this package"
    with pytest.raises(UserError, match=message):
        ExportedModel(copied)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
