"""Images drawn from p(x | what is known of x) by a trained model."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
import tensorflow as tf

from keras_vae import seeds
from keras_vae.conditional.chains import Chains, State, Sums, Trace
from keras_vae.conditional.observation import Observation
from keras_vae.config import check_number
from keras_vae.errors import UserError
from keras_vae.models import GenerativeModel, as_image
from keras_vae.models.abilities import check_can
from keras_vae.models.conditions import conditions

__all__ = [
    "ChainConfig",
    "PosteriorDraws",
    "check_model",
    "sample_posterior",
    "split_r_hat",
]

_SWEEPS_AT_ONCE = 10
# What varies by less than this share of its size does not vary: models compute
# in float32, whose last bit is 1.2e-7, and add up many numbers.
_ROUNDING = 4e-6


@dataclasses.dataclass(frozen=True)
class ChainConfig:
    """How images are drawn.

    Attributes:
        num_chains: Independent chains, so many draws of each image.
        burn_in: Sweeps that no figure counts: one half of them pseudo-Gibbs,
            the other as the later ones, while their step is fitted.
        num_sweeps: Sweeps that the figures count.
        seed: Of all draws.
        rows: Images times chains that are computed at once: it bounds memory.

    Raises:
        UserError: If a value is not possible.
    """

    num_chains: int = 8
    burn_in: int = 40
    num_sweeps: int = 60
    seed: int = 0
    rows: int = 256

    def __post_init__(self) -> None:
        check_number("burn_in", self.burn_in, 0, whole=True)
        check_number("num_sweeps", self.num_sweeps, 4, whole=True)
        check_number("seed", self.seed, 0, whole=True, high=2**31 - 1)
        for name in ("num_chains", "rows"):
            check_number(name, getattr(self, name), 1, whole=True)


@dataclasses.dataclass(frozen=True)
class PosteriorDraws:
    """Draws from p(x|o) and what was learned from all sweeps.

    Attributes:
        image: The last draw of each chain, `[num_chains, num, H, W, C]`.
        mean: E[x|o]: over x given z as the likelihood's `mean` has it, over z
            by averaging, `[num, H, W, C]`.
        log_missing: log p(x|o) of the true x, nats, `[num]`: the logarithm of
            the mean of p(x|z, o) over the draws of z; in expectation a lower
            bound.
        trajectory_acceptance: Mean probability with which the Hamiltonian
            trajectories were accepted, `[num]`.
        encoder_acceptance: The same of the encoder's proposals.
        r_hat: Split R-hat, `[num]`: the larger of those of log p(o|z) and of
            a random projection of E[x|z, o]. NaN where neither varies, and
            infinite where a chain is not finite; see `split_r_hat`.
    """

    image: np.ndarray
    mean: np.ndarray
    log_missing: np.ndarray
    trajectory_acceptance: np.ndarray
    encoder_acceptance: np.ndarray
    r_hat: np.ndarray

    def as_images(self) -> "PosteriorDraws":
        """Returns this with values in [0, 1]; see `models.as_image`."""
        return dataclasses.replace(
            self,
            image=as_image(self.image).numpy(),
            mean=as_image(self.mean).numpy(),
        )


def sample_posterior(
    model: GenerativeModel,
    observation: Observation,
    truth: np.ndarray,
    guess: np.ndarray,
    config: ChainConfig | None = None,
    *,
    labels: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
) -> PosteriorDraws:
    """Draws images that agree with what is known of them.

    Each chain starts from the image with its gaps filled by a guess and some
    steps of pseudo-Gibbs. A sweep then

    1. moves z by Hamiltonian Monte Carlo, whose limit is p(z|o),
    2. draws x from p(x|z, o),
    3. proposes z' from the encoder's q(z|x), accepted with the probability
       min(1, [p(x|z') p(z') / q(z'|x)] / [p(x|z) p(z) / q(z|x)]).

    Each of the three leaves p(x, z|o) as it is, whatever the encoder is. The
    third takes far steps where q is good, the first goes on where it is not.

    Args:
        model: A model with a prior.
        observation: What is known, o, of `num` images.
        truth: The images, `[num, H, W, C]`: of their unknown values
            `log_missing` is reported, and the draws do not depend on them.
        guess: An image `[H, W, C]`, such as the mean of the training images.
        config: How to draw; the defaults unless given.
        labels: Class of each image, `[num]`, for a conditional model.
        progress: Called with the share of the work that is done.

    Raises:
        UserError: If the model cannot be sampled so.

    References:
        Rezende et al. (2014), Stochastic Backpropagation, appendix F
        (pseudo-Gibbs); Neal (2011), MCMC Using Hamiltonian Dynamics, and Wu et
        al. (2017), On the Quantitative Analysis of Decoder-Based Generative
        Models, section 3 (step 1); Mattei and Frellsen (2018), Leveraging the
        Exact Likelihood of Deep Latent Variable Models, algorithm 1 (step 3).
    """
    config = config or ChainConfig()
    check_model(model)
    num = len(truth)
    batch = min(max(config.rows // config.num_chains, 1), num)
    chains = Chains(model)
    starts = range(0, num, batch)
    parts = []
    for number, start in enumerate(starts):
        # The last batch is filled up: another size would be traced again.
        images = np.minimum(np.arange(start, start + batch), num - 1)
        rows = np.tile(images, config.num_chains)
        known = observation.take(rows)
        run = _Run(
            chains,
            known,
            known.fill(tf.constant(guess, tf.float32)),
            tf.constant(truth[rows], tf.float32),
            conditions(model, None if labels is None else labels[rows]),
            config,
        )

        def show(share: float, done: int = number) -> None:
            if progress is not None:
                progress((done + share) / len(starts))

        seed = seeds.fold_in(seeds.from_int(config.seed), start)
        parts.append(run.draw(seed, show))
    return _joined(parts, num)


@dataclasses.dataclass(frozen=True)
class _Run:
    """The chains of one batch; all tensors have a row for each chain."""

    chains: Chains
    known: Observation
    filled: tf.Tensor
    truth: tf.Tensor
    given: dict[str, tf.Tensor]
    config: ChainConfig

    def draw(
        self, seed: tf.Tensor, show: Callable[[float], None]
    ) -> PosteriorDraws:
        first, seed = seeds.split(seed)
        burn_in, num_sweeps = self.config.burn_in, self.config.num_sweeps
        # One step at least, as it takes z from the encoder.
        quick = max(burn_in // 2, 1)
        state = self.chains.start(
            self.known, self.filled, self.given, first, tf.constant(quick)
        )
        reference = state.x
        fitted = max(burn_in - quick, 0)
        sums = Sums.zeros(self.filled)
        traces = []
        done, end = 0, fitted + num_sweeps
        while done < end:
            limit = fitted if done < fitted else end
            count = min(_SWEEPS_AT_ONCE, limit - done)
            state, new_sums, trace = self.chains.sweep(
                self.known,
                self.truth,
                self.given,
                reference,
                state,
                sums,
                seeds.fold_in(seed, done),
                tf.constant(count),
                tf.constant(done < fitted),
            )
            if done >= fitted:
                sums = new_sums
                traces.append(Trace(*(values.numpy() for values in trace)))
            done += count
            show(done / end)
        together = Trace(*map(np.concatenate, zip(*traces, strict=True)))
        return self._summary(state, sums, together)

    def _summary(
        self, state: State, sums: Sums, trace: Trace
    ) -> PosteriorDraws:
        chains, num_sweeps = self.config.num_chains, self.config.num_sweeps
        count = chains * num_sweeps

        def by_chain(values: Any) -> np.ndarray:
            values = np.asarray(values, np.float64)
            return values.reshape(chains, -1, *values.shape[1:])

        def by_sweep(values: np.ndarray) -> np.ndarray:
            return np.moveaxis(values.reshape(num_sweeps, chains, -1), 0, 1)

        missing = scipy.special.logsumexp(by_chain(sums.log_missing), axis=0)
        return PosteriorDraws(
            image=by_chain(state.x).astype(np.float32),
            mean=(by_chain(sums.mean).sum(axis=0) / count).astype(np.float32),
            log_missing=missing - math.log(count),
            trajectory_acceptance=by_sweep(trace.trajectory_acceptance).mean(
                axis=(0, 1)
            ),
            encoder_acceptance=by_sweep(trace.encoder_acceptance).mean(
                axis=(0, 1)
            ),
            # What does not vary has none, and the other one counts.
            r_hat=np.fmax(
                split_r_hat(by_sweep(trace.log_observed)),
                split_r_hat(by_sweep(trace.projection)),
            ),
        )


def split_r_hat(values: np.ndarray) -> np.ndarray:
    """Returns how far chains are from agreement; near 1 where they agree.

    Args:
        values: Of some quantity, float64 `[chains, sweeps, num]`, four sweeps
            at least.

    Returns:
        r_hat: `[num]`. NaN, as there is none, where the quantity is the same
        in all chains but for the rounding of float32. Infinite where it
        changes between the chains alone, or is not finite in one of them.

    References:
        Gelman et al. (2013), Bayesian Data Analysis, equation 11.4, of chains
        cut into halves.
    """
    half = values.shape[1] // 2
    finite = np.isfinite(values).all(axis=(0, 1))
    values = np.where(finite, values, 0.0)
    size = np.abs(values).max(axis=(0, 1))
    varies = values.std(axis=(0, 1)) > _ROUNDING * size
    parts = np.concatenate([values[:, :half], values[:, -half:]])
    within = parts.var(axis=1, ddof=1).mean(axis=0)
    between = parts.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        r_hat = np.sqrt((half - 1) / half + between / within)
    return np.where(finite, np.where(varies, r_hat, np.nan), np.inf)


def check_model(model: GenerativeModel) -> None:
    """Raises UserError unless images can be drawn so from the model."""
    check_can(model, "impute")
    if not model.posterior_is_invertible:
        raise UserError(
            "The model's posteriors go through flows, which have no inverse, "
            "and Metropolis steps need one: use a model that was trained with "
            "--config.num_flows=0. Received: "
            f"{type(model).__name__} with flows"
        )


def _joined(parts: list[PosteriorDraws], num: int) -> PosteriorDraws:
    """Puts batches together and drops what filled up the last one."""
    values = {}
    for field in dataclasses.fields(PosteriorDraws):
        axis = 1 if field.name == "image" else 0
        arrays = [getattr(part, field.name) for part in parts]
        joined = np.concatenate(arrays, axis=axis)
        values[field.name] = np.take(joined, range(num), axis=axis)
    return PosteriorDraws(**values)
