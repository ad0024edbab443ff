import jax.numpy as jnp
import numpy as np
import pytest
import torch

from close import assert_close
from dima.noise.schedule import path
from dima.noise.target import TARGETS, clean, predicted

KINDS = {"numpy": np.asarray, "jax": jnp.asarray, "torch": torch.as_tensor}
PATH = path("cosine", 10)
# Variance preserving at three levels, and two levels of paths that are not.
LEVELS = [(PATH.alpha[t], PATH.sigma[t]) for t in (1, 5, 10)] + [(1.0, 3.0), (0.4, 0.6)]


@pytest.mark.parametrize("array", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("alpha", "sigma"), LEVELS)
def test_round_trip(rng, target, array, alpha, sigma):
    x0, noise = (array(rng.standard_normal((5, 3)).astype(np.float32)) for _ in range(2))
    alpha, sigma = array(np.float32(alpha)), array(np.float32(sigma))
    x = alpha * x0 + sigma * noise
    answer = clean(target, x, predicted(target, x0, noise, alpha, sigma), alpha, sigma)
    assert type(answer) is type(x0)
    assert answer.dtype == x0.dtype
    assert_close(answer, x0, atol=1e-6 * max(1, 1 / float(alpha)))


@pytest.mark.parametrize("target", TARGETS)
def test_levels_broadcast_over_rows(rng, target):
    x, F = rng.standard_normal((2, 3, 4))
    alpha, sigma = PATH.alpha[1:4, None], PATH.sigma[1:4, None]
    rows = [clean(target, x[i], F[i], alpha[i, 0], sigma[i, 0]) for i in range(3)]
    assert_close(clean(target, x, F, alpha, sigma), rows)


def test_v_is_the_velocity_along_the_circle(rng):
    # With alpha = cos(angle), sigma = sin(angle), v is dx / d angle.
    x0, noise = rng.standard_normal((2, 5))
    angle, step = 0.7, 1e-6
    ends = [np.cos(a) * x0 + np.sin(a) * noise for a in (angle - step, angle + step)]
    v = predicted("v", x0, noise, np.cos(angle), np.sin(angle))
    assert_close(v, (ends[1] - ends[0]) / (2 * step), atol=1e-8)
