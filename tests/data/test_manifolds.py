import numpy as np
import pytest
from scipy.integrate import quad
from sklearn.datasets import make_s_curve, make_swiss_roll

from close import assert_close
from dima.data import manifolds
from dima.errors import SettingError


def test_digits():
    values, labels = manifolds.digits()
    assert values.shape == (1797, 64)
    assert values.dtype == np.float32
    assert (values.min(), values.max()) == (0.0, 16.0)
    assert set(labels) == set(range(10))


@pytest.mark.parametrize(
    ("ours", "theirs", "angle"),
    [(manifolds.swiss_roll, make_swiss_roll, 0), (manifolds.s_curve, make_s_curve, 0)],
)
def test_the_forms_of_scikit_learn(ours, theirs, angle):
    # Their rows must lie where our formula puts a row of the same angle and height.
    X, chart = theirs(200, random_state=0)
    mine, my_chart = ours(20_000)
    for axis, parameter in ((0, chart), (1, X[:, 1])):
        span = np.ptp(my_chart[:, axis])
        assert abs(parameter.min() - my_chart[:, axis].min()) < 0.05 * span
        assert abs(parameter.max() - my_chart[:, axis].max()) < 0.05 * span
    order = np.argsort(my_chart[:, angle])
    for axis in (0, 2):
        curve = np.interp(chart, my_chart[order, angle], mine[order, axis])
        assert_close(X[:, axis], curve, atol=0.02)


def test_the_isometric_roll_is_walked_at_unit_speed():
    X, chart = manifolds.isometric_roll(50)
    radius = np.hypot(X[:, 0], X[:, 2])  # equals the angle
    for length, angle in zip(chart[:, 0], radius, strict=True):
        walked, _ = quad(lambda a: np.sqrt(1 + a**2), 1.5 * np.pi, angle)
        assert walked == pytest.approx(length, abs=1e-8)
    assert_close(X[:, 1], chart[:, 1])


def test_the_isometric_roll_fills_its_rectangle():
    _, chart = manifolds.isometric_roll(20_000)
    assert_close(chart.min(axis=0), [0, 0], atol=0.02)
    assert_close(chart.max(axis=0), [60, 10], atol=0.02)
    assert_close(chart.mean(axis=0), [30, 5], rtol=0.02)


def test_the_isometric_roll_keeps_small_distances():
    X, chart = manifolds.isometric_roll(4000)
    apart = np.linalg.norm(chart - chart[0], axis=1)
    near = np.argsort(apart)[1:4]
    in_space = np.linalg.norm(X[near] - X[0], axis=1)
    assert_close(in_space, apart[near], rtol=0.01)


def test_noise_has_the_size_asked_for():
    clean, chart = manifolds.swiss_roll(5000, seed=3)
    noisy, same_chart = manifolds.swiss_roll(5000, noise=0.5, seed=3)
    assert_close(chart, same_chart)
    assert np.std(noisy - clean) == pytest.approx(0.5, rel=0.05)


def test_embedded_manifold():
    X = manifolds.embedded_manifold(500, 40, noise=0.05)
    assert X.shape == (500, 40)
    assert X.dtype == np.float32
    clean = manifolds.embedded_manifold(500, 40, noise=0.0)
    assert np.std(X - clean) == pytest.approx(0.05, rel=0.05)
    assert 0.6 < clean.std(axis=0).mean() < 0.9


def test_the_embedded_manifold_has_its_dimension():
    X = manifolds.embedded_manifold(20_000, 30, d=2, noise=0.0).astype(np.float64)
    near = X[np.argsort(np.linalg.norm(X - X[0], axis=1))[:40]]
    spread = np.linalg.svd(near - near.mean(axis=0), compute_uv=False) ** 2
    assert spread[:2].sum() > 0.99 * spread.sum()


def test_blocks_do_not_change_the_rows(monkeypatch):
    whole = manifolds.embedded_manifold(100, 20, seed=5)
    monkeypatch.setattr(manifolds, "_BLOCK_BYTES", 7 * 8 * 128)
    assert_close(manifolds.embedded_manifold(100, 20, seed=5), whole, atol=1e-5)


@pytest.mark.parametrize("make", [manifolds.swiss_roll, manifolds.s_curve, manifolds.isometric_roll])
def test_a_seed_fixes_the_rows(make):
    assert_close(make(20, seed=4)[0], make(20, seed=4)[0])
    assert not np.array_equal(make(20, seed=4)[0], make(20, seed=5)[0])


@pytest.mark.parametrize(("n", "seed"), [(0, 0), (5, -1)])
def test_settings_out_of_range(n, seed):
    with pytest.raises(SettingError, match="must be"):
        manifolds.isometric_roll(n, seed=seed)
