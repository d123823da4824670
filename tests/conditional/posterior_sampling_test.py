"""Chains against models whose p(x_missing | x_observed) is known."""

import dataclasses

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae.conditional import posterior_sampling
from keras_vae.conditional.block_means import BlockMeans, block_means
from keras_vae.conditional.chains import Chains, State, Sums
from keras_vae.conditional.observation import MaskedPixels
from keras_vae.conditional.posterior_sampling import (
    ChainConfig,
    sample_posterior,
    split_r_hat,
)
from keras_vae.distributions import IndependentBernoulli, MultivariateNormalDiag
from keras_vae.distributions.white_noise import diagonal_normal
from keras_vae.errors import UserError
from keras_vae.models import VAE, HierarchicalVAE
from keras_vae.networks import DenseDecoder, DenseEncoder
from keras_vae.networks.hierarchy import (
    BottomUpEncoder,
    Stage,
    TopDownDecoder,
)
from keras_vae.networks.likelihood_output import add_output_bias
from keras_vae.networks.network import build_distribution
from tests.evaluation.linear_gaussian import LinearGaussian
from tests.models.cases import (
    binary_images,
    make_hierarchical,
    make_model,
    make_nvae,
)

_CHAINS = 4000
_CONFIG = ChainConfig(
    num_chains=_CHAINS, burn_in=40, num_sweeps=20, rows=3 * _CHAINS
)


@dataclasses.dataclass(frozen=True)
class _Conditional:
    """p(x_missing | x_observed) of a linear-Gaussian VAE, float64."""

    mean: np.ndarray
    covariance: np.ndarray
    log_missing: float


def _known(truth):
    """Returns images of which three pixels of six are missing."""
    missing = np.zeros([len(truth), 3, 2], np.float32)
    missing[:, 0, 1] = missing[:, 2, :] = 1.0
    # What is missing must not leak: it is replaced by nonsense.
    image = np.where(missing[..., np.newaxis] > 0, 7.0, truth)
    return MaskedPixels(image.astype(np.float32), missing)


def _conditional(oracle, x):
    """Returns what is known of p(x_missing | x_observed) of one image."""
    x = x.reshape(-1).astype(np.float64)
    covariance = oracle.w @ oracle.w.T + 0.25 * np.eye(6)
    missing, seen = [1, 4, 5], [0, 2, 3]
    of_seen = covariance[np.ix_(seen, seen)]
    gain = covariance[np.ix_(missing, seen)] @ np.linalg.inv(of_seen)
    mean = oracle.b[missing] + gain @ (x[seen] - oracle.b[seen])
    rest = covariance[np.ix_(missing, missing)]
    rest = rest - gain @ covariance[np.ix_(seen, missing)]
    normal = scipy.stats.multivariate_normal
    return _Conditional(mean, rest, normal(mean, rest).logpdf(x[missing]))


def _deviations(images, wanted):
    """Returns the largest error of mean and covariance in standard errors.

    Args:
        images: Independent draws, `[num, 3, 2, 1]`.
        wanted: Their `_Conditional`.
    """
    x = images.reshape(len(images), -1)[:, [1, 4, 5]].astype(np.float64)
    spread = np.sqrt(np.diag(wanted.covariance))
    mean = (x.mean(axis=0) - wanted.mean) / spread * np.sqrt(len(x))
    # The variance of a covariance of Gaussians.
    c = wanted.covariance
    error = np.sqrt((np.outer(np.diag(c), np.diag(c)) + c**2) / len(x))
    return np.abs(mean).max(), np.abs((np.cov(x.T) - c) / error).max()


@pytest.fixture(scope="module")
def wrong():
    """Returns a model whose encoder is wrong in mean and spread."""
    return LinearGaussian(shift=0.3, widen=1.3)


@pytest.fixture(scope="module")
def truth(wrong):
    """Returns three images of the model."""
    return wrong.images(3)


@pytest.fixture(scope="module")
def draws(wrong, truth):
    """Returns draws of many chains."""
    return sample_posterior(
        wrong.model, _known(truth), truth, np.zeros([3, 2, 1]), _CONFIG
    )


