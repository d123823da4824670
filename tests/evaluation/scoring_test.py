"""Tests of the scores of images, on models whose log p(x) is known."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from keras_vae.evaluation import (
    detection,
    image_scores,
    likelihood_bounds,
    mixture_of_classes,
)
from tests.evaluation.linear_gaussian import LinearGaussian
from tests.models.cases import binary_images, make_model

# One of 1,770 pairs of normal numbers is beyond 7 sigma once in 10^8.
SIGMA = 7.0
CLASS_SHIFT = 0.8


@pytest.fixture(scope="module")
def wrong():
    """A model whose posterior is not the exact one: its ELBO is too low."""
    return LinearGaussian(shift=0.2, widen=1.3)


def _images(known, num_images=60):
    """Returns images of p(x), every third of them spread out."""
    images = known.images(num_images)
    images[::3] *= 1.5
    return images


def test_ranking_is_that_of_the_exact_likelihood(wrong):
    x = _images(wrong)
    num_samples = 2000
    nll = image_scores(wrong.model, x, num_samples).nll
    exact = -wrong.log_prob(x)
    error = np.sqrt(wrong.relative_weight_variance() / num_samples)
    assert error < 0.05
    first, second = np.triu_indices(len(x), 1)
    gap = exact[first] - exact[second]
    clear = np.abs(gap) > SIGMA * np.sqrt(2) * error
    assert clear.mean() > 0.8
    agree = np.sign(gap) == np.sign(nll[first] - nll[second])
    assert np.all(agree[clear])
    assert scipy.stats.spearmanr(nll, exact).statistic > 0.99


def test_bound_is_the_elbo_with_one_sample_else_the_weighted_one(wrong):
    x = _images(wrong)
    batches = tf.data.Dataset.from_tensor_slices(x).batch(100)
    for k in (1, 5):
        bounds = likelihood_bounds(wrong.model, batches, k, seed=3)
        scores = image_scores(wrong.model, x, k, seed=3)
        expected = bounds.elbo if k == 1 else bounds.importance_weighted
        np.testing.assert_allclose(scores.nll, -expected, rtol=1e-5)
        assert scores.nll.dtype == np.float64


def test_error_is_that_of_the_reconstruction(wrong):
    x = _images(wrong)
    scores = image_scores(wrong.model, x, 1)
    flat = x.reshape(len(x), -1)
    mean = (flat - wrong.b) @ wrong.w @ wrong.covariance / 0.5**2 + 0.2
    again = np.clip(mean @ wrong.w.T + wrong.b, 0.0, 1.0)  # As it is shown.
    np.testing.assert_allclose(
        scores.reconstruction_error, ((flat - again) ** 2).sum(-1), rtol=1e-4
    )


def test_exact_likelihood_ratio_is_the_best_score():
    # Neyman and Pearson: no score of x tells two known densities apart better
    # than their ratio.
    inside, outside = LinearGaussian(), LinearGaussian()
    x = inside.images(400, seed=1)
    y = outside.images(400, seed=2) + np.float32(0.5)
    images = np.concatenate([x, y])
    own = image_scores(inside.model, images, 1)
    other = image_scores(outside.model, images - np.float32(0.5), 1)
    ratio = own.nll - other.nll
    best = detection(ratio[:400], ratio[400:])
    exact = inside.log_prob(images - 0.5) - inside.log_prob(images)
    assert np.corrcoef(ratio, exact)[0, 1] > 0.9
    assert best.auroc > 0.7
    for score in (own.nll, own.reconstruction_error):
        assert detection(score[:400], score[400:]).auroc < best.auroc


class ShiftedClasses:
    """p(x|c) = p(x - c shift) with `num_classes` classes.

    As a conditional model of the package, as far as scores need one.
    """

    def __init__(self, inner, num_classes):
        self.inner = inner
        self.num_classes = num_classes
        self.has_latents = inner.has_latents
        self.has_prior = inner.has_prior
        self.has_likelihood = inner.has_likelihood
        self.likelihood_is_exact = inner.likelihood_is_exact

    def _centred(self, image, label):
        label = tf.cast(label, tf.float32)
        return image - CLASS_SHIFT * label[:, None, None, None]

    def traced(self, name, make):
        del name
        return make()

    def unpack(self, batch):
        image, label = batch
        return image, {"label": label}

    def encode(self, image, label):
        assert label.dtype == tf.int32
        return label, self.inner.encode(self._centred(image, label))

    def infer(self, image, encoding, seed, num_samples=None):
        label, encoding = encoding
        centred = self._centred(image, label)
        return self.inner.infer(centred, encoding, seed, num_samples)

    def reconstruct(self, image, label):
        return (
            image
            - self._centred(image, label)
            + self.inner.reconstruct(self._centred(image, label))
        )


@pytest.fixture(scope="module")
def classes():
    """An exact model with three classes, images, and log p(x|c)."""
    known = LinearGaussian()
    labels = np.arange(30, dtype=np.int32) % 3
    x = known.images(30) + CLASS_SHIFT * labels[:, None, None, None]
    x = x.astype(np.float32)
    exact = np.stack([known.log_prob(x - CLASS_SHIFT * c) for c in range(3)])
    return ShiftedClasses(known.model, 3), x, labels, exact


def test_labels_condition_the_scores(classes):
    model, x, labels, exact = classes
    scores = image_scores(model, x, 4, labels=labels)
    expected = exact[labels, np.arange(len(x))]
    # The posterior is exact, so each weight is p(x|c).
    np.testing.assert_allclose(-scores.nll, expected, atol=1e-4)


def test_unknown_classes_are_mixed(classes):
    model, x, _, exact = classes
    seen = []
    scores = image_scores(model, x, 4, progress=seen.append)
    expected = scipy.special.logsumexp(exact, axis=0) - np.log(3)
    np.testing.assert_allclose(-scores.nll, expected, atol=1e-4)
    assert seen == [30, 60, 90]


def test_mixed_elbo_is_likelihood_minus_kl(classes):
    model, x, _, _ = classes
    batches = tf.data.Dataset.from_tensor_slices(x)
    each = [
        likelihood_bounds(
            model,
            batches.map(lambda image, c=c: (image, tf.constant(c))).batch(10),
            64,
        )
        for c in range(3)
    ]
    mixed = mixture_of_classes(each)
    np.testing.assert_allclose(
        mixed.elbo, mixed.log_likelihood - mixed.kl_divergence, atol=1e-6
    )
    assert np.all(mixed.elbo <= np.max([b.elbo for b in each], axis=0))
    assert np.all(
        mixed.elbo >= np.max([b.elbo for b in each], axis=0) - np.log(3)
    )
    assert np.all(mixed.kl_divergence > 0)


def test_mixture_of_equal_classes_is_one_of_them(classes):
    model, x, _, _ = classes
    batches = tf.data.Dataset.from_tensor_slices(
        (x, np.zeros(len(x), np.int32))
    ).batch(10)
    one = likelihood_bounds(model, batches, 3)
    mixed = mixture_of_classes([one, one, one])
    for name in ("elbo", "importance_weighted", "kl_divergence"):
        np.testing.assert_allclose(getattr(mixed, name), getattr(one, name))


def test_the_error_of_an_image_is_that_of_its_most_probable_class():
    model, images = make_model(class_names=("a", "b", "c")), binary_images(12)
    for variable in model.trainable_variables:
        variable.assign(variable * 3.0)
    each = [
        image_scores(model, images, 5, labels=np.full([12], c, np.int32))
        for c in range(3)
    ]
    best = np.argmax([scores.bounds.elbo for scores in each], axis=0)
    assert len(set(best)) > 1
    errors = np.stack([scores.reconstruction_error for scores in each])
    found = image_scores(model, images, 5).reconstruction_error
    np.testing.assert_allclose(found, errors[best, np.arange(12)], rtol=1e-5)


def test_autoencoder_has_an_error_and_no_likelihood():
    model = make_model("normal_fixed", model="autoencoder")
    x = binary_images(5)
    scores = image_scores(model, x, 1)
    expected = np.sum((x - model.reconstruct(x)) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(scores.reconstruction_error, expected, rtol=1e-5)
    assert scores.bounds is None
    with pytest.raises(ValueError, match="no likelihood"):
        _ = scores.nll


def test_images_are_scored_beyond_one_batch():
    model = make_model()
    x = binary_images(205)
    seen = []
    whole = image_scores(model, x, 1, progress=seen.append)
    assert seen == [100, 200, 205]
    assert len(whole.nll) == len(whole.reconstruction_error) == 205
    part = image_scores(model, x[200:], 1)
    np.testing.assert_allclose(
        whole.reconstruction_error[200:], part.reconstruction_error, rtol=1e-5
    )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
