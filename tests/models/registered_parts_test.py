"""Every part in the registry makes a model that trains and is saved."""

import math

import keras
import numpy as np
import pytest

from keras_vae.config import resolve_likelihood
from keras_vae.config.flat_settings import flat_settings, from_flat
from keras_vae.config.registry import KINDS, part_fields, parts
from keras_vae.models import build_model
from tests.models.cases import IMAGE, binary_images

_PARTS = [(kind, name) for kind in KINDS for name in parts(kind)]
# Small networks, where a model has these settings.
_SIZES = {
    "architecture.hidden_units": (8,),
    "architecture.filters": (4,),
    "architecture.num_blocks": (1,),
    "architecture.dense_units": 8,
    "filters": (4,),
    "bottlenecks": (3,),
    "encoder_blocks": (1,),
    "decoder_blocks": (0,),
    "num_groups": (1,),
    "dense_units": 8,
    "dense_groups": 0,
    "latent_dim": 3,
}
_SMALL = {"nvae": "smoke"}


def _fits(model, kind, name):
    fields = [field.name for field in part_fields(model)]
    return kind in fields and not model.missing(parts(kind)[name])


def _config(kind, name):
    """Returns a small model with the part: the first that it fits."""
    model = name
    if kind != "model":
        found = (n for n, m in parts("model").items() if _fits(m, kind, name))
        model = next(found)
    has_networks = "architecture" in [
        field.name for field in part_fields(parts("model")[model])
    ]
    chosen = {"architecture": "dense"} if has_networks else {}
    if kind != "model":
        chosen[kind] = name
    preset = _SMALL.get(model, "")
    values = {s.name: s.default for s in flat_settings(model, chosen, preset)}
    if not preset:
        values |= {
            key: size
            for key, size in _SIZES.items()
            if isinstance(values.get(key), type(size))
        }
    return from_flat(model, values)


@pytest.mark.parametrize(("kind", "name"), _PARTS)
def test_a_model_with_it_trains_and_comes_back_from_a_file(
    kind, name, tmp_path
):
    config = _config(kind, name)
    binary = config.likelihood.support in ("", "binary")
    binarization = "dynamic" if binary else "none"
    model = build_model(
        config,
        IMAGE,
        likelihood=resolve_likelihood(config, binarization),
        total_steps=10,
        num_examples=16,
    )
    # Their graphs are those of the conformance tests, of each kind of part.
    model.compile(optimizer=keras.optimizers.SGD(1e-3), run_eagerly=True)
    before = [v.numpy() for v in model.trainable_variables]
    # All supports have them: they are binary, and levels, and in [0, 1].
    images = np.repeat(binary_images(8), 2, axis=0)
    logs = model.fit(images, batch_size=16, epochs=1, verbose=0).history
    assert all(math.isfinite(value) for (value,) in logs.values())
    after = [v.numpy() for v in model.trainable_variables]
    pairs = zip(before, after, strict=True)
    assert any(not np.array_equal(a, b) for a, b in pairs)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(images), model(images), rtol=1e-5)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
