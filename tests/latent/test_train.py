import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from close import assert_close
from dima.errors import ArtifactError
from dima.latent import denoiser, objective, train
from dima.noise.schedule import path

# The sizes of test_ddpm.py: one compilation serves both.
STEPS, CHUNK = 1000, 50
LEVELS = path("cosine", 100).log_snr[1:]
CORRELATION = 0.9


def points(n=1000):
    """Standardised, correlated pairs."""
    x, y = np.random.default_rng(0).standard_normal((2, n))
    pairs = np.stack([x, CORRELATION * x + np.sqrt(1 - CORRELATION**2) * y], axis=1)
    return jnp.asarray((pairs - pairs.mean(axis=0)) / pairs.std(axis=0), jnp.float32)


def plan_of(target="v", n_iter=STEPS, **changes):
    return objective.Plan(n_iter, 256, 3e-3, 0.999, target, **changes)


def engine(plan, held_out=None, seed=1):
    levels = jnp.asarray(LEVELS, jnp.float32)
    network = denoiser.init(jax.random.key(0), 2, 32, 16, 3)
    apart = points(100) if held_out is None else held_out
    examples = objective.Examples(points(), levels, jax.random.key(seed))
    return train.Engine(plan, network, examples, examples._replace(points=apart))


def begin(plan):
    return engine(plan).start()


def run(plan, state, seed=1):
    with jax.default_device(jax.devices("cpu")[0]):  # as DDPM does: part of what is compiled
        return list(engine(plan, seed=seed).steps(state))


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
    assert [record.step for record in records] == list(range(CHUNK, STEPS + 1, CHUNK))
    assert [int(state.step) for state, _ in trained] == [record.step for record in records]
    assert all(a.seconds <= b.seconds for a, b in itertools.pairwise(records))
    assert np.isfinite([record.loss for record in records]).all()


def test_a_resumed_run_equals_an_uninterrupted_one(trained):
    # Through plain arrays, as a checkpoint would keep them.
    made = engine(plan_of())
    resumed = run(plan_of(), made.restore(made.state_arrays(trained[9][0])))
    assert len(resumed) == len(trained) - 10
    for (state, record), (again, record_again) in zip(trained[10:], resumed, strict=True):
        assert_equal(state, again)
        assert (record.step, record.loss) == (record_again.step, record_again.loss)


def test_how_long_a_chunk_is_changes_nothing(monkeypatch, trained):
    monkeypatch.setattr(train, "_affordable", lambda plan, d: 30)
    chunks = run(plan_of(), begin(plan_of()))
    # Records stay where they were; their losses are means over the chunks between.
    assert [record.step for _, record in chunks] == [record.step for _, record in trained]
    assert_close([r.loss for _, r in chunks], [r.loss for _, r in trained], rtol=1e-4)
    assert_equal(chunks[-1][0], trained[-1][0])


@pytest.mark.parametrize(("n_iter", "chunk"), [(0, 1), (7, 1), (1000, 50), (10_000, 500), (10**6, 500)])
def test_a_run_has_twenty_records_or_more(n_iter, chunk):
    assert plan_of(n_iter=n_iter).every == chunk


def test_the_engine_names_its_arrays_and_refuses_others(trained):
    made = engine(plan_of())
    arrays = made.state_arrays(trained[0][0])
    assert {"step", "parameters/in/w", "ema/out/b"} <= set(arrays)
    assert any(name.startswith("optimiser/") and name.endswith("in/w") for name in arrays)
    with pytest.raises(ArtifactError, match="must hold the arrays of this network; got others"):
        made.restore({**arrays, "ema/out/b": np.zeros(3)})
    with pytest.raises(ArtifactError, match="must hold the arrays of this network"):
        made.restore({"step": arrays["step"]})


def test_the_held_out_loss_is_that_of_the_average_and_falls(trained):
    made = engine(plan_of())
    first, last = made.held_out_loss(trained[0][0]), made.held_out_loss(trained[-1][0])
    assert last < first
    swapped = trained[-1][0]._replace(parameters=trained[0][0].parameters)
    assert made.held_out_loss(swapped) == last


