"""The example of docs/distributions.md runs and says what it promises."""

import pathlib
import re

import keras
import numpy as np
import pytest

from keras_vae import distributions

_ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = (_ROOT / "docs" / "distributions.md").read_text()


def test_example_runs_saves_and_loads(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    example: dict = {"__name__": "example"}
    exec(compile(code, "docs/distributions.md", "exec"), example)
    prediction = example["prediction"]
    np.testing.assert_allclose(
        prediction["mean"].ravel(), [-0.8, 0.8], atol=0.1
    )
    np.testing.assert_allclose(
        prediction["stddev"].ravel(), [0.1, 0.5], rtol=0.2
    )
    path = tmp_path / "noisy_regression.keras"
    example["model"].save(path)
    loaded = keras.saving.load_model(path)
    again = loaded.predict(example["where"], verbose=0)
    np.testing.assert_allclose(again["mean"], prediction["mean"], rtol=1e-6)


def test_every_public_layer_is_in_the_table():
    for name in distributions.__all__:
        if name != "DistributionLayer":
            assert f"| `{name}(" in DOCUMENT, name


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
