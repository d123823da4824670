"""Asks a model: image files in, pictures and tables out.

The model is an export in a folder, or one that TF Serving serves. The verbs are
those of apps/generate.py, as far as an export answers them, and write the same.

Examples:
    python apps/predict.py reconstruct --saved_model=saved_models/mnist_vae \
        --output=pairs.png digits/ other.png
    python apps/predict.py encode --saved_model=... --output=codes.npz digits/
    python apps/predict.py decode --saved_model=... --output=back.png codes.npz
    python apps/predict.py sample --server=localhost:8500 --output=new.png
    python apps/predict.py score --server=http://localhost:8501 \
        --model_name=mnist_vae --output=scores.csv digits/
"""

import contextlib
import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags

from keras_vae import cli
from keras_vae.cli.verb_flags import (
    Verb,
    chosen_verb,
    define_verb_flags,
)

_VERBS = {
    "reconstruct": Verb((), ("label",)),
    "encode": Verb(("max_points", "max_dimensions"), ("seed", "label")),
    "decode": Verb(("label",), reads_files=True),
    "sample": Verb(
        ("num_images", "seed", "temperature", "label"),
    ),
    "score": Verb((), ("seed", "label")),
}
_MODEL = ("saved_model", "server", "output")
_SERVER = ("model_name", "timeout", "retries", "tls_ca")


def _define_flags() -> None:
    flags.DEFINE_string(
        "saved_model",
        None,
        "A model's folder (its highest version is taken) or a version folder.",
    )
    flags.DEFINE_string(
        "server",
        None,
        "Instead of --saved_model: host:8500 (gRPC) or http://host:8501 "
        "(REST); grpcs:// and https:// for TLS.",
    )
    define_verb_flags(_VERBS)
    flags.DEFINE_string("model_name", "model", "The model's name on a server.")
    flags.DEFINE_integer(
        "version", None, "The model's version; the newest unless given."
    )
    flags.DEFINE_float("timeout", 30.0, "Seconds for a server's answer.")
    flags.DEFINE_integer("retries", 4, "Further tries of an absent server.")
    flags.DEFINE_integer("batch_size", 64, "Images of a request at most.")
    flags.DEFINE_string("tls_ca", None, "PEM file with the server's CA.")


def main(arguments: Sequence[str]) -> None:
    name, inputs = chosen_verb(arguments, _VERBS, _MODEL)
    values = flags.FLAGS
    if (values.saved_model is None) == (values.server is None):
        raise cli.UserError(
            "Say where the model is: --saved_model=DIR or "
            "--server=ADDRESS. Received: "
            + ("neither" if values.server is None else "both")
        )
    if values.server is None:
        cli.refuse_flags(_SERVER, "without --server")

    cli.load_tensorflow()
    from keras_vae.use.verb_calls import call_verb

    with contextlib.ExitStack() as stack:
        call_verb(
            name,
            lambda: stack.enter_context(_client()),
            inputs,
            **_VERBS[name].given(),
        )


def _client() -> Any:
    from keras_vae.serving import Client, parse_address

    values = flags.FLAGS
    return Client(
        pathlib.Path(values.saved_model)
        if values.server is None
        else parse_address(values.server),
        model_name=values.model_name,
        version=values.version,
        timeout=values.timeout,
        retries=values.retries,
        batch_size=values.batch_size,
        tls_ca=values.tls_ca,
    )


if __name__ == "__main__":
    _define_flags()
    cli.run(main)
