"""Denoisers known in closed form, walks over them, and the grids they are walked on."""

import functools

import numpy as np
from scipy.special import logsumexp, softmax

from dima.noise.multistep import dpmpp_3m
from dima.noise.table import walk

__all__ = ["MEANS", "SPREAD", "gaussian", "log_density", "mixture", "order", "preserving", "states"]

MEANS = np.array([[-1.0, 0.0], [1.0, 0.5], [0.0, -1.0]])
SHARES = np.array([0.3, 0.4, 0.3])
SPREAD = 0.4  # standard deviation of every component


def gaussian(x, alpha, sigma, variance=1.0):
    """Posterior mean of data from N(0, variance)."""
    return x * alpha * variance / (alpha**2 * variance + sigma**2)


def _log_parts(x, alpha, sigma):
    variance = alpha**2 * SPREAD**2 + sigma**2
    square = ((x[:, None] - alpha * MEANS) ** 2).sum(axis=-1)
    return np.log(SHARES) - square / (2 * variance) - np.log(2 * np.pi * variance)


def log_density(x, alpha=1.0, sigma=0.0):
    """Log-density (b,) of noised draws of the mixture."""
    return logsumexp(_log_parts(x, alpha, sigma), axis=1)


def mixture(x, alpha, sigma):
    """Posterior mean of data from three Gaussians in the plane."""
    share = softmax(_log_parts(x, alpha, sigma), axis=1)
    gain = alpha * SPREAD**2 / (alpha**2 * SPREAD**2 + sigma**2)
    means = MEANS + gain * (x[:, None] - alpha * MEANS)
    return (share[..., None] * means).sum(axis=1)


def preserving(log_snr):
    """Levels of variance one with these lambda."""
    log_snr = np.asarray(log_snr, np.float64)
    return np.sqrt(1 / (1 + np.exp(-2 * log_snr))), np.sqrt(1 / (1 + np.exp(2 * log_snr)))


def states(table, denoise, x, noise):
    """What the denoiser is asked at each row, and the end: (S + 1, ...)."""
    seen = []

    def spy(x, i):
        seen.append(x)
        return denoise(x, table.alpha[i], table.sigma[i])

    end = walk(table, spy, x, noise)
    return np.stack([*seen, end])


@functools.cache
def _end(solver, steps):
    x = np.random.default_rng(0).standard_normal((100, 2))
    table = solver(*preserving(np.linspace(-7, 3, steps + 1)))
    return states(table, mixture, x, np.zeros((table.steps, 100, 2)))[-1]


def order(solver):
    """Order of accuracy: by how many halvings the error falls when the step is halved."""
    exact = _end(dpmpp_3m, 2000)
    errors = [np.sqrt(((_end(solver, steps) - exact) ** 2).mean()) for steps in (40, 80, 160)]
    return -np.diff(np.log2(errors))
