"""Calls a verb by its name, as tests of several verbs do."""

from keras_vae.use import (
    ImageSource,
    decode,
    encode,
    reconstruct,
    sample,
    score,
)

__all__ = ["call"]

_OF_IMAGES = {"reconstruct": reconstruct, "encode": encode, "score": score}


def call(model, verb, inputs, output, **options):
    """Returns the path that a verb wrote."""
    if verb == "sample":
        written = sample(model, output, **options)
    elif verb == "decode":
        written = decode(model, inputs, output, **options)
    else:
        source = ImageSource(inputs, **options)
        written = _OF_IMAGES[verb](model, source, output)
    (path,) = written.paths
    return path
