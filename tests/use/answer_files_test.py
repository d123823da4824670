"""Tests of files of answers."""

import numpy as np
import pytest

from keras_vae.serving.backend import in_order
from keras_vae.use.answer_files import write_csv


def test_values_stand_under_their_names_whatever_the_order(tmp_path):
    batches = [
        {"elbo": np.array([-1.0]), "mean": np.array([1.0])},
        {"mean": np.array([2.0]), "elbo": np.array([-2.0])},
    ]
    columns = {"image": ["a.png", "b.png"], "label": [2, 0]}
    write_csv(tmp_path / "x.csv", columns, iter(batches))
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert lines == ["image,label,elbo,mean", "a.png,2,-1,1", "b.png,0,-2,2"]


def test_outputs_that_have_no_place_come_last_by_name():
    names = ["b", "stddev", "a", "elbo", "mean"]
    found = in_order(dict.fromkeys(names, 0))
    assert list(found) == ["elbo", "mean", "stddev", "a", "b"]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
