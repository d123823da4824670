"""Tests that no damage to a file of latents is more than an error."""

import io
import zipfile

import numpy as np
import pytest

from keras_vae.errors import UserError
from keras_vae.use.latent_files import read_latents

_NUM, _DIM = 5, 3
_Z = np.random.default_rng(0).normal(size=[_NUM, _DIM]).astype(np.float32)


def _npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _npy(header, data=b""):
    """Returns an .npy file with any header."""
    text = header.encode("latin1")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def _archive(name, content, **arrays):
    """Returns an .npz file with a member of any content."""
    file = io.BytesIO(_npz(**arrays))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def _header(shape, descr="'<f4'", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"


def _bad_files():
    labels = np.arange(_NUM, dtype=np.int32)
    for wrong in (
        _Z[:, :2],
        _Z[0],
        _Z[:0],
        np.float32(3),
        _Z * np.nan,
        _Z.astype(np.float64) * 1e300,
        _Z.astype(np.complex64),
        _Z.astype(str),
        np.zeros([_NUM], [("a", "<f4"), ("b", "<f4")]),
        np.zeros([_NUM, _DIM], "datetime64[s]"),
    ):
        yield _npz(mean=wrong)
    yield _npz(other=_Z)
    yield _npz(mean=_Z.astype(object))
    for wrong in (
        labels[:2],
        labels.astype(np.float32),
        labels[:, np.newaxis],
        labels - 2,
        labels.astype(np.int64) + 2**31,
        labels.astype(str),
        labels.astype(object),
    ):
        yield _npz(mean=_Z, label=wrong)
    for header in (
        "",
        "{",
        "1",
        "{}",
        "[" * 3000,
        "-" * 9000 + "1",
        "__import__('os')",
        _header((2**40, _DIM)),
        _header((2**62, 2**62)),
        _header((10**30, _DIM)),
        _header((-1, _DIM)),
        _header("'x'"),
        _header((_NUM, _DIM), "'|O'"),
        _header((_NUM, _DIM), "'no such'"),
        _header((_NUM, _DIM), "['<f4'] * 2"),
        _header((_NUM, _DIM), order="3"),
    ):
        yield _archive("mean.npy", _npy(header, _Z.tobytes()))
    # What is no array NumPy gives as bytes.
    yield _archive("mean.npy", b"hello")
    yield _archive("mean", b"hello")
    yield _archive("label", b"hello", mean=_Z)
    yield _npy(_header((_NUM, _DIM)), _Z.tobytes())
    yield b""
    yield b"text"
    yield b"PK\x03\x04" + bytes(100)


def _damaged_files():
    random = np.random.default_rng(0)
    whole = _npz(mean=_Z, label=np.arange(_NUM))
    file = io.BytesIO()
    np.savez_compressed(file, mean=_Z)
    for content in (whole, file.getvalue()):
        for number in range(200):
            damaged = bytearray(content)
            position = int(random.integers(len(content)))
            if number % 3 == 0:
                damaged = damaged[:position]
            elif number % 3 == 1:
                damaged[position] = int(random.integers(256))
            else:
                damaged[position : position + 4] = random.bytes(4)
            yield bytes(damaged)


@pytest.mark.parametrize("content", list(_bad_files()))
def test_what_are_no_latents_is_refused(content, tmp_path):
    path = tmp_path / "latents.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"Received: .*latents\.npz"):
        read_latents(str(path), _DIM, True)


def test_damaged_latents_are_refused_or_whole(tmp_path):
    path = tmp_path / "latents.npz"
    refused = 0
    for content in _damaged_files():
        path.write_bytes(content)
        try:
            z, _ = read_latents(str(path), _DIM, True)
        except UserError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            # The archive has a sum of each array.
            np.testing.assert_array_equal(z, _Z)
    assert refused > 200


def test_classes_are_those_of_the_model(tmp_path):
    path = tmp_path / "latents.npz"
    label, names = np.zeros(_NUM, np.int32), ["cat", "dog"]
    path.write_bytes(_npz(z=_Z, label=label, class_names=names))
    for known in (names, None):
        assert read_latents(str(path), _DIM, True, known)[1] is not None
    # Where the classes are given otherwise, those in the file do not matter.
    assert read_latents(str(path), _DIM, False, ["dog", "cat"])[1] is None
    with pytest.raises(UserError, match=r"order.*\['cat', 'dog'\].*'dog', 'c"):
        read_latents(str(path), _DIM, True, ["dog", "cat"])


def test_latents_and_classes(tmp_path):
    path = tmp_path / "latents.npz"
    path.write_bytes(_npz(z=_Z, label=np.arange(_NUM, dtype=np.uint8)))
    z, labels = read_latents(str(path), _DIM, True)
    np.testing.assert_array_equal(z, _Z)
    assert labels.tolist() == [0, 1, 2, 3, 4]
    assert read_latents(str(path), _DIM, False)[1] is None


@pytest.mark.parametrize("kind", ["nothing", "folder", "gs://bucket/z.npz"])
def test_no_file(kind, tmp_path):
    path = kind if "://" in kind else str(tmp_path / kind)
    if kind == "folder":
        (tmp_path / kind).mkdir()
    with pytest.raises(UserError, match="Received: "):
        read_latents(path, _DIM, False)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
