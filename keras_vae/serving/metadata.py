"""What an export says of itself: `assets.extra/metadata.json`."""

import math
import pathlib
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import keras_vae
from keras_vae.models import GenerativeModel
from keras_vae.training import TrainedModel

__all__ = ["METADATA", "describe", "read_signatures"]

METADATA = "assets.extra/metadata.json"


def describe(
    trained: TrainedModel, pixels: str = "mean", run: str | None = None
) -> dict[str, Any]:
    """Returns the metadata of a model: plain data for JSON.

    The same model gives the same metadata: there is no date in it. An export
    adds `signatures`, what `read_signatures` returned.

    Args:
        trained: The model, with what its images are.
        pixels: What `sample` answers.
        run: The path to the run folder from the exported model's folder;
            None where there is none.

    Returns:
        `image_shape` (height, width, channels) and `image_range`;
        `latent_dim`, and in `latent_layout` where each group lies in a flat
        latent vector; how images are prepared (`binarization`,
        `dequantization`, `num_bits`) and the `unit` of their scores; what
        `sample` answers (`pixels`: the `mean` of p(x|z), or a `draw`); the
        classes of a conditional model; the run and its whole experiment, which
        of its `weights` these are (`last` or `best`) and of which `step`;
        versions of what wrote it.
    """
    model, preparation = trained.model, trained.preparation
    return {
        "package": f"keras_vae {keras_vae.__version__}",
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "model": trained.experiment.model.name,
        "image_shape": list(model.image_shape),
        "image_range": [0.0, 1.0],
        "num_bits": preparation.num_bits,
        "latent_dim": model.latent_dim,
        "groups": [list(shape) for shape in model.group_shapes],
        "latent_layout": _layout(model),
        "num_classes": model.num_classes,
        "class_names": list(model.class_names),
        **preparation.protocol(),
        **_pixels(model, pixels),
        "run": run,
        "weights": trained.weights,
        "step": trained.step,
        "experiment": trained.experiment.to_dict(),
    }


def _pixels(model: GenerativeModel, pixels: str) -> dict[str, str]:
    """Returns what a sample shows, which without latents is a draw."""
    if not model.has_likelihood:
        return {}
    return {"pixels": pixels if model.has_latents else "draw"}


def _layout(model: GenerativeModel) -> list[dict[str, Any]]:
    """Returns where each group lies in `[latent_dim]`, the top one first."""
    layout, offset = [], 0
    shapes = model.group_shapes
    if model.has_latents and not model.has_prior:
        shapes = ((model.latent_dim,),)
    for shape in shapes:
        size = math.prod(shape)
        layout.append({"shape": list(shape), "offset": offset, "size": size})
        offset += size
    return layout


def read_signatures(folder: pathlib.Path) -> dict[str, Any]:
    """Returns the signatures of a SavedModel as a server sees them.

    Args:
        folder: The SavedModel.

    Returns:
        Name -> `{"inputs": {name: {"dtype": "float32", "shape": [None, 2]}},
        "outputs": ...}`, `serving_default` first; None is a free size.
    """
    saved_model = saved_model_pb2.SavedModel.FromString(
        (folder / "saved_model.pb").read_bytes()
    )
    found = saved_model.meta_graphs[0].signature_def
    # Keras and TensorFlow add some that are not for callers.
    names = [name for name in found if not name.startswith("__")]
    return {
        name: {
            "inputs": _tensors(found[name].inputs),
            "outputs": _tensors(found[name].outputs),
        }
        for name in sorted(names, key=lambda n: (n != "serving_default", n))
    }


def _tensors(infos: Any) -> dict[str, Any]:
    return {
        name: {
            "dtype": tf.dtypes.as_dtype(infos[name].dtype).name,
            "shape": tf.TensorShape(infos[name].tensor_shape).as_list(),
        }
        for name in sorted(infos)
    }
