import functools

import numpy as np
import pytest

from close import assert_close
from dima.noise.multistep import dpmpp_2m
from dima.noise.unipc import unipc_2, unipc_3
from noise.exact import order, preserving
from noise.rival import PATHS, PREDICTION, hold, unipc

BUILD = {2: unipc_2, 3: unipc_3}
LEVELS = preserving(np.cumsum(np.concatenate([[-4], np.linspace(0.2, 0.6, 20)])))


@pytest.mark.parametrize("most", BUILD)
@pytest.mark.parametrize("variant", ["bh1", "bh2"])
@pytest.mark.parametrize(("name", "target"), [(n, t) for n in PATHS for t in PREDICTION])
def test_every_state_of_diffusers(most, variant, name, target):
    ours = functools.partial(BUILD[most], variant=variant)
    # Their B(h) = h is infinite in the step to the clean level, which ends in NaN.
    settings = {"solver_order": most, "solver_type": variant}
    hold(ours, unipc, name, target, last=variant == "bh2", **settings)


@pytest.mark.parametrize(("solver", "expected"), [(unipc_2, 3), (unipc_3, 4)])
def test_the_corrector_adds_an_order(solver, expected):
    assert (order(solver) > expected - 0.75).all()


def predictor(table):
    """Weights of the predicting half of each row, which starts from the corrected state."""
    corrected, predicted = table.M[:, 0], table.M[:, 1]
    kept = table.sigma[1:] / table.sigma[:-1]
    return kept, predicted - kept[:, None] * corrected


def test_the_second_order_predictor_is_dpmpp_2m():
    kept, weights = predictor(unipc_2(*LEVELS))
    expected = dpmpp_2m(*LEVELS).M[:, 1]
    assert_close(kept, expected[:, 1], atol=1e-12)
    assert_close(weights[:, 2:4], expected[:, 2:], atol=1e-12)
    assert_close(weights[:, [0, 1, 4]], np.zeros((20, 3)))


@pytest.mark.parametrize("most", BUILD)
def test_a_perfect_denoiser_keeps_the_corrected_state_on_its_level(most):
    table = BUILD[most](*LEVELS)
    held, before = table.anchor
    signal = (
        table.M[:, 0, 0] * held[:-1] + table.M[:, 0, 1] * table.alpha[:-1] + table.M[:, 0, 2:].sum(axis=1)
    )
    noise = table.M[:, 0, 0] * before[:-1] + table.M[:, 0, 1] * table.sigma[:-1]
    assert_close(signal, table.alpha[:-1], atol=1e-12)
    assert_close(noise, table.sigma[:-1], atol=1e-12)


@pytest.mark.parametrize("most", BUILD)
def test_limits_correct_nothing(most):
    # No signal at the start, no noise at the end.
    alpha = np.concatenate([[0.0], LEVELS[0], [1.0]])
    M = BUILD[most](alpha, np.sqrt(1 - alpha**2)).M
    assert np.isfinite(M).all()
    assert_close(M[:2, 0, :2], [[0, 1], [0, 1]])
    assert_close(M[-1, 1].sum(), 1.0, atol=1e-12)
