"""A VAE whose log p(x), posterior and bounds are known exactly.

p(z) = N(0, I) and p(x|z) = N(W z + b, s^2 I), so that p(x) is
N(b, W W^T + s^2 I) and p(z|x) is N(S W^T (x - b) / s^2, S) with
S = (I + W^T W / s^2)^-1 (Bishop 2006, section 12.2). The encoder is an affine
map and a constant covariance, so that it can give that posterior.
"""

import math

import numpy as np
import scipy.stats
import tensorflow_probability as tfp

from keras_vae.distributions import IndependentNormal, MultivariateNormalTriL
from keras_vae.models import VAE
from keras_vae.networks import DenseDecoder, DenseEncoder

__all__ = ["LinearGaussian"]

_IMAGE = (3, 2, 1)
_LATENT_DIM = 2
_SCALE = 0.5
_FLOOR = 1e-5


class LinearGaussian:
    """The model and what is known about it, in float64.

    Args:
        shift: Added to each element of the posterior's mean.
        widen: Factor on the posterior's standard deviations.
    """

    def __init__(self, shift: float = 0.0, widen: float = 1.0):
        random = np.random.default_rng(0)
        pixels = math.prod(_IMAGE)
        self.w = random.normal(scale=0.5, size=[pixels, _LATENT_DIM])
        self.b = random.uniform(size=pixels)
        precision = np.eye(_LATENT_DIM) + self.w.T @ self.w / _SCALE**2
        self.covariance = np.linalg.inv(precision)
        self.shift = shift
        self.q_covariance = widen**2 * self.covariance
        self.model = self._make_model()

    def _make_model(self) -> VAE:
        model = VAE(
            DenseEncoder(MultivariateNormalTriL(_LATENT_DIM), _IMAGE, ()),
            DenseDecoder(
                IndependentNormal(_IMAGE, "fixed", _SCALE), _LATENT_DIM, ()
            ),
        )
        model.build()
        gain = self.covariance @ self.w.T / _SCALE**2  # [latent, pixel]
        kernel, bias = (np.zeros_like(v) for v in model.encoder.get_weights())
        # The encoder sees u = 2 x - 1, so x = (u + 1) / 2.
        kernel[:, :_LATENT_DIM] = gain.T / 2
        bias[:_LATENT_DIM] = gain @ (0.5 - self.b) + self.shift
        bias[_LATENT_DIM:] = _raw_triangle(
            np.linalg.cholesky(self.q_covariance)
        )
        model.encoder.set_weights([kernel, bias])
        for variable in model.decoder.trainable_variables:
            if variable.ndim == 2:
                variable.assign(self.w.T)
        model.decoder.output_bias.assign(self.b.reshape(_IMAGE))
        return model

    def images(self, num_images: int, seed: int = 1) -> np.ndarray:
        """Returns draws from p(x)."""
        random = np.random.default_rng(seed)
        z = random.normal(size=[num_images, _LATENT_DIM])
        x = z @ self.w.T + self.b
        x += _SCALE * random.normal(size=x.shape)
        return x.reshape(-1, *_IMAGE).astype(np.float32)

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """Returns log p(x)."""
        covariance = self.w @ self.w.T + _SCALE**2 * np.eye(len(self.b))
        px = scipy.stats.multivariate_normal(self.b, covariance)
        return px.logpdf(x.reshape(len(x), -1))

    def gap(self) -> float:
        """Returns KL(q(z|x) || p(z|x)) = log p(x) - ELBO, of any x."""
        inverse = np.linalg.inv(self.covariance)
        shift = np.full(_LATENT_DIM, self.shift)
        ratio = inverse @ self.q_covariance
        return 0.5 * float(
            np.trace(ratio)
            + shift @ inverse @ shift
            - _LATENT_DIM
            - np.linalg.slogdet(ratio)[1]
        )

    def log_likelihood_moments(
        self, x: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns mean and variance of log p(x|z) under q(z|x)."""
        x = x.reshape(len(x), -1)
        mean = (x - self.b) @ self.w @ self.covariance / _SCALE**2 + self.shift
        rest = x - self.b - mean @ self.w.T
        spread = self.w @ self.q_covariance @ self.w.T
        square = (rest**2).sum(-1) + np.trace(spread)
        constant = x.shape[-1] * math.log(_SCALE * math.sqrt(2 * math.pi))
        quadratic = np.einsum("ni,ij,nj->n", rest, spread, rest)
        variance = 2 * np.trace(spread @ spread) + 4 * quadratic
        return (
            -square / (2 * _SCALE**2) - constant,
            variance / (4 * _SCALE**4),
        )

    def relative_weight_variance(self) -> float:
        """Returns Var_q(w) / p(x)^2 of w = p(x, z) / q(z|x), of any x.

        It is the integral of p(z|x)^2 / q(z|x), a Gaussian one, minus 1.
        """
        p, q = np.linalg.inv(self.covariance), np.linalg.inv(self.q_covariance)
        shift = np.full(_LATENT_DIM, self.shift)
        precision = 2 * p - q
        assert np.all(np.linalg.eigvalsh(precision) > 0), "infinite variance"
        h = -q @ shift  # Around the mean of p(z|x).
        exponent = h @ np.linalg.solve(precision, h) - shift @ q @ shift
        determinants = np.linalg.det(p) / math.sqrt(
            np.linalg.det(q) * np.linalg.det(precision)
        )
        return determinants * math.exp(-0.5 * -exponent) - 1


def _raw_triangle(tril: np.ndarray) -> np.ndarray:
    """Returns the parameters that make the layer give `tril`."""

    def inverse_softplus(y):
        return y + np.log(-np.expm1(-y))

    raw = np.array(tril)
    at_zero = inverse_softplus(1.0 - _FLOOR)
    np.fill_diagonal(raw, inverse_softplus(np.diag(tril) - _FLOOR) - at_zero)
    return tfp.math.fill_triangular_inverse(raw).numpy()
