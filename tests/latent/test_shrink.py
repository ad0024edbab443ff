import numpy as np
import pytest

from close import assert_close
from dima.errors import DataTypeError, SettingError, ShapeError
from dima.latent import shrink
from dima.latent.ddpm import DDPM
from dima.latent.ddpm_fit import path_of
from dima.latent.shrink import _ratios, shrunk

# One set of sizes for every trained model: one compilation.
SIZES = {"hidden_dim": 32, "t_embed_dim": 16, "n_iter": 1000, "learning_rate": 3e-3}
MEANS, SPREAD = np.array([[-3.0, 0.0], [3.0, 1.0]]), 0.5


def two(n, seed=0):
    random = np.random.default_rng(seed)
    return MEANS[random.integers(0, 2, n)] + SPREAD * random.standard_normal((n, 2))


def posterior_mean(y, noise):
    """E[z | z + noise e = y] of the two Gaussians, in closed form."""
    variance = SPREAD**2 + np.square(noise)
    logs = -0.5 * (np.square(y[:, None] - MEANS) / variance).sum(axis=2)
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    kept = SPREAD**2 / variance
    return (shares[:, :, None] * (MEANS + kept * (y[:, None] - MEANS))).sum(axis=1)


@pytest.fixture(scope="module")
def prior():
    return DDPM(100, **SIZES).fit(two(2000))


@pytest.mark.parametrize("noise", [0.3, 1.0, np.array([0.1, 1.5]), np.array([2.0, 0.0])])
def test_the_error_is_nearly_that_of_the_posterior_mean(prior, noise):
    clean, random = two(4000, seed=1), np.random.default_rng(2)
    noisy = clean + noise * random.standard_normal(clean.shape)
    least = np.square(posterior_mean(noisy, noise) - clean).mean()
    found = np.square(prior.refine(noisy, "auto", noise=noise) - clean).mean()
    assert 0.98 * least < found < 1.15 * least
    assert found < 0.95 * np.square(noisy - clean).mean()


def test_where_noise_differs_by_axis_looking_again_helps(prior, monkeypatch):
    noise = np.array([0.1, 1.5])
    noisy = two(4000, seed=1) + noise * np.random.default_rng(2).standard_normal((4000, 2))
    wanted = posterior_mean(noisy, noise)

    def missed():
        return np.square(prior.refine(noisy, "auto", noise=noise) - wanted).mean()

    all_rounds = missed()
    monkeypatch.setattr(shrink, "_ROUNDS", 1)
    assert all_rounds < 0.7 * missed()


def test_points_are_the_same_in_blocks(prior, monkeypatch):
    Z, noise = two(7), np.array([0.1, 1.5])
    whole = prior.refine(Z, "auto", noise=noise)
    monkeypatch.setattr(shrink, "rows_within", lambda size: 3)
    assert_close(prior.refine(Z, "auto", noise=noise), whole, atol=1e-5)


def test_points_without_noise_stay(prior):
    Z = two(5)
    assert_close(prior.refine(Z, "auto", noise=0.0), Z.astype(np.float32))


def test_a_point_does_not_depend_on_those_beside_it(prior):
    Z = two(6)
    whole = prior.refine(Z, "auto", noise=0.5)
    assert_close(prior.refine(Z[2:3], "auto", noise=0.5), whole[2:3], atol=1e-5)


def test_levels_are_those_of_the_noise_within_the_path(prior):
    unit, known = prior.fit_.scale.unit, np.exp(-path_of(prior.fit_.settings).log_snr[[1, -1]])
    found = _ratios(prior.fit_, np.array([0.2, 0.8]) * unit)
    assert_close([found.min(), found.max()], [0.2, 0.8], atol=1e-6)
    assert np.isclose(found, np.sqrt((0.04 + 0.64) / 2), atol=1e-6).any()
    assert _ratios(prior.fit_, np.array([1e-9, 1e9]))[[0, -1]] == pytest.approx(known, abs=1e-5)


def test_an_axis_that_never_varied_is_left_at_its_value():
    flat = np.column_stack([two(200)[:, 0], np.full(200, 7.0)])
    fit = DDPM(100, **{**SIZES, "n_iter": 20}).fit(flat).fit_
    assert_close(shrunk(fit, flat[:4], np.array([0.5, 0.0]), 0)[:, 1], np.full(4, 7.0), atol=1e-4)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"t_start": "auto"}, "noise must be given with t_start='auto'; got none"),
        ({"t_start": 5, "noise": 0.3}, "noise must be left out with a level; got some"),
        ({"t_start": "auto", "noise": -1.0}, "noise must be at least 0; got -1"),
        ({"t_start": "much"}, "or one of 'auto'; got 'much'. (t_start: level to start from"),
        ({"t_start": 100}, "t_start must be in 1..99; got 100"),
    ],
)
def test_bad_input(prior, asked, told):
    with pytest.raises(SettingError) as caught:
        prior.refine(two(3), **asked)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("noise", "error", "told"),
    [
        ([0.1] * 3, ShapeError, r"noise must have shape \(2,\); got shape \(3,\)"),
        ("little", DataTypeError, "noise must be real numbers"),
    ],
)
def test_a_noise_that_is_none_of_the_points(prior, noise, error, told):
    with pytest.raises(error, match=told):
        prior.refine(two(3), "auto", noise=noise)
