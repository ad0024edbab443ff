import numpy as np
import pytest

from close import assert_close
from dima.noise import multistep
from dima.noise.first_order import ddim, ddpm
from dima.noise.multistep import dpmpp_1, dpmpp_2m, dpmpp_3m, sde_dpmpp_2m
from noise.exact import order, preserving
from noise.rival import PATHS, PREDICTION, dpm, hold

every_case = pytest.mark.parametrize(("name", "target"), [(n, t) for n in PATHS for t in PREDICTION])
LEVELS = preserving(np.linspace(-4, 4, 21))


def dpmpp_3m_published(alpha, sigma):
    """DPM-Solver++(3M) as its code release, diffusers and k-diffusion have it.

    They weigh the second difference by half of what the expansion asks for, which leaves second order.
    """
    return multistep._raised(ddim(alpha, sigma), "dpmpp_3m_published", order=3, curvature=1.0)


@pytest.mark.parametrize(
    ("ours", "solver_order"), [(dpmpp_1, 1), (dpmpp_2m, 2), (dpmpp_3m_published, 3)], ids=["1", "2m", "3m"]
)
@every_case
def test_every_state_of_diffusers(ours, solver_order, name, target):
    hold(ours, dpm, name, target, solver_order=solver_order)


@every_case
def test_every_noisy_state_of_diffusers(name, target):
    settings = {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}
    hold(sde_dpmpp_2m, dpm, name, target, noisy=True, **settings)


@pytest.mark.parametrize(
    ("solver", "expected"), [(dpmpp_1, 1), (dpmpp_2m, 2), (dpmpp_3m, 3), (dpmpp_3m_published, 2)]
)
def test_order_of_accuracy(solver, expected):
    assert_close(order(solver), [expected] * 2, atol=0.25)


def test_the_first_order_is_ddim():
    assert_close(dpmpp_1(*LEVELS).M[:, 1], ddim(*LEVELS).M[:, 1], atol=1e-12)


def test_second_order_row_by_hand():
    alpha, sigma = preserving(np.array([-2.0, -1.5, 0.5, *np.arange(1, 15)]))
    row = dpmpp_2m(alpha, sigma).M[1, 1]
    b, k = alpha[2] - alpha[1] * sigma[2] / sigma[1], 2.0 / (2 * 0.5)
    assert_close(row, [0, sigma[2] / sigma[1], (1 + k) * b, -k * b], atol=1e-12)


def test_noisy_rows_remember_as_the_ancestral_ones():
    # The estimates' weights together are the first-order one: SDE-DPM-Solver++(1) is DDPM.
    noisy, ancestral = sde_dpmpp_2m(*LEVELS), ddpm(*LEVELS)
    assert_close(noisy.M[:, 1, 1], ancestral.M[:, 1, 1], atol=1e-12)
    assert_close(noisy.M[:, 1, 2:].sum(axis=1), ancestral.M[:, 1, 2], atol=1e-12)
    assert_close(noisy.C, ancestral.C, atol=1e-12)


@pytest.mark.parametrize("build", [dpmpp_2m, dpmpp_3m, sde_dpmpp_2m])
def test_limits_are_of_first_order(build):
    # No signal at the start, no noise at the end: both steps look at one estimate, and the
    # second has no earlier difference to go by.
    alpha = np.concatenate([[0.0], preserving(np.linspace(-3, 3, 20))[0], [1.0]])
    M = build(alpha, np.sqrt(1 - alpha**2)).M[:, 1]
    assert_close(M[[0, 1, -1], 3:], np.zeros((3, M.shape[1] - 3)))
    assert (M[2:-1, 3] != 0).all()
    assert_close(M[-1, 1:3], [0, 1], atol=1e-12)


@pytest.mark.parametrize(("steps", "looked"), [(14, [1, 2, 3, 3, 2, 1]), (15, [1, 2, 3, 3, 3, 3])])
def test_short_grids_end_at_lower_order(steps, looked):
    M = dpmpp_3m(*preserving(np.linspace(-3, 3, steps + 1))).M[:, 1, 2:]
    assert_close((M != 0).sum(axis=1)[[0, 1, 2, -3, -2, -1]], looked)
