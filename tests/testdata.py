"""Where tests find real data that the project does not contain."""

import os
import pathlib

import pytest

__all__ = ["path"]

_ROOT = pathlib.Path(__file__).resolve().parent.parent


def path(name: str) -> pathlib.Path:
    """Returns the folder `name` of the test data.

    It is looked for in `$KERAS_VAE_TEST_DATA`, else in `../shared/data` beside
    the project. Where it is missing the calling test is skipped by name, but
    fails where `CI=true`: a continuous integration run must not pass by not
    looking.
    """
    default = _ROOT.parent / "shared" / "data"
    folder = pathlib.Path(os.environ.get("KERAS_VAE_TEST_DATA", default)) / name
    if folder.exists():
        return folder
    reason = f"test data {name!r} not found at {folder}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
