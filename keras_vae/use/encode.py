"""`encode`: the latents of images, as arrays and for TensorBoard."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, TextIO

import numpy as np

from keras_vae.config import check_number
from keras_vae.evaluation import Projection, write_projector
from keras_vae.io import outputs, sizes
from keras_vae.io.npz_files import write_npz
from keras_vae.labels import names_of
from keras_vae.notes import counted
from keras_vae.serving.client import Client
from keras_vae.training import TrainedModel
from keras_vae.use.answer_files import shown
from keras_vae.use.image_rows import ImageRows
from keras_vae.use.row_classes import class_arrays
from keras_vae.use.source import ImageSource
from keras_vae.use.target import Answers, Target, target_of
from keras_vae.use.verb_outputs import check_output

__all__ = ["encode"]


def encode(
    model: TrainedModel | Client | Target,
    source: ImageSource,
    output: str | os.PathLike[str],
    *,
    max_points: int = 10_000,
    max_dimensions: int = 512,
    stream: TextIO | None = None,
) -> outputs.Written:
    """Encodes images into an NPZ file, or a folder for the Embedding Projector.

    The file, in the folder `latents.npz`, holds, in the order of the images,
    `mean` and `stddev` of q(z|x) `[num, D]` (of a plain autoencoder only
    `mean`, the codes), `image` (the names), and where the classes are known
    `label` and `class_names`. A file alone is written as the answers come, in
    little memory. `tensorboard --logdir=OUTPUT` shows the means of a folder
    with the images as sprites: at most `max_points` of them, and not more than
    fit into a sprite of 8192 x 8192 pixels (1,024 images of 256x256).

    Args:
        model: The model of a run, or a client of an export.
        source: The images.
        output: The NPZ file or the folder to write.
        max_points: Images in the projector; of more a seeded random subset.
        max_dimensions: Latent dimensions in the projector; of more those that
            vary most. The arrays always hold all.
        stream: Where progress is shown; standard error unless given.

    Returns:
        What was written.

    Raises:
        UserError: If the model, the images or the output cannot be used.
    """
    path = check_output("encode", output)
    check_number("max_points", max_points, 1, whole=True)
    check_number("max_dimensions", max_dimensions, 1, whole=True)
    target = target_of(model)
    target.check_can("encode")
    rows = source.rows(target)
    labels, class_names = _classes(rows)
    known = {
        "image": np.array(rows.names),
        **class_arrays(labels, class_names),
    }
    num = len(rows)
    _check_size(path, num, target.latent_dim)
    answers = _named(
        target.ask_batches("encode", rows.batches(target, "encode"))
    )
    answers = shown(answers, num, stream)
    if path.suffix:
        outputs.replace_file(path, lambda p: write_npz(p, answers, num, known))
        return outputs.Written((path,))
    parts = list(answers)
    latents = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
    projection = _write_folder(
        path,
        rows,
        {**latents, **known},
        max_points=max_points,
        max_dimensions=max_dimensions,
        seed=source.seed,
    )
    figures = {
        "num_images": num,
        "latent_dim": latents["mean"].shape[1],
        "num_points": len(projection.positions),
        "num_dimensions": len(projection.dimensions),
    }
    report = (
        f"{counted(figures['num_images'], 'image')} in "
        f"{counted(figures['latent_dim'], 'dimension')}; the projector shows "
        f"{figures['num_points']:,} of them in {figures['num_dimensions']:,}\n"
        f"tensorboard --logdir={path}"
    )
    return outputs.Written((path,), report, figures)


def _named(answers: Answers) -> Answers:
    """Yields the answers, the codes of a plain autoencoder as means."""
    for answer in answers:
        yield {
            "mean" if name == "z" else name: values
            for name, values in answer.items()
        }


def _check_size(path: pathlib.Path, num: int, latent_dim: int) -> None:
    what = f"{num:,} images"
    # Two float32 moments: on disk, and of a folder in parts and then together.
    needed = num * latent_dim * 8
    if not path.suffix:
        sizes.check_memory(2 * needed, f"the latents of {what}", what)
    sizes.check_disk(path, needed, f"the latents of {what}", what)


def _write_folder(
    path: pathlib.Path,
    rows: ImageRows,
    arrays: dict[str, Any],
    **options: int,
) -> Projection:
    metadata: dict[str, Any] = {
        "position": np.arange(len(rows)),
        "image": rows.names,
    }
    if "label" in arrays:
        metadata["label"] = arrays["label"]
        if "class_names" in arrays:
            names = arrays["class_names"].tolist()
            metadata["class"] = names_of(arrays["label"], names)
    projections: list[Projection] = []

    def write(folder: pathlib.Path) -> None:
        np.savez(folder / "latents.npz", **arrays)
        images = rows.read(0, len(rows))
        projections.append(
            write_projector(folder, arrays["mean"], images, metadata, **options)
        )

    outputs.write_folder(path, write)
    return projections[0]


def _classes(
    found: ImageRows,
) -> tuple[np.ndarray | None, Sequence[str] | None]:
    """Returns the class of each image and their names, where known.

    Files in several folders are of the classes that the folders name.
    """
    if found.labels is not None:
        names = found.class_names
        fits = names is not None and found.labels.max() < len(names)
        return found.labels, list(names) if names and fits else None
    if not found.are_files:
        return None, None
    paths = [pathlib.Path(name) for name in found.names]
    folders = [path.absolute().parent.name for path in paths]
    class_names = sorted(set(folders))
    if len(class_names) < 2:
        return None, None
    number = {name: i for i, name in enumerate(class_names)}
    return np.array([number[f] for f in folders], np.int32), class_names