def test_draws_keep_what_is_observed(draws, truth):
    seen = np.broadcast_to(_known(truth).missing[..., None] == 0, truth.shape)
    assert draws.image.shape == (_CHAINS, *truth.shape)
    for image in draws.image[:3]:
        np.testing.assert_array_equal(image[seen], truth[seen])
    np.testing.assert_allclose(draws.mean[seen], truth[seen], atol=1e-5)


@pytest.mark.parametrize("index", range(3))
def test_draws_have_the_moments_of_the_conditional(draws, wrong, truth, index):
    wanted = _conditional(wrong, truth[index])
    mean, covariance = _deviations(draws.image[:, index], wanted)
    assert mean < 5.5
    assert covariance < 6


@pytest.mark.parametrize("index", range(3))
def test_figures_are_those_of_the_conditional(draws, wrong, truth, index):
    wanted = _conditional(wrong, truth[index])
    found = draws.mean[index].reshape(-1)[[1, 4, 5]]
    np.testing.assert_allclose(found, wanted.mean, atol=0.02)
    assert draws.log_missing[index] == pytest.approx(
        wanted.log_missing, abs=0.03
    )
    assert 0.5 < draws.trajectory_acceptance[index] < 0.95
    assert 0.3 < draws.encoder_acceptance[index] < 0.95
    # Twenty sweeps are too few for chains to agree, but not by much.
    assert 1 < draws.r_hat[index] < 1.6


def test_pseudo_gibbs_alone_shows_that_the_encoder_is_wrong(wrong, truth):
    # The test of the moments can fail: by many standard errors.
    known = _known(truth).take(np.zeros(_CHAINS, np.int32))
    chains = Chains(wrong.model)
    state = chains.start(
        known,
        known.fill(tf.zeros([3, 2, 1])),
        {},
        tf.constant([1, 2]),
        tf.constant(30),
    )
    wanted = _conditional(wrong, truth[0])
    assert _deviations(state.x.numpy(), wanted)[0] > 15


def test_the_exact_posterior_is_always_accepted():
    oracle = LinearGaussian()
    images = oracle.images(2)
    config = ChainConfig(num_chains=50, burn_in=5, num_sweeps=10)
    draws = sample_posterior(
        oracle.model, _known(images), images, np.zeros([3, 2, 1]), config
    )
    # Rounding lets a proposal be refused now and then.
    assert np.all(draws.encoder_acceptance > 0.999)


def test_a_chain_that_is_there_stays_there(wrong, truth):
    random = np.random.default_rng(5)
    wanted = _conditional(wrong, truth[1])
    num = 20_000
    x = np.tile(truth[1].reshape(-1), [num, 1]).astype(np.float64)
    x[:, [1, 4, 5]] = random.multivariate_normal(
        wanted.mean, wanted.covariance, num
    )
    z = (x - wrong.b) @ wrong.w @ wrong.covariance / 0.25
    z += random.multivariate_normal([0, 0], wrong.covariance, num)
    image = x.reshape(num, 3, 2, 1).astype(np.float32)
    chains = Chains(wrong.model)
    for num_sweeps in (1, 4):
        state, _, _ = chains.sweep(
            _known(truth).take(np.full(num, 1)),
            tf.constant(image),
            {},
            # Any image: here one that tells nothing of these.
            tf.constant(np.tile(truth[:1], [num, 1, 1, 1])),
            State(
                tf.constant(image),
                tf.constant(z, tf.float32),
                tf.fill([num], -0.5),
            ),
            Sums.zeros(tf.constant(image)),
            tf.constant([1, 2]),
            tf.constant(num_sweeps),
            tf.constant(False),
        )
        mean, covariance = _deviations(state.x.numpy(), wanted)
        assert mean < 5.5
        assert covariance < 6
        moved = np.any(state.z.numpy() != z.astype(np.float32), axis=1)
        # Some are refused, which must not bend the distribution.
        assert moved.mean() > 0.3
        assert moved.mean() < 1 or num_sweeps > 1


