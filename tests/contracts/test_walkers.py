"""Every walker applies every registered solver's table alike."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from close import assert_close
from dima.image import walk as image_walk
from dima.latent import sample
from dima.noise import solver
from dima.noise.grid import trailing
from dima.noise.schedule import path
from dima.noise.solver import SOLVERS, SolverTable


def walk_numpy(table, denoise, x, noise):
    level = list(zip(table.alpha, table.sigma, strict=True))
    return solver.walk(table, lambda x, i: denoise(x, *level[i]), x, noise)


def walk_jax(table, denoise, x, noise):
    x, noise = jnp.asarray(x, jnp.float32), jnp.asarray(noise, jnp.float32)
    rows = sample.rows(table)
    return sample.walk(rows, lambda x, r: denoise(x, r.alpha, r.sigma), x, lambda i: noise[i])


def walk_torch(table, denoise, x, noise):
    x = torch.as_tensor(x)  # float32 or float64, as given; JAX walks in float32 only
    noise = torch.as_tensor(noise, dtype=x.dtype)
    return image_walk.walk(table, lambda x, r: denoise(x, r.alpha, r.sigma), x, lambda i: noise[i])


WALKERS = {"numpy": walk_numpy, "jax": walk_jax, "torch": walk_torch}

every_walker = pytest.mark.parametrize("walk", WALKERS.values(), ids=WALKERS)
every_solver = pytest.mark.parametrize("name", SOLVERS)
ETAS = [(name, None) for name in SOLVERS] + [("ddim", 0.5), ("ddpm", 0.5)]


def table_of(name, schedule="linear", T=200, steps=40, eta=None):
    made, grid = path(schedule, T), trailing(T, steps)
    return solver.build(name, made.alpha[grid], made.sigma[grid], eta=eta)


def deep_table(rng, steps=8):
    """A table that uses the anchor and two estimates in every way the rows allow."""
    first = table_of("ddpm", steps=steps)
    alpha, sigma = first.alpha, first.sigma
    M = rng.uniform(-0.5, 0.5, (steps, 2, 4))
    M[:, 1, 1] = first.M[:, 1, 1] - M[:, 1, 0]
    M[:, 1, 3] = first.M[:, 1, 2] - M[:, 1, 2]
    # The anchor is at the level of x, from which its own row leads on without fresh noise.
    M[:, 0, 1] = sigma[1:] / sigma[:-1] - M[:, 0, 0]
    M[:, 0, 3] = alpha[1:] - alpha[:-1] * sigma[1:] / sigma[:-1] - M[:, 0, 2]
    return SolverTable("deep", alpha, sigma, M, first.C, (alpha, sigma))


def gaussian_denoiser(variance):
    """The exact denoiser of N(0, variance): linear."""
    return lambda x, alpha, sigma: x * (alpha * variance / (alpha**2 * variance + sigma**2))


@every_walker
@pytest.mark.parametrize(("name", "eta"), ETAS)
@pytest.mark.parametrize("variance", [1.0, 0.09, 4.0])
def test_variance_of_gaussian_samples(walk, name, eta, variance):
    table = table_of(name, eta=eta)
    # A linear denoiser makes the end linear in the start and the draws; walking unit vectors
    # along one axis for each of those gives its coefficients, and their squares the variance.
    basis = np.eye(table.steps + 1)
    ends = walk(table, gaussian_denoiser(variance), table.start_std * basis[0], basis[1:])
    # By covariances: the state [xa, x, D_i, ...] moves by one matrix a row.
    cov = np.zeros((2 + table.depth, 2 + table.depth))
    cov[:2, :2] = table.start_std**2
    for i in range(table.steps):
        c = table.alpha[i] * variance / (table.alpha[i] ** 2 * variance + table.sigma[i] ** 2)
        seen = np.insert(np.delete(np.eye(len(cov)), -1, axis=0), 2, c * np.eye(len(cov))[1], axis=0)
        moved = np.vstack([table.M[i], np.eye(len(cov))[2:]]) @ seen
        cov = moved @ cov @ moved.T
        cov[1, 1] += table.C[i] ** 2
    assert np.linalg.norm(np.asarray(ends, np.float64)) == pytest.approx(cov[1, 1] ** 0.5, rel=1e-5)


@every_walker
@every_solver
@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_same_noise_gives_the_same_numbers(rng, walk, name, schedule):
    table = table_of(name, schedule)
    x = rng.standard_normal((6, 3)).astype(np.float32)
    noise = rng.standard_normal((table.steps, 6, 3))

    def denoise(x, alpha, sigma):
        return x * alpha / (1 + alpha * x * x + sigma)

    assert_close(walk(table, denoise, x, noise), walk_numpy(table, denoise, x, noise), atol=1e-5)


@every_walker
@every_solver
def test_a_perfect_denoiser_ends_at_the_data(rng, walk, name):
    table = table_of(name)
    x0, x = rng.standard_normal((2, 4)).astype(np.float32)
    noise = rng.standard_normal((table.steps, 4))
    arrays = {"jax": jnp.asarray(x0), "torch": torch.as_tensor(x0)}
    kept = next((arrays[k] for k, w in WALKERS.items() if w is walk and k in arrays), x0)
    assert_close(walk(table, lambda *_: kept, x, noise), x0, atol=1e-6)


@every_walker
def test_anchor_and_earlier_estimates_by_a_product_of_matrices(rng, walk):
    table = deep_table(rng)
    basis = np.eye(table.steps + 1)
    ends = walk(table, gaussian_denoiser(0.5), basis[0], basis[1:])
    # State [xa, x, D_{i-1}] in the basis of start and draws; D_i joins as c x.
    state = np.zeros((3, table.steps + 1))
    state[:2, 0] = 1
    for i in range(table.steps):
        alpha, sigma = table.alpha[i], table.sigma[i]
        D = state[1] * alpha * 0.5 / (alpha**2 * 0.5 + sigma**2)
        moved = table.M[i] @ np.stack([state[0], state[1], D, state[2]])
        state = np.stack([moved[0], moved[1] + table.C[i] * basis[i + 1], D])
    assert_close(ends, state[1], atol=1e-6)


@every_walker
def test_one_row_and_one_point(walk):
    table = table_of("ddim", steps=1)
    end = walk(table, lambda x, alpha, sigma: 0 * x + 2, np.ones((1, 1)), np.ones((1, 1, 1)))
    assert_close(end, [[2.0]], atol=1e-6)
