"""The map that is chosen is the one held-out rows would have chosen, and no map where none pays."""

import dataclasses
import warnings

import numpy as np
import pytest

from close import assert_close
from dima.data import manifolds
from dima.errors import DataError, NumericsError, SettingError
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.manifold.neighbors import knn
from dima.model import manifold_map, tuning
from dima.model.manifold_map import ManifoldMap
from dima.model.stages import collected
from dima.model.tuning import TUNED, tune


def held_out_error(trial, train, test):
    dmap = DMAP(2, k=trial.k, coordinates=trial.coordinates, eps_mul=trial.eps_mul)
    both = ManifoldMap(dmap, GPLM(), trial.d_diffusion).fit(train)
    left = test - both.decode(both.encode(test))
    return float((left**2).sum() / ((test - train.mean(axis=0)) ** 2).sum())


def test_the_map_that_is_taken_is_among_the_best_on_held_out_rows():
    X = manifolds.swiss_roll(1300, seed=3)[0]
    train, test = X[:1000], X[1000:]
    tuned = tune(DMAP(2), TUNED, train)
    errors = {trial: held_out_error(trial, train, test) for trial in tuned.trials}
    taken = min(tuned.trials, key=lambda trial: trial.error)
    assert (tuned.dmap.coordinates, tuned.dmap.k_) == (taken.coordinates, taken.k)
    assert errors[taken] < 1.5 * min(errors.values())
    assert errors[taken] < 0.5 * errors[tuned.trials[0]]
    assert errors[taken] < 0.01


def test_settings_tried_are_those_left_free(rows):
    assert {trial.k for trial in tune(DMAP(3, k=30), ["coordinates"], rows).trials} == {30}
    assert {trial.coordinates for trial in tune(DMAP(3), ["k"], rows).trials} == {"first"}
    tuned = tune(DMAP(3, k=30), [], rows)
    assert len(tuned.trials) == 1
    assert_close(tuned.dmap.embedding_, DMAP(3, k=30).fit(rows).embedding_, atol=1e-6)  # by other threads


def test_neighbours_that_maps_share_are_those_each_would_find(rng, monkeypatch):
    X = manifolds.swiss_roll(400, seed=1)[0][rng.permutation(400)]
    searches = []
    monkeypatch.setattr(tuning, "knn", lambda *given: searches.append(given) or knn(*given))
    shared = tune(DMAP(2), TUNED, X)
    assert len(searches) == 1
    alone = tune(DMAP(2, ann_backend="brute"), TUNED, X)
    assert len(searches) == 1
    for one, other in zip(shared.trials, alone.trials, strict=True):
        assert dataclasses.replace(one, error=0) == dataclasses.replace(other, error=0)
        assert one.error == pytest.approx(
            other.error, rel=0.05
        )  # searches of charts end near, not at, the least
    with_copy = np.vstack([X, X[:1]])
    assert len(tune(DMAP(2), TUNED, with_copy).trials) == len(shared.trials)
    assert len(searches) == 1


def test_what_is_linear_needs_no_map(rng):
    flat = rng.standard_normal((300, 2)) @ rng.standard_normal((2, 6)) + 0.1 * rng.standard_normal((300, 6))
    assert tune(DMAP(2), TUNED, flat).d_diffusion == 0
    assert tune(DMAP(2), TUNED, flat, 1).d_diffusion == 1


def test_nothing_is_said_of_a_map_whose_coordinates_are_not_used(rng):
    flat = rng.standard_normal((200, 2)) @ rng.standard_normal((2, 6))
    apart = np.vstack([flat[:100] + 1e3, flat[100:]])
    with pytest.warns(UserWarning, match="2 parts"):
        DMAP(2).fit(apart)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ManifoldMap(DMAP(2), GPLM(), 0, TUNED).fit(apart).trials_ == ()
        assert tune(DMAP(2), TUNED, flat).d_diffusion == 0


def test_a_gain_on_few_rows_is_chance(rng):
    errors = rng.exponential(size=400)
    lucky = errors.copy()
    lucky[errors.argmax()] = 0.0
    assert not tuning._is_surely_less(lucky, errors)
    assert tuning._is_surely_less(0.9 * errors, errors)
    assert not tuning._is_surely_less(0.995 * errors, errors)


@pytest.mark.parametrize("asked", [None, 200])
def test_of_many_rows_a_share_is_looked_at_and_neighbours_grow_more_slowly(monkeypatch, asked):
    X = manifolds.s_curve(900)[0]
    monkeypatch.setattr(tuning, "_ROWS", 300)
    free = [name for name in TUNED if name != "k" or asked is None]
    tuned = tune(DMAP(2, k=asked), free, X)
    assert not hasattr(tuned.dmap, "fit_")
    taken = min(tuned.trials, key=lambda trial: trial.error)
    assert tuned.dmap.coordinates == taken.coordinates
    assert tuned.dmap.eps_mul == taken.eps_mul
    assert tuned.dmap.k == (asked or round(3 ** (6 / (6 + tuned.d_diffusion)) * taken.k))
    assert asked is None or {trial.k for trial in tuned.trials} == {67}


def test_a_map_that_cannot_be_fitted_is_passed_over_unless_it_is_the_first(rng):
    tiny = rng.standard_normal((6, 4))
    tuned = tune(DMAP(4), TUNED, tiny)
    assert tuned.trials[0].coordinates == "first"
    with pytest.raises(DataError):
        tune(DMAP(2), TUNED, np.ones((20, 3)))
    with pytest.raises(SettingError, match="k must be at most"):
        tune(DMAP(2, k=50), [], rng.standard_normal((20, 3)))


