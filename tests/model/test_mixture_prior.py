"""Closed-form priors against scipy's Gaussians, numerical integrals and the moments of draws."""

import dataclasses

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import kstest, multivariate_normal, norm, truncnorm
from sklearn.mixture import GaussianMixture

from close import assert_close
from dima.errors import DataError, NotFittedError, SettingError
from dima.model.mixture_prior import BootstrapPrior, MixtureFit, MixturePrior
from dima.noise import schedule

WEIGHTS = np.array([0.2, 0.5, 0.3])
MEANS = np.array([[0.0, 0.0], [4.0, -1.0], [-3.0, 2.0]])
ROOTS = np.array([[[1.0, 0.0], [0.5, 0.3]], [[0.4, 0.0], [-0.2, 0.9]], [[0.7, 0.0], [0.0, 0.7]]])
FULL = ROOTS @ ROOTS.transpose(0, 2, 1)


@pytest.fixture(scope="module")
def clusters():
    """Rows of three far clusters."""
    rng = np.random.default_rng(5)
    place = rng.choice(3, 400, p=WEIGHTS)
    return MEANS[place] + np.einsum("nij,nj->ni", ROOTS[place], rng.standard_normal((400, 2)))


@pytest.fixture(scope="module")
def prior(clusters):
    return MixturePrior().fit(clusters)


def of_scipy(fit, Z, noise=0.0):
    """Log-density by scipy, component by component."""
    each = [
        np.log(weight) + multivariate_normal(mean, covariance + noise**2 * np.eye(len(mean))).logpdf(Z)
        for weight, mean, covariance in zip(
            fit.weights,
            fit.means,
            np.broadcast_to(fit.covariances, (len(fit.weights), *fit.covariances.shape[1:])),
            strict=True,
        )
    ]
    return logsumexp(each, axis=0)


@pytest.mark.parametrize("noise", [0.0, 0.7])
@pytest.mark.parametrize("covariances", [FULL, FULL[1:2]], ids=["own", "shared"])
def test_density_is_scipys(rng, covariances, noise):
    fit = MixtureFit({}, WEIGHTS, MEANS, covariances)
    Z = 3 * rng.standard_normal((50, 2))
    ours = logsumexp(fit.log_densities(Z, noise), axis=1)
    assert_close(ours, of_scipy(fit, Z, noise), atol=1e-5)


def test_fitted_density_is_scikit_learns(prior, clusters):
    k = prior.components_
    assert k == 3
    theirs = GaussianMixture(k, covariance_type="full")
    theirs.weights_, theirs.means_ = prior.fit_.weights, prior.fit_.means
    theirs.covariances_ = np.broadcast_to(prior.fit_.covariances, (k, 2, 2))
    theirs.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(theirs.covariances_)).copy()
    assert_close(prior.score_samples(clusters[:50]), theirs.score_samples(clusters[:50]), atol=1e-5)
    assert prior.score(clusters) == pytest.approx(of_scipy(prior.fit_, clusters).mean(), abs=1e-5)


@pytest.mark.parametrize("noise", [0.1, 0.8, 3.0])
def test_before_noise_is_the_posterior_mean(noise):
    fit = MixtureFit({}, np.array([0.3, 0.7]), np.array([[-2.0], [1.5]]), np.array([[[0.5]], [[0.09]]]))

    def density(z):
        return 0.3 * norm.pdf(z, -2, np.sqrt(0.5)) + 0.7 * norm.pdf(z, 1.5, 0.3)

    for y in (-4.0, -0.4, 0.9, 2.5):
        mass, first = (
            quad(
                lambda z, power=power, y=y: z**power * density(z) * norm.pdf(y, z, noise),
                -12,
                12,
                points=[-2, 1.5, y],
                limit=400,
                epsabs=0,
                epsrel=1e-10,
            )[0]
            for power in (0, 1)
        )
        assert_close(fit.before_noise(np.array([[y]]), noise), [[first / mass]], atol=1e-6)


def test_shared_covariances_denoise_as_copies_do(rng):
    Z = 3 * rng.standard_normal((20, 2))
    shared = MixtureFit({}, WEIGHTS, MEANS, FULL[:1])
    copied = MixtureFit({}, WEIGHTS, MEANS, np.repeat(FULL[:1], 3, axis=0))
    assert_close(shared.before_noise(Z, 0.5), copied.before_noise(Z, 0.5), atol=1e-12)


def test_draws_have_the_moments_of_the_mixture(prior):
    fit = dataclasses.replace(prior.fit_, box=None)
    Z = fit.draw(200_000, np.random.default_rng(3))
    covariances = np.broadcast_to(fit.covariances, (len(fit.weights), 2, 2))
    mean = fit.weights @ fit.means
    apart = fit.means - mean
    expected = np.einsum("k,kij->ij", fit.weights, covariances) + (apart.T * fit.weights) @ apart
    assert_close(Z.mean(axis=0), mean, atol=0.03)
    assert_close(np.cov(Z, rowvar=False), expected, atol=0.1)
    own = Z[np.linalg.norm(Z - fit.means[0], axis=1) < 1.5]
    assert_close(own.mean(axis=0), fit.means[0], atol=0.1)


def test_draws_are_those_of_the_mixture_that_lie_where_the_points_did():
    fit = MixturePrior(1).fit(np.array([[-1.0], [-1.0], [2.0]])).fit_
    drawn = fit.draw(50_000, np.random.default_rng(0))[:, 0]
    mean, spread = fit.means[0, 0], fit.roots[0, 0, 0]
    cut = truncnorm((-1 - mean) / spread, (2 - mean) / spread, mean, spread)
    assert_close(fit.box, [[-1.003], [2.003]])  # a thousandth of the range beside
    assert kstest(drawn, cut.cdf).statistic < 0.01


