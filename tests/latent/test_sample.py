import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from close import assert_close
from dima.latent import denoiser, sample
from dima.noise import solver, target
from dima.noise.grid import trailing
from dima.noise.schedule import path

PATH, GRID = path("cosine", 50), trailing(50, 8)
LEVELS = PATH.alpha[GRID], PATH.sigma[GRID]


@pytest.fixture(scope="module")
def parameters():
    shapes = jax.eval_shape(lambda key: denoiser.init(key, 3, 16, 8, 2), jax.random.key(0))
    random = np.random.default_rng(1)
    return {
        name: jnp.asarray(random.normal(0, 0.2, value.shape), jnp.float32) for name, value in shapes.items()
    }


def start(keys):
    return sample.standard_normal(keys, 0, 3)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, "v") for name in solver.SOLVERS] + [("ddim", kind) for kind in target.TARGETS[1:]],
)
def test_solve_equals_the_numpy_walk_of_the_same_network(parameters, name, kind):
    table, keys = solver.build(name, *LEVELS), sample.sample_keys(3, 0, 4)

    def denoise(x, i):
        level = jnp.asarray(table.log_snr[i : i + 1], jnp.float32)
        scale = np.hypot(table.alpha[i], table.sigma[i])  # the network knows unit variance only
        answer = np.asarray(denoiser.apply(parameters, jnp.asarray(x / scale, jnp.float32), level))
        return target.clean(kind, x / scale, answer, table.alpha[i] / scale, table.sigma[i] / scale)

    noise = [np.asarray(sample.standard_normal(keys, i + 1, 3)) for i in range(table.steps)]
    expected = solver.walk(table, denoise, np.asarray(start(keys), np.float64), noise)
    solved = sample.solve(parameters, kind, sample.rows(table), start(keys), keys)
    assert_close(solved, expected, atol=1e-4, rtol=1e-4)


def test_growing_noise_is_the_same_path_up_to_scale(parameters):
    # alpha = 1 throughout; the network is asked at unit variance, so it answers alike.
    alpha, sigma = LEVELS
    growing = solver.build("ddim", np.ones_like(alpha), sigma / alpha)
    keys = sample.sample_keys(0, 0, 4)
    tables = [solver.build("ddim", alpha, sigma), growing]
    ends = [
        sample.solve(parameters, "v", sample.rows(t), start(keys) * scale, keys)
        for t, scale in zip(tables, [1, 1 / alpha[0]], strict=True)
    ]
    assert_close(ends[1], ends[0], atol=1e-4)


def test_rows_are_the_table_in_float32():
    table = solver.build("ddpm", *LEVELS)
    rows = sample.rows(table)
    assert {column.dtype for column in rows[:-1]} == {jnp.dtype("float32")}
    assert_close(rows.number, np.arange(table.steps))
    assert {len(column) for column in rows} == {table.steps}
    assert_close(rows.log_snr, table.log_snr, rtol=1e-6)
    assert_close(rows.M, table.M, rtol=1e-6)


def test_a_walk_keeps_its_states_where_asked(parameters):
    rows, keys = sample.rows(solver.build("ddim", *LEVELS)), sample.sample_keys(0, 0, 4)
    seen = []

    def denoise(x, row):
        jax.debug.callback(lambda state: seen.append(np.asarray(state)), x, ordered=True)
        return jnp.tanh(x)

    states = sample.walk(rows, denoise, start(keys), jnp.zeros_like, keep=True)
    jax.effects_barrier()
    assert_close(states[:-1], seen, rtol=1e-6)
    assert_close(states[-1], sample.walk(rows, lambda x, _: jnp.tanh(x), start(keys), jnp.zeros_like))


def test_a_key_belongs_to_a_sample_not_to_a_batch():
    whole, part = sample.sample_keys(5, 0, 10), sample.sample_keys(5, 6, 9)
    assert_close(sample.standard_normal(part, 2, 3), sample.standard_normal(whole, 2, 3)[6:9])


def test_draws_are_standard_normal_and_unrelated():
    keys = sample.sample_keys(0, 0, 500)
    draws = np.stack([np.asarray(sample.standard_normal(keys, i, 3)) for i in range(3)])
    assert stats.kstest(draws.ravel(), "norm").pvalue > 0.01
    columns = draws.transpose(0, 2, 1).reshape(9, 500)
    assert np.abs(np.corrcoef(columns) - np.eye(9)).max() < 0.15
    assert not np.isclose(draws, np.asarray(sample.standard_normal(keys, 3, 3))).any()
    other = sample.standard_normal(sample.sample_keys(1, 0, 500), 0, 3)
    assert not np.isclose(draws[0], other).any()


