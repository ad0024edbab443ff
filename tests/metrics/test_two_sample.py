import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics.pairwise import rbf_kernel

from dima.errors import DataError, SettingError, ShapeError
from dima.metrics import distance, mmd
from dima.metrics import two_sample as ts

X = np.random.default_rng(1).standard_normal((60, 3))
Y = np.random.default_rng(2).standard_normal((45, 3)) + 0.5

MEASURES = [ts.sliced_w2, ts.energy_distance, ts.mmd, ts.c2st, ts.precision_recall]


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_w2_on_a_line_by_sorting(seed, n):
    x, y = np.random.default_rng(seed).standard_normal((2, n, 1))
    expected = np.sqrt(np.mean((np.sort(x[:, 0]) - np.sort(y[:, 0])) ** 2))
    assert ts.sliced_w2(x, y) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 12))
def test_w2_of_unequal_sizes_by_repeating_rows(seed, n, m):
    # Repeating every row leaves the distribution as it is, and makes the sizes equal.
    random = np.random.default_rng(seed)
    x, y = random.standard_normal((n, 2)), random.standard_normal((m, 2))
    equal = ts.sliced_w2(np.repeat(x, m, axis=0), np.repeat(y, n, axis=0))
    assert ts.sliced_w2(x, y) == pytest.approx(equal, abs=1e-12)


def test_w2_bounds_w1():
    x, y = X[:, :1], Y[:, :1]
    assert ts.sliced_w2(x, y) >= stats.wasserstein_distance(x[:, 0], y[:, 0])


def test_w2_of_a_shift_is_its_length():
    shift = np.array([3.0, 0.0, 4.0])
    found = ts.sliced_w2(X, X + shift, n_projections=20_000)
    assert found == pytest.approx(5.0 / np.sqrt(3), rel=0.02)


def test_w2_of_two_gaussians(rng):
    # On a line W2^2 = (difference of means)^2 + (difference of deviations)^2.
    x = rng.normal(0.0, 1.0, (200_000, 1))
    y = rng.normal(2.0, 3.0, (100_000, 1))
    assert ts.sliced_w2(x, y, n_projections=2) == pytest.approx(np.sqrt(8.0), rel=0.02)


def test_w2_is_a_symmetric_function_of_the_seed():
    assert ts.sliced_w2(X, Y) == pytest.approx(ts.sliced_w2(Y, X), rel=1e-12)
    assert ts.sliced_w2(X, Y, seed=1) == ts.sliced_w2(X, Y, seed=1)
    assert ts.sliced_w2(X, Y, seed=1) != ts.sliced_w2(X, Y, seed=2)
    assert ts.sliced_w2(X, X[::-1]) == pytest.approx(0.0, abs=1e-7)


def test_energy_distance_against_scipy_on_a_line():
    x, y = X[:, 0], Y[:, 0]
    expected = stats.energy_distance(x, y)
    assert ts.energy_distance(x[:, None], y[:, None]) == pytest.approx(expected, rel=1e-9)


def test_energy_distance_in_space():
    expected = 2 * cdist(X, Y).mean() - cdist(X, X).mean() - cdist(Y, Y).mean()
    assert ts.energy_distance(X, Y) == pytest.approx(np.sqrt(expected), rel=1e-9)
    assert ts.energy_distance(X, X) == pytest.approx(0.0, abs=1e-6)


def mmd_by_loops(x, y, bandwidth):
    gamma = 0.5 / bandwidth**2
    within = [rbf_kernel(rows, gamma=gamma)[~np.eye(len(rows), dtype=bool)].mean() for rows in (x, y)]
    return sum(within) - 2 * rbf_kernel(x, y, gamma=gamma).mean()


def test_mmd_against_scikit_learn():
    statistic, p = ts.mmd(X, Y, bandwidth=1.3)
    assert statistic == pytest.approx(mmd_by_loops(X, Y, 1.3), rel=1e-9)
    assert np.isnan(p)


def test_mmd_takes_the_median_distance():
    median = np.median(pdist(np.concatenate([X, Y])))
    assert ts.mmd(X, Y)[0] == pytest.approx(mmd_by_loops(X, Y, median), rel=1e-3)


def test_permutations_are_relabellings():
    pooled = np.concatenate([X, Y])
    columns = mmd._relabellings(len(X), len(Y), 20, seed=4)
    by_hand = [mmd_by_loops(pooled[c == 1], pooled[c == 0], 1.3) for c in columns.T]
    expected = (1 + np.sum(np.array(by_hand[1:]) >= by_hand[0])) / 21
    assert ts.mmd(X, Y, bandwidth=1.3, n_permutations=20, seed=4)[1] == expected


