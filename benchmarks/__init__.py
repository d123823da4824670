"""What is measured, each a script that `python -m` runs."""

from keras_vae import environment

environment.prepare()
