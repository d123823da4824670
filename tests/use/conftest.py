"""Fixtures of these tests."""

import pytest

from tests import trained_run as shared


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> shared.TrainedRun:
    """Returns a finished run, shared by all the tests of a session."""
    return shared.make(tmp_path_factory)
