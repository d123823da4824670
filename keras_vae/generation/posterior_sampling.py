"""Images drawn from p(x | what is known of x) by a trained model."""

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.special
import tensorflow as tf

from keras_vae import seeds
from keras_vae.config import check_choice, check_number
from keras_vae.errors import UserError
from keras_vae.generation.chains import LOG_ZERO, Chains, State, Totals
from keras_vae.generation.observation import Observation
from keras_vae.models import GenerativeModel

__all__ = [
    "METHODS",
    "PosteriorConfig",
    "PosteriorDraws",
    "sample_posterior",
    "scale_reduction",
]

METHODS = ("gibbs", "importance", "pseudo_gibbs")

_SWEEPS_AT_ONCE = 10


@dataclasses.dataclass(frozen=True)
class PosteriorConfig:
    """How images are drawn.

    Attributes:
        method: `gibbs`, Metropolis within Gibbs, has p(x|o) as its limit.
            `importance` chooses among candidates by their weights; it is exact
            for infinitely many. `pseudo_gibbs` is `gibbs` with each proposal
            accepted: biased, for comparison.
        num_chains: Independent chains, so many draws of each image.
        num_candidates: Draws of q(z | x with its gaps filled) of which each
            chain begins with one, or with `importance` ends with one.
        burn_in: Sweeps of each chain that no figure counts.
        num_sweeps: Sweeps of each chain that the figures count.
        seed: Of all draws.
        rows: Images times chains that are computed at once: it bounds memory.

    Raises:
        UserError: If a value is not possible.
    """

    method: str = "gibbs"
    num_chains: int = 10
    num_candidates: int = 20
    burn_in: int = 50
    num_sweeps: int = 100
    seed: int = 0
    rows: int = 500

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        check_number("burn_in", self.burn_in, 0, whole=True)
        check_number("seed", self.seed, 0, whole=True, high=2**31 - 1)
        for name in ("num_chains", "num_candidates", "num_sweeps", "rows"):
            check_number(name, getattr(self, name), 1, whole=True)


@dataclasses.dataclass(frozen=True)
class PosteriorDraws:
    """Draws from p(x|o) and what was learned from all sweeps.

    Attributes:
        image: The last draw of each chain, `[num_chains, num, H, W, C]`.
        mean: E[x|o], over z by averaging and over x given z in closed form,
            `[num, H, W, C]`.
        log_predictive: log p(x|o) of the true x, nats, `[num]`: the logarithm
            of the mean of p(x|z, o) over the draws of z. Of exact draws it is
            a lower bound in expectation. NaN where the truth was not given.
        log_evidence: log p(o), nats, `[num]`: the logarithm of the mean
            importance weight of all proposals, a lower bound in expectation
            (Martino et al. 2017, Layered adaptive importance sampling).
        acceptance_rate: Share of the proposals that were accepted, `[num]`; of
            `importance` the effective sample size by the number of candidates.
        scale_reduction: Gelman and Rubin's (1992) of the mean value of what is
            unknown, `[num]`: near 1 where the chains agree. NaN where there is
            one chain, one sweep or none.
    """

    image: np.ndarray
    mean: np.ndarray
    log_predictive: np.ndarray
    log_evidence: np.ndarray
    acceptance_rate: np.ndarray
    scale_reduction: np.ndarray


