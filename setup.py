"""Installs keras_vae; `pyproject.toml` configures the tools."""

import pathlib
import re

from setuptools import find_packages, setup

_ROOT = pathlib.Path(__file__).parent
_VERSION = re.search(
    r'__version__ = "(.+)"', (_ROOT / "keras_vae" / "__init__.py").read_text()
)
assert _VERSION is not None

setup(
    name="keras_vae",
    version=_VERSION.group(1),
    description="Variational autoencoders from a dataset to a served model",
    long_description=(_ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["keras_vae", "keras_vae.*"]),
    package_data={"keras_vae": ["py.typed"]},
    python_requires=">=3.11,<3.13",
    # The ranges are what the test suite was run with; see requirements.lock.
    install_requires=[
        "absl-py>=2.3",
        "filelock>=4.2",
        "grpcio>=1.70",
        "importlib_resources>=6",  # tensorflow-datasets imports it undeclared.
        "keras>=3.15,<3.16",
        "matplotlib>=3.9",
        "numpy>=2.0",
        "pillow>=11",
        "psutil>=6",
        "scipy>=1.13",
        "tensorboard>=2.20,<2.22",
        "tensorflow>=2.21,<2.22",
        "tensorflow-datasets>=4.9.10,<4.10",
        "tensorflow-probability[tf]>=0.25,<0.26",
        "tensorflow-serving-api>=2.21,<2.22",
        "tqdm>=4.66",
        "urllib3>=2.2",
    ],
    extras_require={
        "demo": ["mlxtend>=0.23"],
        "test": [
            "mlxtend>=0.23",
            "mypy>=1.15",
            "pre-commit>=4",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "pyyaml>=6",
            "ruff>=0.11",
            "trustme>=1.2",
        ],
    },
)
