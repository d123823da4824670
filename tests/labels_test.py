"""Tests of what a label means."""

import pathlib

import numpy as np
import pytest

from keras_vae.errors import UserError
from keras_vae.labels import (
    NO_CLASS,
    class_folders,
    class_numbers,
    folder_classes,
    label_rows,
    names_of,
)

_DIGITS = [str(digit) for digit in range(10)]
_ANIMALS = ["cat", "dog", "red, fox"]
_FROM_ONE = ["1", "2", "3"]


@pytest.mark.parametrize(
    ("label", "names", "expected"),
    [
        ("3", _DIGITS, [3]),
        ("3, 7,0", _DIGITS, [3, 7, 0]),
        ("dog", _ANIMALS, [1]),
        ("cat,dog", _ANIMALS, [0, 1]),
        ("1,cat", _ANIMALS, [1, 0]),
        ("red, fox", _ANIMALS, [2]),
        ("1", _FROM_ONE, [0]),
        ("3,1", _FROM_ONE, [2, 0]),
        ("2", ["2", "10", "cat"], [0]),
        ("007", ["007", "008"], [0]),
        (1, _DIGITS, [1]),
        (np.int32(9), _DIGITS, [9]),
        ([0, 2], _ANIMALS, [0, 2]),
        (1, ["0", "1", "other"], [1]),
        (1, None, [1]),
        (["1", "3"], _FROM_ONE, [0, 2]),
        (np.array([2, 0]), _ANIMALS, [2, 0]),
        (np.array([2, 0]), _FROM_ONE, [2, 0]),
        (np.array(1), _FROM_ONE, [1]),
        (np.array(["3", "1"]), _FROM_ONE, [2, 0]),
        ("1,2", None, [1, 2]),
    ],
)
def test_a_name_comes_first_and_an_integer_is_a_number(label, names, expected):
    count = len(names) if names else None
    assert class_numbers(label, names, count) == expected


@pytest.mark.parametrize("label", ["0", "4", "01", "-1", "1.0", "cat", ""])
def test_text_is_no_number_where_numbers_are_names(label):
    message = f"name of a class.*Received: label={label}$"
    with pytest.raises(UserError, match=message):
        class_numbers(label, _FROM_ONE, 3)


@pytest.mark.parametrize("label", [0, 1, 2, 3, np.int32(1)])
def test_integer_is_no_number_where_it_may_be_a_name(label):
    message = f"name of a class, as text.*Received: label={label}$"
    for given in (label, [label], ["1", label]):
        with pytest.raises(UserError, match=message):
            class_numbers(given, _FROM_ONE, 3)


@pytest.mark.parametrize(
    "label", ["3", "-1", "0.7", "1e0", "", "1,,2", "²", "0-2", 3, -1, 0.7, True]
)
@pytest.mark.parametrize("names", [_ANIMALS, None])
def test_what_is_no_class_is_refused(label, names):
    with pytest.raises(UserError, match=r"0 \.\.\. 2.*Received: label="):
        class_numbers(label, names, 3)


def test_a_name_that_is_near_is_shown():
    with pytest.raises(UserError, match="Did you mean 'cat'"):
        class_numbers("cta", _ANIMALS, 3)


def test_range_is_open_where_the_count_is_not_known():
    assert class_numbers("99", None, None) == [99]
    with pytest.raises(UserError, match=r"0 \.\.\.\. Received: label=-1"):
        class_numbers("-1", None, None)


def test_folders_name_classes():
    paths = [pathlib.Path(f) for f in ("x/2/a.png", "1/b.png", "0/c.png")]
    assert folder_classes(paths, _FROM_ONE).tolist() == [1, 0, NO_CLASS]
    assert folder_classes(paths, None).tolist() == [2, 1, 0]
    assert folder_classes(paths, []).tolist() == 3 * [NO_CLASS]


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (["cat", "red fox", "Bär"], ["cat", "red fox", "Bär"]),
        (["a/b", "c:\\d\n"], ["a_b", "c__d_"]),
        (["a/b", "a_b", "0_a_b"], ["0_a_b", "1_a_b", "2_0_a_b"]),
        (["..", "x", ""], ["0", "1_x", "2"]),
        ([".hidden", "../up", "x" * 300], ["hidden", "_up", "x" * 100]),
        (["\u65e5" * 85, "x"], ["\u65e5" * 33, "x"]),
        (["\u65e5" * 85, ".."], ["0_" + "\u65e5" * 33, "1"]),
        (["x" * 99 + " y", "\udc80"], ["x" * 99, "?"]),
        (["Cat", "cat"], ["0_Cat", "1_cat"]),
        (["\u00e9", "e\u0301"], ["0_\u00e9", "1_e\u0301"]),
        (["test", "train"], ["0_test", "1_train"]),
        (["cat", "Val"], ["0_cat", "1_Val"]),
        (["cat", "lost+found"], ["0_cat", "1_lost+found"]),
        (["__MACOSX", "cat"], ["0___MACOSX", "1_cat"]),
    ],
)
def test_classes_have_folders_of_their_names(names, folders, tmp_path):
    assert class_folders(names) == folders
    for folder in folders:
        (tmp_path / folder).mkdir()
    assert {path.name for path in tmp_path.iterdir()} == set(folders)


def test_rows_get_one_label_or_one_each():
    assert label_rows([2], 3).tolist() == [2, 2, 2]
    assert label_rows([2, 0, 1], 3).tolist() == [2, 0, 1]
    assert label_rows([2, 0], 3, repeat=True).tolist() == [2, 0, 2]
    with pytest.raises(UserError, match="Received: 2 labels for 3 rows"):
        label_rows([2, 0], 3)


@pytest.mark.parametrize("names", [None, ["a", "b"], ["1", "2"]])
def test_number_of_any_length_or_script_is_no_class(names):
    for label in ("9" * 5000, 10**5000, "\u0663"):
        with pytest.raises(UserError, match="label must be"):
            class_numbers(label, names, None if names is None else 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_integers_of_an_array_are_numbers_whatever_the_names(dtype):
    assert class_numbers(np.array([1, 2], dtype), _FROM_ONE, 3) == [1, 2]


def test_a_number_without_a_class_has_no_name():
    assert names_of([0, -1, 2], ["a", "b"]) == ["a", "", ""]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
