import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from close import assert_close
from dima.noise.first_order import churned, ddim, ddpm, ddpm_large
from dima.noise.grid import levels
from dima.noise.multistep import sde_dpmpp_2m
from dima.noise.schedule import path, zero_terminal_snr
from noise.exact import gaussian, order, preserving, states

LEVELS = preserving(np.linspace(-4, 4, 21))
PATH = path("linear", 1000)


def sde_dpmpp_1(alpha, sigma):
    """Columns of SDE-DPM-Solver++(1), as published in terms of h."""
    h = np.diff(np.log(alpha / sigma))
    kept = sigma[1:] / sigma[:-1] * np.exp(-h)
    return kept, alpha[1:] * -np.expm1(-2 * h), sigma[1:] * np.sqrt(-np.expm1(-2 * h))


def ddpm_posterior(alpha, sigma):
    """Columns of the posterior of one step of the chain, in its betas."""
    beta = 1 - (alpha[:-1] / alpha[1:]) ** 2
    kept = np.sqrt(1 - beta) * sigma[1:] ** 2 / sigma[:-1] ** 2
    return kept, alpha[1:] * beta / sigma[:-1] ** 2, np.sqrt(beta) * sigma[1:] / sigma[:-1]


def euler_ancestral(alpha, sigma):
    """Columns of Euler ancestral sampling in s = sigma / alpha, back in x = alpha y."""
    s, t = (sigma / alpha)[:-1], (sigma / alpha)[1:]
    up = np.sqrt(t**2 * (s**2 - t**2) / s**2)
    down = np.sqrt(t**2 - up**2)
    return alpha[1:] / alpha[:-1] * down / s, alpha[1:] * (1 - down / s), alpha[1:] * up


@pytest.mark.parametrize("other", [sde_dpmpp_1, ddpm_posterior, euler_ancestral, ddim, ddpm])
def test_five_names_of_one_row(other):
    made = ddpm(*LEVELS)
    found = other(*LEVELS, eta=1.0) if other in (ddim, ddpm) else other(*LEVELS)
    columns = found if isinstance(found, tuple) else (found.M[:, 1, 1], found.M[:, 1, 2], found.C)
    for ours, theirs in zip((made.M[:, 1, 1], made.M[:, 1, 2], made.C), columns, strict=True):
        assert_close(ours, theirs, atol=1e-12)


def test_noise_of_the_ancestral_row_is_the_evidence_weight():
    table = ddpm(*LEVELS)
    snr = np.exp(2 * np.linspace(-4, 4, 21))
    ratio = table.M[:, 1, 2] ** 2 / (2 * table.C**2)
    assert_close(ratio, np.diff(snr) / 2, rtol=1e-12)
    assert_close(ratio, table.elbo_weight / 2, rtol=1e-12)


def test_ddim_order_of_accuracy():
    assert_close(order(ddim), [1, 1], atol=0.25)


@pytest.mark.parametrize("eta", [0, 0.5, 1])
def test_the_first_row_of_a_path_to_noise_alone_is_finite(eta):
    table = ddim(*levels(zero_terminal_snr(PATH), 20), eta=eta)
    assert table.alpha[0] == 0
    assert np.isfinite(table.M).all()


def of_diffusers(at, steps, x, variance):
    """Their DDIM's end on the linspace grid for Gaussian data."""
    theirs = DDIMScheduler(PATH.T, clip_sample=False, prediction_type="sample", timestep_spacing=at)
    theirs.alphas_cumprod = torch.as_tensor(PATH.alpha[1:] ** 2)
    theirs.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    theirs.set_timesteps(steps)
    x = torch.as_tensor(x)
    for t in theirs.timesteps:
        x = theirs.step(gaussian(x, PATH.alpha[t + 1], PATH.sigma[t + 1], variance), t, x).prev_sample
    return x.numpy()


@pytest.mark.parametrize("steps", [600, 700])
@pytest.mark.parametrize("variance", [0.25, 4.0])
def test_a_grid_that_does_not_divide_the_chain_where_diffusers_goes_wrong(steps, variance):
    alpha, sigma = levels(PATH, steps, "linspace")
    x, table = np.array([-1.0, 0.5, 2.0]), ddim(alpha, sigma)
    # The flow of a Gaussian scales: x over its standard deviation stays.
    exact = x * np.sqrt(variance / (alpha[0] ** 2 * variance + sigma[0] ** 2))
    ours = states(table, lambda x, a, s: gaussian(x, a, s, variance), x, np.zeros((steps, 3)))[-1]
    theirs = of_diffusers("linspace", steps, x, variance)
    assert 10 * np.abs(ours - exact).max() <= np.abs(theirs - exact).max()


def test_the_larger_variance_is_that_of_the_step():
    table, betas = ddpm_large(*levels(PATH, 1000)), 1 - (PATH.alpha[1:] / PATH.alpha[:-1]) ** 2
    assert_close(table.C[:-1] ** 2, betas[:0:-1], atol=1e-12)
    assert table.C[-1] == 0
    assert_close(table.M, ddpm(*levels(PATH, 1000)).M)
    assert not table.keeps_variance


def test_churn_raises_every_level_but_the_ends():
    alpha, sigma = levels(PATH, 10)
    table = churned(alpha, sigma, churn=0.2)
    assert_close(table.sigma[1:-1], 1.2 * sigma[1:-1], rtol=1e-12)
    assert_close(table.sigma[[0, -1]], sigma[[0, -1]])
    assert_close(churned(alpha, sigma, churn=0.0).M, ddim(alpha, sigma).M, atol=1e-12)
    assert (churned(alpha, sigma, churn=0.0).C == 0).all()


def test_churn_keeps_a_gaussian():
    # With the exact denoiser and many steps the variance of the data comes out.
    table = churned(*levels(path("karras", 400), 400), churn=0.01)
    gain = table.M[:, 1, 1] + table.M[:, 1, 2] * gaussian(1.0, table.alpha[:-1], table.sigma[:-1], 0.5)
    variance = table.start_std**2
    for factor, fresh in zip(gain, table.C, strict=True):
        variance = factor**2 * variance + fresh**2
    assert variance == pytest.approx(0.5, rel=0.02)


def test_the_noisy_second_order_row_adds_the_ancestral_noise():
    assert_close(sde_dpmpp_2m(*LEVELS).C, ddpm(*LEVELS).C, atol=1e-12)
