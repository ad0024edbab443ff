import itertools

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from close import assert_close
from dima.errors import SettingError
from dima.noise.grid import SPACINGS, levels
from dima.noise.schedule import SCHEDULES, path, zero_terminal_snr
from dima.noise.solver import SOLVERS, build, walk
from dima.noise.target import clean, predicted

LENGTHS = [50, 200, 1000]
STEPS = [1, 2, 3, 5, 10, 20, 50]
CHAINS = {
    "linear": lambda T: path("linear", T, eps=0),
    "cosine": lambda T: path("cosine", T, eps=0),
    "zero_snr": lambda T: zero_terminal_snr(path("linear", T, eps=0)),
}
PREDICTION = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}

every_path = pytest.mark.parametrize(("name", "T"), [(n, T) for n in CHAINS for T in LENGTHS])


def table_of(solver, name, T, steps=None, eta=None):
    return build(solver, *levels(CHAINS[name](T), steps or T), eta=eta)


def betas_of(made):
    return 1 - (made.alpha[1:] / made.alpha[:-1]) ** 2


def network(target, x, alpha, sigma):
    """Some smooth network's answer at x: that of the denoiser tanh(x)."""
    D = np.tanh(x)
    return predicted(target, D, (x - alpha * D) / sigma, alpha, sigma)


def assert_finite(table):
    columns = (table.M, table.C, table.alpha, table.sigma, table.log_snr)
    assert all(np.isfinite(column).all() for column in columns)
    assert not np.isnan(table.elbo_weight).any()  # a warning would fail the test, too


