import dataclasses

import numpy as np
import pytest

from close import assert_close
from dima.errors import NumericsError
from dima.noise.first_order import ddim, ddpm, ddpm_large
from dima.noise.grid import levels
from dima.noise.heun import heun
from dima.noise.inversion import inversion
from dima.noise.schedule import path
from dima.noise.table import SolverTable, walk
from dima.noise.unipc import unipc_2, unipc_3
from noise.exact import gaussian, preserving

LEVELS = levels(path("linear", 50), 50)


@pytest.mark.parametrize("column", ["M", "C", "alpha", "sigma"])
@pytest.mark.parametrize("wrong", [1e-6, np.nan])
def test_a_wrong_table_is_refused(column, wrong):
    table = ddpm(*LEVELS)
    values = getattr(table, column).copy()
    values[20] += wrong
    with pytest.raises(NumericsError, match=r"solver ddpm: the table must be rows .* a gap of"):
        dataclasses.replace(table, **{column: values})


def test_a_table_that_spreads_more_is_held_to_its_signal_alone():
    table = ddpm_large(*LEVELS)
    dataclasses.replace(table, C=table.C * 2)
    with pytest.raises(NumericsError, match="ddpm_large"):
        dataclasses.replace(table, M=table.M * 1.01)
    with pytest.raises(NumericsError, match="ddpm_large"):
        dataclasses.replace(table, keeps_variance=True)


def test_sizes_and_levels_of_a_table():
    table = ddim(*levels(path("cosine", 50), 10))
    assert (table.steps, table.depth) == (10, 1)
    assert_close(table.log_snr, path("cosine", 50).log_snr[50:0:-5])
    assert table.start_std == pytest.approx(1)


def test_elbo_weights_bound_the_evidence_of_a_gaussian():
    # Data N(0, 1): E|x0 - D|^2 = sigma^2, so the sum is that of (SNR' - SNR) / (1 + SNR) / 2, which
    # tends to the log of the growth of 1 + SNR, twice the information gained.
    table = ddpm(*preserving(np.linspace(-6, 3, 4001)))
    bound = (table.elbo_weight * table.sigma[:-1] ** 2).sum()
    ends = 1 + np.exp([2 * -6.0, 2 * 3.0])
    assert bound == pytest.approx(np.log(ends[1] / ends[0]), rel=5e-3)


def test_the_last_gain_of_a_clean_level_is_infinite():
    weight = ddpm(*LEVELS).elbo_weight
    assert np.isinf(weight[-1])
    assert (weight[:-1] > 0).all()


def test_a_walk_by_hand():
    table = ddim(np.array([0.0, 0.6, 1.0]), np.array([1.0, 0.8, 0.0]), eta=1.0)
    D = iter([2.0, 3.0])
    asked = []

    def denoise(x, i):
        asked.append((float(x), i))
        return next(D)

    end = walk(table, denoise, np.array(5.0), [np.array(0.5), np.array(9.0)])
    assert_close(asked, [(5.0, 0), (0.6 * 2 + 0.8 * 0.5, 1)], atol=1e-12)
    assert_close(end, 3.0, atol=1e-12)


def test_a_walk_that_need_not_be_variance_preserving():
    # Divided by alpha, the path is one of growing noise with the same deterministic flow.
    table = ddim(*levels(path("linear", 50), 10))
    ratio = table.sigma / table.alpha
    other = ddim(np.ones(11), ratio)
    assert other.start_std == pytest.approx(np.hypot(1, ratio[0]))
    x, none = np.linspace(-2, 2, 5), np.zeros((10, 5))
    ours = walk(table, lambda x, i: np.tanh(x / table.alpha[i]), x, none)
    theirs = walk(other, lambda x, i: np.tanh(x), x / table.alpha[0], none)
    assert_close(ours, theirs, atol=1e-9)


def test_a_table_of_two_estimates_is_walked(rng):
    # Two D's whose weights share the first-order one: for a constant denoiser nothing changes.
    first = ddim(*levels(path("cosine", 50), 10))
    share = np.where(np.arange(10) > 0, -0.5, 0.0)  # the first row has no earlier estimate
    M = np.concatenate([first.M, np.zeros((10, 2, 1))], axis=2)
    M[:, 1, 2], M[:, 1, 3] = first.M[:, 1, 2] * (1 - share), first.M[:, 1, 2] * share
    second = SolverTable("two", first.alpha, first.sigma, M, first.C)
    x, none = rng.standard_normal(5), np.zeros((10, 5))
    assert second.depth == 2
    ends = [walk(table, lambda x, i: np.full(5, 0.3), x, none) for table in (first, second)]
    assert_close(ends[1], ends[0], atol=1e-12)


def test_an_anchor_has_levels_of_its_own():
    # Half of a level's noise is held: a row may start from there if the table says so.
    alpha, sigma = np.array([0.6, 0.8]), np.array([0.8, 0.6])
    M = np.array([[[0.75, 0, 0.8 - 0.45], [0.6 / 0.4, 0, 0.8 - 0.9]]], np.float64)
    table = SolverTable("held", alpha, sigma, M, np.zeros(1), (alpha, sigma / 2))
    assert table.depth == 1
    with pytest.raises(NumericsError, match="solver held"):
        dataclasses.replace(table, anchor=None)


@pytest.mark.parametrize("build", [heun, inversion, unipc_2, unipc_3])
@pytest.mark.parametrize("wrong", [1e-6, np.nan])
def test_an_anchor_that_misses_its_level_is_refused(build, wrong):
    table = build(*(level[:-1] for level in LEVELS))
    dataclasses.replace(table, name="as it was")
    for change in (
        {"M": np.where(np.arange(2)[:, None] == 0, table.M + wrong, table.M)},
        {"anchor": (table.anchor[0] + wrong, table.anchor[1])},
        {"anchor": (table.anchor[0], table.anchor[1] + wrong)},
    ):
        with pytest.raises(NumericsError, match="rows that carry each level"):
            dataclasses.replace(table, **change)


def test_an_anchor_that_is_looked_at_is_declared():
    table = ddim(*LEVELS)
    M = table.M.copy()
    M[1:, 1, 0] = M[1:, 1, 1] / 2
    M[1:, 1, 1] /= 2
    with pytest.raises(NumericsError, match="solver ddim"):
        dataclasses.replace(table, M=M)


def test_a_walk_leaves_its_start_alone(rng):
    table, x = ddpm(*LEVELS), rng.standard_normal(3)
    kept = x.copy()
    walk(table, lambda x, i: gaussian(x, table.alpha[i], table.sigma[i]), x, np.ones((50, 3)))
    assert_close(x, kept)
