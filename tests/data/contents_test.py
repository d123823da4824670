"""Tests of what says that a dataset has changed."""

import hashlib
import itertools
import json
import re

import numpy as np
import pytest

from keras_vae.data import contents
from keras_vae.data.contents import (
    Contents,
    array_digest,
    describe_changes,
    file_digests,
)
from keras_vae.errors import UserError


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": "1"}, {"a": "1"}, ""),
        ({}, {"a": "1"}, "1 added (a)"),
        ({"a": "1", "b": "1"}, {"a": "1"}, "1 removed (b)"),
        ({"a": "1", "b": "1"}, {"a": "2", "b": "1"}, "1 changed (a)"),
        (
            {"a": "1", "c": "1"},
            {"c": "2", "b": "3", "d": "4"},
            "2 added (b, d), 1 removed (a), 1 changed (c)",
        ),
        (
            {},
            dict.fromkeys("edcba", "1"),
            "5 added (a, b, c and 2 more)",
        ),
    ],
)
def test_changes_are_counted_and_named(old, new, expected):
    assert describe_changes(old, new) == expected


@pytest.mark.parametrize(
    "pair", list(itertools.permutations(("train", "validation", "test"), 2))
)
def test_equal_images_of_two_splits_are_known_by_the_first(pair):
    expected = {"1": next(s for s in ("train", "validation") if s in pair)}
    both = Contents({"a": "1", "b": "1"}, dict(zip("ab", pair, strict=True)))
    assert both.split_by_digest == expected
    one_gone = Contents({"a": "1"}, {"a": pair[0]}, former={"1": pair[1]})
    assert one_gone.split_by_digest == expected


def test_digest_of_a_file_is_of_its_bytes_alone(tmp_path):
    for name, content in {"a": b"xy", "b": b"xy", "c": b"xz"}.items():
        (tmp_path / name).write_bytes(content)
    found = file_digests(tmp_path, "abc")
    assert found["a"] == found["b"] != found["c"]
    assert re.fullmatch("2-[0-9a-f]{32}", found["a"])


@pytest.mark.parametrize("place", [0, 15, 16, 500, -1])
def test_every_byte_of_a_long_file_counts(tmp_path, monkeypatch, place):
    monkeypatch.setattr(contents, "_BLOCK_BYTES", 16)
    content = bytearray(np.random.RandomState(0).bytes(64 * 16 + 200))
    path = tmp_path / "a"
    path.write_bytes(content)
    before = file_digests(tmp_path, ["a"])["a"]
    assert (
        before == f"1224-{hashlib.blake2b(content, digest_size=16).hexdigest()}"
    )
    content[place] ^= 1
    path.write_bytes(content)
    assert file_digests(tmp_path, ["a"])["a"] != before


def test_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(UserError, match=r"No such file.*Received: .*gone"):
        file_digests(tmp_path, ["gone"])


def test_digest_of_an_array_is_of_shape_type_and_values():
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    changed = array.copy()
    changed[2, 3] = 0
    others = [changed, array.reshape(4, 3), array.astype(np.int8), array[:2]]
    digests = {array_digest(other) for other in [array, *others]}
    assert len(digests) == 5
    assert array_digest(np.asfortranarray(array)) == array_digest(array)


def test_contents_survive_json():
    some = Contents({"a": "1"}, {"a": "test"}, {"2": "train"}, {"u": "3"})
    text = json.dumps(some.to_dict())
    assert Contents.from_dict(json.loads(text)) == some


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"digests": {}, "splits": {}, "former": {}},
        {"digests": [], "splits": {}, "former": {}, "archives": {}},
        {"digests": {"a": 1}, "splits": {}, "former": {}, "archives": {}},
    ],
)
def test_contents_that_are_none_are_refused(content):
    with pytest.raises(ValueError, match="must"):
        Contents.from_dict(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"splits": {"a": "holdout"}}, "no split 'holdout'"),
        ({"former": {"2": "holdout"}}, "no split 'holdout'"),
        ({"splits": {"b": "train"}}, "'b' has a split, but no digest"),
    ],
)
def test_splits_that_cannot_be_are_refused(change, message):
    some = Contents({"a": "1"}, {"a": "test"}, {"2": "train"}, {"u": "3"})
    with pytest.raises(ValueError, match=message):
        Contents.from_dict({**some.to_dict(), **change})


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
