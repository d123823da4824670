"""Installs keras_vae, as `pyproject.toml` says."""

from setuptools import setup

setup()
