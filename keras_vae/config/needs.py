"""What parts need of the model that they are of, as messages say it."""

__all__ = ["CODE", "EXACT", "PRIOR", "VECTOR"]

PRIOR = "a prior on its latents"
VECTOR = "one latent vector"
CODE = "a code without noise"
EXACT = "an exact likelihood"