def test_p_is_small_for_a_shift_and_uniform_for_none(rng):
    assert ts.mmd(X, Y + 1, n_permutations=99)[1] == 0.01
    halves = rng.standard_normal((40, 2, 30, 2))
    p = [ts.mmd(x, y, n_permutations=49, seed=i)[1] for i, (x, y) in enumerate(halves)]
    assert 0.3 < np.mean(p) < 0.7


def test_mmd_of_rows_that_are_all_equal():
    assert ts.mmd(np.ones((4, 2)), np.ones((5, 2)), n_permutations=9) == (0.0, 1.0)


@pytest.mark.parametrize("measure", [ts.energy_distance, ts.precision_recall, ts.density_coverage])
def test_blocks_do_not_change_the_figure(monkeypatch, measure):
    whole = measure(X, Y)
    monkeypatch.setattr(distance.blocks.rows_within, "__defaults__", (200 * distance._HELD_BYTES,))
    assert measure(X, Y) == pytest.approx(whole, rel=1e-12)


def test_mmd_and_w2_in_blocks(monkeypatch):
    whole = ts.mmd(X, Y, n_permutations=9), ts.sliced_w2(X, Y)
    monkeypatch.setattr(distance.blocks.rows_within, "__defaults__", (200 * distance._HELD_BYTES,))
    monkeypatch.setattr(ts, "rows_within", lambda _: 3)
    assert ts.mmd(X, Y, n_permutations=9) == pytest.approx(whole[0], rel=1e-9)
    assert ts.sliced_w2(X, Y) == pytest.approx(whole[1], rel=1e-12)


def test_c2st_of_one_distribution_is_a_coin(rng):
    x, y = rng.standard_normal((2, 300, 3))
    assert 0.4 < ts.c2st(x, y) < 0.6


def test_c2st_sees_what_a_line_cannot(rng):
    x, y = rng.standard_normal((2, 300, 3))
    assert ts.c2st(x, 3 * y) > 0.75
    assert ts.c2st(x, y + 5) > 0.99


def test_c2st_is_balanced(rng):
    # A classifier that always says "the larger set" must not look good.
    x, y = rng.standard_normal((400, 2)), rng.standard_normal((100, 2))
    assert ts.c2st(x, y) < 0.65


def inside_by_loops(points, centres, k):
    count = np.zeros(len(points), int)
    for i, centre in enumerate(centres):
        others = np.delete(centres, i, axis=0)
        radius = np.sort(np.linalg.norm(others - centre, axis=1))[k - 1]
        count += np.linalg.norm(points - centre, axis=1) <= radius
    return count


def test_precision_and_recall_by_loops():
    precision, recall = ts.precision_recall(X, Y, k=3)
    assert precision == np.mean(inside_by_loops(Y, X, 3) > 0)
    assert recall == np.mean(inside_by_loops(X, Y, 3) > 0)


def test_density_and_coverage_by_loops():
    density, coverage = ts.density_coverage(X, Y, k=3)
    assert density == pytest.approx(inside_by_loops(Y, X, 3).mean() / 3)
    radius = np.sort(cdist(X, X), axis=1)[:, 3]
    assert coverage == np.mean(cdist(X, Y).min(axis=1) <= radius)


def test_dropped_modes_cost_recall_and_far_fakes_precision():
    real = np.concatenate([X, X + 50])
    assert ts.precision_recall(real, X + 0.01) == pytest.approx((1.0, 0.5))
    assert ts.precision_recall(X, real + 0.01) == pytest.approx((0.5, 1.0))
    assert ts.density_coverage(real, X + 0.01)[1] == pytest.approx(0.5)


def test_coverage_of_one_distribution(rng):
    x, y = rng.standard_normal((2, 1000, 2))
    density, coverage = ts.density_coverage(x, y, k=3)
    assert density == pytest.approx(1.0, abs=0.1)
    assert coverage == pytest.approx(1 - 2**-3, abs=0.05)


@pytest.mark.parametrize("measure", MEASURES)
def test_widths_must_agree(measure):
    with pytest.raises(ShapeError, match=r"must have shape \(m, 3\)"):
        measure(X, Y[:, :2])


@pytest.mark.parametrize("measure", MEASURES)
def test_nan_is_refused(measure):
    with pytest.raises(DataError, match="finite"):
        measure(X, np.where(Y > 1, np.nan, Y))


@pytest.mark.parametrize(
    ("measure", "setting"),
    [
        (ts.sliced_w2, {"n_projections": 0}),
        (ts.mmd, {"bandwidth": 0.0}),
        (ts.c2st, {"folds": 1}),
        (ts.c2st, {"folds": 46}),
        (ts.precision_recall, {"k": 45}),
        (ts.density_coverage, {"k": 0}),
    ],
)
def test_settings_out_of_range(measure, setting):
    with pytest.raises(SettingError, match="must be"):
        measure(X, Y, **setting)


def test_mmd_of_one_row():
    with pytest.raises(DataError, match="at least 2"):
        ts.mmd(X[:1], Y)
