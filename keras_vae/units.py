"""The units of figures, by the names that reports, files and exports use."""

__all__ = ["DENSITY_NATS", "NATS", "SQUARED_ERROR", "plus_minus"]

# Of the log-probability of an image that is binary or has levels. What belongs
# to a density of dequantized images is converted where it comes into being, in
# `Inference`.
NATS = "nats per image"

# Of the log-density of images in [0, 1] that are not dequantized: it says how
# two models of the same images compare, and nothing about bits.
DENSITY_NATS = "nats per image, of a density"

SQUARED_ERROR = "squared error per image"


def plus_minus(error: float | None, digits: int) -> str:
    """Returns " ± 0.21" to follow a mean; nothing where it is not known.

    Args:
        error: Standard error of the mean.
        digits: After the point.
    """
    return "" if error is None else f" ± {error:.{digits}f}"
