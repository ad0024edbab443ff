import numpy as np
import pytest

from close import assert_close
from dima.noise import heun as module
from dima.noise.heun import heun
from noise.exact import order, preserving, states
from noise.rival import PATHS, PREDICTION, hold
from noise.rival import heun as their_heun


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("target", PREDICTION)
def test_every_state_of_diffusers(name, target):
    hold(heun, their_heun, name, target)


def test_order_of_accuracy():
    assert_close(order(heun), [2, 2], atol=0.25)


@pytest.mark.parametrize(("last", "evaluations"), [(0.0, 9), (0.1, 10)])
def test_evaluations(last, evaluations):
    sigma = np.append(np.geomspace(10, 1, 5), last)
    assert heun(np.ones(6), sigma).steps == evaluations


def test_one_step_by_hand(rng):
    # In y = x / alpha against s = sigma / alpha: the mean of two slopes (y - D) / s.
    alpha, sigma = preserving([-1.0, 0.5])
    x = rng.standard_normal((5, 2))
    s, t = sigma / alpha
    y = x / alpha[0]
    first = (y - np.tanh(x)) / s
    moved = y + (t - s) * first
    second = (moved - np.tanh(alpha[1] * moved)) / t
    expected = alpha[1] * (y + (t - s) * (first + second) / 2)
    end = states(heun(alpha, sigma), lambda x, *_: np.tanh(x), x, np.zeros((2, 5, 2)))[-1]
    assert_close(end, expected, atol=1e-12)


def test_a_step_from_no_signal_or_over_too_much_is_not_corrected():
    far = module._TOO_FAR
    assert heun(np.array([0.0, 0.6, 0.8]), np.array([1.0, 0.8, 0.6])).steps == 3
    assert heun(np.ones(2), np.array([2.0 * far, 1.0])).steps == 1
    assert heun(np.ones(2), np.array([0.5 * far, 1.0])).steps == 2
