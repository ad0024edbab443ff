"""Held to plain softmax, to Tweedie's formula and to the posterior counted from draws."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import multivariate_normal

from close import assert_close
from dima.errors import DataError, SettingError, ShapeError
from dima.explain.influence.posterior import noised_responsibilities, responsibilities

RANDOM = np.random.default_rng(0)
REFERENCE = RANDOM.standard_normal((30, 3)) + 2.0
STATES = RANDOM.standard_normal((2, 4, 3)) + 1.0
ALPHA, SIGMA = np.array([0.9, 0.5]), np.array([0.4, 0.8])


def plain(x, alpha, sigma):
    d2 = ((x[:, None] - alpha * REFERENCE[None]) ** 2).sum(axis=2)
    return softmax(-d2 / (2 * sigma**2), axis=1)


@pytest.mark.parametrize("size", [1000, 7])
def test_shares_are_the_mean_of_softmaxes(size, monkeypatch):
    monkeypatch.setattr("dima.explain.influence.posterior.rows_within", lambda _: size)
    wanted = (plain(STATES[0], 0.9, 0.4) + plain(STATES[1], 0.5, 0.8)) / 2
    found = responsibilities(STATES, REFERENCE, ALPHA, SIGMA)
    assert_close(found, wanted, atol=1e-13)
    assert_close(found.sum(axis=1), np.ones(4), atol=1e-13)


def test_the_denoised_state_is_the_one_of_tweedie():
    """D = (x + sigma^2 grad log p(x)) / alpha, the gradient by differences of the mixture's density."""
    x, alpha, sigma, step = STATES[0, 1], 0.9, 0.4, 1e-5

    def log_density(at):
        parts = [multivariate_normal.pdf(at, alpha * one, sigma**2 * np.eye(3)) for one in REFERENCE]
        return np.log(np.mean(parts))

    slope = np.array([(log_density(x + e) - log_density(x - e)) / (2 * step) for e in step * np.eye(3)])
    shares = responsibilities(x[None, None], REFERENCE, [alpha], [sigma])
    assert_close(shares[0] @ REFERENCE, (x + sigma**2 * slope) / alpha, atol=1e-6)


def test_shares_are_the_posterior_counted_from_draws():
    random, points = np.random.default_rng(1), np.array([[-1.0], [0.0], [1.5]])
    source = random.integers(3, size=400_000)
    noisy = 0.8 * points[source, 0] + 0.5 * random.standard_normal(len(source))
    near = np.abs(noisy - 0.5) < 0.02
    counted = np.bincount(source[near], minlength=3) / near.sum()
    found = responsibilities([[[0.5]]], points, [0.8], [0.5])[0]
    assert_close(found, counted, atol=5 * np.sqrt(0.25 / near.sum()))


def test_the_limits_of_the_noise():
    x = REFERENCE[None, :5] + 1e-3
    alone = responsibilities(x, REFERENCE, [1.0], [1e-12])
    assert_close(alone, np.eye(5, 30), atol=1e-12)
    assert_close(responsibilities(x, REFERENCE, [0.0], [1.0]), np.full((5, 30), 1 / 30), atol=1e-13)
    # Far from everything: each exponential alone would be zero.
    far = responsibilities(x + 1e6, REFERENCE, [1.0], [1e-3])
    assert_close(far.sum(axis=1), np.ones(5), atol=1e-12)


def test_data_far_from_zero_keep_their_digits():
    found = responsibilities(STATES + 1e6, REFERENCE + 1e6, [1.0, 1.0], SIGMA)
    wanted = responsibilities(STATES, REFERENCE, [1.0, 1.0], SIGMA)
    assert_close(found, wanted, atol=1e-6)


def test_clean_queries_are_noised_with_the_same_draws():
    X = REFERENCE[:4] + 0.1
    found = noised_responsibilities(X, REFERENCE, ALPHA, SIGMA, draws=3, seed=2)
    random, wanted = np.random.default_rng(2), np.zeros((4, 30))
    for alpha, sigma in zip(ALPHA, SIGMA, strict=True):
        for noise in random.standard_normal((3, 3)):
            wanted += plain(alpha * X + sigma * noise, alpha, sigma) / 6
    assert_close(found, wanted, atol=1e-13)
    assert (noised_responsibilities(X, REFERENCE, ALPHA, SIGMA, seed=1) != found).any()


def test_a_memory_map_gives_the_same(tmp_path):
    np.save(tmp_path / "reference.npy", REFERENCE)
    mapped = np.load(tmp_path / "reference.npy", mmap_mode="r")
    wanted = responsibilities(STATES, REFERENCE, ALPHA, SIGMA)
    assert_close(responsibilities(STATES, mapped, ALPHA, SIGMA), wanted)


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"states": STATES[0]}, ShapeError, "states must have shape"),
        ({"reference": REFERENCE[:, 1:]}, ShapeError, "reference must have shape"),
        ({"alpha": ALPHA[:1]}, ShapeError, "alpha must have shape"),
        ({"sigma": SIGMA[:1]}, ShapeError, "sigma must have shape"),
        ({"alpha": -ALPHA}, SettingError, "alpha must be at least 0"),
        ({"sigma": 0 * SIGMA}, SettingError, "sigma must be above 0"),
        ({"reference": REFERENCE * np.nan}, DataError, r"reference\[0:30\] must be finite"),
    ],
)
def test_refusals(change, error, told):
    given = {"states": STATES, "reference": REFERENCE, "alpha": ALPHA, "sigma": SIGMA}
    with pytest.raises(error, match=told):
        responsibilities(**(given | change))


def test_draws_must_be_positive():
    with pytest.raises(SettingError, match="draws must be at least 1"):
        noised_responsibilities(REFERENCE, REFERENCE, ALPHA, SIGMA, draws=0)
