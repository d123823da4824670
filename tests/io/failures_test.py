"""Tests of what is told of a machine that fails."""

import errno
import os

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.errors import OutOfMemoryError, StorageError, UserError
from keras_vae.io.failures import (
    failure_of_machine,
    not_writable,
    translated,
    writing,
)
from tests.full_disk import full_disk


def _assert_two_lines(error):
    lines = str(error).splitlines()
    assert len(lines) == 2
    assert "Received: " in lines[1]


def test_full_disk_is_named(tmp_path):
    with (
        full_disk(),
        pytest.raises(StorageError, match="File too large") as error,
        writing(tmp_path),
    ):
        (tmp_path / "file").write_bytes(bytes(10_000))
    _assert_two_lines(error.value)
    assert "Make room" in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert error.value.exit_code == 3


def test_full_disk_is_named_by_tensorflow_too(tmp_path):
    checkpoint = tf.train.Checkpoint(weight=tf.Variable(tf.zeros([10_000])))
    with (
        full_disk(),
        pytest.raises(StorageError, match="File too large") as error,
        writing(tmp_path),
    ):
        checkpoint.write(str(tmp_path / "ckpt"))
    _assert_two_lines(error.value)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Make room"),
        (errno.EDQUOT, "Make room"),
        (errno.EROFS, "Make it writable"),
        (errno.EACCES, "Make it writable"),
        (errno.ENOENT, "put it back"),
        (errno.EIO, "Look after the disk"),
    ],
)
def test_advice_is_that_of_the_failure(number, advice):
    text = os.strerror(number)
    for failure in (
        OSError(number, text, "/x"),
        # As TensorFlow's file systems say it, whatever the class.
        tf.errors.UnknownError(None, None, f"{{{{node a}}}} /x; {text} [Op:B]"),
    ):
        with pytest.raises(StorageError, match=advice) as error, writing("/x"):
            raise failure
        _assert_two_lines(error.value)
        assert text in str(error.value)


def test_defects_within_writing_stay_what_they_are():
    for defect in (
        tf.errors.InvalidArgumentError(None, None, "shapes differ"),
        ValueError("a defect"),
    ):
        with pytest.raises(type(defect)), writing("/x"):
            raise defect
        assert failure_of_machine(defect) is None


@pytest.mark.parametrize(
    "message",
    [
        "OOM when allocating tensor with shape[1048576,8] and type float on "
        "/job:localhost/replica:0/task:0/device:CPU:0 by allocator mklcpu "
        "[Op:Fill] name: ",
        "Graph execution error:\n\nDetected at node a\n  File x\n\n"
        "OOM when allocating tensor with shape[9,8] and type float",
        "Out of memory while trying to allocate 17179869184 bytes.",
    ],
)
def test_memory_that_tensorflow_has_not(message):
    error = tf.errors.ResourceExhaustedError(None, None, message)
    failure = failure_of_machine(error)
    assert isinstance(failure, OutOfMemoryError)
    _assert_two_lines(failure)
    assert "emory: O" in str(failure)
    assert failure.exit_code == 4


def test_memory_that_numpy_has_not():
    with (
        pytest.raises(OutOfMemoryError, match="Unable to allocate"),
        translated(),
    ):
        np.ones([2**40, 2**10])


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.DataLossError(
            None, None, "Graph execution error:\n\n\ttruncated record at 89"
        ),
        tf.errors.DataLossError(None, None, "corrupted record at 1234 [Op:B]"),
        tf.errors.FailedPreconditionError(
            None,
            None,
            "Input dataset was expected to contain 20 elements but contained "
            "only 19 elements. [Op:IteratorGetNext]",
        ),
    ],
    ids=str,
)
def test_record_files_that_are_cut_under_way(error):
    failure = failure_of_machine(error)
    assert isinstance(failure, StorageError)
    _assert_two_lines(failure)


def test_errors_for_people_are_not_translated():
    with pytest.raises(UserError, match=r"^Bad\.$"), translated():
        raise UserError("Bad.")


def test_path_that_is_too_long_is_an_error_for_people(tmp_path):
    words = "shorter one.*Received: .*/xxx"
    with pytest.raises(UserError, match=words) as e, translated():
        (tmp_path / ("x" * 300)).exists()
    assert e.value.exit_code == 2


def test_bad_choice_of_a_path_is_no_failure():
    error = PermissionError(errno.EACCES, "Permission denied")
    found = not_writable("Choose another.", "--output=/x", error)
    assert str(found) == (
        "Choose another. Received: --output=/x (Permission denied)"
    )
    assert found.exit_code == 2


def test_what_may_not_be_read_is_no_defect():
    error = PermissionError(errno.EACCES, "Permission denied", "/runs/x")
    failure = failure_of_machine(error)
    assert isinstance(failure, StorageError)
    assert "Permission denied" in str(failure) and "/runs/x" in str(failure)
    # That of no file is one.
    assert failure_of_machine(PermissionError(1, "no")) is None


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
