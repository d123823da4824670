"""Background models, by whose likelihood another one is divided."""

from keras_vae.errors import UserError
from keras_vae.training import TrainedModel

__all__ = ["check_background"]

_PREPARATION = ("binarization", "dequantization")


def check_background(background: TrainedModel, trained: TrainedModel) -> None:
    """Checks that the likelihood of a background model can be compared.

    Args:
        background: The background model.
        trained: The model whose likelihood is divided by its.

    Raises:
        UserError: If it has no likelihood, or one of other images: of another
            size or prepared in another way.
    """
    if not background.model.has_likelihood:
        raise UserError(
            "The background must be a model with a likelihood. "
            f"Received: {type(background.model).__name__} in {background.place}"
        )
    theirs, ours = _images_of(background), _images_of(trained)
    for name, value in ours.items():
        if theirs[name] != value:
            raise UserError(
                "The background model must be trained on images of the same "
                f"size and preparation: {name} must be {value}. "
                f"Received: {theirs[name]} in {background.place}"
            )


def _images_of(trained: TrainedModel) -> dict[str, str]:
    """Returns what determines the space of a model's images."""
    preparation = trained.preparation
    return {
        "image_shape": "x".join(map(str, trained.model.image_shape)),
        **{name: getattr(preparation, name) for name in _PREPARATION},
        "num_bits": str(preparation.num_bits),
        "resize": str(preparation.resize),
        "pad": str(preparation.pad),
        # A probability of levels is not to be divided by a density.
        "probability of levels": str(preparation.support == "levels"),
    }
