import jax.numpy as jnp
import numpy as np
import pytest
import torch

from close import assert_close
from dima.errors import SettingError
from dima.noise.schedule import path
from dima.noise.target import TARGETS, clean, guided, loss_weight, predicted

KINDS = {"numpy": np.asarray, "jax": jnp.asarray, "torch": torch.as_tensor}
PATH = path("cosine", 10)
# Variance preserving at three levels, and two levels of paths that are not.
LEVELS = [(PATH.alpha[t], PATH.sigma[t]) for t in (1, 5, 10)] + [(1.0, 3.0), (0.4, 0.6)]
SNR = np.array([0.01, 1.0, 4.0, 5.0, 100.0])
PRESERVING = np.sqrt(SNR / (1 + SNR)), np.sqrt(1 / (1 + SNR))


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
    assert_close(clean(target, x, F, alpha, sigma), rows, rtol=1e-14)


def test_v_is_the_velocity_along_the_circle(rng):
    # With alpha = cos(angle), sigma = sin(angle), v is dx / d angle.
    x0, noise = rng.standard_normal((2, 5))
    angle, step = 0.7, 1e-6
    ends = [np.cos(a) * x0 + np.sin(a) * noise for a in (angle - step, angle + step)]
    v = predicted("v", x0, noise, np.cos(angle), np.sin(angle))
    assert_close(v, (ends[1] - ends[0]) / (2 * step), atol=1e-8)


def test_edm_is_minus_v_where_variance_is_kept(rng):
    x0, noise = rng.standard_normal((2, 5))
    alpha, sigma = PRESERVING
    edm, v = (predicted(target, x0, noise, alpha, sigma) for target in ("edm", "v"))
    assert_close(edm, -v, atol=1e-12)
    x = alpha * x0 + sigma * noise
    assert_close(clean("edm", x, edm, alpha, sigma), clean("v", x, v, alpha, sigma), atol=1e-12)


def test_edm_is_the_published_preconditioning(rng):
    # With alpha = 1 and data of unit variance: c_skip = 1/(s^2 + 1), c_out = s/sqrt(s^2 + 1).
    x, F = rng.standard_normal((2, 5))
    s = np.array([0.002, 0.1, 1.0, 10.0, 80.0])
    expected = x / (s**2 + 1) + s / np.sqrt(s**2 + 1) * F
    assert_close(clean("edm", x, F, 1.0, s), expected, atol=1e-12)


def test_flow_is_the_velocity_along_the_line(rng):
    x0, noise = rng.standard_normal((2, 5))
    ends = [(1 - t) * x0 + t * noise for t in (0.3, 0.7)]
    assert_close(predicted("flow", x0, noise, 0.5, 0.5), (ends[1] - ends[0]) / 0.4, atol=1e-12)


@pytest.mark.parametrize("target", ["v", "x0", "flow", "edm"])
def test_noise_alone_is_answered(target):
    # At alpha = 0 only eps says nothing of the data.
    assert np.isfinite(clean(target, np.ones(3), np.ones(3), 0.0, 1.0)).all()


MIN_SNR = np.array([0.01, 1.0, 4.0, 5.0, 5.0])
SOFT = np.array([5 / 501, 5 / 6, 20 / 9, 2.5, 100 / 21])
WEIGHTS = {
    # weight: of the clean estimate; carried over by Q^2, which is below for each target.
    "elbo": SNR,
    "min_snr": MIN_SNR,
    "soft_min_snr": SOFT,
}
Q2 = {
    "x0": np.ones(5),
    "eps": 1 / SNR,
    "v": 1 / (1 + SNR),
    "edm": 1 / (1 + SNR),
    "flow": 1 / (1 + np.sqrt(SNR)) ** 2,
}


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("target", TARGETS)
def test_weights_by_hand(weight, target):
    assert_close(loss_weight(weight, target, *PRESERVING), WEIGHTS[weight] * Q2[target], rtol=1e-12)


def test_published_tables():
    # Hang et al. 2023, section 3.4: min(SNR, 5) over SNR, over SNR + 1; the bound is flat in noise.
    assert_close(loss_weight("min_snr", "v", *PRESERVING), np.minimum(SNR, 5) / (SNR + 1), rtol=1e-12)
    assert_close(loss_weight("min_snr", "eps", *PRESERVING), np.minimum(SNR, 5) / SNR, rtol=1e-12)
    assert_close(loss_weight("elbo", "eps", *PRESERVING), np.ones(5), rtol=1e-12)


@pytest.mark.parametrize("target", TARGETS)
def test_uniform_weighs_answers_alike(target):
    assert loss_weight("uniform", target, *PRESERVING) == 1


@pytest.mark.parametrize("array", KINDS.values(), ids=KINDS)
def test_weights_of_every_array_type(array):
    alpha, sigma = (array(level.astype(np.float32)) for level in PRESERVING)
    made = loss_weight("soft_min_snr", "v", alpha, sigma)
    assert type(made) is type(alpha)
    assert_close(made, SOFT / (1 + SNR), rtol=1e-5)


def test_guidance_runs_along_the_line_between():
    D, free = np.array([1.0, 2.0]), np.array([0.0, 3.0])
    assert_close(guided(D, free, 1.0), D)
    assert_close(guided(D, free, 0.0), free)
    assert_close(guided(D, free, 3.0), [3.0, 0.0])


def test_guidance_of_estimates_is_guidance_of_noise(rng):
    # (1 + w) eps_c - w eps_u of the paper is weight 1 + w here.
    x, conditioned, free = rng.standard_normal((3, 4))
    alpha, sigma, w = 0.6, 0.8, 2.0
    eps = (1 + w) * conditioned - w * free
    D = [clean("eps", x, F, alpha, sigma) for F in (conditioned, free)]
    assert_close(guided(*D, 1 + w), clean("eps", x, eps, alpha, sigma), atol=1e-12)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: predicted("w", 0, 0, 1, 1), "target must be one of v, eps, .*; got 'w'"),
        (lambda: clean("w", 0, 0, 1, 1), "target must be one of"),
        (lambda: loss_weight("snr", "v", 0.6, 0.8), "weight must be one of uniform, .*; got 'snr'"),
    ],
)
def test_refused(wrong, told):
    with pytest.raises(SettingError, match=told):
        wrong()
