"""Tests of what is said where a model cannot do what a verb asks."""

import types

import pytest

from keras_vae.errors import UserError
from keras_vae.models.abilities import check_can

_VERBS_WITHOUT = {
    "has_latents": {"decode", "encode", "reconstruct"},
    "has_prior": {"impute", "interpolate", "traverse", "upscale"},
    "has_likelihood": {"augment", "sample", "score"},
}
_ALL = set().union(*_VERBS_WITHOUT.values())


def _model(missing):
    return types.SimpleNamespace(
        **{name: name != missing for name in _VERBS_WITHOUT}
    )


@pytest.mark.parametrize("missing", _VERBS_WITHOUT)
def test_each_verb_asks_for_what_it_needs(missing):
    refused = set()
    for verb in _ALL:
        try:
            check_can(_model(missing), verb)
        except UserError as error:
            assert f"cannot {verb}: it has no" in str(error)
            assert str(error).endswith("Received: SimpleNamespace")
            refused.add(verb)
    assert refused == _VERBS_WITHOUT[missing]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
