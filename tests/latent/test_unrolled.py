import jax
import numpy as np
import pytest

from close import assert_close
from dima import DDPM
from dima.errors import DataError, NumericsError, SettingError, ShapeError
from dima.latent import unrolled
from dima.latent.unrolled import Unrolled, engine_of, unrolled_scores
from latent.unrolling import STEPS, D, N, losses_after, small_engine, small_queries

SETTINGS = {"n_iter": 10, "hidden_dim": 6, "t_embed_dim": 4, "batch_size": 8, "eps_root": 1e-8}


@pytest.fixture(scope="module")
def scores():
    with jax.enable_x64(True):
        return Unrolled(small_engine("float64")).scores(small_queries("float64"))


def test_scores_are_finite_differences_of_whole_trainings(scores):
    step = 1e-4
    with jax.enable_x64(True):
        slopes = [(losses_after(1 - e) - losses_after(1 + e)) / (2 * step) for e in np.eye(N) * step]
    expected = np.stack(slopes, axis=1)
    assert np.abs(expected).min() > 0
    assert_close(scores, expected, rtol=1e-4)


def test_segments_change_no_number(scores):
    with jax.enable_x64(True):
        again = Unrolled(small_engine("float64"), STEPS).scores(small_queries("float64"))
    assert_close(again, scores, rtol=1e-9, atol=1e-9 * np.abs(scores).max())


def test_float32_comes_close(scores):
    found = Unrolled(small_engine()).scores(small_queries())
    assert_close(found, scores, rtol=0.01, atol=0.01 * np.abs(scores).max())


def test_the_training_of_a_fitted_model_is_run_again():
    Z = np.random.default_rng(0).standard_normal((N, D)) * [1, 5] + 3
    prior = DDPM(**SETTINGS).fit(Z)
    engine = engine_of(prior.fit_, Z)
    again = Unrolled(engine)
    for name, value in prior.parameters_.items():
        # Not to the bit: segments are compiled at another length than the chunks of `fit`.
        assert_close(again.final.ema[name], value, rtol=1e-4, atol=1e-6)
    queries = (Z[:2] - prior.fit_.scale.center) / prior.fit_.scale.unit
    own = again.scores(jax.numpy.asarray(queries, "float32"))
    assert_close(unrolled_scores(prior.fit_, Z, Z[:2]), own, rtol=1e-4, atol=1e-4 * np.abs(own).max())


def test_what_cannot_be_run_again_is_refused():
    Z = np.random.default_rng(0).standard_normal((20, D))
    fit = DDPM(**SETTINGS).fit(Z).fit_
    with pytest.raises(ShapeError, match=r"queries must have shape \(q, 2\)"):
        unrolled_scores(fit, Z, Z[:, :1])
    rough = DDPM(**SETTINGS | {"eps_root": 1e-34}).fit(Z).fit_
    with pytest.raises(
        SettingError, match=r"eps_root of the fit must be at least 1e-10; got 1e-34\. Fit with"
    ):
        unrolled_scores(rough, Z, Z)
    early = DDPM(**SETTINGS, patience=2).fit(Z).fit_
    with pytest.raises(SettingError, match="patience must be None; got 2"):
        engine_of(early, Z)


def test_points_of_another_training_are_refused():
    Z = np.random.default_rng(0).standard_normal((20, D)) + 3
    fit = DDPM(**SETTINGS).fit(Z).fit_
    with pytest.raises(DataError, match=r"in their order; got others, .* of the way apart\. Pass the very"):
        unrolled_scores(fit, Z[::-1], Z[:1])
    for others in (Z[:19], Z + 0.1, Z * 1.5 - 1.5, np.random.default_rng(1).standard_normal((20, D)) + 3):
        with pytest.raises(DataError, match=r"points must be those of the fit; got \d+ whose mean is"):
            engine_of(fit, others)
    assert engine_of(fit, Z.astype(np.float32)).examples.points.shape == Z.shape


def test_a_model_with_a_condition_is_not_trained_again_without_it():
    Z = np.random.default_rng(0).standard_normal((20, D))
    fit = DDPM(**SETTINGS).fit(Z, condition=np.arange(20) % 2).fit_
    with pytest.raises(SettingError, match="must be one without condition; got one with a condition"):
        engine_of(fit, Z)


def test_scores_that_are_not_finite_are_not_handed_out():
    with pytest.raises(NumericsError, match="must be finite"):
        Unrolled(small_engine()).scores(small_queries() * np.nan)


@pytest.mark.parametrize(("n_steps", "size"), [(0, 1), (1, 1), (10_000, 100), (1000, 40), (31, 5), (300, 20)])
def test_segments_divide_the_training_where_they_can(n_steps, size):
    assert unrolled._segment(n_steps) == size