def test_an_axis_that_does_not_vary_changes_nothing_in_the_others(clusters):
    fit = MixturePrior(1).fit(np.column_stack([clusters, np.ones(len(clusters))])).fit_
    drawn = fit.draw(20_000, np.random.default_rng(0))
    assert (drawn[:, :2] == fit.box[0, :2]).mean() == (drawn[:, :2] == fit.box[1, :2]).mean() == 0
    assert_close(drawn[:, 2], np.ones(20_000), atol=1e-2)


def test_a_box_that_is_hardly_ever_hit_is_held_all_the_same():
    fit = MixtureFit({}, np.ones(1), np.zeros((1, 2)), np.eye(2)[None], np.array([[8.0, 8.0], [9.0, 9.0]]))
    assert_close(fit.draw(5, np.random.default_rng(0)), np.full((5, 2), 8.0))


def test_equal_seeds_draw_equal_points(prior):
    assert_close(prior.sample(9, seed=4), prior.sample(9, seed=4))
    assert np.abs(prior.sample(9, seed=4) - prior.sample(9, seed=5)).min() > 0
    assert prior.sample(0).shape == (0, 2)


def test_level_0_leaves_points_and_others_follow_the_cosine_path(prior, clusters):
    Z = clusters[:20] + 0.2
    assert_close(prior.refine(Z, 0), Z)
    assert_close(prior.refine(Z, 0, add_noise=False), Z)
    path = schedule.path("cosine", 1000)
    cleaned = prior.fit_.before_noise(Z, float(path.sigma[300] / path.alpha[300]))
    assert_close(prior.refine(Z, 300, add_noise=False), cleaned)
    assert_close(prior.denoise(Z, 300), cleaned)
    assert_close(prior.refine(Z, 300, seed=2), prior.refine(Z, 300, seed=2))
    assert np.abs(prior.refine(Z, 300, seed=2) - cleaned).max() > 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda prior: prior.refine(np.zeros((1, 2)), 1000), r"t_start must be below T = 1000; got 1000"),
        (lambda prior: prior.refine(np.zeros((1, 2)), -1), "t_start must be"),
        (lambda prior: prior.sample(-1), "n must be"),
        (lambda prior: prior.sample(3, seed=-2), "seed must be"),
        (lambda prior: prior.sample(3, steps=5), r"must be those of a mixture; got steps\. Nothing is"),
        (lambda prior: prior.refine(np.zeros((1, 2)), solver="heun"), "must be those of a mixture"),
        (lambda prior: MixturePrior(most=0).fit(np.eye(3)), "most must be"),
        (lambda prior: MixturePrior(seed=-1).fit(np.eye(3)), "seed must be"),
    ],
)
def test_wrong_settings_are_refused(prior, call, message):
    with pytest.raises(SettingError, match=message) as told:
        call(prior)
    assert "\n" not in str(told.value)


def test_unfitted_and_bad_points_are_refused(prior):
    with pytest.raises(NotFittedError):
        MixturePrior().sample(3)
    with pytest.raises(DataError):
        MixturePrior().fit(np.zeros((1, 2)))
    with pytest.raises(DataError):
        prior.score_samples([[np.nan, 0.0]])


@pytest.mark.parametrize("kind", [MixturePrior, BootstrapPrior])
def test_constant_axes_and_few_points_break_nothing(kind, rng):
    Z = np.column_stack([rng.standard_normal(30), np.full(30, 2.0)])
    for points in (Z, Z[:2]):
        drawn = kind().fit(points).sample(20)
        assert np.isfinite(drawn).all()
        assert_close(drawn[:, 1], np.full(20, 2.0), atol=0.1)  # mixtures have a floor of variance


@pytest.mark.parametrize("d", [1, 3])
def test_bootstrap_keeps_mean_and_covariance(rng, d):
    Z = rng.lognormal(size=(60, d))
    fit = BootstrapPrior().fit(Z).fit_
    apart = fit.means - fit.means.mean(axis=0)
    assert_close(fit.weights @ fit.means, Z.mean(axis=0), atol=1e-12)
    own = np.cov(Z, rowvar=False, bias=True).reshape(d, d)
    assert_close(fit.covariances[0] + apart.T @ apart / 60, own, atol=1e-12)
    silverman = (4 / (60 * (d + 2))) ** (1 / (d + 4))
    assert_close(fit.covariances[0], own * silverman**2 / (1 + silverman**2), atol=1e-12)


def test_bootstrap_never_draws_a_training_row(rng):
    Z = rng.standard_normal((40, 2))
    prior = BootstrapPrior().fit(Z)
    drawn = prior.sample(2000)
    assert np.linalg.norm(drawn[:, None] - Z, axis=2).min() > 0
    assert_close(prior.score_samples(drawn[:9]), of_scipy(prior.fit_, drawn[:9]), atol=1e-5)


@pytest.mark.parametrize("kind", [MixturePrior, BootstrapPrior])
def test_saved_priors_are_equal(kind, clusters):
    prior = kind(seed=3).fit(clusters)
    again = kind.from_arrays(*prior.to_arrays())
    assert_close(again.sample(9, seed=1), prior.sample(9, seed=1))
    assert_close(again.score_samples(clusters[:9]), prior.score_samples(clusters[:9]))
    assert again.get_params() == prior.get_params()
    assert again.facts() == prior.facts() | {"prior": kind.name}
