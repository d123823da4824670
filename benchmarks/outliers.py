"""How well a VAE's scores tell unusual images from usual ones, on MNIST.

    python -m benchmarks.outliers --manual_dir=MNIST

Two small models are trained on the even digits alone, the second with
`mutation_rate`: the background model of Ren et al. (2019). Test images of even
digits, which neither has seen, are the inliers. Against them, as outliers:

* each odd digit, a class held out of training, and all of them together: the
  usual benchmark where no other dataset can be had. Half of the classes is
  held out at once, and every one is told, as the figures differ a lot from
  class to class: a likelihood finds a simple digit usual, seen or not.
* even test digits that were spoilt: inverted (white becomes black), turned by
  90 degrees (some zeros and eights stay what they are, so that 1 cannot be
  reached), or with a box of 12x12 pixels at a random place made black or white.
* with `--photographs=PNG`, CIFAR-10 images, made grey and 28x28 pixels: one
  row of the file is one image, 1,024 RGB pixels, 32x32 row by row.

Nothing was chosen by these figures: the mutation rate, 0.3, was set before any
of them was seen, and there is no other setting. All images are binarized
dynamically, as the models are trained. Other datasets that are usual against
MNIST (Fashion-MNIST, notMNIST) are no part of it, so these figures cannot be
compared with published ones.

The images and runs stay in `--folder`: the same command goes on with what is
there, and `apps/generate.py score` takes them:

    python apps/generate.py score --workdir=FOLDER/model \\
        --background=FOLDER/background --num_images=500 \\
        --outliers=FOLDER/images/outliers/box_black --output=scores

References:
    Ren et al. (2019), Likelihood ratios for out-of-distribution detection,
    section 3; Nalisnick et al. (2019), Do deep generative models know what
    they don't know?
"""

import argparse
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import PIL.Image

