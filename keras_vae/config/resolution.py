"""What a model's `auto` stands for, once its images are known."""

from collections.abc import Sequence

from keras_vae.config.model_config import ModelConfig
from keras_vae.errors import UserError

__all__ = ["resolve_classes", "resolve_likelihood"]


def resolve_likelihood(config: ModelConfig, binarization: str) -> str:
    """Returns the likelihood that `auto` stands for, after checking it.

    Args:
        config: The model's configuration.
        binarization: `none`, `static` or `dynamic`, what the images are.

    Raises:
        UserError: If a likelihood of binary images meets others, or a density
            binary ones, whose log-probability it is not.
    """
    binary = binarization != "none"
    if config.likelihood.name == "auto":
        return config.auto_likelihood[0 if binary else 1]
    if config.likelihood.support == "binary" and not binary:
        raise UserError(
            f"The likelihood {config.likelihood.name} is of binary images, and "
            "these are not binarized: use --binarization=dynamic (or static), "
            "or --config.likelihood=continuous_bernoulli or normal_shared. "
            "Received: --binarization=none"
        )
    if config.likelihood.is_density and binary and config.has_likelihood:
        raise UserError(
            f"The likelihood {config.likelihood.name} is a density, which "
            "binarized images do not have: use --binarization=none, or "
            "--config.likelihood=bernoulli. "
            f"Received: --binarization={binarization}"
        )
    return config.likelihood.name


def resolve_classes(
    config: ModelConfig, class_names: Sequence[str] | None
) -> tuple[str, ...]:
    """Returns the names of the classes that a model is conditional on.

    Args:
        config: The model's configuration.
        class_names: Those of the dataset, or None where it has no labels.

    Returns:
        The names; none for a model that is not conditional.

    Raises:
        UserError: If the dataset has no labels, or another number of classes.
    """
    if not config.conditional:
        return ()
    wanted = config.num_classes  # type: ignore[attr-defined]
    if not class_names:
        raise UserError(
            "A conditional model needs labels, and the dataset has none: "
            "choose another one, or leave config.num_classes at 0. "
            f"Received: config.num_classes={wanted}"
        )
    if wanted not in ("auto", str(len(class_names))):
        raise UserError(
            f"The dataset has {len(class_names)} classes: use "
            "--config.num_classes=auto. "
            f"Received: config.num_classes={wanted}"
        )
    return tuple(class_names)
