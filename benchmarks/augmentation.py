"""Does a conditional VAE help a classifier with rare classes?

    python -m benchmarks.augmentation

Of real MNIST half of the classes, other ones for each seed, keep 1 % of their
training images. A conditional VAE is trained on what is left, `augment` fills
the rare classes with its samples, and the same classifier is trained for the
same number of steps on (a) what is left, (b) that with the rare images copied
until all classes are of one size, (c) the augmented dataset. All three see
images binarized anew at each step, as the VAE models them. Reported is the
balanced accuracy, the mean over classes of their recall, on all test images.

Run folders and datasets are kept, so that the same command goes on with what
was cut off.
"""

import argparse
import json
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks import records

__all__ = ["balanced_accuracy", "main", "rare_rows", "rows"]

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_SHARE = 0.01
_BATCH_SIZE = 128
_COLUMNS = (
    records.Column("none", "no augmentation"),
    records.Column("copies", "copies"),
    records.Column("conditional_vae", "conditional VAE"),
    records.Column("gain", "gain over copies, of the same seed"),
)
_METHODS = tuple(column.key for column in _COLUMNS[:3])


def rare_rows(
    labels: np.ndarray, classes: Sequence[int], share: float, seed: int
) -> np.ndarray:
    """Returns the positions that are left when classes are made rare.

    Args:
        labels: int64 `[num]`.
        classes: Those to be made rare.
        share: What is kept of each of them, at least one image.
        seed: Decides which images these are.
    """
    random = np.random.default_rng(seed)
    kept = [np.flatnonzero(~np.isin(labels, classes))]
    for label in classes:
        rows = np.flatnonzero(labels == label)
        count = max(round(share * len(rows)), 1)
        kept.append(random.choice(rows, count, replace=False))
    return np.sort(np.concatenate(kept))


