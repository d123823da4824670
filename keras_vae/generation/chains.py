"""Chains of images and latents whose limit is p(x, z | what is known of x)."""

from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from keras_vae import seeds
from keras_vae.generation.observation import Observation
from keras_vae.models import GenerativeModel
from keras_vae.objectives import Inference

__all__ = ["LOG_ZERO", "Chains", "State", "Totals"]

# The logarithm of 0: finite, so that differences of it are no NaN.
LOG_ZERO = -1e30


class State(NamedTuple):
    """Where the chains are: x `[rows, H, W, C]`, z `[rows, D]`."""

    x: tf.Tensor
    z: tf.Tensor


class Totals(NamedTuple):
    """What was gathered of the draws of z, `[rows]` but for the mean.

    Attributes:
        log_weights: Logarithm of the sum of their weights; in a chain each
            draw weighs 1.
        log_squares: The same of the squares of the weights.
        mean: Weighted mean of E[x|z, o], `[rows, H, W, C]`.
        log_rest: Logarithm of the weighted sum of p(x|z, o) of the true x.
        log_evidence: Logarithm of the sum of the importance weights of what
            was proposed.
        accepted: Number of proposals that were accepted.
        level: Sum of the mean value of what is unknown.
        squared_level: Sum of its square.
    """

    log_weights: tf.Tensor
    log_squares: tf.Tensor
    mean: tf.Tensor
    log_rest: tf.Tensor
    log_evidence: tf.Tensor
    accepted: tf.Tensor
    level: tf.Tensor
    squared_level: tf.Tensor

    @classmethod
    def zeros(cls, image: tf.Tensor) -> "Totals":
        """Returns those of no draws; `image` is `[rows, H, W, C]`."""
        zero = tf.zeros(image.shape[:1])
        log_zero = zero + LOG_ZERO
        return cls(
            log_weights=log_zero,
            log_squares=log_zero,
            mean=tf.zeros(image.shape),
            log_rest=log_zero,
            log_evidence=log_zero,
            accepted=zero,
            level=zero,
            squared_level=zero,
        )


class Chains:
    """Compiled steps of chains; every row of the tensors is a chain.

    Args:
        model: A model with a prior.
        method: One of `posterior_sampling.METHODS`.
        num_candidates: Draws among which `start` chooses.
    """

    def __init__(
        self, model: GenerativeModel, method: str, num_candidates: int
    ):
        self.model = model
        self.method = method
        self.num_candidates = num_candidates

    @tf.function
    def start(
        self,
        observation: Observation,
        filled: tf.Tensor,
        truth: tf.Tensor | None,
        label: tf.Tensor | None,
        seed: tf.Tensor,
    ) -> tuple[State, Totals]:
        """Chooses z among draws from q(z|x) by weight, and draws x.

        Args:
            observation: o.
            filled: x with a guess where it is not known.
            truth: x, if it is known after all.
            label: Class of each row, for a conditional model.
            seed: int32 `[2]`.

        Returns:
            state: Draws from p(x, z|o) in the limit of many candidates.
            totals: Of the weighted candidates; of `importance` alone.
        """
        encoding = self._encode(filled, label)
        totals = Totals.zeros(filled)
        state = State(
            filled, tf.zeros([filled.shape[0], self.model.latent_dim])
        )
        log_sum = totals.log_weights
        for index in tf.range(self.num_candidates):
            key = seeds.split(seeds.fold_in(seed, index), 3)
            new = self.model.infer(filled, encoding, key[0])
            log_weight = observation.log_prob(new.likelihood) + _log_ratio(new)
            # Each of those so far is kept with the probability of its weight.
            log_sum = _log_add_exp(log_sum, log_weight)
            keep = _log_uniform(log_weight, key[1]) <= log_weight - log_sum
            x = observation.sample(new.likelihood, key[2])
            kept = _choose(keep, State(x, _latents(new)), state)
            state = _shaped(kept, state)
            if self.method == "importance":
                totals = _add(
                    totals,
                    observation,
                    new.likelihood,
                    truth,
                    log_weight=log_weight,
                    log_evidence=log_weight,
                    accepted=tf.zeros_like(log_weight),
                )
        return state, totals

    @tf.function
    def sweep(
        self,
        observation: Observation,
        state: State,
        totals: Totals,
        truth: tf.Tensor | None,
        label: tf.Tensor | None,
        seed: tf.Tensor,
        first: tf.Tensor,
        count: tf.Tensor,
        gather: tf.Tensor,
    ) -> tuple[State, Totals]:
        """Goes on by `count` sweeps.

        Args:
            observation: o.
            state: Where the chains are.
            totals: Gathered so far.
            truth: x, if it is known after all.
            label: Class of each row, for a conditional model.
            seed: int32 `[2]`; sweep number n uses `fold_in(seed, n)`.
            first: Number of the first sweep.
            count: How many.
            gather: Whether they count in the totals.
        """
        for number in tf.range(first, first + count):
            key = seeds.split(seeds.fold_in(seed, number), 3)
            encoding = self._encode(state.x, label)
            new = self.model.infer(state.x, encoding, key[0])
            moved = State(
                observation.sample(new.likelihood, key[2]), _latents(new)
            )
            accept = tf.ones_like(state.z[:, 0]) > 0
            current, stayed = new, moved
            if self.method == "gibbs":
                current = self.model.infer_at(state.x, encoding, state.z)
                log_ratio = new.log_weight - current.log_weight
                accept = _log_uniform(log_ratio, key[1]) <= log_ratio
                x = observation.sample(current.likelihood, key[2])
                stayed = State(x, state.z)
            if gather:
                log_evidence = observation.log_prob(new.likelihood)
                totals = _add(
                    totals,
                    observation,
                    current.likelihood,
                    truth,
                    log_weight=tf.zeros_like(log_evidence),
                    log_evidence=log_evidence + _log_ratio(new),
                    accepted=tf.cast(accept, tf.float32),
                )
            state = _shaped(_choose(accept, moved, stayed), state)
        return state, totals

    def _encode(self, image: tf.Tensor, label: tf.Tensor | None) -> Any:
        if label is None:
            return self.model.encode(image)
        return self.model.encode(image, label=label)


