import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from close import assert_close
from dima.latent import denoiser, train
from dima.noise.schedule import path

# The sizes of test_ddpm.py: one compilation serves both.
STEPS, CHUNK = 1000, 500
LEVELS = path("cosine", 100).log_snr[1:]
CORRELATION = 0.9


def points(n=1000):
    """Standardised, correlated pairs."""
    x, y = np.random.default_rng(0).standard_normal((2, n))
    pairs = np.stack([x, CORRELATION * x + np.sqrt(1 - CORRELATION**2) * y], axis=1)
    return jnp.asarray((pairs - pairs.mean(axis=0)) / pairs.std(axis=0), jnp.float32)


def plan_of(target="v", n_iter=STEPS):
    return train.Plan(n_iter, 256, 3e-3, 0.999, target)


def begin(plan):
    return train.start(plan, denoiser.init(jax.random.key(0), 2, 32, 16, 3))


def run(plan, state, seed=1, every=CHUNK):
    with jax.default_device(jax.devices("cpu")[0]):  # as DDPM does: part of what is compiled
        return list(train.run(plan, state, points(), LEVELS, jax.random.key(seed), every))


def assert_equal(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert_close(a, b)


@pytest.fixture(scope="module")
def trained():
    return run(plan_of(), begin(plan_of()))


def least_loss(target):
    """Mean squared error of the best predictor for a Gaussian of these two variances, by level."""
    variance = np.linalg.eigvalsh(np.cov(points().T, bias=True))
    at = np.interp(np.linspace(0, len(LEVELS) - 1, 2000), np.arange(len(LEVELS)), LEVELS)
    signal, noise = 1 / (1 + np.exp(-2 * at[:, None])), 1 / (1 + np.exp(2 * at[:, None]))
    # Variance of the target given x = alpha x0 + sigma noise, along each axis.
    share = {"v": 1 / variance**0, "eps": signal, "x0": noise}[target]
    return float((share * variance / (signal * variance + noise)).mean())


@pytest.mark.parametrize("target", ["v", "eps"])
def test_loss_falls_to_that_of_the_exact_denoiser(target, trained):
    states = trained if target == "v" else run(plan_of(target), begin(plan_of(target)))
    assert least_loss(target) < 0.9  # a network that answers zero has a loss of 1
    assert states[-1][1].loss == pytest.approx(least_loss(target), rel=0.05)


def test_records_say_where_the_run_stands(trained):
    records = [record for _, record in trained]
    assert [record.step for record in records] == [500, 1000]
    assert [int(state.step) for state, _ in trained] == [500, 1000]
    assert all(a.seconds <= b.seconds for a, b in itertools.pairwise(records))
    assert np.isfinite([record.loss for record in records]).all()


def test_a_resumed_run_equals_an_uninterrupted_one(trained):
    # Through plain arrays, as a checkpoint would keep them.
    kept = jax.tree.map(np.array, trained[0][0])
    resumed = run(plan_of(), jax.tree.map(jnp.asarray, kept))
    assert len(resumed) == len(trained) - 1
    for (state, record), (again, record_again) in zip(trained[1:], resumed, strict=True):
        assert_equal(state, again)
        assert (record.step, record.loss) == (record_again.step, record_again.loss)


def test_how_often_it_reports_changes_nothing(trained):
    chunks = run(plan_of(), begin(plan_of()), every=STEPS + 1)
    assert [record.step for _, record in chunks] == [STEPS]
    assert_equal(chunks[-1][0], trained[-1][0])


def test_equal_keys_equal_parameters(trained):
    assert_equal(trained[-1][0], run(plan_of(), begin(plan_of()))[-1][0])


def test_another_key_another_run(trained):
    other = run(plan_of(), begin(plan_of()), seed=2)[-1][0]
    pairs = zip(*map(jax.tree.leaves, (trained[-1][0].ema, other.ema)), strict=True)
    assert all((a != b).any() for a, b in pairs)


def test_the_average_follows_the_parameters(trained):
    start = begin(plan_of()).parameters
    final = trained[-1][0]
    for name, value in final.ema.items():
        moved = np.linalg.norm(final.parameters[name] - start[name])
        assert np.linalg.norm(final.parameters[name] - value) < 0.2 * moved


def test_no_steps():
    plan = plan_of(n_iter=0)
    assert run(plan, begin(plan)) == []