def test_only_what_is_taken_warns():
    apart = np.vstack([manifolds.s_curve(100)[0], manifolds.s_curve(100)[0] + 1e3])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tuned = tune(DMAP(2), TUNED, apart, 2)
    assert (tuned.d_diffusion, len(tuned.trials) > 1) == (2, True)
    (message,) = [str(each.message) for each in caught]
    assert message.startswith("DMAP: the neighbour graph falls into 2 parts")


def test_where_maps_are_hopeless_three_are_tried(rng):
    flat = rng.standard_normal((300, 2)) @ rng.standard_normal((2, 9))
    tried = [(trial.coordinates, trial.kernel) for trial in tune(DMAP(2), TUNED, flat).trials]
    assert tried == [("first", "fixed"), ("chart", "fixed"), ("chart", "self-tuning")]


def test_both_kernels_are_tried_where_that_is_left_open(rows):
    assert {trial.kernel for trial in tune(DMAP(2), TUNED, rows).trials} == {"fixed", "self-tuning"}
    tuned = tune(DMAP(2, kernel="self-tuning"), ("k",), rows)
    assert {trial.kernel for trial in tuned.trials} == {tuned.dmap.kernel} == {"self-tuning"}


def test_the_number_of_coordinates_is_tried_by_eighths(monkeypatch, rows):
    asked = []
    judge = tuning._Judge

    class Watched(judge):
        def best_split(self, self_excluded, splits):
            asked.append(list(splits))
            return judge.best_split(self, self_excluded, splits)

    monkeypatch.setattr(tuning, "_Judge", Watched)
    taken = tune(DMAP(16), ("coordinates",), rows)
    best = min(taken.trials, key=lambda trial: trial.error).d_diffusion
    assert asked[:-1] == [[4, 8, 12, 16]] * len(taken.trials)
    assert asked[-1] == [best - 2, best, min(16, best + 2)]
    assert taken.d_diffusion in (0, *asked[-1])


def test_rows_of_which_a_sample_is_equal_are_all_looked_at():
    X = np.zeros((4000, 3))
    X[-1] = [1.0, 2.0, 3.0]
    assert ManifoldMap(DMAP(1), GPLM(), None, TUNED).fit(X).d_diffusion_ == 0


def test_more_coordinates_than_columns_are_of_the_map_and_it_may_warn(rng):
    apart = rng.standard_normal((90, 2)) + np.repeat([0.0, 1e3, 2e3], 30)[:, None]
    with pytest.warns(UserWarning, match="falls into 3 parts"):
        assert tune(DMAP(3), TUNED, apart).d_diffusion >= 1


@pytest.mark.parametrize("shape", [(2, 3), (3, 3), (12, 200), (30, 100)])
def test_few_rows_of_noise_are_given_to_principal_components(rng, shape):
    X = rng.standard_normal(shape)
    both = ManifoldMap(DMAP(min(len(X) - 1, 8)), GPLM(), None, TUNED).fit(X)
    assert both.d_diffusion_ == 0
    left = ((X - both.decode(both.encode(X))) ** 2).sum()
    assert left < ((X - X.mean(axis=0)) ** 2).sum() + 1e-9


def test_where_the_first_map_does_not_converge_the_others_are_tried(monkeypatch):
    X, fit, failing = manifolds.s_curve(200)[0], DMAP.fit, ["first"]

    def stopped(self, X, **given):
        if self.coordinates in failing:
            raise NumericsError(f"DMAP: {self.coordinates}")
        return fit(self, X, **given)

    monkeypatch.setattr(DMAP, "fit", stopped)
    tuned = tune(DMAP(2), TUNED, X)
    assert tuned.d_diffusion == 2
    assert {trial.coordinates for trial in tuned.trials} == {"chart"}
    failing.append("chart")
    with pytest.raises(NumericsError, match="first"):
        tune(DMAP(2), TUNED, X)


def test_columns_beyond_the_leading_ones_count_as_left(monkeypatch, rng):
    X = rng.standard_normal((80, 30)) @ rng.standard_normal((30, 30))
    whole = tune(DMAP(3, k=20), [], X, 2).trials[0].error
    monkeypatch.setattr(tuning, "_COLUMNS", 25)
    assert tune(DMAP(3, k=20), [], X, 2).trials[0].error == pytest.approx(whole, rel=0.02)


def test_a_map_that_does_no_better_on_rows_it_has_not_seen_is_not_taken():
    ball = np.random.default_rng(3).standard_normal((560, 3))
    sphere = ball / np.linalg.norm(ball, axis=1, keepdims=True)
    assert tune(DMAP(2), TUNED, sphere).d_diffusion == 2
    with collected() as stages:
        assert ManifoldMap(DMAP(2), GPLM(), None, TUNED).fit(sphere).d_diffusion_ == 0
    assert [stage.name for stage in stages] == ["tuning", "encoder", "decoder"]


@pytest.mark.parametrize(("free", "share"), [((), 0.2), (TUNED, 1.0)])
def test_on_rows_it_has_not_seen_a_map_has_as_large_a_share_of_neighbours(monkeypatch, free, share):
    monkeypatch.setattr(tuning, "_ROWS", 200)
    monkeypatch.setattr(manifold_map, "_DOUBTFUL", 0.0)
    X, seen, fit = manifolds.s_curve(1000)[0], [], DMAP.fit

    def watched(self, X, **given):
        seen.append((len(X), self.k))
        return fit(self, X, **given)

    monkeypatch.setattr(DMAP, "fit", watched)
    fitted = ManifoldMap(DMAP(2, k=60), GPLM(m=50), None, free).fit(X)
    best = min(fitted.trials_, key=lambda trial: trial.error)
    assert {k for n, k in seen if n == 160} == {round(0.8 * share * best.k)}
