"""Tests of what a background model must be."""

import dataclasses

import pytest

from keras_vae.config import TrainingConfig, VAEConfig
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.evaluation.background import check_background
from keras_vae.training import ExperimentConfig, Preparation, TrainedModel
from keras_vae.units import NATS
from tests.models.cases import make_model


@pytest.mark.parametrize(
    "change",
    [
        {"pad": 1},
        {"resize": (4, 4)},
        {"num_bits": 5},
        {"dequantization": "none"},
        {
            "likelihood": "discretized_logistic_mixture",
        },
    ],
)
def test_a_background_of_other_images_is_refused(change):
    grey = {
        "binarization": "none",
        "dequantization": "uniform",
        "likelihood": "normal_shared",
    }
    own = TrainedModel(
        make_model("normal_shared"),
        ExperimentConfig(DataConfig("mnist_5k"), VAEConfig(), TrainingConfig()),
        Preparation(**grey, unit=NATS),
    )
    check_background(own, own)
    other = dataclasses.replace(
        own, preparation=dataclasses.replace(own.preparation, **change)
    )
    with pytest.raises(UserError, match="the same size and preparation"):
        check_background(other, own)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
