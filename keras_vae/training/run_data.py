"""The images of a run, and whether they are those that it began with."""

import dataclasses
import json

from keras_vae.config import check_bool
from keras_vae.data import DataConfig, ImageDataset, load
from keras_vae.data.contents import Contents, array_digest, describe_changes
from keras_vae.errors import UserError
from keras_vae.notes import note
from keras_vae.training.run_folder import RunFolder, write_json

__all__ = ["RunData", "open_run_data"]


@dataclasses.dataclass(frozen=True)
class RunData:
    """The images of a run.

    Attributes:
        dataset: The images, in the splits that they had when it began.
        contents: What they are made of.
        changes: How they differ from what the run began with, a line for each
            time that somebody accepted it; empty where they do not.
        is_recorded: Whether the run says so.
    """

    dataset: ImageDataset
    contents: Contents
    changes: tuple[str, ...] = ()
    is_recorded: bool = False

    def record(self, folder: RunFolder, step: int) -> "RunData":
        """Writes down with the run what it is trained on from a step on."""
        if self.is_recorded:
            return self
        changes = self.changes
        if step and not changes:
            changes = (f"not recorded before step {step:,}",)
        write_json(
            folder.data,
            {"contents": self.contents.to_dict(), "changes": changes},
        )
        return dataclasses.replace(self, changes=changes, is_recorded=True)


def open_run_data(
    folder: RunFolder | None,
    config: DataConfig,
    dataset: ImageDataset | None = None,
    *,
    accept_changed_data: bool = False,
) -> RunData:
    """Opens the images of a run, if they are those that it began with.

    Args:
        folder: The run folder; where there is none, or no run in it yet,
            nothing is compared.
        config: Which images, and where they lie now.
        dataset: The images, where they are loaded already.
        accept_changed_data: Whether they may be others. Images that were there
            keep their split then, and the change is written down.

    Raises:
        UserError: If they are others, or do not fit the model.
    """
    check_bool("accept_changed_data", accept_changed_data)
    if folder is None:
        dataset = dataset or load(config)
        return RunData(dataset, _contents(dataset))
    recorded, changes = _read(folder)
    dataset = dataset or load(config, recorded=recorded)
    contents = _contents(dataset)
    begun = folder.config.exists()
    if recorded is None and not begun:
        return RunData(dataset, contents)
    received = (
        f"Received: --workdir={folder.path}, --dataset={config.dataset}, "
        f"--data_dir={config.data_dir}"
    )
    if begun:  # Else config.json was lost, and this record alone is left.
        _check_fit(folder, dataset, received)
    if recorded is None:
        note(
            f"{folder.path} does not say what its images were, so it cannot be "
            "checked whether they are still the same"
        )
        return RunData(dataset, contents)
    change = _describe(recorded, contents, dataset)
    if not change:
        return RunData(dataset, recorded, changes, is_recorded=True)
    if not accept_changed_data:
        raise UserError(
            f"The images are not those that the run began with: {change}. Put "
            "them back, or add --accept_changed_data: images that were there "
            f"before keep their split. {received}"
        )
    note(f"images are not those that the run began with: {change}")
    contents = dataclasses.replace(contents, former=_former(recorded, contents))
    return RunData(dataset, contents, (*changes, change))


def _read(folder: RunFolder) -> tuple[Contents | None, tuple[str, ...]]:
    path = folder.data
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise ValueError("must be a table")
        changes = content.get("changes")
        if not isinstance(changes, list):
            raise ValueError("changes must be a list")
        return (
            Contents.from_dict(content.get("contents")),
            tuple(map(str, changes)),
        )
    except FileNotFoundError:
        return None, ()
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"The record of the run's images cannot be read: {error}. Where "
            "they are known to be the same, remove it, and nothing is "
            f"compared. Received: {path}"
        ) from error


def _contents(dataset: ImageDataset) -> Contents:
    """Returns what the images are: files or, where there are none, arrays."""
    if dataset.contents is not None:
        return dataset.contents
    digests = {}
    for name, split in dataset.splits.items():
        # Of images that somebody reads in a way of his own: how many they are.
        digests[f"{name} images"] = str((split.num_images, *split.image_shape))
        if split.images is not None:
            digests[f"{name} images"] = array_digest(split.images)
        if split.labels is not None:
            digests[f"{name} labels"] = array_digest(split.labels)
    return Contents(digests)


def _describe(
    recorded: Contents, contents: Contents, dataset: ImageDataset
) -> str:
    old = recorded.digests
    if dataset.contents is None:  # Some splits alone may be given as arrays.
        old = {n: d for n, d in old.items() if n.split()[0] in dataset.splits}
    change = describe_changes(old, contents.digests)
    if not change and contents.splits != recorded.splits:
        return "the same files in other splits"
    return change


def _check_fit(folder: RunFolder, dataset: ImageDataset, received: str) -> None:
    """Raises UserError if the model of the run cannot take the images."""
    shape, expected = tuple(dataset.image_shape), folder.load_image_shape()
    if shape != expected:
        raise UserError(
            f"The run's model is for images of shape {expected}, and they are "
            f"now of shape {shape}. {received}"
        )
    classes = folder.load_class_names()
    if classes and tuple(dataset.class_names or ()) != classes:
        raise UserError(
            f"The run's model knows the classes {', '.join(classes)}, and they "
            f"are now {', '.join(dataset.class_names or ['none'])}. {received}"
        )


def _former(recorded: Contents, contents: Contents) -> dict[str, str]:
    """Returns the split, by digest, of all images that are no longer in it."""
    present = contents.split_by_digest
    return {
        digest: split
        for digest, split in recorded.split_by_digest.items()
        if present.get(digest) != split
    }
