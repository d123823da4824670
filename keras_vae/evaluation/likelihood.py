"""Bounds on log p(x): the ELBO and the importance-weighted bound."""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import check_number
from keras_vae.models import GenerativeModel

__all__ = [
    "LikelihoodBounds",
    "check_num_importance_samples",
    "likelihood_bounds",
]

_ROWS = 500


@dataclasses.dataclass(frozen=True)
class LikelihoodBounds:
    """Lower bounds on log p(x) of each image, nats, float64 `[num_images]`.

    In expectation `elbo <= importance_weighted <= log p(x)`. Of a model whose
    likelihood is exact both are log p(x), and so is `log_likelihood`.

    Attributes:
        elbo: Evidence lower bound, its expectation over z estimated with all
            the draws and the KL in closed form where there is one.
        importance_weighted: `log 1/K sum_k w_k` with K draws, equation 8 of
            Burda et al. (2016).
        log_likelihood: E_q[log p(x|z)].
        kl_divergence: KL(q(z|x) || p(z)).
        num_importance_samples: K; 1 where nothing is drawn.
        exact: Whether they are log p(x) itself.
    """

    elbo: np.ndarray
    importance_weighted: np.ndarray
    log_likelihood: np.ndarray
    kl_divergence: np.ndarray
    num_importance_samples: int
    exact: bool = False


def likelihood_bounds(
    model: GenerativeModel,
    batches: Iterable[Any],
    num_importance_samples: int,
    seed: int = 0,
    rows: int = _ROWS,
    progress: Callable[[int], None] | None = None,
) -> LikelihoodBounds:
    """Estimates both bounds for each image, or computes log p(x).

    It is computed where the model's `likelihood_is_exact`; nothing is drawn
    then, whatever `num_importance_samples` and `seed` are.

    The encoder runs once for each image; the draws are decoded in chunks of
    about `rows` images and only a running log-sum-exp is kept, so that memory
    does not grow with the number of draws.

    Args:
        model: A model with a likelihood (not a plain autoencoder).
        batches: Images `[batch, height, width, channels]` in [0, 1]; for a
            conditional model with their classes, int32 `[batch]`.
        num_importance_samples: K, at least 1.
        seed: Base of the draws; batch b uses `fold_in(seed, b)`.
        rows: Images that are decoded at once.
        progress: Called with the number of images done so far.

    Raises:
        ValueError: If K or `rows` is not a whole number of at least 1, or
            `seed` none of 32 bits, or the model has no likelihood.
    """
    check_num_importance_samples(num_importance_samples)
    check_number("rows", rows, 1, whole=True)
    if not model.has_likelihood:
        raise ValueError(
            "`model` must have a likelihood: nothing else bounds log p(x). "
            f"Received: {type(model).__name__}"
        )
    exact = model.likelihood_is_exact
    if exact:
        num_importance_samples = 1
        estimate = model.traced("log_likelihood", lambda: _make_exact(model))
    else:
        function = model.traced("bounds", lambda: _make_estimate(model))
        sizes = (int(num_importance_samples), int(rows))
        estimate = functools.partial(function, *map(tf.constant, sizes))
    base, parts, done = seeds.from_int(seed), [], 0
    for index, batch in enumerate(batches):
        image, condition = model.unpack(batch)
        key = seeds.fold_in(base, index)
        parts.append(
            np.stack(estimate(key, image, condition)).astype(np.float64)
        )
        done += int(image.shape[0])
        if progress is not None:
            progress(done)
    elbo, weighted, log_likelihood, kl = np.concatenate(parts, axis=1)
    return LikelihoodBounds(
        elbo, weighted, log_likelihood, kl, num_importance_samples, exact
    )


def check_num_importance_samples(count: Any) -> None:
    """Raises UserError unless K is a whole number of at least 1."""
    check_number("num_importance_samples", count, 1, whole=True)


def _make_exact(
    model: GenerativeModel,
) -> Callable[..., tuple[tf.Tensor, ...]]:
    @tf.function(autograph=False, reduce_retracing=True)
    def compute(
        seed: tf.Tensor, image: tf.Tensor, condition: dict[str, tf.Tensor]
    ) -> tuple[tf.Tensor, ...]:
        inference = model.infer(image, None, seed, **condition)
        log_prob = inference.log_likelihood
        return log_prob, log_prob, log_prob, inference.kl_divergence

    return compute


def _make_estimate(
    model: GenerativeModel,
) -> Callable[..., tuple[tf.Tensor, ...]]:
    @tf.function(reduce_retracing=True)
    def estimate(
        num_samples: tf.Tensor,
        rows: tf.Tensor,
        seed: tf.Tensor,
        image: tf.Tensor,
        condition: dict[str, tf.Tensor],
    ) -> tuple[tf.Tensor, ...]:
        batch = tf.shape(image)[0]
        chunk = tf.maximum(rows // batch, 1)
        encoding = model.encode(image, **condition)
        log_sum = tf.fill([batch], -np.inf)
        total = tf.zeros([batch])
        total_kl = tf.zeros([batch])
        done = tf.constant(0)
        while done < num_samples:
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[
                    (log_sum, tf.TensorShape([None])),
                    (total, tf.TensorShape([None])),
                    (total_kl, tf.TensorShape([None])),
                ]
            )
            count = tf.minimum(chunk, num_samples - done)
            inference = model.infer(
                image, encoding, seeds.fold_in(seed, done), num_samples=count
            )
            weights = tf.reduce_logsumexp(inference.log_weight, axis=0)
            log_sum = tf.reduce_logsumexp([log_sum, weights], axis=0)
            total += tf.reduce_sum(inference.log_likelihood, axis=0)
            kl = tf.broadcast_to(inference.kl_divergence, [count, batch])
            total_kl += tf.reduce_sum(kl, axis=0)
            done += count
        scale = tf.cast(num_samples, tf.float32)
        log_likelihood, kl = total / scale, total_kl / scale
        bound = log_sum - tf.math.log(scale)
        return log_likelihood - kl, bound, log_likelihood, kl

    return estimate
