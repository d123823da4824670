"""What parts need of the model that they are of, as messages say it.

The last three are known of a model's settings, and not of its class.
"""

__all__ = [
    "CODE",
    "DIAGONAL",
    "EXACT",
    "GAUSSIAN",
    "NO_CLASSES",
    "OF_SETTINGS",
    "PRIOR",
    "VECTOR",
]

PRIOR = "a prior on its latents"
VECTOR = "one latent vector"
CODE = "a code without noise"
EXACT = "an exact likelihood"
DIAGONAL = "a diagonal Gaussian posterior"
GAUSSIAN = "a Gaussian posterior"
NO_CLASSES = "a model without classes"
OF_SETTINGS = (DIAGONAL, GAUSSIAN, NO_CLASSES)
