import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from close import assert_close
from dima.latent import denoiser, objective
from dima.noise.schedule import path, signal_and_noise

LEVELS = jnp.asarray(path("cosine", 100).log_snr[1:], jnp.float32)
PLAN = objective.Plan(100, 64, 1e-3, 0.999, "v")


def examples(n=200, **more):
    points = np.random.default_rng(0).standard_normal((n, 2))
    return objective.Examples(jnp.asarray(points, jnp.float32), LEVELS, jax.random.key(3), **more)


def network(n_conditions=0):
    """Parameters as training may leave them: nothing is zero."""
    fresh = denoiser.init(jax.random.key(0), 2, 16, 8, 2, "single", n_conditions)
    random = np.random.default_rng(1)
    return {
        name: jnp.asarray(random.normal(0, 0.4, value.shape), jnp.float32) for name, value in fresh.items()
    }


def loss(plan, of, draws, parameters):
    return float(objective.step_loss(parameters, plan, of, draws))


def draws(plan, of, step=0):
    return jax.tree.map(lambda leaf: leaf[0], objective.draws_of(plan, 1, jnp.int32(step), of))


def test_levels_of_a_lognormal_are_its_quantiles_within_the_schedule():
    u = np.linspace(0.001, 0.999, 50)
    found = objective.LEVELS["lognormal"](jnp.asarray(u), jnp.asarray([2.0, -1.0]))
    assert_close(found, np.clip(stats.norm(0.5, 1.2).ppf(u), -1.0, 2.0), atol=1e-5)
    even = objective.LEVELS["schedule"](jnp.asarray([0.0, 0.5, 1.0]), jnp.asarray([3.0, 1.0, -5.0]))
    assert_close(even, [3.0, 1.0, -5.0], atol=1e-6)


def test_the_loss_is_the_mean_squared_error_of_v_at_stratified_levels():
    of, parameters = examples(), network()
    own = draws(PLAN, of)
    u = (np.arange(4) + float(own.shift)) / 4  # 16 of the 64 points share a level
    log_snr = np.interp(u * 99, np.arange(100), np.asarray(LEVELS))
    alpha, sigma = (np.repeat(level, 16)[:, None] for level in map(np.asarray, signal_and_noise(log_snr)))
    x0, noise = np.asarray(of.points)[np.asarray(own.rows)], np.asarray(own.noise)
    answer = denoiser.apply(parameters, jnp.asarray(alpha * x0 + sigma * noise), jnp.asarray(log_snr))
    expected = np.square(np.asarray(answer) - (alpha * noise - sigma * x0)).mean()
    assert_close(loss(PLAN, of, own, parameters), expected, rtol=1e-4)


def test_levels_weights_and_targets_change_the_loss():
    of, parameters = examples(), network()
    others = [{"levels": "lognormal"}, {"weight": "min_snr"}, {"weight": "soft_min_snr"}, {"weight": "elbo"}]
    others += [{"target": target} for target in ("eps", "x0", "flow", "edm")]
    found = {loss(dataclasses.replace(PLAN, **one), of, draws(PLAN, of), parameters) for one in [{}, *others]}
    assert len(found) == len(others) + 1


def test_a_weight_of_a_level_is_its_snr_over_that_of_v():
    # At one level alone the weighted loss is the plain one times min(SNR, 5) / (1 + SNR), as Q of v is sigma.
    parameters, level = network(), jnp.full(2, 0.3)
    of = examples()._replace(levels=level)
    own, snr = draws(PLAN, of), np.exp(0.6)
    weighted = loss(dataclasses.replace(PLAN, weight="min_snr"), of, own, parameters)
    assert_close(weighted, loss(PLAN, of, own, parameters) * min(snr, 5) / (1 + snr), rtol=1e-5)


def test_weights_of_points():
    of, parameters = examples(), network()
    own = draws(PLAN, of)
    doubled = draws(PLAN, of._replace(weights=jnp.full(200, 2.0)))
    assert_close(loss(PLAN, of, doubled, parameters), 2 * loss(PLAN, of, own, parameters), rtol=1e-6)
    only = jnp.zeros(200).at[own.rows[5]].set(1.0)
    alone = loss(PLAN, of, draws(PLAN, of._replace(weights=only)), parameters)
    assert 0 < alone < loss(PLAN, of, own, parameters)


def test_draws_are_those_without_conditions():
    plain, known = examples(), examples(conditions=jnp.ones((200, 3)))
    one, other = draws(PLAN, plain, 7), draws(PLAN, known, 7)
    assert (one.rows == other.rows).all()
    assert (one.noise == other.noise).all()
    assert one.kept is None
    assert other.kept.all()  # nothing is kept back unless asked


def test_a_share_of_conditions_is_kept_back():
    of = examples(conditions=jnp.ones((200, 3)))
    plan = dataclasses.replace(PLAN, kept_back=0.25)
    kept = objective.draws_of(plan, 100, jnp.int32(0), of).kept
    assert abs(float(kept.mean()) - 0.75) < 3 * (0.25 * 0.75 / kept.size) ** 0.5


def test_what_is_kept_back_is_not_seen():
    parameters = network(n_conditions=3)
    given = [examples(conditions=jnp.full((200, 3), value)) for value in (1.0, 5.0)]
    seen = [loss(PLAN, of, draws(PLAN, of), parameters) for of in given]
    none = dataclasses.replace(PLAN, kept_back=1.0)
    unseen = [loss(none, of, draws(none, of), parameters) for of in given]
    assert abs(seen[0] - seen[1]) > 1e-4
    assert unseen[0] == unseen[1]


def test_losses_of_points_use_common_draws():
    points = examples().points[:4]
    found = objective.point_losses(PLAN, network(), points, LEVELS, jax.random.key(0))
    twice = objective.point_losses(PLAN, network(), points[::-1], LEVELS, jax.random.key(0))
    assert_close(found[::-1], twice, rtol=1e-5)
    assert np.ptp(np.asarray(found)) > 1e-3


def test_the_loss_of_a_point_is_the_mean_over_copies_at_levels_spread_evenly():
    points, parameters, key = examples().points[:2], network(), jax.random.key(4)
    noise = np.asarray(jax.random.normal(key, (128, 2), jnp.float32))
    log_snr = np.interp((np.arange(128) + 0.5) / 128 * 99, np.arange(100), np.asarray(LEVELS))
    alpha, sigma = (np.asarray(level)[:, None] for level in signal_and_noise(log_snr))
    expected = []
    for point in np.asarray(points):
        answer = denoiser.apply(parameters, jnp.asarray(alpha * point + sigma * noise), jnp.asarray(log_snr))
        expected.append(np.square(np.asarray(answer) - (alpha * noise - sigma * point)).mean())
    assert_close(objective.point_losses(PLAN, parameters, points, LEVELS, key), expected, rtol=1e-4)
