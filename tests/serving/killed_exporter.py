"""Exports again and again, and is killed each time, one step later.

A process of its own: it imports TensorFlow once, and forks an exporter for
each line that it reads. The exporter copies the files of a finished export in
the place of TensorFlow's writing, which happens within the same folder; all
else is the package's own code. `kill -9` comes right before its n-th file
operation, as Python's audit events tell; n counts up until an export survives.

    python -m tests.serving.killed_exporter VERSION_FOLDER EXPORT_DIR KEEP
"""

import importlib
import json
import os
import pathlib
import signal
import sys
import types
from typing import Any

from keras_vae.serving.export import export
from keras_vae.serving.metadata import METADATA, read_signatures
from keras_vae.training import ExperimentConfig, TrainedModel

__all__ = ["SURVIVED"]

SURVIVED = "survived"
_OPERATIONS = {
    "fcntl.flock",
    "open",
    "os.chmod",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.scandir",
    "test.write",
}
_CHUNKS = 2


def main(source: str, base: str, keep_versions: str) -> None:
    """Answers each line with where the exporter was killed."""
    experiment, model = _read(pathlib.Path(source))
    print("ready", flush=True)
    for point, _ in enumerate(sys.stdin, 1):
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            _kill_at(point, base, writer)
            _replace_tensorflow(pathlib.Path(source))
            export(
                TrainedModel(model, experiment, experiment.prepare()),
                base,
                keep_versions=int(keep_versions),
            )
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            print(SURVIVED, flush=True)
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        print(told, flush=True)


def _read(source: pathlib.Path) -> tuple[ExperimentConfig, Any]:
    metadata = json.loads((source / METADATA).read_text())
    model = types.SimpleNamespace(
        image_shape=tuple(metadata["image_shape"]),
        latent_dim=metadata["latent_dim"],
        group_shapes=tuple(tuple(shape) for shape in metadata["groups"]),
        has_latents=True,
        has_prior=False,
        has_likelihood=False,
        num_classes=metadata["num_classes"],
        class_names=tuple(metadata["class_names"]),
    )
    return ExperimentConfig.from_dict(metadata["experiment"]), model


def _kill_at(point: int, base: str, writer: int) -> None:
    """Kills this process before its n-th operation in the folder."""
    count = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event not in _OPERATIONS:
            return
        path = str(arguments[0]) if arguments else ""
        # Names within an open folder, as rmtree has them, are relative.
        inside = path.startswith(base) or not os.path.isabs(path)
        if not inside or (event == "open" and not path.startswith(base)):
            return
        count += 1
        if count == point:
            os.write(writer, f"{event} {path}".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _replace_tensorflow(source: pathlib.Path) -> None:
    def write(
        trained: Any, pixels: str, folder: pathlib.Path
    ) -> dict[str, Any]:
        for path in sorted(source.rglob("*")):
            target = folder / path.relative_to(source)
            if path.relative_to(source).parts[0] == "assets.extra":
                continue
            if path.is_dir():
                target.mkdir()
                continue
            data = path.read_bytes()
            size = len(data) // _CHUNKS + 1
            with target.open("wb", buffering=0) as file:
                for start in range(0, len(data), size):
                    file.write(data[start : start + size])
                    sys.audit("test.write", str(target))
        return read_signatures(folder)

    exporting = importlib.import_module("keras_vae.serving.export")
    exporting._write = write  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(*sys.argv[1:])
