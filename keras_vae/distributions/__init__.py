"""Keras 3 layers that turn network outputs into TFP distributions."""

from keras_vae.distributions.deterministic import Deterministic
from keras_vae.distributions.discretized_logistic_mixture import (
    DiscretizedLogisticMixture,
)
from keras_vae.distributions.distribution_layer import DistributionLayer
from keras_vae.distributions.independent_bernoulli import IndependentBernoulli
from keras_vae.distributions.independent_continuous_bernoulli import (
    IndependentContinuousBernoulli,
)
from keras_vae.distributions.independent_normal import IndependentNormal
from keras_vae.distributions.multivariate_normal_diag import (
    MultivariateNormalDiag,
)
from keras_vae.distributions.multivariate_normal_tril import (
    MultivariateNormalTriL,
)

__all__ = [
    "Deterministic",
    "DiscretizedLogisticMixture",
    "DistributionLayer",
    "IndependentBernoulli",
    "IndependentContinuousBernoulli",
    "IndependentNormal",
    "MultivariateNormalDiag",
    "MultivariateNormalTriL",
]
