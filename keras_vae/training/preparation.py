"""What `auto` stands for in the preparation of the images."""

from keras_vae.config import ModelConfig, resolve_likelihood
from keras_vae.data import MAX_BITS, DataConfig, default_binarization
from keras_vae.errors import UserError
from keras_vae.units import DENSITY_NATS, NATS, SQUARED_ERROR

__all__ = ["resolve_data"]


def resolve_data(config: DataConfig, model: ModelConfig) -> dict[str, str]:
    """Returns what `auto` stands for in the preparation of the images.

    Returns:
        `binarization`, `dequantization` and `likelihood`. Images that are not
        binarized are dequantized with uniform noise where the likelihood is a
        density, so that a bound on it is one on the levels (Theis et al. 2016,
        section 3.1); not for a plain autoencoder. `unit` is that of every
        log-likelihood and bound, or of an autoencoder's error.

    Raises:
        UserError: If the likelihood and the preparation exclude each other.
    """
    binarization = config.binarization
    if binarization == "auto":
        binarization = default_binarization(config.dataset)
        coarser = config.num_bits < MAX_BITS
        grey = model.likelihood.support not in ("", "binary")
        if not model.has_likelihood or grey or coarser:
            binarization = "none"
    likelihood = resolve_likelihood(model, binarization)
    levels = model.resolved_likelihood(likelihood).support == "levels"
    dequantization = config.dequantization
    if dequantization == "auto":
        density = binarization == "none" and model.has_likelihood
        dequantization = "uniform" if density and not levels else "none"
    if levels and (binarization, dequantization) != ("none", "none"):
        raise _not_levels(likelihood, binarization, dequantization)
    return {
        "binarization": binarization,
        "dequantization": dequantization,
        "likelihood": likelihood,
        "unit": _unit(model, binarization, dequantization, levels),
    }


def _unit(
    model: ModelConfig, binarization: str, dequantization: str, levels: bool
) -> str:
    if not model.has_likelihood:
        return SQUARED_ERROR
    if binarization != "none" or dequantization != "none" or levels:
        return NATS
    return DENSITY_NATS


def _not_levels(
    likelihood: str, binarization: str, dequantization: str
) -> UserError:
    return UserError(
        f"The likelihood {likelihood} is of images as their levels are: use "
        "--binarization=none --dequantization=none. Received: "
        f"--binarization={binarization} --dequantization={dequantization}"
    )