_SQUARE = (2, 2, 1)
_BITS = np.array(
    [[i >> 3 & 1, i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(16)],
    np.float32,
)


@pytest.fixture(scope="module")
def tiny():
    """Returns a Bernoulli VAE of four pixels, and p of its 16 images."""
    model = VAE(
        DenseEncoder(MultivariateNormalDiag(1), _SQUARE, (4,)),
        DenseDecoder(IndependentBernoulli(_SQUARE), 1, (4,)),
    )
    model.build()
    random = np.random.default_rng(1)
    for network, scale in ((model.encoder, 1.0), (model.decoder, 2.0)):
        network.set_weights(
            [scale * random.normal(size=w.shape) for w in network.get_weights()]
        )
    z = np.linspace(-8, 8, 2001)
    likelihood = model.decoder(tf.constant(z[:, np.newaxis], tf.float32))
    logits = likelihood.distribution.logits.numpy().reshape(-1, 4)
    log_joint = _BITS @ logits.T - np.logaddexp(0, logits).sum(axis=1)
    log_joint += scipy.stats.norm.logpdf(z)
    p = np.exp(scipy.special.logsumexp(log_joint, axis=1)) * (z[1] - z[0])
    assert p.sum() == pytest.approx(1, abs=1e-5)
    return model, p


def _check_frequencies(draws, p):
    """Compares draws `[num, 2, 2, 1]` with the probabilities `[16]`."""
    numbers = draws.reshape(len(draws), 4).astype(int) @ [8, 4, 2, 1]
    counts = np.bincount(numbers, minlength=16)
    assert counts[p == 0].sum() == 0
    expected = len(draws) * p[p > 0] / p.sum()
    assert scipy.stats.chisquare(counts[p > 0], expected).pvalue > 1e-6


def _check_two_missing_bits(model, p):
    """Compares draws and figures with the conditional of p of 16 images."""
    # The first and the last pixel are seen: 1 and 0.
    missing = np.array([[[0, 1], [1, 0]]], np.float32)
    image = np.array([1, 0, 0, 0], np.float32).reshape(1, *_SQUARE)
    draws = sample_posterior(
        model,
        MaskedPixels(image, missing),
        image,
        np.full(_SQUARE, 0.5),
        _CONFIG,
    )
    agrees = (_BITS[:, 0] == 1) & (_BITS[:, 3] == 0)
    _check_frequencies(draws.image[:, 0], p * agrees)
    evidence = (p * agrees).sum()
    assert draws.log_missing[0] == pytest.approx(
        np.log(p[8] / evidence), abs=0.03
    )
    np.testing.assert_allclose(
        draws.mean.reshape(-1), p * agrees @ _BITS / evidence, atol=0.02
    )


def test_bits_have_the_conditional_probabilities(tiny):
    _check_two_missing_bits(*tiny)


def test_bits_of_a_known_sum_have_the_conditional_probabilities(tiny):
    model, p = tiny
    image = np.array([1, 0, 0, 1], np.float32).reshape(1, *_SQUARE)
    draws = sample_posterior(
        model,
        BlockMeans(block_means(image, 2), 2),
        image,
        np.zeros(_SQUARE),
        _CONFIG,
    )
    agrees = _BITS.sum(axis=1) == 2
    _check_frequencies(draws.image[:, 0], p * agrees)
    assert draws.log_missing[0] == pytest.approx(
        np.log(p[9] / (p * agrees).sum()), abs=0.03
    )


class Features(BottomUpEncoder):
    """Gives the pixels to both groups."""

    def build(self, input_shape=None):
        self.built = True

    def call(self, image, training=False):
        return [tf.reshape(image, [-1, 4])] * 2


class TwoGroups(TopDownDecoder):
    """z_1 and z_2 of one number each, z_2 given z_1, and four pixels."""

    def __init__(self):
        super().__init__(IndependentBernoulli(_SQUARE), ((1,), (1,)))

    def build(self, input_shape=None):
        add_output_bias(self)
        build_distribution(self, (None, *_SQUARE))

    def start(self, rows, classes):
        return tf.zeros([rows, 1])

    def stages(self):
        def logits(zw, training=False):
            z, w = tf.split(zw, 2, axis=-1)
            return tf.reshape(_two_group_logits(z, w), [-1, *_SQUARE])

        return [Stage(First(), []), Stage(Second(), [logits])]


class First:
    flow = None

    def read(self, x):
        return x

    def prior(self, x):
        return diagonal_normal(x, 1.0 + x)

    def posterior(self, x, feature):
        sums = feature @ [[1.0], [-0.5], [0.3], [0.2]]
        return diagonal_normal(0.6 * sums - 0.4, 0.9 + x)

    def merge(self, x, z):
        return z


class Second:
    flow = None

    def read(self, z):
        return z

    def prior(self, z):
        return diagonal_normal(0.8 * z, 0.6 + 0.0 * z)

    def posterior(self, z, feature):
        sums = feature @ [[0.2], [0.7], [-0.4], [0.6]]
        # The map from noise to latents has a Jacobian that varies.
        scale = 0.8 * tf.exp(0.9 * tf.tanh(z))
        return diagonal_normal(0.4 * sums + 0.5 * z, scale)

    def merge(self, z, w):
        return tf.concat([z, w], axis=-1)


def _two_group_logits(z, w):
    return tf.tanh(z) * [[2.0, -1.5, 1.0, 0.5]] + w * [[0.5, 1.0, -1.0, 1.5]]


def test_hierarchies_are_conditioned_too():
    model = HierarchicalVAE(Features(_SQUARE), TwoGroups())
    model.build()
    grid = np.linspace(-6, 6, 241)
    z, w = (v.reshape(-1, 1) for v in np.meshgrid(grid, grid, indexing="ij"))
    logits = _two_group_logits(z, w).numpy()
    log_joint = _BITS @ logits.T - np.logaddexp(0, logits).sum(axis=1)
    log_joint += scipy.stats.norm.logpdf(z)[:, 0]
    log_joint += scipy.stats.norm.logpdf(w, 0.8 * z, 0.6)[:, 0]
    p = np.exp(scipy.special.logsumexp(log_joint, axis=1))
    p *= (grid[1] - grid[0]) ** 2
    assert p.sum() == pytest.approx(1, abs=1e-4)
    _check_two_missing_bits(model, p)


def test_images_do_not_depend_on_the_rest_of_their_last_batch(wrong, truth):
    config = ChainConfig(num_chains=2, burn_in=3, num_sweeps=5, rows=4)
    shares = []
    draws = sample_posterior(
        wrong.model,
        _known(truth),
        truth,
        np.zeros([3, 2, 1]),
        config,
        progress=shares.append,
    )
    assert draws.image.shape == (2, *truth.shape)
    assert draws.log_missing.shape == draws.r_hat.shape == (3,)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    # Nor on the values that are missing, in truth.
    first = sample_posterior(
        wrong.model,
        _known(truth[:2]),
        np.zeros_like(truth[:2]),
        np.zeros([3, 2, 1]),
        config,
    )
    np.testing.assert_array_equal(first.image, draws.image[:, :2])
    assert np.all(first.log_missing != draws.log_missing[:2])


def test_each_batch_and_each_chain_has_its_own_noise(tiny):
    model, _ = tiny
    image = np.tile(np.float32([1, 0, 0, 1]).reshape(1, *_SQUARE), [4, 1, 1, 1])
    missing = np.ones([4, 2, 2], np.float32)
    missing[:, 0, 0] = 0
    draws = sample_posterior(
        model,
        MaskedPixels(image, missing),
        image,
        image[0],
        ChainConfig(num_chains=2, burn_in=4, num_sweeps=4, rows=2),
    )
    # One image four times, one at a time: other draws of the same law.
    means = draws.mean.reshape(4, -1)
    assert len(np.unique(means, axis=0)) == 4
    assert len(np.unique(draws.log_missing)) == 4
    assert np.any(draws.image[0] != draws.image[1])


def test_models_that_cannot_be_sampled_are_refused():
    images = binary_images(1)
    known = MaskedPixels(images, np.ones([1, 4, 4], np.float32))
    with pytest.raises(UserError, match="no inverse.*Received: NVAE with"):
        sample_posterior(make_nvae(num_flows=1), known, images, images[0])
    autoencoder = make_model(model="autoencoder")
    with pytest.raises(UserError, match="Received: Autoencoder"):
        sample_posterior(autoencoder, known, images, images[0])


@pytest.mark.parametrize("make", [make_hierarchical, make_nvae])
def test_the_hierarchies_of_the_package_are_sampled(make):
    images = binary_images(2)
    missing = np.zeros([2, 4, 4], np.float32)
    missing[:, :2] = 1
    draws = sample_posterior(
        make(),
        MaskedPixels(images, missing),
        images,
        images[0],
        ChainConfig(num_chains=2, burn_in=4, num_sweeps=4),
    )
    assert np.all(np.isfinite(draws.log_missing))
    assert np.all(draws.trajectory_acceptance > 0.2)


def _split_r_hat(values):
    """Returns equation 11.4 of Gelman et al. for one quantity, by loops."""
    half = values.shape[1] // 2
    halves = [c[s] for c in values for s in (slice(half), slice(-half, None))]
    means = [sum(h) / half for h in halves]
    grand = sum(means) / len(means)
    between = half * sum((m - grand) ** 2 for m in means) / (len(means) - 1)
    within = sum(
        sum((v - m) ** 2 for v in h) / (half - 1)
        for h, m in zip(halves, means, strict=True)
    ) / len(means)
    pooled = (half - 1) / half * within + between / half
    return (pooled / within) ** 0.5


@pytest.mark.parametrize("shape", [(4, 50), (3, 7), (1, 4)])
def test_split_r_hat_against_its_definition(shape):
    values = np.random.default_rng(0).normal(size=[*shape, 3])
    values[0, :, 1] += 2  # One chain elsewhere.
    values[:, : shape[1] // 2, 2] += 2  # All chains on their way.
    found = split_r_hat(values)
    wanted = [_split_r_hat(values[..., index]) for index in range(3)]
    np.testing.assert_allclose(found, wanted)
    if shape == (4, 50):
        assert 0.97 < found[0] < 1.03
        assert np.all(found[1:] > 1.2)
        library = tfp.mcmc.potential_scale_reduction(
            np.moveaxis(values, 0, 1),
            independent_chain_ndims=1,
            split_chains=True,
        )
        # The library has another divisor: (n + 1) / n in R-hat squared.
        n = 8
        np.testing.assert_allclose(
            found**2,
            (library - 24 / 25) * n / (n + 1) + 24 / 25,
            rtol=1e-10,
        )


@pytest.mark.parametrize("size", [0.0, 1.0, -250.0])
def test_what_does_not_vary_has_no_r_hat(size):
    random = np.random.default_rng(0)
    noise = random.normal(size=[4, 20, 1])
    constant = np.full([4, 20, 1], size)
    rounded = (constant * (1 + 1e-7 * noise)).astype(np.float32)
    for values in (constant, rounded.astype(np.float64)):
        np.testing.assert_array_equal(split_r_hat(values), [np.nan])
    # A thousand times as much is a variation.
    varying = size + 1e-3 * max(abs(size), 1) * noise
    np.testing.assert_allclose(
        split_r_hat(varying), [_split_r_hat(varying[..., 0])], rtol=1e-9
    )


@pytest.mark.parametrize("bad", [np.nan, -np.inf, np.inf])
def test_chains_that_are_not_finite_have_not_converged(bad):
    values = np.random.default_rng(0).normal(size=[4, 20, 3])
    values[2, 7, 0] = bad
    values[..., 1] = bad
    found = split_r_hat(values)
    np.testing.assert_array_equal(found[:2], [np.inf, np.inf])
    assert found[2] == pytest.approx(_split_r_hat(values[..., 2]))


def test_chains_that_stay_in_different_places_have_not_converged():
    stuck = np.array([[0.0], [1.0]])[:, np.newaxis] + np.zeros([2, 4, 1])
    np.testing.assert_array_equal(split_r_hat(stuck), [np.inf])


def test_r_hat_is_that_of_what_block_means_leave_open(tiny):
    """The mean of an image that is known by block means is a constant."""
    model, _ = tiny
    image = np.array([1, 0, 0, 1], np.float32).reshape(1, *_SQUARE)
    known = BlockMeans(block_means(image, 2), 2)
    records = []

    class Recorded(Chains):
        def sweep(self, *arguments):
            state, sums, trace = super().sweep(*arguments)
            if not bool(arguments[-1]):
                records.append(trace)
            return state, sums, trace

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(posterior_sampling, "Chains", Recorded)
        draws = sample_posterior(
            model,
            known,
            image,
            np.zeros(_SQUARE),
            ChainConfig(num_chains=4, burn_in=20, num_sweeps=40),
        )
    assert all(v.dtype == tf.float64 for trace in records for v in trace)
    observed, projection = (
        np.concatenate([getattr(trace, name) for trace in records])
        for name in ("log_observed", "projection")
    )
    # Both are of their size: no rounding noise.
    assert observed.std() > 1e-3
    assert projection.std() > 1e-2
    assert draws.r_hat[0] == pytest.approx(
        max(_split_r_hat(observed.T), _split_r_hat(projection.T))
    )


@pytest.mark.parametrize(("factor", "r_hat"), [(np.nan, np.inf), (0, np.nan)])
def test_a_model_of_nans_or_constants_has_not_converged(tiny, factor, r_hat):
    model, _ = tiny
    weights = model.decoder.get_weights()
    image = np.array([1, 0, 0, 1], np.float32).reshape(1, *_SQUARE)
    missing = np.array([[[0, 1], [1, 0]]], np.float32)
    try:
        model.decoder.set_weights([factor * w for w in weights])
        draws = sample_posterior(
            model,
            MaskedPixels(image, missing),
            image,
            image[0],
            ChainConfig(2, 4, 6),
        )
    finally:
        model.decoder.set_weights(weights)
    np.testing.assert_array_equal(draws.r_hat, [r_hat])
    if factor == 0:
        assert draws.log_missing[0] == pytest.approx(2 * np.log(0.5))
    else:
        assert draws.trajectory_acceptance[0] == 0
        assert np.isnan(draws.log_missing[0])


@pytest.mark.parametrize("burn_in", [1, 17])
def test_the_step_is_fitted_while_burning_in_and_never_after(tiny, burn_in):
    model, _ = tiny
    image = np.array([1, 0, 0, 1], np.float32).reshape(1, *_SQUARE)
    missing = np.array([[[0, 1], [1, 0]]], np.float32)
    steps, counts, keys, quick = [], {True: 0, False: 0}, set(), []

    class Recorded(Chains):
        def start(self, *arguments):
            quick.append(int(arguments[-1]))
            return super().start(*arguments)

        def sweep(self, *arguments):
            state, sums, trace = super().sweep(*arguments)
            *_, before, _, seed, count, fit = arguments
            changed = np.any(state.log_step != before.log_step)
            assert changed == bool(fit)
            counts[bool(fit)] += int(count)
            keys.add(tuple(seed.numpy()))
            steps.append(int(count))
            return state, sums, trace

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(posterior_sampling, "Chains", Recorded)
        sample_posterior(
            model,
            MaskedPixels(image, missing),
            image,
            image[0],
            ChainConfig(2, burn_in, 24),
        )
    assert quick == [max(burn_in // 2, 1)]
    # The burn-in is pseudo-Gibbs for one half, the other one fits the step.
    assert counts == {True: max(burn_in - quick[0], 0), False: 24}
    assert len(keys) == len(steps)


@pytest.mark.parametrize(
    "arguments", [{"num_sweeps": 3}, {"num_chains": 0}, {"burn_in": -1}]
)
def test_impossible_settings_are_refused(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(UserError, match=f"Received: {name}={value}"):
        ChainConfig(**arguments)


def test_each_draw_of_a_sweep_has_a_seed_of_its_own(wrong, truth, monkeypatch):
    """Of momentum, step, both acceptances, and x."""
    used = []

    def record(owner, name, position):
        real = getattr(owner, name)

        def draw(*arguments, **options):
            used.append(tuple(arguments[position].numpy()))
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, draw)

    record(tf.random, "stateless_normal", 1)
    record(tf.random, "stateless_uniform", 1)
    record(MaskedPixels, "sample", 2)
    image = tf.constant(truth[:2])
    Chains.sweep.python_function(
        Chains(wrong.model),
        _known(truth).take(np.arange(2)),
        image,
        {},
        image,
        State(image, tf.zeros([2, 2]), tf.fill([2], -0.5)),
        Sums.zeros(image),
        tf.constant([1, 2]),
        tf.constant(3),
        tf.constant(False),
    )
    # x is drawn for the z before and after, from one seed.
    assert len(used) == 3 * 6
    assert len(set(used)) == 3 * 5


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