def picked():
    """Cases that meet every solver with every schedule, and in all of them every spacing and step count."""
    random, pairs = np.random.default_rng(0), list(itertools.product(SOLVERS, SCHEDULES))
    rest = list(itertools.product([*SPACINGS, "karras"], STEPS, [50, 1000]))
    order = np.concatenate([random.permutation(len(rest)) for _ in range(1 + len(pairs) // len(rest))])
    return [(*pair, *rest[i]) for pair, i in zip(pairs, order, strict=False)]


def test_the_pick_covers_every_choice():
    for column, choices in zip(
        zip(*picked(), strict=True),
        (SOLVERS, SCHEDULES, [*SPACINGS, "karras"], STEPS, [50, 1000]),
        strict=True,
    ):
        assert set(column) == set(choices)


@pytest.mark.parametrize(("solver", "name", "spacing", "steps", "T"), picked())
def test_every_table_builds_and_proves_itself(solver, name, spacing, steps, T):
    assert_finite(build(solver, *levels(path(name, T), steps, spacing)))


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_table_of_a_chain_of_one_step_builds(solver):
    for name, spacing in itertools.product(SCHEDULES, [*SPACINGS, "karras"]):
        assert_finite(build(solver, *levels(path(name, 1), 1, spacing)))


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "karras"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_table_from_noise_alone_builds(name, solver):
    for T in (1, 2, 50):
        made = zero_terminal_snr(path(name, T))
        for spacing in ("trailing", "karras"):
            assert_finite(build(solver, *levels(made, T, spacing)))
            assert_finite(build(solver, *levels(made, 1, spacing)))


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_grid_that_ends_before_the_clean_level(solver):
    made = path("cosine", 100)
    assert_finite(build(solver, made.alpha[100:4:-5], made.sigma[100:4:-5]))


@pytest.mark.parametrize("solver", ["ddim", "ddpm"])
@pytest.mark.parametrize("eta", [0, 0.5, 1])
@every_path
def test_a_perfect_denoiser_stays_on_the_path(solver, eta, name, T):
    table = table_of(solver, name, T, eta=eta)
    a, b = table.M[:, 1, :2].sum(axis=1), table.M[:, 1, 2:].sum(axis=1)
    assert_close(a * table.alpha[:-1] + b, table.alpha[1:], atol=1e-14)
    variance = (a * table.sigma[:-1]) ** 2 + table.C**2
    assert_close(variance, table.sigma[1:] ** 2, atol=1e-14)


@every_path
def test_ddpm_is_ddim_at_full_eta(name, T):
    ddpm, ddim = table_of("ddpm", name, T), table_of("ddim", name, T, eta=1)
    assert_close(ddpm.M, ddim.M, atol=1e-12)
    assert_close(ddpm.C, ddim.C, atol=1e-12)


@every_path
def test_ddpm_is_the_posterior_of_the_chain(name, T):
    betas = betas_of(CHAINS[name](T))[::-1]
    table = table_of("ddpm", name, T)
    bar, before = table.alpha[:-1] ** 2, table.alpha[1:] ** 2  # of x_t and of x_{t-1}
    atol = 5e-12  # 1 - bar is 4e-5 at the clean end, where rounding leaves twelve digits of it
    assert_close(table.M[:, 1, 2], np.sqrt(before) * betas / (1 - bar), atol=atol)
    assert_close(table.M[:, 1, 1], np.sqrt(1 - betas) * (1 - before) / (1 - bar), atol=atol)
    assert_close(table.C**2, (1 - before) / (1 - bar) * betas, atol=atol)


def test_ddim_without_noise_is_euler_along_the_noise_ratio(rng):
    # d(x / alpha) = eps d(sigma / alpha): one Euler step of the probability flow in those terms.
    table = table_of("ddim", "cosine", 50, 10)
    x, D = rng.standard_normal((2, 8))
    for i in range(table.steps):
        (a0, a1), (s0, s1) = table.alpha[i : i + 2], table.sigma[i : i + 2]
        expected = a1 * (x / a0 + (x - a0 * D) / s0 * (s1 / a1 - s0 / a0))
        assert_close(table.M[i, 1, 1] * x + table.M[i, 1, 2] * D, expected, rtol=1e-9, atol=1e-12)


def oracle(kind, name, T, steps, target):
    betas = betas_of(CHAINS[name](T))
    settings = {"prediction_type": PREDICTION[target], "timestep_spacing": "trailing"}
    theirs = kind(T, trained_betas=betas, clip_sample=False, **settings)
    # They cumulate in float32, which leaves three digits of 1 - alpha_bar at the clean end.
    theirs.alphas_cumprod = torch.as_tensor(np.cumprod(1 - betas))
    theirs.set_timesteps(steps)
    return theirs


def seeded(i):
    return torch.Generator().manual_seed(i)


def follow(table, target, step, x):
    """Hold every step of ours to theirs from the same state, and the ends of both trajectories."""
    draws = [torch.randn(x.shape, generator=seeded(i), dtype=x.dtype) for i in range(table.steps)]

    def denoise(x, i):
        level = table.alpha[i], table.sigma[i]
        return clean(target, x, network(target, x, *level), *level)

    start = x.numpy()
    for i in range(table.steps):
        D = denoise(x.numpy(), i)
        ours = table.M[i, 1, 1] * x.numpy() + table.M[i, 1, 2] * D + table.C[i] * draws[i].numpy()
        x = step(i, x)
        assert_close(ours, x, atol=1e-5)
    assert_close(walk(table, denoise, start, [draw.numpy() for draw in draws]), x, atol=1e-4)


def answers(theirs, target, i, x):
    bar = theirs.alphas_cumprod[theirs.timesteps[i]].item()
    return torch.as_tensor(network(target, x.numpy(), np.sqrt(bar), np.sqrt(1 - bar)))


# With no signal at all, the noise says nothing of the data: eps is left out there.
CASES = [(n, t) for n in CHAINS for t in PREDICTION if (n, t) != ("zero_snr", "eps")]
every_case = pytest.mark.parametrize(("name", "target"), CASES)


@pytest.mark.parametrize(("T", "share"), [(50, 1), (200, 1), (200, 10), (1000, 20)])
@every_case
def test_ddpm_of_diffusers(name, T, share, target):
    theirs = oracle(DDPMScheduler, name, T, T // share, target)

    def step(i, x):
        answer = answers(theirs, target, i, x)
        return theirs.step(answer, theirs.timesteps[i], x, generator=seeded(i)).prev_sample

    start = torch.randn(4, 3, generator=seeded(99), dtype=torch.float64)
    follow(table_of("ddpm", name, T, T // share), target, step, start)


@pytest.mark.parametrize("eta", [0, 0.5, 1])
@pytest.mark.parametrize("steps", STEPS)
@every_case
def test_ddim_of_diffusers(name, steps, eta, target):
    theirs = oracle(DDIMScheduler, name, 600, steps, target)

    def step(i, x):
        answer = answers(theirs, target, i, x)
        return theirs.step(answer, theirs.timesteps[i], x, eta, generator=seeded(i)).prev_sample

    start = torch.randn(4, 3, generator=seeded(99), dtype=torch.float64)
    follow(table_of("ddim", name, 600, steps, eta), target, step, start)


@pytest.mark.parametrize(
    ("solver", "T", "expected"),
    [
        *[("ddim", 1000, 0.996), ("ddim", 200, 0.982), ("ddim", 50, 0.928)],
        *[("ddpm", 1000, 0.991), ("ddpm", 200, 0.958), ("ddpm", 50, 0.857)],
    ],
)
def test_ruler_of_step_counts(solver, T, expected):
    # Unit variance data: D = alpha x, so a variance passes through a row by its coefficients alone.
    table, variance = table_of(solver, "linear", T), 1.0
    for row, alpha, C in zip(table.M[:, 1], table.alpha, table.C, strict=False):
        variance = (row[1] + row[2] * alpha) ** 2 * variance + C**2
    assert variance == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("eta", [0, 0.3, 1])
def test_start_from_pure_noise(eta):
    # alpha = 0: the first row can use nothing but D; no NaN appears.
    table = build("ddim", np.array([0.0, 0.6, 1.0]), np.array([1.0, 0.8, 0.0]), eta=eta)
    assert_close(table.M[0, 1, 2], 0.6)
    assert np.isfinite(table.M).all()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: table_of("euler", "linear", 50), r"solver must be one of .*'ddim'.*got 'euler'"),
        (lambda: table_of("ddim", "linear", 50, eta=1.5), "eta must be .* >= 0 and <= 1; got 1.5"),
        (lambda: table_of("ddim", "linear", 50, eta=-0.1), "eta must be"),
        (lambda: table_of("ddim", "linear", 50, eta=np.nan), "eta must be a finite number"),
        (
            lambda: table_of("heun", "linear", 50, eta=0.5),
            "eta must be left out with solver 'heun'; got 0.5. It is a setting of ddim and ddpm",
        ),
        (lambda: build("ddim", [0.6, 1], [0.8, 0], churn=0.1), "churn must be left out with solver 'ddim'"),
        (lambda: build("churned", [0.6, 1], [0.8, 0], churn=0.5), "churn must be .* <= 0.414"),
        (lambda: build("unipc_2", [0.6, 1], [0.8, 0], variant="bh3"), "variant must be one of 'bh1', 'bh2'"),
        (lambda: build("ddim", np.ones(3), np.array([2.0, 2.0, 0.0])), "grid must be falling"),
        (lambda: build("ddim", np.ones(3), np.array([0.0, 1.0, 2.0])), "grid must be falling"),
        (lambda: build("ddim", np.ones(1), np.ones(1)), "grid must be falling in noise; got 1"),
    ],
)
def test_refused(wrong, told):
    with pytest.raises(SettingError, match=told):
        wrong()
