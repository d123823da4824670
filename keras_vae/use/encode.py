"""`encode`: the latents of images, as arrays and for TensorBoard."""

import os
import pathlib
from typing import Any

import numpy as np

from keras_vae.errors import UserError
from keras_vae.evaluation import Projection, encode_images, write_projector
from keras_vae.io import outputs, sizes
from keras_vae.labels import names_of
from keras_vae.models.abilities import check_can
from keras_vae.models.conditions import conditions
from keras_vae.notes import counted
from keras_vae.training import TrainedModel
from keras_vae.use.source import (
    ImageSource,
    SourceImages,
)

__all__ = ["encode"]


def encode(
    trained: TrainedModel,
    source: ImageSource,
    output: str | os.PathLike[str],
    *,
    max_points: int = 10_000,
    max_dimensions: int = 512,
) -> outputs.Written:
    """Encodes images into a folder that the Embedding Projector shows.

    `latents.npz` holds, in the order of the images, `mean` and `stddev` of
    q(z|x) `[num, D]` (of a plain autoencoder only `mean`, the codes), `image`
    (the names), and where the classes are known `label` and `class_names`.
    `tensorboard --logdir=OUTPUT` shows the means with the images as sprites:
    at most `max_points` of them, and not more than fit into a sprite of
    8192 x 8192 pixels (1,024 images of 256x256).

    Args:
        trained: The model of a run.
        source: The images.
        output: The folder to write.
        max_points: Images in the projector; of more a seeded random subset.
        max_dimensions: Latent dimensions in the projector; of more those that
            vary most. The arrays always hold all.

    Returns:
        What was written.

    Raises:
        UserError: If the model, the images or the output cannot be used.
    """
    path = outputs.check_suffix(output, ("",), "encode")
    outputs.check_free_folder(path)
    for name, value in (
        ("max_points", max_points),
        ("max_dimensions", max_dimensions),
    ):
        if value < 1:
            raise UserError(
                f"{name} must be at least 1. Received: {name}={value}"
            )
    check_can(trained.model, "encode")
    found = source.load(trained)
    condition = conditions(trained.model, found.labels)
    given = found.labels if condition else None
    what = f"{len(found.images):,} images"
    # Two float32 moments, in parts and then together, and once on disk.
    needed = len(found.images) * trained.model.latent_dim * 8
    sizes.check_memory(2 * needed, f"the latents of {what}", what)
    sizes.check_disk(path, needed, f"the latents of {what}", what)
    latents = encode_images(trained.model, found.images, given)
    labels, class_names = _classes(found)
    arrays: dict[str, Any] = {
        "mean": latents.mean,
        "image": np.array(found.names),
    }
    if latents.stddev is not None:
        arrays["stddev"] = latents.stddev
    metadata: dict[str, Any] = {
        "position": np.arange(len(found.names)),
        "image": found.names,
    }
    if labels is not None:
        arrays["label"] = metadata["label"] = labels
        if class_names is not None:
            arrays["class_names"] = np.array(class_names)
            metadata["class"] = names_of(labels, class_names)
    shown: list[Projection] = []

    def write(folder: pathlib.Path) -> None:
        np.savez(folder / "latents.npz", **arrays)
        shown.append(
            write_projector(
                folder,
                latents.mean,
                found.images,
                metadata,
                max_points=max_points,
                max_dimensions=max_dimensions,
                seed=source.seed,
            )
        )

    outputs.write_folder(path, write)
    figures = {
        "num_images": len(found.names),
        "latent_dim": latents.mean.shape[1],
        "num_points": len(shown[0].positions),
        "num_dimensions": len(shown[0].dimensions),
    }
    report = (
        f"{counted(figures['num_images'], 'image')} in "
        f"{counted(figures['latent_dim'], 'dimension')}; the projector shows "
        f"{figures['num_points']:,} of them in {figures['num_dimensions']:,}\n"
        f"tensorboard --logdir={path}"
    )
    return outputs.Written((path,), report, figures)


def _classes(
    found: SourceImages,
) -> tuple[np.ndarray | None, list[str] | None]:
    """Returns the class of each image and their names, where known.

    Files in several folders are of the classes that the folders name.
    """
    if found.labels is not None:
        names = found.class_names
        fits = names is not None and found.labels.max() < len(names)
        return found.labels, list(names) if names and fits else None
    paths = [pathlib.Path(name) for name in found.names]
    if not all(path.is_file() for path in paths):
        return None, None
    folders = [path.absolute().parent.name for path in paths]
    class_names = sorted(set(folders))
    if len(class_names) < 2:
        return None, None
    number = {name: i for i, name in enumerate(class_names)}
    return np.array([number[f] for f in folders], np.int32), class_names
