"""The fitted state walks what its settings say, and its run is told apart by what changes numbers."""

import jax.numpy as jnp
import numpy as np
import pytest

from close import assert_close
from dima.errors import NumericsError, SettingError
from dima.latent import ddpm_fit
from dima.latent.ddpm import DDPM
from dima.noise import sampling, schedule


def used(**changes):
    return DDPM(**changes).get_params(deep=False)


def test_the_path_has_the_settings_that_are_given():
    assert_close(ddpm_fit.path_of(used(T=9)).alpha, schedule.path("cosine", 9).alpha)
    made = ddpm_fit.path_of(used(T=9, schedule="linear", beta_end=0.5, eps=0.1))
    assert_close(made.alpha, schedule.path("linear", 9, beta_end=0.5, eps=0.1).alpha)
    assert ddpm_fit.path_of(used(T=9, zero_snr=True)).alpha[-1] == 0
    with pytest.raises(
        SettingError, match=r"target must be another than eps where nothing but noise is left"
    ):
        ddpm_fit.path_of(used(T=9, zero_snr=True, target="eps"))
    with pytest.raises(SettingError, match="eps must be left out with schedule 'flow'"):
        ddpm_fit.path_of(used(schedule="flow", eps=0.1))


def test_what_is_logged_and_where_it_runs_are_not_of_the_run():
    points = np.ones((3, 2), np.float32)
    data = {"points": (points,)}
    run = ddpm_fit._run(used(verbose_every=7, device="gpu", patience=3), data, "folder")
    assert {"device", "verbose_every"}.isdisjoint(run.identity)
    assert run.identity.keys() | {"device", "verbose_every"} == {*used(), "points"} - {"condition_dropout"}
    assert (run.log_every, run.patience) == (7, 3)
    assert run.data == ("points",)
    assert "points" not in ddpm_fit._run(used(), data, None).identity
    known, other = (
        ddpm_fit._run(used(), data | {"conditions": (points + by,)}, "folder").identity for by in (0, 1)
    )
    assert known["conditions"] != other["conditions"]
    assert known["condition_dropout"] == 0.1


def test_the_average_is_what_samples(rng):
    model = DDPM(20, n_iter=30, hidden_dim=8, t_embed_dim=4, ema_decay=0.9).fit(rng.standard_normal((50, 2)))
    points = model.fit_.scale.apply(np.random.default_rng(0).standard_normal((50, 2)), np.float32)
    used, path = model.fit_.settings, ddpm_fit.path_of(model.fit_.settings)
    made = ddpm_fit.engine_of(used, path, jnp.asarray(points))
    *_, (last, _) = made.steps(made.start())
    for name, average in last.ema.items():
        assert_close(model.parameters_[name], average, atol=1e-6)
    assert np.abs(last.ema["out/w"] - last.parameters["out/w"]).max() > 1e-4


def test_what_is_not_finite_is_not_handed_out(rng):
    fit = DDPM(20, n_iter=0, hidden_dim=8, t_embed_dim=4).fit(rng.standard_normal((50, 2))).fit_
    fit.network["out/b"] = fit.network["out/b"] * np.nan
    with pytest.raises(NumericsError, match="what is drawn must be finite"):
        fit.walk(sampling.table(ddpm_fit.path_of(fit.settings)), 3, 0)


def test_given_states_are_walked_with_the_noise_asked_for(rng):
    fit = DDPM(20, n_iter=0, hidden_dim=8, t_embed_dim=4).fit(rng.standard_normal((50, 2))).fit_
    table = sampling.refining_table(ddpm_fit.path_of(fit.settings), 5, "ddim")
    start = rng.standard_normal((4, 2)).astype(np.float32)
    still = [fit.walk(table, 4, seed, (start, 0.0)) for seed in (0, 1)]
    assert_close(still[0], still[1])
    assert np.abs(fit.walk(table, 4, 0, (start, 1.0)) - still[0]).min() > 1e-6
    assert fit.walk(table, 0, 0).shape == (0, 2)


@pytest.mark.parametrize(
    ("n", "steps"), [(20, 300), (142, 300), (1438, 2876), (9000, 18_000), (60_000, 30_000)]
)
def test_training_steps_grow_with_the_points(n, steps):
    assert ddpm_fit._n_iter(None, n) == steps
    assert ddpm_fit._n_iter(7, n) == 7


def test_steps_not_given_are_those_that_are_kept(rng):
    model = DDPM(20, hidden_dim=8, t_embed_dim=4).fit(rng.standard_normal((30, 2)))
    assert (model.n_iter, model.fit_.settings["n_iter"], model.losses_[-1, 0]) == (None, 300, 300)
