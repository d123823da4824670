"""What the apps do with a verb: check, load, call, tell."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_vae.training import load_trained
from keras_vae.use.augment import augment
from keras_vae.use.decode import decode
from keras_vae.use.encode import encode
from keras_vae.use.impute import impute, upscale
from keras_vae.use.interpolate import interpolate
from keras_vae.use.reconstruct import reconstruct
from keras_vae.use.sample import sample
from keras_vae.use.score import score
from keras_vae.use.source import ImageSource
from keras_vae.use.traverse import traverse
from keras_vae.use.verb_outputs import check_output

__all__ = ["call_verb"]

_VERBS: dict[str, Callable[..., Any]] = {
    "augment": augment,
    "decode": decode,
    "encode": encode,
    "impute": impute,
    "interpolate": interpolate,
    "reconstruct": reconstruct,
    "sample": sample,
    "score": score,
    "traverse": traverse,
    "upscale": upscale,
}


def call_verb(
    name: str,
    load: Callable[[], Any],
    inputs: Sequence[str],
    *,
    output: str,
    source: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> None:
    """Calls a verb as an app was told to, and says what it wrote.

    Args:
        name: Of the verb.
        load: Returns the model. What takes no model to check is checked
            before.
        inputs: The files that were named.
        output: The file or folder to write.
        source: Further arguments of the `ImageSource`; None where the verb
            reads no images.
        options: Further arguments of the verb.

    Raises:
        UserError: If something cannot be used.
    """
    check_output(name, output)
    places: list[Any] = []
    if source is not None:
        places.append(ImageSource(tuple(inputs), **source))
    elif name == "decode":
        places.append(inputs)
    options = dict(options)
    model = load()
    if "background" in options:
        options["background"] = load_trained(options["background"])
    written = _VERBS[name](model, *places, output, **options)
    if written.report:
        print(written.report)
    for path in written.paths:
        print(f"wrote {path}")
