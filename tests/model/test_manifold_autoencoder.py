import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from close import assert_close
from dima.errors import DataError, NotFittedError, SettingError, ShapeError
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.manifold_autoencoder import ManifoldAutoencoder


def test_latents_have_mean_zero_and_unit_spread(model, rows):
    assert_close(model.transform(rows).mean(axis=0), np.zeros(4), atol=1e-10)
    assert_close(model.transform(rows).std(axis=0), np.ones(4), atol=1e-10)
    assert_close(model.latents_.std(axis=0), np.ones(4), atol=0.1)


def test_the_prior_learns_the_latents_rows_would_have_had_been_new(model):
    learnt = model.prior_.fit_.scale.center
    assert_close(learnt, model.latents_.mean(axis=0), atol=1e-12)
    assert np.abs(learnt).max() > 1e-4  # those of known rows have mean zero


def test_an_outlying_row_neither_explodes_nor_decodes_to_nonsense(rng):
    X = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 10))
    X[0] *= 30
    with pytest.warns(UserWarning, match="DMAP"):
        DMAP(3).fit(X)
    model = ManifoldAutoencoder(3, prior=None).fit(X)
    assert np.abs(model.transform(X)).max() < 30
    assert model.score(X[1:]) > 0.7


def test_training_rows_encode_to_fit_transform(rows):
    model = ManifoldAutoencoder(3, prior=None)
    assert_close(model.fit_transform(rows), model.transform(rows), atol=1e-10)


def test_the_parts_are_those_fitted_by_hand(model, rows):
    dmap = DMAP(4, k=60).fit(rows)
    gplm = GPLM(80).fit(dmap.self_excluded_, rows, in_sample_ix=dmap.embedding_)
    assert_close(model.dmap_.embedding_, dmap.embedding_, atol=1e-12)
    decoded = gplm.predict(dmap.transform(rows[:20] + 0.1))
    assert_close(model.inverse_transform(model.transform(rows[:20] + 0.1)), decoded, atol=1e-9)


def test_more_dimensions_keep_more_of_held_out_rows(rows):
    kept = [ManifoldAutoencoder(d, prior=None).fit(rows[:250]).score(rows[250:]) for d in (1, 4, 12)]
    assert kept == sorted(kept)
    assert kept[-1] > 0.6


def test_predicted_error_is_near_the_held_out_one(rows):
    model = ManifoldAutoencoder(8, prior=None).fit(rows[:250])
    assert model.facts()["predicted_error"] == pytest.approx(1 - model.score(rows[250:]), rel=0.2)


def test_estimators_and_settings_handed_in_mean_the_same(rows):
    whole = {"k": 40, "coordinates": "first", "eps_mul": 1.0, "kernel": "fixed"}
    by_settings = ManifoldAutoencoder(3, dmap=whole, gplm={"m": 50}, prior=None).fit(rows)
    by_estimators = ManifoldAutoencoder(3, dmap=DMAP(k=40), gplm=GPLM(50), prior=None).fit(rows)
    assert_close(by_settings.transform(rows), by_estimators.transform(rows), atol=0)


@pytest.mark.parametrize("left_open", [{}, {"coordinates": "auto"}])
def test_what_settings_leave_open_is_chosen_and_what_they_say_is_kept(rows, left_open):
    chosen = ManifoldAutoencoder(3, dmap={"k": 40, "alpha": 0.5} | left_open, prior=None).fit(rows)
    assert {(trial.coordinates, trial.k, trial.eps_mul, trial.kernel) for trial in chosen.trials_} == {
        ("first", 40, 1.0, "fixed"),
        ("chart", 40, 1.0, "fixed"),
        ("chart", 40, 1.0, "self-tuning"),
        ("chart", 40, 0.5, "fixed"),
    }
    assert chosen.dmap_.alpha == 0.5
    by_power = ManifoldAutoencoder(3, dmap={"t": 2.0, "eps": 900.0}, prior=None).fit(rows)
    assert {(trial.coordinates, trial.eps_mul) for trial in by_power.trials_} == {("first", 1.0)}
    assert len({trial.k for trial in by_power.trials_}) == 5
    assert ManifoldAutoencoder(3, dmap=DMAP(), d_diffusion=2, prior=None).fit(rows).trials_ == ()


def test_d_given_in_dmap_serves(rows):
    assert ManifoldAutoencoder(dmap={"d": 5}, prior=None).fit(rows).transform(rows).shape[1] == 5
    assert ManifoldAutoencoder(dmap=DMAP(5), prior=None).fit(rows).transform(rows).shape[1] == 5