def sample_posterior(
    model: GenerativeModel,
    observation: Observation,
    guess: np.ndarray,
    config: PosteriorConfig | None = None,
    *,
    truth: np.ndarray | None = None,
    label: np.ndarray | None = None,
    progress: Callable[[float], None] | None = None,
) -> PosteriorDraws:
    """Draws images that agree with what is known of them.

    Each chain begins with one of `num_candidates` draws of z from the encoder's
    q(z|x), given the image with its gaps filled by a guess, chosen with the
    probability of its importance weight p(o|z) p(z) / q(z|x). A sweep then

    1. proposes z' from q(z|x) and accepts it with the probability
       min(1, [p(x|z') p(z') / q(z'|x)] / [p(x|z) p(z) / q(z|x)]),
    2. draws x from p(x|z, o),

    which leaves p(x, z|o) as it is, whatever q. All chains of all images of a
    batch go through one compiled sweep.

    Args:
        model: A model with a prior.
        observation: What is known, of `num` images.
        guess: An image `[H, W, C]`, such as the mean of the training images.
        config: How to draw; the defaults unless given.
        truth: The images themselves, `[num, H, W, C]`, to report their
            log-probability.
        label: Class of each image, int32 `[num]`, for a conditional model.
        progress: Called with the share of the work that is done.

    Raises:
        UserError: If the model cannot be sampled as asked.

    References:
        Mattei and Frellsen (2018), Leveraging the Exact Likelihood of Deep
        Latent Variable Models, algorithm 1; Mattei and Frellsen (2019), MIWAE,
        section 3 (importance weights); Rezende et al. (2014), Stochastic
        Backpropagation, appendix F (pseudo-Gibbs).
    """
    config = config or PosteriorConfig()
    _check_model(model, config)
    num = int(observation.unknown().shape[0])
    batch = min(max(config.rows // config.num_chains, 1), num)
    chains = Chains(model, config.method, config.num_candidates)
    starts, parts = range(0, num, batch), []
    for start in starts:
        # The last batch is filled up: another size would be traced again.
        chosen = np.minimum(np.arange(start, start + batch), num - 1)
        rows = np.tile(chosen, config.num_chains)
        known = observation.take(rows)
        run = _Run(
            chains,
            known,
            known.fill(tf.constant(guess, tf.float32)),
            None if truth is None else tf.constant(truth[rows]),
            None if label is None else tf.constant(label[rows], tf.int32),
        )

        def show(share: float, done: int = len(parts)) -> None:
            if progress is not None:
                progress((done + share) / len(starts))

        seed = seeds.fold_in(seeds.from_int(config.seed), start)
        parts.append(run.draw(config, seed, show))
    return _joined(parts, num)


@dataclasses.dataclass(frozen=True)
class _Run:
    """The chains of one batch; all tensors have a row for each chain."""

    chains: Chains
    observation: Observation
    filled: tf.Tensor
    truth: tf.Tensor | None
    label: tf.Tensor | None

    def draw(
        self,
        config: PosteriorConfig,
        seed: tf.Tensor,
        show: Callable[[float], None],
    ) -> PosteriorDraws:
        first, other = seeds.split(seed)
        state, totals = self.chains.start(
            self.observation, self.filled, self.truth, self.label, first
        )
        count = config.num_candidates
        if config.method != "importance":
            state, totals = self._sweep(config, state, other, show)
            count = config.num_sweeps
        show(1.0)
        by_chain = tf.nest.map_structure(
            lambda v: v.numpy().reshape(config.num_chains, -1, *v.shape[1:]),
            totals,
        )
        image = state.x.numpy().reshape(
            config.num_chains, -1, *self.filled.shape[1:]
        )
        return _summary(config, image, by_chain, count)

    def _sweep(
        self,
        config: PosteriorConfig,
        state: State,
        seed: tf.Tensor,
        show: Callable[[float], None],
    ) -> tuple[State, Totals]:
        totals = Totals.zeros(self.filled)
        end = config.burn_in + config.num_sweeps
        done = 0
        while done < end:
            limit = config.burn_in if done < config.burn_in else end
            count = min(_SWEEPS_AT_ONCE, limit - done)
            state, totals = self.chains.sweep(
                self.observation,
                state,
                totals,
                self.truth,
                self.label,
                seed,
                tf.constant(done),
                tf.constant(count),
                tf.constant(done >= config.burn_in),
            )
            done += count
            show(done / end)
        return state, totals


def _summary(
    config: PosteriorConfig, image: np.ndarray, totals: Totals, count: int
) -> PosteriorDraws:
    """Puts the chains together: `[num_chains, num, ...]` becomes `[num, ...]`.

    Args:
        config: How was drawn.
        image: The last draws.
        totals: Of each chain.
        count: Draws of z in a chain.
    """
    log_weights = scipy.special.logsumexp(totals.log_weights, axis=0)
    share = np.exp(totals.log_weights - log_weights)
    draws = config.num_chains * count
    predictive = scipy.special.logsumexp(totals.log_rest, axis=0) - log_weights
    accepted = totals.accepted.sum(axis=0) / draws
    if config.method == "importance":
        squares = scipy.special.logsumexp(totals.log_squares, axis=0)
        accepted = np.exp(2 * log_weights - squares) / draws
    evidence = scipy.special.logsumexp(totals.log_evidence, axis=0)
    return PosteriorDraws(
        image,
        np.einsum("cn,cnhwk->nhwk", share, totals.mean).astype(np.float32),
        np.where(predictive > LOG_ZERO / 2, predictive, np.nan),
        evidence - np.log(draws),
        accepted,
        scale_reduction(totals.level, totals.squared_level, count)
        if config.method != "importance"
        else np.full(image.shape[1], np.nan),
    )


def scale_reduction(
    total: np.ndarray, squares: np.ndarray, count: int
) -> np.ndarray:
    """Returns Gelman and Rubin's potential scale reduction.

    Args:
        total: Sum of a quantity over the sweeps, `[num_chains, num]`.
        squares: Sum of its squares.
        count: Number of sweeps.

    Returns:
        factor: `[num]`; NaN for less than two chains or sweeps, or where the
        quantity never changes.
    """
    if len(total) < 2 or count < 2:
        return np.full(total.shape[1], np.nan)
    mean = np.asarray(total, np.float64) / count
    within = (squares / count - mean**2).clip(0.0).mean(axis=0)
    within *= count / (count - 1)
    between = mean.var(axis=0, ddof=1)
    pooled = (count - 1) / count * within + between
    factor = np.full_like(within, np.nan)
    return np.sqrt(np.divide(pooled, within, out=factor, where=within > 0))


def _joined(parts: list[PosteriorDraws], num: int) -> PosteriorDraws:
    """Puts batches together and drops what filled up the last one."""
    values = {}
    for field in dataclasses.fields(PosteriorDraws):
        axis = 1 if field.name == "image" else 0
        arrays = [getattr(part, field.name) for part in parts]
        joined = np.concatenate(arrays, axis=axis)
        values[field.name] = np.take(joined, range(num), axis=axis)
    return PosteriorDraws(**values)


def _check_model(model: GenerativeModel, config: PosteriorConfig) -> None:
    if not model.group_shapes:
        raise UserError(
            "The model has no prior, so nothing can be drawn from it. "
            "Received: model=autoencoder"
        )
    flow = getattr(model.decoder, "flow", lambda index: None)
    groups = range(len(model.group_shapes))
    if config.method == "gibbs" and any(flow(i) is not None for i in groups):
        raise UserError(
            "The model's posteriors go through flows, which have no inverse, "
            "and Metropolis steps need it: use --method=importance. "
            "Received: --method=gibbs"
        )
