"""What a model must be able to do for a verb."""

from keras_vae.errors import UserError
from keras_vae.models import GenerativeModel

__all__ = ["check_can"]

# Attribute of a model -> why it cannot do what needs it.
_WITHOUT = {
    "has_latents": "it has no latents",
    "has_prior": "it has no prior on latents",
    "has_likelihood": "it has no likelihood, and only reconstructs",
}
_NEEDS = {
    "augment": "has_likelihood",
    "decode": "has_latents",
    "encode": "has_latents",
    "impute": "has_prior",
    "interpolate": "has_prior",
    "reconstruct": "has_latents",
    "sample": "has_likelihood",
    "score": "has_likelihood",
    "traverse": "has_prior",
    "upscale": "has_prior",
}


def check_can(model: GenerativeModel, verb: str) -> None:
    """Raises UserError unless the model has what a verb needs.

    Args:
        model: Any model.
        verb: The name of a verb of `apps/generate.py`; `score` for its table
            of bounds.
    """
    need = _NEEDS[verb]
    if not getattr(model, need):
        raise UserError(
            f"The model cannot {verb}: {_WITHOUT[need]}. "
            f"Received: {type(model).__name__}"
        )
