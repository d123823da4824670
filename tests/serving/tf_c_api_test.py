"""Tests of the client of TensorFlow's C API."""

import io
import os
import pathlib
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from tests.serving import tf_c_api

_ROOT = pathlib.Path(__file__).absolute().parents[2]

# Made in a process of its own: this one must stay without Python TensorFlow.
_MAKE_SAVED_MODEL = """
import sys
import tensorflow as tf

class Model(tf.Module):
    def __init__(self):
        self.weight = tf.Variable([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

    @tf.function(input_signature=[
        tf.TensorSpec([None, 2], tf.float32, name="x"),
        tf.TensorSpec([None], tf.int32, name="count"),
    ])
    def affine(self, x, count):
        return {
            "y": x @ self.weight,
            "twice": tf.cast(count, tf.int64) * 2,
            "positive": count > 0,
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="png")])
    def decode(self, png):
        return {
            "image": tf.map_fn(
                lambda p: tf.io.decode_png(p, 1), png,
                fn_output_signature=tf.TensorSpec([None, None, 1], tf.uint8)),
            "png": tf.identity(png),
            "size": tf.strings.length(png),
        }

model = Model()
tf.saved_model.save(
    model, sys.argv[1],
    signatures={"affine": model.affine, "decode": model.decode})
"""


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    """Runs Python on `command` from the project's root."""
    return subprocess.run(
        [sys.executable, *command],
        check=False,
        cwd=_ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "CUDA_VISIBLE_DEVICES": "",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory) -> str:
    """A SavedModel with float32, int32, int64, bool and string tensors."""
    path = str(tmp_path_factory.mktemp("saved_model") / "1")
    result = _run("-c", _MAKE_SAVED_MODEL, path)
    assert result.returncode == 0, result.stderr
    return path


@pytest.fixture(scope="module")
def session(saved_model):
    """The loaded SavedModel."""
    with tf_c_api.SavedModelSession(saved_model) as session:
        yield session


def _png(image: np.ndarray) -> bytes:
    """Returns a grey-scale image as PNG."""
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def test_signatures_name_their_tensors(session):
    assert set(session.signatures) == {"affine", "decode"}
    affine = session.signatures["affine"]
    assert {name: (s.dtype, s.shape) for name, s in affine.inputs.items()} == {
        "x": (np.dtype(np.float32), (None, 2)),
        "count": (np.dtype(np.int32), (None,)),
    }
    assert {name: (s.dtype, s.shape) for name, s in affine.outputs.items()} == {
        "y": (np.dtype(np.float32), (None, 3)),
        "twice": (np.dtype(np.int64), (None,)),
        "positive": (np.dtype(np.bool_), (None,)),
    }
    assert session.signatures["decode"].inputs["png"].dtype == object


