import numpy as np

from close import assert_close
from dima.noise.first_order import ddpm
from dima.noise.repaint import repaint
from dima.noise.table import walk
from noise.exact import preserving

LEVELS = preserving(np.linspace(-4, 4, 13))


def test_once_is_ancestral_sampling():
    table, plain = repaint(*LEVELS, repeats=1), ddpm(*LEVELS)
    assert table.steps == 12
    assert_close(table.M, plain.M, atol=1e-12)
    assert_close(table.C, plain.C, atol=1e-12)


def test_each_stretch_of_five_is_walked_so_many_times():
    table, (alpha, _) = repaint(*LEVELS, repeats=3), LEVELS
    at = [*range(5)] * 3 + [*range(5, 10)] * 3 + [*range(10, 12)] * 3
    assert_close(table.alpha[:-1], alpha[at])
    assert table.alpha[-1] == alpha[-1]


def test_it_leaves_the_law_of_a_gaussian_as_it_is():
    # With the exact estimate of data N(2, 0.5^2) every level keeps the law of its own.
    table, random = repaint(*LEVELS, repeats=4), np.random.default_rng(0)

    def denoise(x, i):
        alpha, sigma = table.alpha[i], table.sigma[i]
        return 2.0 + alpha * 0.25 / (alpha**2 * 0.25 + sigma**2) * (x - 2.0 * alpha)

    start = table.alpha[0] * 2.0 + np.hypot(0.5 * table.alpha[0], table.sigma[0]) * random.standard_normal(
        40_000
    )
    found = walk(table, denoise, start, random.standard_normal((table.steps, 40_000)))
    assert abs(found.mean() - 2.0) < 0.02
    # Ancestral steps of this length lose some of the spread, whatever the way.
    once = walk(ddpm(*LEVELS), lambda x, i: _exact(LEVELS, x, i), start, random.standard_normal((12, 40_000)))
    assert abs(found.std() - once.std()) < 0.02


def _exact(levels, x, i):
    alpha, sigma = levels[0][i], levels[1][i]
    return 2.0 + alpha * 0.25 / (alpha**2 * 0.25 + sigma**2) * (x - 2.0 * alpha)
