"""Chains of images and latents whose limit is p(x, z | what is known of x)."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import seeds
from keras_vae.conditional.observation import Observation
from keras_vae.distributions.white_noise import to_noise
from keras_vae.models import GenerativeModel
from keras_vae.objectives import Inference, LatentGroup

__all__ = ["Chains", "State", "Sums", "Trace"]

# The step of the trajectories is fitted to this acceptance rate (Neal 2011,
# MCMC Using Hamiltonian Dynamics, section 4.4: best 0.65, in high dimensions).
_ACCEPTANCE = 0.65
_FIT_RATE = 0.3
_LEAPFROG_STEPS = 5
# Steps vary by so much, as a trajectory must not be a period of an orbit.
_JITTER = 0.2
# The logarithm of 0: finite, so that differences of it are no NaN.
_LOG_ZERO = -1e30


class State(NamedTuple):
    """Where the chains are: x `[rows, H, W, C]`, z `[rows, D]`.

    `log_step` is the logarithm of the step of the trajectories, `[rows]`.
    """

    x: tf.Tensor
    z: tf.Tensor
    log_step: tf.Tensor


class Sums(NamedTuple):
    """What is summed over the sweeps, float64.

    Attributes:
        mean: Sum of E[x|z, o], `[rows, H, W, C]`.
        log_missing: Logarithm of the sum of p(x|z, o) of the true x, `[rows]`.
    """

    mean: tf.Tensor
    log_missing: tf.Tensor

    @classmethod
    def zeros(cls, image: tf.Tensor) -> "Sums":
        """Returns those of no sweeps; `image` is `[rows, H, W, C]`."""
        zero = tf.constant(_LOG_ZERO, tf.float64)
        return cls(
            tf.zeros_like(image, tf.float64), tf.fill(image.shape[:1], zero)
        )


class Trace(NamedTuple):
    """What is recorded of each sweep, float64 `[sweeps, rows]`.

    Attributes:
        log_observed: log p(o|z).
        projection: Sum of the unknown values of E[x|z, o], each times a weight
            that was drawn once for all. The mean of an image can be a part of
            o, and says nothing then; a random direction is none.
        trajectory_acceptance: Probability with which the Hamiltonian
            trajectory was accepted.
        encoder_acceptance: The same of the encoder's proposal.
    """

    log_observed: Any
    projection: Any
    trajectory_acceptance: Any
    encoder_acceptance: Any


class Chains:
    """Compiled sweeps of many chains at once: each row of a tensor is one.

    Args:
        model: A model with a prior.
    """

    def __init__(self, model: GenerativeModel):
        self.model = model
        random = np.random.default_rng(0)
        self._weights = tf.constant(random.normal(size=model.image_shape))

    @tf.function
    def start(
        self,
        observation: Observation,
        filled: tf.Tensor,
        given: dict[str, tf.Tensor],
        seed: tf.Tensor,
        count: tf.Tensor,
    ) -> State:
        """Goes from filled images to where p(x, z|o) is large.

        Each of `count` steps draws z from q(z|x) and x from p(x|z, o). This
        pseudo-Gibbs sampler is quick, but its limit is p(x, z|o) only if q is
        the true posterior.
        """
        x = filled
        z = tf.zeros([filled.shape[0], self.model.latent_dim])
        for number in tf.range(count):
            keys = seeds.split(seeds.fold_in(seed, number))
            encoding = self.model.encode(x, **given)
            new = self.model.infer(x, encoding, keys[0])
            x = observation.sample(new.likelihood, keys[1])
            x = tf.ensure_shape(x, filled.shape)
            z = tf.ensure_shape(_latents(new.groups), z.shape)
        size = self.model.latent_dim**-0.25
        return State(x, z, tf.fill([filled.shape[0]], math.log(size)))

    @tf.function
    def sweep(
        self,
        observation: Observation,
        truth: tf.Tensor,
        given: dict[str, tf.Tensor],
        reference: tf.Tensor,
        state: State,
        sums: Sums,
        seed: tf.Tensor,
        count: tf.Tensor,
        fit: tf.Tensor,
    ) -> tuple[State, Sums, Trace]:
        """Goes on by `count` sweeps.

        Args:
            observation: o.
            truth: The x whose probability is gathered, `[rows, H, W, C]`.
            given: What `encode` takes besides images.
            reference: An image for each row, the same in all calls: its q(z|x)
                gives the latents their sizes.
            state: Where the chains are.
            sums: Gathered so far.
            seed: int32 `[2]`, another one for each call.
            count: How many.
            fit: Whether the step of the trajectories is fitted.
        """
        encoding = self.model.encode(reference, **given)
        traces = [tf.TensorArray(tf.float64, count) for _ in Trace._fields]
        for number in tf.range(count):
            keys = seeds.split(seeds.fold_in(seed, number), 6)
            moved, new, log_prob, record = self._trajectory(
                observation, truth, reference, encoding, state, keys[:4]
            )
            moved, encoded = self._propose(moved, log_prob, given, keys[4:])
            sums = _shaped(
                Sums(
                    sums.mean + tf.cast(new.mean, tf.float64),
                    _log_add_exp(
                        sums.log_missing,
                        tf.cast(new.log_missing, tf.float64),
                    ),
                ),
                sums,
            )
            step = _FIT_RATE * (record.trajectory_acceptance - _ACCEPTANCE)
            log_step = state.log_step + tf.where(fit, step, 0.0)
            state = _shaped(moved._replace(log_step=log_step), state)
            record = record._replace(encoder_acceptance=encoded)
            traces = [
                array.write(number, tf.cast(values, tf.float64))
                for array, values in zip(traces, record, strict=True)
            ]
        return state, sums, Trace(*(array.stack() for array in traces))

    def _trajectory(
        self,
        observation: Observation,
        truth: tf.Tensor,
        reference: tf.Tensor,
        encoding: Any,
        state: State,
        keys: Sequence[tf.Tensor],
    ) -> tuple[State, Sums, tf.Tensor, Trace]:
        """Moves z by Hamiltonian Monte Carlo to p(z|o), then draws x.

        It moves u, the noise that q(z|r) makes z of, r being the reference: in
        it the latents are of one size, and those of a hierarchy move together.
        p(z|o) has the density p(o|z) p(z) N(u) / q(z|r) there.

        Returns:
            state: With the new x and z.
            sums: What there is to gather at the new z.
            log_prob: log p(x|z) of them, `[rows]`.
            trace: But for the encoder's acceptance.
        """
        here = self.model.infer_at(reference, encoding, state.z)
        u = tf.ensure_shape(_noise(here.groups), state.z.shape)
        momentum = tf.random.stateless_normal(u.shape, keys[0])
        jitter = tf.random.stateless_uniform(
            u.shape[:1], keys[1], 1 - _JITTER, 1 + _JITTER
        )
        step = (tf.exp(state.log_step) * jitter)[:, tf.newaxis]

        def slope(noise: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(noise)
                inference = self.model.infer_with_noise(
                    reference, encoding, noise
                )
                log_density = _log_density(observation, inference, noise)
            return tape.gradient(log_density, noise)

        moved = u
        rise = slope(u)
        turned = momentum + 0.5 * step * rise
        for _ in tf.range(_LEAPFROG_STEPS):
            moved = moved + step * turned
            rise = slope(moved)
            turned = turned + step * rise
        turned = turned - 0.5 * step * rise
        there = self.model.infer_with_noise(reference, encoding, moved)
        log_ratio = _log_density(observation, there, moved)
        log_ratio -= _log_density(observation, here, u)
        log_ratio += 0.5 * tf.reduce_sum(momentum**2 - turned**2, axis=-1)
        accept, probability = _accept(log_ratio, keys[2])

        def chosen(function: Callable[[tfd.Distribution], tf.Tensor]) -> Any:
            new, old = function(there.likelihood), function(here.likelihood)
            return _where(accept, new, old)

        x = chosen(lambda px: observation.sample(px, keys[3]))
        mean = chosen(observation.mean)
        missing = chosen(lambda px: observation.rest_log_prob(px, truth))
        log_prob = chosen(lambda px: px.log_prob(x))
        z = _where(accept, _latents(there.groups), state.z)
        unknown = tf.cast(mean * observation.unknown(), tf.float64)
        projection = tf.reduce_sum(unknown * self._weights, axis=(1, 2, 3))
        log_observed = chosen(observation.log_prob)
        trace = Trace(log_observed, projection, probability, None)
        return State(x, z, state.log_step), Sums(mean, missing), log_prob, trace

    def _propose(
        self,
        state: State,
        log_prob: tf.Tensor,
        given: dict[str, tf.Tensor],
        keys: Sequence[tf.Tensor],
    ) -> tuple[State, tf.Tensor]:
        """Proposes z from q(z|x), Metropolis within Gibbs.

        Args:
            state: Where the chains are.
            log_prob: log p(x|z) there, `[rows]`.
            given: What `encode` takes besides images.
            keys: Two seeds.

        Returns:
            state: Where they go.
            probability: Of being accepted, `[rows]`.
        """
        encoding = self.model.encode(state.x, **given)
        # Only its groups are used: what decodes z is left out of the graph.
        here = self.model.infer_at(state.x, encoding, state.z)
        there = self.model.infer(state.x, encoding, keys[0])
        log_ratio = there.likelihood.log_prob(state.x) - log_prob
        log_ratio += _log_prior_ratio(there.groups)
        log_ratio -= _log_prior_ratio(here.groups)
        accept, probability = _accept(log_ratio, keys[1])
        z = _where(accept, _latents(there.groups), state.z)
        return state._replace(z=z), probability


def _accept(
    log_ratio: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns whether to accept, and the probability of it, `[rows]`."""
    # What is not a number is never accepted.
    log_ratio = tf.where(tf.math.is_nan(log_ratio), _LOG_ZERO, log_ratio)
    probability = tf.exp(tf.minimum(log_ratio, 0.0))
    uniform = tf.random.stateless_uniform(tf.shape(log_ratio), seed)
    return uniform < probability, probability


