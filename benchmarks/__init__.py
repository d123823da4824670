"""What is measured, each a script that `python -m` runs."""

from keras_vae.cli import environment

environment.prepare()