def test_d_not_given_is_half_of_the_columns(rows):
    assert ManifoldAutoencoder(prior=None).fit(rows[:, 20:30]).transform(rows[:, 20:30]).shape[1] == 5


def test_samples_are_equal_whatever_their_number(model):
    assert_close(model.sample(3, seed=5), model.sample(9, seed=5)[:3], atol=1e-4)
    assert model.sample(0).shape == (0, 64)
    assert np.abs(model.sample(3, seed=5) - model.sample(3, seed=6)).max() > 0.1


def test_refine_moves_latents_and_zero_steps_do_not(model):
    Z = model.latents_[:5]
    assert_close(model.refine(Z, t_start=0), Z, atol=1e-6)
    assert np.abs(model.refine(Z, t_start=10) - Z).max() > 1e-3


def test_it_stands_in_a_pipeline_and_is_cloned(rows):
    pipeline = make_pipeline(MinMaxScaler(), ManifoldAutoencoder(3, prior=None)).fit(rows)
    again = clone(pipeline).fit(rows)
    assert_close(pipeline.transform(rows), again.transform(rows), atol=0)
    assert pipeline.inverse_transform(pipeline.transform(rows)).shape == rows.shape


def test_settings_changed_after_fit_change_nothing_fitted(rows):
    model = ManifoldAutoencoder(3, dmap={"t": 1.0}, prior=None).fit(rows)
    before = model.transform(rows[:9] + 0.1), model.inverse_transform(np.ones((2, 3)))
    model.set_params(d=2, dmap={"t": 3.0}, gplm={"pred_k": 2}, seed=4)
    assert ManifoldAutoencoder.from_arrays(*model.to_arrays()).get_params()["d"] == 3
    assert_close(model.transform(rows[:9] + 0.1), before[0])
    assert_close(model.inverse_transform(np.ones((2, 3))), before[1])


def test_the_input_is_left_as_it_was(rows):
    given = rows.copy()
    ManifoldAutoencoder(2, prior=None).fit(given)
    assert np.array_equal(given, rows)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"d": 0}, "ManifoldAutoencoder: d must be"),
        ({"dmap": {"kk": 3}}, r"ManifoldAutoencoder\.dmap: .* Did you mean 'k'"),
        ({"gplm": {"m": 0}}, r"ManifoldAutoencoder\.gplm: m must be"),
        ({"prior": {"n_iter": -1}}, r"ManifoldAutoencoder\.prior: n_iter must be"),
        ({"prior": "vae"}, "prior must be one of 'auto', 'ddpm', .* got 'vae'"),
        ({"dmap": 3}, "dmap must be a DMAP, its settings or None; got int"),
        ({"d": 3, "dmap": {"d": 4}}, "d must be the same in dmap"),
        ({"d": 3, "dmap": DMAP(4)}, "d must be the same in dmap"),
        ({"d": 5, "dmap": DMAP(2)}, "d must be the same in dmap as d = 5 outside; got 2"),
        ({"d": 4, "gplm": {"m": 5000}}, "GPLM: m must be at most n = 300; got 5000"),
        ({"dmap": {"k": 5000}}, "DMAP: k must be at most"),
    ],
)
def test_bad_settings_are_one_sentence(rows, settings, told):
    with pytest.raises(SettingError, match=told):
        ManifoldAutoencoder(**{"prior": None, **settings}).fit(rows)


def test_without_a_prior_nothing_is_sampled(rows):
    model = ManifoldAutoencoder(2, prior=None).fit(rows)
    with pytest.raises(SettingError, match=r"ManifoldAutoencoder\.sample: .* Fit with prior"):
        model.sample(3)


def test_latents_of_another_width_are_refused(model):
    with pytest.raises(ShapeError, match=r"^ManifoldAutoencoder: Z must have shape \(b, 4\)"):
        model.inverse_transform(np.zeros((2, 5)))
    with pytest.raises(DataError, match="finite"):
        model.inverse_transform(np.full((2, 4), np.nan))


def test_an_unfitted_model_says_so():
    for call in ("transform", "inverse_transform"):
        with pytest.raises(NotFittedError, match=r"Call ManifoldAutoencoder\.fit first"):
            getattr(ManifoldAutoencoder(), call)(np.zeros((2, 2)))


def test_novelty_is_that_of_the_encoder(model, rows):
    new = rows[:9] + 0.5
    assert_close(model.novelty(new), model.dmap_.novelty(new))
    assert (model.novelty(rows[:9]) == 0).all()
