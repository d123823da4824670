"""Tests of keras_vae.distributions."""
