"""Finds the image files in folders, the same ones for training and for use."""

import collections
import dataclasses
import os
import pathlib
from collections.abc import Sequence

from keras_vae.errors import UserError, printable
from keras_vae.folder_names import is_passed_over
from keras_vae.io.local_files import check_local
from keras_vae.notes import counted, first_names, note

__all__ = ["SUFFIXES", "FoundImages", "find_image_files", "find_images"]

SUFFIXES = (
    ".png",
    ".apng",
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".mpo",
    ".webp",
    ".tif",
    ".tiff",
    ".bmp",
    ".gif",
)

# Why something is passed over: what one is called, and what several are.
_HIDDEN = (
    "hidden or system file or folder",
    "hidden or system files or folders",
)
_OTHER = ("file not named as an image", "files not named as images")
_EMPTY = ("empty folder", "empty folders")
_SEEN = (
    "link to a folder that is read elsewhere or lies above",
    "links to folders that are read elsewhere or lie above",
)
_SPECIAL = (
    "link to nothing, pipe or device",
    "links to nothing, pipes or devices",
)


@dataclasses.dataclass(frozen=True)
class FoundImages:
    """The image files of a folder and of those below it.

    Attributes:
        folder: The folder.
        names: Path of each file from the folder on, with slashes; sorted.
        passed_over: Why (what one such is called, and several) -> the names
            of the files and folders that were not looked at.
    """

    folder: pathlib.Path
    names: list[str]
    passed_over: dict[tuple[str, str], list[str]]

    @property
    def paths(self) -> list[pathlib.Path]:
        """Path of each file."""
        return [self.folder / name for name in self.names]

    def note_passed_over(self, in_full: bool = True) -> None:
        """Says in a line on standard error what was passed over.

        Args:
            in_full: Whether with names; else how many, to who knows them.
        """
        if not self.passed_over:
            return
        parts = [
            counted(len(names), *reason)
            + (f" ({first_names(sorted(names))})" if in_full else "")
            for reason, names in self.passed_over.items()
        ]
        note(f"passed over in {printable(self.folder)}: {'; '.join(parts)}")


def find_images(folder: pathlib.Path) -> FoundImages:
    """Finds the files with one of `SUFFIXES` in a folder and below it.

    Hidden files and folders, and those of the system, are passed over. Links
    to folders are followed; each real folder is visited once, by a path
    without links if it has one.

    Args:
        folder: An existing folder.

    Raises:
        UserError: If a folder cannot be read.
    """
    search = _Search(folder)
    search.run()
    return FoundImages(folder, sorted(search.names), search.passed_over)


def find_image_files(inputs: Sequence[str]) -> list[pathlib.Path]:
    """Returns the files that are named, and the images in named folders.

    What of a folder is passed over is said on standard error, and which files
    come several times; a file that is named is never passed over, whatever its
    name.

    Args:
        inputs: Files, and folders as for `find_images`.

    Raises:
        UserError: If one does not exist, or has no images.
    """
    paths: list[pathlib.Path] = []
    for name in inputs:
        path = check_local("an image", name)
        if path.is_dir():
            found = find_images(path)
            found.note_passed_over()
            if not found.names:
                raise UserError(
                    "No image files: the folder has none that ends in "
                    f"{', '.join(SUFFIXES)}. Received: {printable(name)}"
                )
            paths += found.paths
        elif path.exists():
            paths.append(path)
        else:
            raise UserError(
                f"There is no such file. Received: {printable(name)}"
            )
    if not paths:
        raise UserError(
            "No image files: name image files, or folders of them. "
            "Received: nothing"
        )
    _note_repeated(paths)
    return paths


def _note_repeated(paths: Sequence[pathlib.Path]) -> None:
    """Says on standard error which files count several times."""
    times = collections.Counter(path.resolve() for path in paths)
    several = [str(path) for path, number in times.items() if number > 1]
    if several:
        what = counted(len(several), "file is", "files are")
        note(
            f"{what} given several times, and each time counts: "
            f"{first_names(several)}"
        )


class _Search:
    """Walks a tree; `names` and `passed_over` as in `FoundImages`."""

    def __init__(self, folder: pathlib.Path):
        self.names: list[str] = []
        self.passed_over: dict[tuple[str, str], list[str]] = {}
        self._folder = folder
        real = folder.resolve()
        # A link to a folder above would lead to the whole tree again.
        self._visited = {_identity(parent) for parent in real.parents}
        # Names of folders, and of links to folders, that wait.
        self._folders = [""]
        self._links: list[str] = []

    def run(self) -> None:
        while self._folders or self._links:
            # All real folders before the first link.
            waiting = self._folders or self._links
            name = waiting.pop(0)
            identity = _identity(self._folder / name)
            if identity in self._visited:
                self._pass_over(_SEEN, name)
                continue
            self._visited.add(identity)
            self._visit(name)

    def _visit(self, folder: str) -> None:
        try:
            with os.scandir(self._folder / folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise UserError(
                f"The folder cannot be read ({error.strerror}). Received: "
                f"{printable(self._folder / folder)}"
            ) from error
        if not entries and folder:
            self._pass_over(_EMPTY, folder)
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            self._sort(entry, name)

    def _sort(self, entry: os.DirEntry[str], name: str) -> None:
        lower = entry.name.lower()
        if is_passed_over(entry.name):
            self._pass_over(_HIDDEN, name)
        elif entry.is_dir(follow_symlinks=False):
            self._folders.append(name)
        elif os.path.isdir(entry.path):
            self._links.append(name)
        elif not os.path.isfile(entry.path):
            self._pass_over(_SPECIAL, name)
        elif lower.endswith(SUFFIXES):
            self.names.append(name)
        else:
            self._pass_over(_OTHER, name)

    def _pass_over(self, reason: tuple[str, str], name: str) -> None:
        self.passed_over.setdefault(reason, []).append(name)


def _identity(folder: pathlib.Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