def _add(
    totals: Totals,
    observation: Observation,
    likelihood: tfd.Distribution,
    truth: tf.Tensor | None,
    *,
    log_weight: tf.Tensor,
    log_evidence: tf.Tensor,
    accepted: tf.Tensor,
) -> Totals:
    log_weights = _log_add_exp(totals.log_weights, log_weight)
    share = tf.exp(log_weight - log_weights)[:, None, None, None]
    mean = observation.mean(likelihood)
    unknown = observation.unknown()
    level = tf.math.divide_no_nan(
        tf.reduce_sum(mean * unknown, axis=(1, 2, 3)),
        tf.reduce_sum(unknown, axis=(1, 2, 3)),
    )
    log_rest = totals.log_rest
    if truth is not None:
        log_rest = _log_add_exp(
            log_rest,
            log_weight + observation.rest_log_prob(likelihood, truth),
        )
    new = Totals(
        log_weights=log_weights,
        log_squares=_log_add_exp(totals.log_squares, 2.0 * log_weight),
        mean=totals.mean + share * (mean - totals.mean),
        log_rest=log_rest,
        log_evidence=_log_add_exp(totals.log_evidence, log_evidence),
        accepted=totals.accepted + accepted,
        level=totals.level + level,
        squared_level=totals.squared_level + tf.square(level),
    )
    return _shaped(new, totals)


def _choose(first: tf.Tensor, new: State, old: State) -> State:
    return State(
        tf.where(first[:, tf.newaxis, tf.newaxis, tf.newaxis], new.x, old.x),
        tf.where(first[:, tf.newaxis], new.z, old.z),
    )


def _shaped(new: Any, old: Any) -> Any:
    """Returns `new` with the known shapes of `old`, as a loop needs them."""
    return tf.nest.map_structure(
        lambda value, like: tf.ensure_shape(value, like.shape), new, old
    )


def _latents(inference: Inference) -> tf.Tensor:
    """Returns the draws of all groups, `[rows, D]`, the top one first."""
    parts = [
        tf.reshape(group.sample, [tf.shape(group.sample)[0], -1])
        for group in inference.groups
    ]
    return tf.concat(parts, axis=-1)


def _log_ratio(inference: Inference) -> tf.Tensor:
    """Returns log p(z) - log q(z|x), `[rows]`."""
    return tf.add_n([group.log_ratio for group in inference.groups])


def _log_uniform(like: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    # 1 - u is above 0, so that its logarithm is finite, and may be 1.
    uniform = tf.random.stateless_uniform(tf.shape(like), seed)
    return tf.math.log1p(-uniform)


def _log_add_exp(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    larger = tf.maximum(x, y)
    return larger + tf.math.log1p(tf.exp(-tf.abs(x - y)))