def test_numeric_signature_matches_numpy(session):
    x = np.random.default_rng(0).normal(size=[5, 2]).astype(np.float32)
    # Not contiguous: the C API is given a copy in C order.
    x = np.asfortranarray(x)
    count = np.array([-1, 0, 1, 2, 3], np.int32)
    outputs = session.run("affine", {"x": x, "count": count})
    weight = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    np.testing.assert_allclose(outputs["y"], x @ weight, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(outputs["twice"], 2 * count.astype(np.int64))
    np.testing.assert_array_equal(outputs["positive"], count > 0)
    assert outputs["twice"].dtype == np.int64


def test_empty_batch_gives_empty_outputs(session):
    outputs = session.run(
        "affine",
        {"x": np.zeros([0, 2], np.float32), "count": np.zeros([0], np.int32)},
    )
    assert outputs["y"].shape == (0, 3)


def test_string_signature_decodes_png(session):
    images = np.random.default_rng(0).integers(
        0, 256, size=[3, 7, 9], dtype=np.uint8
    )
    png = [_png(image) for image in images]
    outputs = session.run("decode", {"png": png})
    np.testing.assert_array_equal(outputs["image"][..., 0], images)
    assert outputs["png"].tolist() == png
    assert outputs["size"].tolist() == [len(p) for p in png]


def test_npz_keeps_zeros_at_the_end_of_strings(tmp_path):
    strings = np.array([b"a\0\0", b"", b"\0"], dtype=object)
    path = tmp_path / "arrays.npz"
    tf_c_api.save_npz(path, {"strings": strings, "x": np.arange(3)})
    loaded = tf_c_api.load_npz(path)
    assert loaded["strings"].tolist() == strings.tolist()
    np.testing.assert_array_equal(loaded["x"], np.arange(3))


@pytest.mark.parametrize(
    "inputs, message",
    [
        ({"x": np.zeros([1, 2], "f4")}, r"exactly \['count', 'x'\].*Received"),
        (
            {"x": np.zeros([1, 2]), "count": np.zeros([1], "i4")},
            "'x' must be float32. Received: float64",
        ),
    ],
)
def test_wrong_inputs_are_refused(session, inputs, message):
    with pytest.raises(ValueError, match=message):
        session.run("affine", inputs)


def test_text_is_refused_where_bytes_are_needed(session):
    with pytest.raises(ValueError, match=r"must hold bytes.*'str'"):
        session.run("decode", {"png": ["text"]})


def test_unknown_signature_is_refused(session):
    with pytest.raises(ValueError, match=r"affine.*Received.*'afine'"):
        session.run("afine", {})


def test_wrong_shape_gives_the_message_of_tensorflow(session):
    inputs = {"x": np.zeros([1, 5], "f4"), "count": np.zeros([1], "i4")}
    with pytest.raises(RuntimeError, match="C API, code 3"):
        session.run("affine", inputs)


def test_missing_saved_model_gives_the_message_of_tensorflow(tmp_path):
    with pytest.raises(RuntimeError, match=r"C API, code 5.*"):
        tf_c_api.SavedModelSession(tmp_path / "missing")


def test_closed_session_is_refused(saved_model):
    session = tf_c_api.SavedModelSession(saved_model)
    session.close()
    session.close()
    with pytest.raises(RuntimeError, match="was closed"):
        session.run("affine", {})


def test_script_runs_without_python_tensorflow(saved_model, tmp_path):
    inputs, outputs = str(tmp_path / "in.npz"), str(tmp_path / "out.npz")
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    tf_c_api.save_npz(inputs, {"png": np.array([_png(image)], dtype=object)})
    result = _run(
        "-m", "tests.serving.tf_c_api", saved_model, "decode", inputs, outputs
    )
    assert result.returncode == 0, result.stderr
    loaded = tf_c_api.load_npz(outputs)
    np.testing.assert_array_equal(loaded["image"][0, ..., 0], image)
    assert loaded["png"].tolist() == [_png(image)]


@pytest.mark.parametrize("module", ["hashlib", "ssl", "tensorflow"])
def test_modules_that_are_loaded_later_work(saved_model, module):
    # The libraries hold a BoringSSL; with its functions open to all, a later
    # import of these crashed.
    code = (
        "import sys; from tests.serving import tf_c_api; "
        "tf_c_api.SavedModelSession(sys.argv[1]); "
        f"import {module}; import hashlib; "
        "print(hashlib.sha256(b'abc').hexdigest())"
    )
    result = _run("-c", code, saved_model)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("ba7816bf8f01cfea")


def test_script_fails_where_python_tensorflow_was_imported(
    saved_model, tmp_path
):
    inputs, outputs = str(tmp_path / "in.npz"), str(tmp_path / "out.npz")
    tf_c_api.save_npz(
        inputs,
        {"x": np.zeros([1, 2], np.float32), "count": np.zeros([1], np.int32)},
    )
    code = (
        "import runpy, sys, types; "
        "sys.modules['tensorflow'] = types.ModuleType('tensorflow'); "
        "sys.modules['tensorflow'].__spec__ = "
        "__import__('importlib.machinery').machinery.PathFinder"
        ".find_spec('tensorflow'); "
        "runpy.run_module('tests.serving.tf_c_api', run_name='__main__')"
    )
    result = _run("-c", code, saved_model, "affine", inputs, outputs)
    assert result.returncode == 1
    assert "Python TensorFlow was imported" in result.stderr


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