def test_guidance_leads_away_from_a_standard_normal(parameters):
    table, keys = solver.build("ddim", *LEVELS), sample.sample_keys(3, 0, 4)

    def denoise(x, i):
        level = jnp.asarray(table.log_snr[i : i + 1], jnp.float32)
        answer = np.asarray(denoiser.apply(parameters, jnp.asarray(x, jnp.float32), level))
        D = target.clean("v", x, answer, table.alpha[i], table.sigma[i])
        return 1.5 * D - 0.5 * table.alpha[i] * x  # E[x0 | x] of a standard normal is alpha x

    noise = [np.zeros((4, 3))] * table.steps
    expected = solver.walk(table, denoise, np.asarray(start(keys), np.float64), noise)
    solved = sample.solve(parameters, "v", sample.rows(table), start(keys), keys, sample.Guide(weight=1.5))
    assert_close(solved, expected, atol=1e-4, rtol=1e-4)


def test_known_coordinates_walk_down_to_their_values(parameters):
    known = jnp.array([[1.5, jnp.nan, -0.5]] * 4)
    for name in ("ddim", "ddpm", "dpmpp_2m", "repaint"):
        table, keys = solver.build(name, *LEVELS), sample.sample_keys(3, 0, 4)
        solved = sample.solve(
            parameters, "v", sample.rows(table), start(keys), keys, sample.Guide(known=known)
        )
        assert_close(solved[:, [0, 2]], known[:, [0, 2]], atol=1e-5)
        assert np.isfinite(solved).all()


def test_clean_estimates_are_cut_to_their_bounds(parameters):
    table, keys = solver.build("ddim", *LEVELS), sample.sample_keys(3, 0, 200)
    bounds = jnp.array([[-0.3, -5.0, 0.1], [0.2, 5.0, 0.1]])
    walk = (parameters, "v", sample.rows(table), start(keys), keys)
    plain, cut = sample.solve(*walk), np.asarray(sample.solve(*walk, sample.Guide(bounds=bounds)))
    assert np.abs(plain[:, 0]).max() > 0.5
    assert_close([cut[:, 0].min(), cut[:, 0].max()], [-0.3, 0.2], atol=1e-6)
    assert_close(cut[:, 2], np.full(200, 0.1), atol=1e-6)  # a flat axis stays at its value


def test_dynamic_bounds_draw_a_point_in_as_a_whole():
    # One far coordinate of forty is cut; where all are far they keep their proportions.
    far = np.linspace(1.0, 4.0, 40)
    D = jnp.asarray(np.stack([np.r_[9.0, np.full(39, 0.5)], far, -0.5 * np.ones(40)]), jnp.float32)
    bounds = jnp.asarray([[-1.0] * 40, [1.0] * 40])
    found = np.asarray(sample._within(D, bounds, True))
    assert_close(found[0], np.r_[1.0, np.full(39, 0.5)], atol=1e-6)
    assert_close(found[1], np.minimum(far / np.quantile(far, 0.95), 1.0), atol=1e-6)
    assert_close(found[2], np.full(40, -0.5))


@pytest.mark.parametrize("is_dynamic", [False, True])
def test_bounds_move_with_the_data(rng, is_dynamic):
    D, bounds = rng.standard_normal((30, 4)), np.array([[-0.5] * 4, [1.0, 0.5, 0.2, 2.0]])
    inside = (bounds[0] <= D) & (bounds[1] >= D)
    held = np.asarray(sample._within(jnp.asarray(D), jnp.asarray(bounds), is_dynamic))
    moved = np.asarray(sample._within(jnp.asarray(D + 3.0), jnp.asarray(bounds + 3.0), is_dynamic))
    assert_close(moved - 3.0, held, atol=1e-6)
    assert_close(held[inside.all(axis=1)], D[inside.all(axis=1)], atol=1e-6)
    assert ((held >= bounds[0] - 1e-6) & (held <= bounds[1] + 1e-6)).all()
    if not is_dynamic:
        assert_close(held, np.clip(D, *bounds), atol=1e-6)
