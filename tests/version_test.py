"""The version of the package is the same wherever it stands."""

import pathlib
import re

import keras_vae

_ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_versions_agree():
    module = (_ROOT / "MODULE.bazel").read_text()
    (found,) = re.findall(r'^    version = "(.*)",$', module, re.M)
    assert found == keras_vae.__version__
    changes = (_ROOT / "CHANGELOG.md").read_text()
    first, *_ = re.findall(r"^## \[(\d.*)\] - \d{4}-\d\d-\d\d$", changes, re.M)
    assert first == keras_vae.__version__
