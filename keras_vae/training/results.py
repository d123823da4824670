"""`results.json`: what was measured of a run."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

from keras_vae.errors import UserError
from keras_vae.io import local_files, locks
from keras_vae.io.failures import writing

__all__ = ["Results"]

# What was measured, beside the protocol that it was measured by.
_MEASURED = {
    "nats_per_image",
    "standard_error",
    "bits_per_dimension",
    "log_likelihood",
    "kl_divergence",
    "squared_error_per_image",
    "mean_squared_error",
}


class Results:
    """What was measured of a run: its training, and each evaluation.

    The file has `training`, and under the name of each split a list of
    evaluations, the last one last. One by another protocol, as of more images,
    with more draws or of other weights, stands beside the others; the same one
    once more takes the place of the one before.

    Args:
        path: The file.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path

    def load(self) -> dict[str, Any]:
        """Reads the file; nothing where it is missing.

        Raises:
            UserError: If it is damaged.
        """
        if not self.path.exists():
            return {}
        try:
            content = local_files.read_json(self.path)
        except UserError as error:
            reason = str(error).partition(" Received: ")[0].rstrip(".")
            raise self._damaged(reason) from error
        if not isinstance(content, dict):
            raise self._damaged("it is no object")
        return content

    def update(self, results: dict[str, Any]) -> None:
        """Adds entries to the file, which is replaced as a whole.

        Several processes may do so at a time.

        Raises:
            UserError: If the file that is there is damaged.
            StorageError: If it cannot be written.
        """
        self._change(lambda content: {**content, **results})

    def add_evaluation(self, split: str, figures: dict[str, Any]) -> None:
        """Adds an evaluation, as `update` does.

        Args:
            split: What was evaluated.
            figures: Name -> figure, each with its protocol.
        """
        protocol = _protocol(figures)

        def add(content: dict[str, Any]) -> dict[str, Any]:
            before = content.get(split, [])
            if isinstance(
                before, dict
            ):  # As older versions wrote the only one.
                before = [before]
            if not isinstance(before, list):
                raise self._damaged(f"{split} is no list")
            others = [one for one in before if _protocol(one) != protocol]
            return {**content, split: [*others, figures]}

        self._change(add)

    def _change(
        self, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        with writing(self.path), locks.hold_briefly(self.path):
            text = json.dumps(change(self.load()), indent=2) + "\n"
            local_files.write_text(self.path, text)

    def _damaged(self, why: str) -> UserError:
        return UserError(
            "The results of the run cannot be read, move the file away: "
            f"{why}. Received: {self.path}"
        )


def _protocol(figures: Any) -> dict[str, Any]:
    """Returns how figures were measured, without what came out."""
    if not isinstance(figures, dict):
        return {}
    plain = json.loads(json.dumps(figures))
    return {
        name: {k: v for k, v in figure.items() if k not in _MEASURED}
        for name, figure in plain.items()
        if name != "latent" and isinstance(figure, dict)
    }
