"""Fixtures of these tests."""

import pytest

from tests import trained_run as shared
from tests.apps.warm import WarmProcess


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory) -> shared.TrainedRun:
    """Returns a finished run, shared by all the tests of a session."""
    return shared.make(tmp_path_factory)


@pytest.fixture(scope="session")
def warm_process():
    """Returns a process that runs apps without importing anew."""
    with WarmProcess() as process:
        yield process