def balanced_accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Returns the mean over the classes of the share that was recognised."""
    return float(
        np.mean(
            [np.mean(predicted[labels == c] == c) for c in np.unique(labels)]
        )
    )


def copied_rows(labels: np.ndarray) -> np.ndarray:
    """Returns positions in which each class is as frequent as the largest."""
    counts = np.bincount(labels)
    return np.concatenate(
        [
            np.resize(np.flatnonzero(labels == label), counts.max())
            for label in np.flatnonzero(counts)
        ]
    )


def _examples(images: np.ndarray, labels: np.ndarray) -> Iterator[Any]:
    for image, label in zip(images, labels, strict=True):
        yield {"image": image, "label": int(label)}


def _arrays(split: Any) -> tuple[np.ndarray, np.ndarray]:
    parts = [
        (images.numpy(), labels.numpy())
        for _, images, labels in split.elements().batch(1000)
    ]
    images, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    return images, labels


def _write_rare(folder: pathlib.Path, dataset: Any, seed: int) -> list[int]:
    """Writes the dataset with rare classes, if it is not there yet."""
    from keras_vae.data.tfds_writer import write_tfds
    from keras_vae.io import outputs

    count = len(dataset.class_names)
    order = np.random.default_rng(seed).permutation(count)
    rare = sorted(int(label) for label in order[: count // 2])
    if folder.exists():
        return rare
    splits = {name: _arrays(split) for name, split in dataset.splits.items()}
    images, labels = splits["train"]
    rows = rare_rows(labels, rare, _SHARE, seed)
    splits["train"] = images[rows], labels[rows]

    def write(partial: pathlib.Path) -> None:
        write_tfds(
            partial,
            "rare",
            {name: _examples(*arrays) for name, arrays in splits.items()},
            image_shape=dataset.image_shape,
            class_names=dataset.class_names,
            description=f"{dataset.name} with the rare classes {rare}.",
        )

    outputs.write_folder(folder, write)
    return rare


def _train_vae(folder: pathlib.Path, flags: argparse.Namespace, seed: int):
    from keras_vae.config import TrainingConfig, VAEConfig
    from keras_vae.data import DataConfig
    from keras_vae.training import ExperimentConfig, train

    experiment = ExperimentConfig(
        DataConfig(
            "rare", data_dir=str(folder / "rare"), binarization="dynamic"
        ),
        VAEConfig(num_classes="auto", architecture="dense", learning_rate=1e-3),
        TrainingConfig(epochs=flags.epochs, seed=seed),
    )
    result = train(experiment, folder / "run")
    if result.interrupted:
        raise SystemExit(f"stopped by {result.interrupted}")


def _classifier(shape: Sequence[int], num_classes: int, seed: int) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(16, 5, 2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, 2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(num_classes),
        ]
    )
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
        steps_per_execution=20,
    )
    return model


def _accuracy(
    split: Any, test: Any, num_classes: int, steps: int, seed: int
) -> float:
    """Trains a classifier; returns its balanced accuracy on `test`."""
    from keras_vae.data import evaluation_batches, training_batches

    model = _classifier(split.image_shape, num_classes, seed)
    batches = training_batches(
        split,
        batch_size=_BATCH_SIZE,
        seed=seed,
        num_steps=steps,
        binarization="dynamic",
        with_labels=True,
    )
    model.fit(batches, verbose=0)
    batches = evaluation_batches(
        test, batch_size=500, binarization="dynamic", with_labels=True
    )
    parts = [
        (labels.numpy(), model(images).numpy().argmax(axis=-1))
        for images, labels in batches
    ]
    labels, found = (np.concatenate(part) for part in zip(*parts, strict=True))
    return balanced_accuracy(labels, found)


def _compare(flags: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Returns the balanced accuracy of each method for one seed."""
    from keras_vae.data import ArraySplit, DataConfig, load
    from keras_vae.training import load_trained
    from keras_vae.use import augment

    folder = flags.workdir / f"seed{seed}"
    dataset = load(
        DataConfig(
            flags.dataset, data_dir=flags.data_dir, manual_dir=flags.manual_dir
        )
    )
    rare = _write_rare(folder / "rare", dataset, seed)
    _train_vae(folder, flags, seed)
    balanced = folder / "balanced"
    if not balanced.exists():
        augment(load_trained(folder / "run"), balanced, seed=seed)
    left = load(DataConfig("rare", data_dir=str(folder / "rare")))
    filled = load(DataConfig("rare_augmented", data_dir=str(balanced)))
    images, labels = _arrays(left.splits["train"])
    copies = copied_rows(labels)
    splits = {
        "none": left.splits["train"],
        "copies": ArraySplit(images[copies], labels[copies]),
        "conditional_vae": filled.splits["train"],
    }
    count = len(dataset.class_names or ())
    accuracy = {
        name: _accuracy(
            split, dataset.splits["test"], count, flags.classifier_steps, seed
        )
        for name, split in splits.items()
    }
    return {"seed": seed, "rare": rare, **accuracy}


def _mean(values: Sequence[float]) -> dict[str, Any]:
    """Returns the mean and its standard error as a figure."""
    array = np.asarray(values)
    error = array.std(ddof=1) / math.sqrt(len(array)) if len(array) > 1 else 0
    return records.figure(float(array.mean()), float(error), 4)


def rows(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns a row for each of what `_compare` found, and one of means."""
    found: list[dict[str, Any]] = []
    for result in results:
        rare = ", ".join(map(str, result["rare"]))
        accuracy = {name: records.rounded(result[name], 4) for name in _METHODS}
        found.append({"label": f"{result['seed']}: {rare}", **accuracy})
    means = {name: _mean([r[name] for r in results]) for name in _METHODS}
    gains = [r["conditional_vae"] - r["copies"] for r in results]
    return [*found, {"label": "mean", **means, "gain": _mean(gains)}]


def main() -> None:
    """Compares the methods, and prints a table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--data_dir")
    parser.add_argument("--manual_dir", help="folder of original archives")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30, help="of the VAE")
    parser.add_argument("--classifier_steps", type=int, default=2000)
    parser.add_argument(
        "--workdir", type=pathlib.Path, default=_ROOT / "runs" / "augmentation"
    )
    records.add_flag(parser)
    flags = parser.parse_args()
    results = []
    for seed in range(flags.seeds):
        results.append(_compare(flags, seed))
        print(json.dumps(results[-1]), flush=True)
    protocol = f"{flags.seeds} seeds; ± is the standard error over them"
    record = records.here("augmentation", protocol, rows(results))
    title = "Augmentation with a conditional VAE"
    label = "seed: rare classes"
    records.publish(
        "augmentation", title, label, _COLUMNS, record, flags.results
    )


if __name__ == "__main__":
    main()
