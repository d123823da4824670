"""Runs that an earlier version wrote mean today what they meant then.

Each folder in `runs/` was written by version 0.1.0 (commit 83fb927), as

    python apps/train.py --dataset=image_folder --data_dir=images
      --workdir=NAME --noexport --config.batch_size=8 --epochs=2
      --validation_size=4 --num_importance_samples=3 --keep_checkpoints=1
      --distribution=one_device --precision=float32 FLAGS

with a small model, on the images that `_images` draws; event files and
pictures are left out.
"""

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_vae.data import load
from keras_vae.errors import UserError
from keras_vae.evaluation import EvaluationConfig, evaluate
from keras_vae.training import RunFolder, load_trained, train

_RUNS = pathlib.Path(__file__).parent / "runs"
_NAMES = ("conditional", "hierarchical", "vae")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Returns the folder of images that the runs were trained on."""
    root = tmp_path_factory.mktemp("golden") / "images"
    for name, level in (("dark", 60), ("light", 190)):
        (root / name).mkdir(parents=True)
        for index in range(20):
            noise = np.random.default_rng(index).integers(-40, 41, (6, 6))
            levels = np.clip(level + noise, 0, 255).astype(np.uint8)
            Image.fromarray(levels).save(root / name / f"{index:02d}.png")
    return root


@pytest.fixture(params=_NAMES)
def run(request, tmp_path):
    """Returns a copy of a run folder."""
    return shutil.copytree(_RUNS / request.param, tmp_path / request.param)


def test_every_run_is_tested():
    assert sorted(path.name for path in _RUNS.iterdir()) == list(_NAMES)


def test_figures_are_those_of_the_version_that_wrote_it(run, images):
    wanted = json.loads((run / "results.json").read_text())["test"]
    data = RunFolder(run).load_experiment().data
    dataset = load(dataclasses.replace(data, data_dir=str(images)))
    config = EvaluationConfig(num_importance_samples=3)
    found = evaluate(load_trained(run), config, dataset=dataset)["test"]
    for name in ("elbo", "nll"):
        for figure in ("nats_per_image", "standard_error"):
            assert found[name][figure] == pytest.approx(
                wanted[name][figure], rel=1e-5
            )
    assert found["elbo"]["kl_divergence"] == pytest.approx(
        wanted["elbo"]["kl_divergence"], rel=1e-5
    )


def test_a_run_of_that_version_is_not_trained_on(run, images):
    folder = RunFolder(run)
    experiment = folder.load_experiment()
    data = dataclasses.replace(experiment.data, data_dir=str(images))
    longer = dataclasses.replace(experiment, data=data)
    # Where the images lie is part of what an image folder is.
    content = json.loads(folder.config.read_text())
    content["data"]["data_dir"] = str(images)
    folder.config.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"another version.*--init_from"):
        train(longer, run)
