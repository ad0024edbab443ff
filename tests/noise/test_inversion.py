import numpy as np
import pytest

from close import assert_close
from dima.errors import SettingError
from dima.noise.first_order import ddim
from dima.noise.grid import levels
from dima.noise.inversion import inversion
from dima.noise.schedule import path
from noise.exact import MEANS, SPREAD, gaussian, mixture, states

LEVELS = levels(path("karras", 200), 20, "karras")
SAMPLER = ddim(LEVELS[0][:-1], LEVELS[1][:-1])


def drawn(rng, n=100):
    return MEANS[rng.integers(0, 3, n)] + SPREAD * rng.standard_normal((n, 2))


def there(x, denoise, iterations):
    table = inversion(*LEVELS, iterations)
    return states(table, denoise, x, np.zeros((table.steps, *x.shape)))[-1]


def back(x, denoise):
    return states(SAMPLER, denoise, x, np.zeros((SAMPLER.steps, *x.shape)))[-1]


def test_round_trip_of_a_mixture(rng):
    assert inversion(*LEVELS).steps <= 200
    x = drawn(rng)
    again = back(there(x, mixture, 8), mixture)
    assert ((again - x) ** 2).mean() <= 1e-6


def test_iterations_come_closer(rng):
    x = drawn(rng)
    errors = [((back(there(x, mixture, count), mixture) - x) ** 2).mean() for count in (0, 2, 4, 8)]
    assert (np.diff(np.log(errors)) < -2).all()


def test_the_first_guess_is_the_explicit_step(rng):
    # Without iterations the table is DDIM's own with its levels turned round.
    turned = ddim(LEVELS[0][-2::-1], LEVELS[1][-2::-1])
    assert_close(inversion(*LEVELS, 0).M[:, 1], turned.M[:, 1], atol=1e-12)


def test_inversion_of_a_linear_denoiser_is_division(rng):
    x = rng.standard_normal((5, 2))
    alpha, sigma = SAMPLER.alpha[:-1], SAMPLER.sigma[:-1]
    gain = SAMPLER.M[:, 1, 1] + SAMPLER.M[:, 1, 2] * gaussian(1.0, alpha, sigma, 0.5)
    found = there(x, lambda x, a, s: gaussian(x, a, s, 0.5), 40)
    assert_close(found, x / np.prod(gain), rtol=1e-9)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: inversion(*LEVELS, -1), "iterations must be at least 0; got -1"),
        (lambda: inversion(np.array([0.5, 1.0]), np.array([0.5, 0.0])), "two or more .*; got 1 of 2"),
        (lambda: inversion(np.array([0.0, 0.6, 1.0]), np.array([1.0, 0.8, 0.0])), "noise and signal"),
    ],
)
def test_refused(wrong, told):
    with pytest.raises(SettingError, match=told):
        wrong()
