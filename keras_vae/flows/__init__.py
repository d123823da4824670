"""Posteriors that go through flows, and the layers that these are made of."""

from keras_vae.flows.autoregressive_network import AutoregressiveNetwork
from keras_vae.flows.flow_distribution import FlowDistribution
from keras_vae.flows.inverse_autoregressive_flow import (
    InverseAutoregressiveFlow,
)
from keras_vae.flows.inverse_autoregressive_step import (
    InverseAutoregressiveStep,
)

__all__ = [
    "AutoregressiveNetwork",
    "FlowDistribution",
    "InverseAutoregressiveFlow",
    "InverseAutoregressiveStep",
]
