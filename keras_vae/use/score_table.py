"""A table of scores, of any target, in the order of the images."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import TextIO

import numpy as np

from keras_vae.io import outputs
from keras_vae.labels import names_of
from keras_vae.notes import counted
from keras_vae.serving.request_rows import row_seeds
from keras_vae.units import NATS
from keras_vae.use.answer_files import shown, write_csv
from keras_vae.use.source import ImageSource
from keras_vae.use.target import Target

__all__ = ["write_score_table"]


def write_score_table(
    path: pathlib.Path,
    target: Target,
    source: ImageSource,
    stream: TextIO | None,
) -> outputs.Written:
    """Writes `elbo`, `log_likelihood` and `kl_divergence` of each image.

    The table is written as the answers come, in little memory. Its columns are
    `image`, the name, where the classes are known `label` and `class`, and the
    figures, in the target's unit.

    Args:
        path: The CSV file.
        target: What is asked.
        source: The images; image i is scored with the seed
            `[source.seed, i]`.
        stream: Where progress is shown; standard error unless given.
    """
    target.check_can("score")
    rows = source.rows(target)
    num = len(rows)
    columns: dict[str, Sequence[object]] = {"image": rows.names}
    if rows.labels is not None:
        columns["label"] = rows.labels.tolist()
        if rows.class_names:
            columns["class"] = names_of(rows.labels, rows.class_names)

    def batches() -> Iterator[dict[str, np.ndarray]]:
        start = 0
        for batch in rows.batches(target, "score"):
            count = len(batch["image"])
            yield {**batch, "seed": row_seeds(source.seed, count, start)}
            start += count

    answers = shown(target.ask_batches("score", batches()), num, stream)
    outputs.replace_file(path, lambda p: write_csv(p, columns, answers))
    unit = target.unit or f"{NATS} (a server does not say if of a density)"
    return outputs.Written((path,), f"{counted(num, 'image')}, {unit}")
