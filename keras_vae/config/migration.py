"""Configurations of runs that earlier versions wrote.

Schema 1, of versions 0.1.x, had the settings of all parts beside each other,
those of parts that were not chosen too, and no number.
"""

import dataclasses
import reprlib
from collections.abc import Mapping
from typing import Any

from keras_vae.config.registry import lookup
from keras_vae.errors import UserError

__all__ = ["MOVED", "SCHEMA", "migrate"]

SCHEMA = 2

# Where the settings of schema 1 are now.
MOVED = {
    "likelihood_scale": "likelihood.scale",
    "num_mixtures": "likelihood.num_mixtures",
    "beta": "objective.beta",
    "beta_initial": "objective.beta_initial",
    "beta_warmup": "objective.beta_warmup",
    "free_bits": "objective.free_bits",
    "kl_balancing": "objective.kl_balancing",
    "importance_samples": "objective.num_samples",
    "importance_start": "objective.start",
}
_MOVED_OF_ONE_LATENT = {
    name: f"architecture.{name}"
    for name in (
        "hidden_units",
        "filters",
        "num_blocks",
        "dense_units",
        "activation",
    )
}
_NOT_OF_AUTOENCODERS = ("posterior", "num_classes")


def migrate(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration of a run in the form of this version.

    Args:
        config: What JSON holds.

    Raises:
        UserError: If a newer version wrote it.
    """
    schema = config.get("schema", 1)
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise UserError(
            f"It is of schema {reprlib.repr(schema)}, and this version of "
            f"keras_vae reads 1 to {SCHEMA}: use the version that wrote it. "
            f"Received: schema={reprlib.repr(schema)}"
        )
    model = config.get("model")
    if schema == SCHEMA or not isinstance(model, Mapping):
        return dict(config)
    return {**config, "schema": SCHEMA, "model": _with_parts(model)}


def _with_parts(old: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of a model of schema 1, each part's together."""
    settings = dict(old)
    name = settings.pop("model", "vae")
    moved = dict(MOVED)
    draws = settings.get("importance_samples", 1)
    chosen = {
        "likelihood": settings.pop("likelihood", "auto"),
        "objective": "elbo" if draws == 1 else "importance_weighted",
    }
    if name == "nvae":
        settings["beta_schedule"] = "clipped"
        moved["beta_schedule"] = "objective.beta_schedule"
    if name in ("vae", "autoencoder"):
        moved |= _MOVED_OF_ONE_LATENT
        chosen["architecture"] = settings.pop("architecture", "residual")
    if name == "vae":
        chosen["posterior"] = settings.pop("posterior", "diagonal")
    if name == "autoencoder":
        chosen["objective"] = "squared_error"
        for key in _NOT_OF_AUTOENCODERS:
            settings.pop(key, None)
    parts: dict[str, Any] = {k: {"name": v} for k, v in chosen.items()}
    for key, place in moved.items():
        if key in settings:
            kind, _, setting = place.partition(".")
            value = settings.pop(key)
            if setting in _settings(kind, chosen[kind]):
                parts[kind][setting] = value
    return {"name": name, **settings, **parts}


def _settings(kind: str, name: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(lookup(kind, name))]
