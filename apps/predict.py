"""Asks a model: image files in, pictures and tables out.

The model is an export in a folder, or one that TF Serving serves.

Examples:
    python apps/predict.py reconstruct --saved_model=saved_models/mnist_vae \
        --output=pairs.png digits/ other.png
    python apps/predict.py encode --saved_model=... --output=codes.npz digits/
    python apps/predict.py decode --saved_model=... --output=back.png codes.npz
    python apps/predict.py sample --server=localhost:8500 --output=new.png
    python apps/predict.py score --server=http://localhost:8501 \
        --model_name=mnist_vae --output=scores.csv digits/
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from keras_vae import cli
from keras_vae.units import NATS

# Flag -> the commands that it says something to.
_COMMANDS = {
    "num_images": ("sample",),
    "temperature": ("sample",),
    "seed": ("sample", "score"),
}
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
    flags.DEFINE_string(
        "output",
        None,
        "The file to write; a name without a suffix is a folder of pictures.",
        required=True,
    )
    flags.DEFINE_integer("num_images", 64, "Images that sample draws.")
    flags.DEFINE_integer("seed", 0, "Of sample and score.")
    flags.DEFINE_float("temperature", 1.0, "Of sample.")
    flags.DEFINE_string(
        "label",
        None,
        "For a conditional model: a class by its name, or by its number where "
        "no name is one; or several with commas (in turn for sample, else one "
        "for each row); or folders: the class that each file's folder is named "
        "after.",
    )
    flags.DEFINE_string("model_name", "model", "The model's name on a server.")
    flags.DEFINE_integer(
        "version", None, "The model's version; the newest unless given."
    )
    flags.DEFINE_float("timeout", 30.0, "Seconds for a server's answer.")
    flags.DEFINE_integer("retries", 4, "Further tries of an absent server.")
    flags.DEFINE_integer("batch_size", 64, "Images of a request at most.")
    flags.DEFINE_string("tls_ca", None, "PEM file with the server's CA.")


def main(arguments: Sequence[str]) -> None:
    values = flags.FLAGS
    if not arguments:
        raise cli.UserError(
            "Say what to do: reconstruct, encode, decode, sample or score. "
            "Received: nothing"
        )
    if (values.saved_model is None) == (values.server is None):
        raise cli.UserError(
            "Say where the model is: --saved_model=DIR or "
            "--server=ADDRESS. Received: "
            + ("neither" if values.server is None else "both")
        )
    if values.server is None:
        cli.refuse_flags(_SERVER, "without --server")

    cli.load_tensorflow()
    from keras_vae.serving import VERBS, Client, parse_address, predict

    verb, *inputs = arguments
    for name, commands in _COMMANDS.items():
        if verb in VERBS and verb not in commands:
            cli.refuse_flags([name], f"for {verb}")
    with Client(
        pathlib.Path(values.saved_model)
        if values.server is None
        else parse_address(values.server),
        model_name=values.model_name,
        version=values.version,
        timeout=values.timeout,
        retries=values.retries,
        batch_size=values.batch_size,
        tls_ca=values.tls_ca,
    ) as client:
        path = predict(
            client,
            verb,
            inputs,
            values.output,
            num_images=values.num_images,
            seed=values.seed,
            temperature=values.temperature,
            label=values.label,
        )
    unit = f" ({NATS})" if verb == "score" else ""
    print(f"wrote {path}{unit}")


if __name__ == "__main__":
    _define_flags()
    cli.run(main)
