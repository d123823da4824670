"""Tests of the client against metadata that name any signatures at all."""

import copy
import json

import numpy as np
import pytest

from keras_vae.errors import UserError
from keras_vae.serving import Client
from tests.serving.hostile import GOOD, IMAGE, PIXELS, TIMEOUT, decode, info
from tests.serving.hostile_http import http, metadata, rest


def _changed(path, value):
    """Returns the good metadata with another value at a path."""
    found = copy.deepcopy(GOOD)
    *parents, last = path.split("/")
    place = found
    for key in parents:
        place = place[key]
    if value is _MISSING:
        del place[last]
    else:
        place[last] = value
    return found


_MISSING = object()
_DIM = "decode/inputs/z/tensor_shape/dim"
_FOREIGN_METADATA = {
    "no dtype": ("decode/inputs/z/dtype", _MISSING),
    "unknown dtype": ("decode/inputs/z/dtype", "DT_VARIANT"),
    "number as dtype": ("decode/inputs/z/dtype", 1),
    "list as dtype": ("decode/inputs/z/dtype", ["DT_FLOAT"]),
    "list as tensors": ("decode/inputs", ["z"]),
    "null as tensors": ("decode/outputs", None),
    "text as tensor": ("decode/inputs/z", "float"),
    "list as signature": ("decode", []),
    "text as shape": ("decode/inputs/z/tensor_shape", "x"),
    "dict as sizes": (_DIM, {"size": "2"}),
    "text as size": (_DIM, [{"size": "-1"}, {"size": "two"}]),
    "fraction as text": (_DIM, [{"size": "-1"}, {"size": "2.5"}]),
    "infinite size": (_DIM, [{"size": "-1"}, {"size": float("inf")}]),
    "null as size": (_DIM, [{"size": None}]),
    "deep sizes": (_DIM, [[[[]]]]),
}
_OTHER_MODEL = {
    "no input": ("decode/inputs/z", _MISSING),
    "no inputs": ("decode/inputs", {}),
    "no outputs": ("decode/outputs", {}),
    "other output": ("decode/outputs", {"pixels": PIXELS}),
    "one input more": ("decode/inputs/more", info("DT_FLOAT", -1)),
    "unknown rank": ("decode/inputs/z/tensor_shape", {"unknown_rank": True}),
    "vectors": ("decode/outputs/image", info("DT_FLOAT", -1, 6)),
    "other dtype": ("decode/inputs/z/dtype", "DT_INT32"),
    "files": ("decode/outputs/image/dtype", "DT_STRING"),
    "free size": (_DIM, [{"size": "-1"}, {"size": "-1"}]),
    "no size": (_DIM, [{"size": "-1"}, {}]),
    "rank 5": ("reconstruct/inputs/image", info("DT_FLOAT", -1, 2, 3, 1, 1)),
    "no image": ("reconstruct/inputs", {}),
    "scalar": ("reconstruct/inputs/image", info("DT_FLOAT")),
}


@pytest.mark.parametrize("kind", [*_FOREIGN_METADATA, *_OTHER_MODEL])
def test_metadata_of_another_form(kind):
    path, value = {**_FOREIGN_METADATA, **_OTHER_MODEL}[kind]
    get = metadata(_changed(path, value))
    with rest(http({"outputs": IMAGE}), get) as address:
        said = decode(address)
        if kind in _FOREIGN_METADATA:
            assert "no signatures" in said
        else:
            assert "The model is not an export of this package" in said


@pytest.mark.parametrize(
    "answer",
    [
        {"metadata": {}},
        {"metadata": []},
        {"metadata": {"signature_def": None}},
        {"metadata": {"signature_def": {"signature_def": []}}},
        {"metadata": {"signature_def": {"signature_def": "x"}}},
    ],
    ids=json.dumps,
)
def test_metadata_without_signatures(answer):
    with rest(http({}), http(answer)) as address:
        assert "no signatures" in decode(address)


def test_sizes_beyond_memory_ask_for_none():
    get = metadata(
        _changed("decode/outputs/image", info("DT_FLOAT", -1, 2**62, 2, 1))
    )
    with rest(http({"outputs": IMAGE}), get) as address:
        assert "does not fit" in decode(address)


def test_free_sizes_of_another_signature_are_read_as_they_come():
    signatures = _changed("more", copy.deepcopy(GOOD["encode"]))
    signatures["more"]["outputs"] = {"x": info("DT_INT32", -1, -1, 2)}
    good = [[[1, 2], [3, 4], [5, 6]]] * 2
    for outputs in (good, [[], []]):
        with (
            rest(http({"outputs": outputs}), metadata(signatures)) as address,
            Client(address, timeout=TIMEOUT, retries=0) as client,
        ):
            found = client.ask("more", image=np.zeros([2, 2, 3, 1]))["x"]
        assert found.dtype == np.int32
        assert found.tolist() == outputs
    for bad in ([good[0], []], [[[1]], [[1]]], [good[0], 7], [[[1, 2.5]]] * 2):
        with (
            rest(http({"outputs": bad}), metadata(signatures)) as address,
            Client(address, timeout=TIMEOUT, retries=0) as client,
            pytest.raises(UserError, match="does not fit the signature more"),
        ):
            client.ask("more", image=np.zeros([2, 2, 3, 1]))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
