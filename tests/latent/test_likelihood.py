import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from close import assert_close
from dima.errors import DataError, NotFittedError
from dima.latent import likelihood
from dima.latent.ddpm import DDPM
from dima.noise import schedule
from noise import exact

MIXING = np.array([[1.5, 0.0], [0.8, 0.4]])


def drawn(n=1000, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 2)) @ MIXING.T + [3.0, -1.0]


@pytest.fixture(scope="module")
def untrained():
    return DDPM(hidden_dim=8, t_embed_dim=4, n_iter=0).fit(drawn())


def test_an_untrained_network_is_the_gaussian_of_the_axes(untrained):
    # v = 0 means D = alpha x: a standard normal in standardised axes.
    X, Z = drawn(seed=1)[:200], drawn()
    expected = multivariate_normal(Z.mean(axis=0), np.diag(Z.var(axis=0))).logpdf(X)
    assert_close(untrained.score_samples(X) / 2, expected / 2, atol=1e-3)
    assert untrained.score(X) == pytest.approx(expected.mean(), abs=1e-3)


def clean_mixture(parameters, x, log_snr, condition):
    """The exact denoiser of the mixture, as a network of target x0."""
    alpha, sigma = jnp.sqrt(jax.nn.sigmoid(2 * log_snr[0])), jnp.sqrt(jax.nn.sigmoid(-2 * log_snr[0]))
    variance = alpha**2 * exact.SPREAD**2 + sigma**2
    gap = x[:, None] - alpha * exact.MEANS
    share = jax.nn.softmax(jnp.log(exact.SHARES) - (gap**2).sum(-1) / (2 * variance), axis=1)
    means = exact.MEANS + alpha * exact.SPREAD**2 / variance * gap
    return (share[..., None] * means).sum(axis=1)


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_an_exact_denoiser_gives_the_exact_density(monkeypatch, rng, name):
    monkeypatch.setattr(likelihood, "apply", clean_mixture)
    X = exact.MEANS[rng.integers(0, 3, 300)] + exact.SPREAD * rng.standard_normal((300, 2))
    levels = schedule.path(name, 200).log_snr
    log_density = likelihood.log_density.__wrapped__  # not compiled: `apply` is another one here
    found = log_density({}, "x0", jnp.asarray(X, jnp.float32), (levels[1], levels[-1]), 64)
    exactly = exact.log_density(X)
    assert np.abs(found - exactly).mean() / 2 < 0.02
    assert abs((found - exactly).mean()) / 2 < 0.01


def test_a_trained_gaussian():
    # The sizes of test_ddpm.py: one compilation serves both.
    model = DDPM(100, hidden_dim=32, t_embed_dim=16, n_iter=1000, learning_rate=3e-3).fit(drawn())
    X = drawn(1000, seed=1)
    expected = multivariate_normal([3.0, -1.0], MIXING @ MIXING.T).logpdf(X)
    assert abs((model.score_samples(X) - expected).mean()) / 2 < 0.02


def test_a_point_is_judged_alone(untrained):
    X = drawn(seed=1)[:200]
    assert_close(untrained.score_samples(X[::-1]), untrained.score_samples(X)[::-1], atol=1e-5)


def test_no_density_where_an_axis_is_constant():
    Z = drawn(50)
    Z[:, 1] = 2.0
    with pytest.raises(DataError, match="training points must be varying; got 1 constant axes"):
        DDPM(hidden_dim=8, t_embed_dim=4, n_iter=0).fit(Z).score_samples(Z)


def test_before_fit():
    with pytest.raises(NotFittedError, match=r"Call DDPM\.fit first"):
        DDPM().score_samples(drawn())