from benchmarks import records
from keras_vae.config import (
    DenseConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig, ImageDataset, load
from keras_vae.evaluation import Detection, detection, image_scores
from keras_vae.evaluation.background import check_background
from keras_vae.io import outputs
from keras_vae.training import ExperimentConfig, load_trained, train
from keras_vae.use.source import ImageSource

__all__ = ["Row", "compare", "main", "photographs", "rows", "spoilt"]

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_SETTINGS = "settings.json"
_BOX = 12
_COLUMNS = (
    records.Column("number", "number"),
    records.Column("nll", "likelihood"),
    records.Column("nll_ratio", "likelihood ratio"),
    records.Column("reconstruction_error", "reconstruction error"),
)
_MODEL = VAEConfig(
    architecture=DenseConfig(hidden_units=(256,), activation="relu"),
    latent_dim=16,
    learning_rate=1e-3,
)

# Name of a kind of outliers -> what each score is worth.
Row = tuple[str, Mapping[str, Detection]]


def spoilt(images: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Returns what is made of usual images to have unusual ones.

    Args:
        images: uint8 `[num, height, width]`, at least 12 pixels high and wide.
        seed: Of the places of the boxes.

    Returns:
        Name -> images of the same dtype and number.
    """
    random = np.random.default_rng(seed)
    num, height, width = images.shape
    inside = np.zeros(images.shape, bool)
    tops = random.integers(0, height - _BOX + 1, num)
    lefts = random.integers(0, width - _BOX + 1, num)
    for box, top, left in zip(inside, tops, lefts):
        box[top : top + _BOX, left : left + _BOX] = True
    return {
        "inverted": 255 - images,
        "turned": np.rot90(images, axes=(1, 2)),
        "box_black": np.where(inside, np.uint8(0), images),
        "box_white": np.where(inside, np.uint8(255), images),
    }


def photographs(path: pathlib.Path, size: int) -> np.ndarray:
    """Returns photographs as grey images, uint8 `[num, size, size]`.

    Args:
        path: A picture whose rows are images of 32x32 RGB pixels.
        size: Height and width.
    """
    with PIL.Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    rows = pixels.reshape(-1, 32, 32, 3)
    grey = [PIL.Image.fromarray(row).convert("L") for row in rows]
    return np.stack([np.asarray(one.resize((size, size))) for one in grey])


def _write_images(folder: pathlib.Path, flags: argparse.Namespace) -> None:
    """Writes the images that are trained on, and the outliers."""
    data = DataConfig(
        "mnist", data_dir=flags.data_dir, manual_dir=flags.manual_dir
    )
    dataset = load(data)
    num = flags.num_images
    for name, most in (("train", flags.num_train), ("test", None)):
        images, labels = _of_classes(dataset, name, range(0, 10, 2), most)
        for digit in np.unique(labels):
            _save(folder / name / str(digit), images[labels == digit])
        usual = images
    outliers = {
        f"digit_{digit}": _of_classes(dataset, "test", [digit], num)[0]
        for digit in range(1, 10, 2)
    }
    # Those that are drawn as inliers may be among them: a spoilt image is
    # another image.
    order = np.random.default_rng(0).permutation(len(usual))[:num]
    outliers |= spoilt(usual[order], seed=1)
    if flags.photographs:
        size = usual.shape[1]
        outliers["photographs"] = photographs(flags.photographs, size)[:num]
    for name, images in outliers.items():
        _save(folder / "outliers" / name, images)
    (folder / _SETTINGS).write_text(json.dumps(_settings(flags)))


def _of_classes(
    dataset: ImageDataset, split: str, digits: Sequence[int], most: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first images of some classes, uint8 `[num, H, W]`."""
    found = dataset.splits[split]
    assert found.images is not None and found.labels is not None
    which = np.flatnonzero(np.isin(found.labels, digits))[:most]
    return found.images[which, ..., 0], found.labels[which]


def _save(folder: pathlib.Path, images: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        path = folder / f"{index:05d}.png"
        PIL.Image.fromarray(np.ascontiguousarray(image)).save(path)


def _settings(flags: argparse.Namespace) -> dict[str, Any]:
    return {
        "num_train": flags.num_train,
        "num_images": flags.num_images,
        "photographs": flags.photographs is not None,
    }


def _images(flags: argparse.Namespace) -> pathlib.Path:
    """Returns the folder of the images, written where it is missing."""
    folder = flags.folder / "images"
    if not folder.exists():
        outputs.write_folder(folder, lambda path: _write_images(path, flags))
    found = json.loads((folder / _SETTINGS).read_text())
    if found != _settings(flags):
        raise SystemExit(
            "The images there were made with other settings: choose another "
            f"--folder. Received: {folder} with {found}"
        )
    return folder


def _train(
    workdir: pathlib.Path,
    images: pathlib.Path,
    mutation_rate: float,
    flags: argparse.Namespace,
) -> pathlib.Path:
    """Trains a model on a folder of images; returns its run folder."""
    experiment = ExperimentConfig(
        DataConfig(
            "image_folder",
            data_dir=str(images),
            binarization="dynamic",
            validation_size=min(1000, flags.num_train // 10),
            mutation_rate=mutation_rate,
        ),
        _MODEL,
        TrainingConfig(epochs=flags.epochs, max_minutes=flags.max_minutes),
    )
    result = train(experiment, workdir)
    if result.interrupted:
        raise SystemExit(f"stopped by {result.interrupted}")
    return workdir


def compare(
    workdir: pathlib.Path,
    background: pathlib.Path,
    outliers: pathlib.Path,
    num_images: int,
    num_importance_samples: int,
) -> tuple[list[Row], dict[str, float]]:
    """Scores the test images of a run and each folder of outliers.

    Args:
        workdir: The run folder.
        background: That of the background model.
        outliers: A folder whose folders hold the kinds of outliers; those
            named `digit_*` are also taken together.
        num_images: Of the test images, a seeded random subset.
        num_importance_samples: K of the bound on log p(x).

    Returns:
        A row for each kind, and the mean `nll` of the inliers by each model,
        nats per image.
    """
    trained = load_trained(workdir)
    other = load_trained(background)
    check_background(other, trained)
    kinds = sorted(path.name for path in outliers.iterdir())
    sources = [ImageSource(num_images=num_images)]
    sources += [ImageSource((str(outliers / kind),)) for kind in kinds]
    parts = [source.load(trained).images for source in sources]
    images = np.concatenate(parts)
    own, theirs = (
        image_scores(each.model, images, num_importance_samples)
        for each in (trained, other)
    )
    ends = np.cumsum([len(part) for part in parts])[:-1]
    columns = {
        "nll": own.nll,
        "nll_ratio": own.nll - theirs.nll,
        "reconstruction_error": own.reconstruction_error,
    }
    scores = {name: np.split(values, ends) for name, values in columns.items()}
    which = {kind: [index] for index, kind in enumerate(kinds, start=1)}
    digits = [n for kind in kinds if kind[:6] == "digit_" for n in which[kind]]
    if len(digits) > 1:
        which = {"digits, together": digits, **which}
    rows = [
        (
            kind,
            {
                name: detection(
                    each[0], np.concatenate([each[n] for n in some])
                )
                for name, each in scores.items()
            },
        )
        for kind, some in which.items()
    ]
    nll = {
        "model": own.nll[: ends[0]].mean(),
        "background": theirs.nll[: ends[0]].mean(),
    }
    return rows, nll


def rows(found: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns what `compare` found as rows of AUROCs."""
    return [
        {
            "label": kind.replace("_", " "),
            "number": scores["nll"].num_outliers,
            **{
                name: records.figure(one.auroc, one.standard_error, 3)
                for name, one in scores.items()
            },
        }
        for kind, scores in found
    ]


def _flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=main.__doc__)
    add = parser.add_argument
    add("--data_dir", help="where TFDS keeps prepared data")
    add("--manual_dir", help="folder of MNIST's original archives")
    add("--photographs", type=pathlib.Path, help="PNG of CIFAR-10 images")
    add("--folder", type=pathlib.Path, default=_ROOT / "runs" / "outliers")
    add("--num_train", type=int, default=20_000, help="training images at most")
    add("--num_images", type=int, default=500, help="of each kind at most")
    add("--num_importance_samples", type=int, default=100)
    add("--mutation_rate", type=float, default=0.3)
    add("--epochs", type=int, default=20)
    add("--max_minutes", type=float, help="of each model, instead of --epochs")
    records.add_flag(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains where no run is there, scores, and prints a table.

    Args:
        arguments: Command-line arguments; those of the process if None.
    """
    flags = _flags(arguments)
    images = _images(flags)
    model = _train(flags.folder / "model", images, 0.0, flags)
    background = _train(
        flags.folder / "background", images, flags.mutation_rate, flags
    )
    found, nll = compare(
        model,
        background,
        images / "outliers",
        flags.num_images,
        flags.num_importance_samples,
    )
    protocol = (
        f"{flags.num_images:,} inliers; their NLL, K = "
        f"{flags.num_importance_samples}: {nll['model']:.1f} nats by the "
        f"model, {nll['background']:.1f} by the background (mutation rate "
        f"{flags.mutation_rate:g})"
    )
    record = records.here("outliers", protocol, rows(found))
    title = "AUROC of outliers, ± standard error over images"
    records.publish(
        "outliers", title, "outliers", _COLUMNS, record, flags.results
    )


if __name__ == "__main__":
    main()
