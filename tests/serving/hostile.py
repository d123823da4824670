"""What the tests of hostile answers share: a small model, and one question.

Each answer must end in a UserError of one line, within the deadline: no other
exception, no answer that is wrong, no waiting.
"""

import time

import numpy as np
import pytest

from keras_vae.errors import UserError
from keras_vae.serving import Client

__all__ = [
    "GOOD",
    "IMAGE",
    "PIXELS",
    "SCORES",
    "TIMEOUT",
    "Z",
    "decode",
    "info",
    "order_of_scores",
]

TIMEOUT = 0.5  # Seconds.
Z = np.zeros([2, 2], np.float32)
IMAGE = np.zeros([2, 2, 3, 1]).tolist()
SCORES = ("elbo", "log_likelihood", "kl_divergence")


def info(dtype, *sizes):
    """Returns the metadata of a tensor, as TF Serving writes them."""
    dims = [{"size": str(size), "name": ""} for size in sizes]
    shape = {"dim": dims, "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": "x:0"}


PIXELS = info("DT_FLOAT", -1, 2, 3, 1)
# Signatures of the small model.
GOOD = {
    "reconstruct": {
        "inputs": {"image": PIXELS},
        "outputs": {"reconstruction": PIXELS},
    },
    "decode": {
        "inputs": {"z": info("DT_FLOAT", -1, 2)},
        "outputs": {"image": PIXELS},
    },
    "encode": {
        "inputs": {"image": PIXELS},
        "outputs": {
            "mean": info("DT_FLOAT", -1, 2),
            "stddev": info("DT_FLOAT", -1, 2),
        },
    },
    "score": {
        "inputs": {"image": PIXELS, "seed": info("DT_INT32", -1, 2)},
        "outputs": dict.fromkeys(SCORES, info("DT_FLOAT", -1)),
    },
    "reconstruct_bytes": {
        "inputs": {"image_bytes": info("DT_STRING", -1)},
        "outputs": {"reconstruction_bytes": info("DT_STRING", -1)},
    },
}


def _said(caught, start):
    """What the user reads: soon, and a line."""
    text = str(caught.value)
    assert "Received: " in text
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert len(text) < 600
    assert time.monotonic() - start < TIMEOUT + 2
    return text


def decode(target):
    """Asks for two images; returns what the user is told."""
    start = time.monotonic()
    with (
        Client(target, timeout=TIMEOUT, retries=0) as client,
        pytest.raises(UserError) as caught,
    ):
        client.decode(Z)
    return _said(caught, start)


def order_of_scores(target):
    """Scores an image; returns the names of the scores, in their order."""
    with Client(target, timeout=TIMEOUT, retries=0) as client:
        return tuple(client.score(np.zeros([1, 2, 3, 1], np.float32)))