def _latents(groups: Sequence[LatentGroup]) -> tf.Tensor:
    """Returns the draws of all groups, `[rows, D]`, the top one first."""
    return _flat([group.sample for group in groups])


def _log_density(
    observation: Observation, inference: Inference, noise: tf.Tensor
) -> tf.Tensor:
    """Returns log p(o, z) of z as a function of its noise, `[rows]`."""
    log_prob = observation.log_prob(inference.likelihood)
    log_prob += _log_prior_ratio(inference.groups)
    return log_prob - 0.5 * tf.reduce_sum(tf.square(noise), axis=-1)


def _noise(groups: Sequence[LatentGroup]) -> tf.Tensor:
    """Returns the noise of which `infer_with_noise` makes them, `[rows, D]`."""
    return _flat([to_noise(group.posterior, group.base) for group in groups])


def _flat(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    rows = [tf.reshape(part, [tf.shape(part)[0], -1]) for part in parts]
    return tf.concat(rows, axis=-1)


def _log_prior_ratio(groups: Sequence[LatentGroup]) -> tf.Tensor:
    """Returns log p(z) - log q(z|x), `[rows]`."""
    return tf.add_n([group.log_ratio for group in groups])


def _where(first: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    """Returns the rows of `new` where `first [rows]`, else those of `old`."""
    return tf.where(
        tf.reshape(first, [-1] + [1] * (new.shape.rank - 1)), new, old
    )


def _shaped(new: Any, old: Any) -> Any:
    """Returns `new` with the known shapes of `old`, as a loop needs them."""
    return tf.nest.map_structure(
        lambda value, like: tf.ensure_shape(value, like.shape), new, old
    )


def _log_add_exp(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    larger = tf.maximum(x, y)
    return larger + tf.math.log1p(tf.exp(-tf.abs(x - y)))