def test_a_tenth_is_held_out():
    data = points(50)
    examples = objective.Examples(data, jnp.asarray(LEVELS), jax.random.key(2), data[:, :1] + 1, data[:, 1])
    kept, apart = train.split(examples, jax.random.key(0))
    assert (len(kept.points), len(apart.points)) == (45, 5)
    together = np.concatenate([kept.points, apart.points])
    assert_close(together[np.lexsort(together.T)], np.asarray(data)[np.lexsort(np.asarray(data).T)])
    for part in (kept, apart):  # what belongs to a point goes with it
        assert_close(part.conditions, part.points[:, :1] + 1)
        assert_close(part.weights, part.points[:, 1])
    single = examples._replace(points=data[:1])
    assert train.split(single, jax.random.key(0)) == (single, single)


@pytest.mark.parametrize(("n", "apart"), [(2, 1), (5, 1), (19, 1), (20, 2)])
def test_at_least_one_point_is_held_out(n, apart):
    examples = objective.Examples(points(n), jnp.asarray(LEVELS), jax.random.key(2))
    assert [len(part.points) for part in train.split(examples, jax.random.key(0))] == [n - apart, apart]


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


def walked(plan, gradients):
    """Parameters and average of one number each (steps, d), by `updated` along given gradients (steps, d)."""

    def step(state, gradient):
        state = train.updated(plan, state, {"w": gradient})
        return state, (state.parameters["w"], state.ema["w"])

    start = {"w": jnp.zeros(gradients.shape[1])}
    state = train.begun(plan, start)
    return map(np.asarray, jax.lax.scan(step, state, jnp.asarray(gradients, jnp.float32))[1])


def rates(n, warm_up, peak=3e-3):
    """Step sizes that rise from nothing in a line and fall to nothing along half a cosine."""
    k = np.arange(n)
    falling = (1 + np.cos(np.pi * (k - warm_up) / (n - warm_up))) / 2
    return peak * np.where(k < warm_up, k / max(warm_up, 1), falling)


@pytest.mark.parametrize(("n", "warm_up"), [(5, 0), (40, 4), (1000, 100), (1500, 100)])
def test_step_sizes_rise_and_fall(n, warm_up):
    # Along a gradient that stays the same each step of Adam is as long as its step size.
    parameters, _ = walked(plan_of(n_iter=n), np.full((n, 1), 0.5))
    assert_close(-np.diff(parameters[:, 0], prepend=0), rates(n, warm_up), atol=2e-6)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_the_average_by_hand(decay):
    n = 1200
    plan = objective.Plan(n, 256, 1.0, decay, "v")
    parameters, averages = walked(plan, np.random.default_rng(0).standard_normal((n, 2)))
    average, expected = np.zeros(2), []
    for k, value in enumerate(parameters.astype(np.float64)):
        kept = min(decay, 1 - (2 + k) ** (-2 / 3))
        average = kept * average + (1 - kept) * value
        expected.append(average)
    assert_close(averages, expected, atol=1e-4)
    assert (np.abs(parameters - averages).max() > 0.1) == (decay > 0)


@pytest.mark.parametrize("eps_root", [1e-34, 1e-2])
def test_adam_of_clipped_gradients_by_hand(eps_root):
    n, scales = 8, np.array([10.0, 0.1, 3.0, 0.01, 0.5, 20.0, 0.2, 1.0])
    gradients = np.random.default_rng(0).standard_normal((n, 3)) * scales[:, None]
    clipped = gradients / np.maximum(np.linalg.norm(gradients, axis=1, keepdims=True), 1)
    first, second, at, expected = np.zeros(3), np.zeros(3), np.zeros(3), []
    for k, (gradient, rate) in enumerate(zip(clipped, rates(n, 0), strict=True), start=1):
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        root = np.sqrt(second / (1 - 0.999**k) + eps_root) + 1e-8
        at = at - rate * first / (1 - 0.9**k) / root
        expected.append(at)
    parameters, _ = walked(plan_of(n_iter=n, eps_root=eps_root), gradients)
    assert_close(parameters, expected, atol=1e-6)
