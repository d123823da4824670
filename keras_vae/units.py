"""The units of figures, by the names that reports, files and exports use."""

__all__ = ["DENSITY_NATS", "NATS", "SQUARED_ERROR"]

# Of the log-probability of an image that is binary or has levels. What belongs
# to a density of dequantized images is converted where it comes into being, in
# `Inference`.
NATS = "nats per image"

# Of the log-density of images in [0, 1] that are not dequantized: it says how
# two models of the same images compare, and nothing about bits.
DENSITY_NATS = "nats per image, of a density"

SQUARED_ERROR = "squared error per image"
