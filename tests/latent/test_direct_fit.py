"""Pairs are the teacher's own walks, the share explained that of a regression, a run told by its teacher."""

import jax
import numpy as np
import pytest
from sklearn.metrics import r2_score

from close import assert_close
from dima.latent import ddpm_fit, direct_fit
from dima.latent.ddpm import DDPM
from dima.latent.direct import DirectPrior
from dima.noise import sampling, schedule

SIZES = {"hidden_dim": 8, "t_embed_dim": 4}


@pytest.fixture(scope="module")
def teacher():
    # Untrained, a v network is the exact denoiser of independent unit Gaussians.
    return DDPM(30, n_iter=0, **SIZES).fit(np.random.default_rng(0).standard_normal((200, 2)) * [1.0, 3.0])


def used(**changes):
    return DirectPrior(**changes).get_params(deep=False)


def test_the_share_explained_is_that_of_a_regression(rng):
    wanted = rng.standard_normal((50, 3)) * [1.0, 2.0, 3.0]
    answer = wanted + rng.standard_normal((50, 3))
    expected = r2_score(wanted, answer, multioutput="variance_weighted")
    assert_close(direct_fit.explained(answer, wanted), expected, atol=1e-12)


def test_pairs_of_a_gaussian_end_where_they_start_but_for_the_error_of_the_solver(teacher):
    table = direct_fit.table_of(used(steps=30), teacher.fit_)
    pairs = direct_fit.make_pairs(teacher.fit_, table, jax.random.key(0), 500)
    assert pairs.start.shape == pairs.end.shape == (500, 2)
    # N(0, 1) to N(0, 1): the flow is the identity.
    assert_close(pairs.end, pairs.start, atol=0.05)
    assert_close(np.std(pairs.start, axis=0), np.ones(2), atol=0.1)
    few = direct_fit.make_pairs(teacher.fit_, table, jax.random.key(0), 7)
    assert_close(few.end, pairs.end[:7], atol=1e-6)
    other = direct_fit.make_pairs(teacher.fit_, table, jax.random.key(1), 7)
    assert not np.isclose(other.start, few.start).any()


def test_the_walk_has_20_steps_where_there_are_as_many(teacher):
    assert direct_fit.table_of(used(), teacher.fit_).steps == 20
    assert direct_fit.table_of(used(steps=9), teacher.fit_).steps == 9
    short = DDPM(5, n_iter=0, **SIZES).fit(np.eye(4))
    assert direct_fit.table_of(used(), short.fit_).steps == 5


def test_a_level_that_is_asked_for_is_kept_and_another_is_chosen_by_the_error(teacher):
    few = {"n_pairs": 50, "n_iter": 0}
    assert DirectPrior(**few, middle=7).fit(teacher).middle_ == 7
    # An untrained first step answers alpha_T x, next to nothing; from x' = alpha D + sigma x the second one
    # answers alpha x', about alpha sigma x, which is nearest to x where alpha sigma is largest.
    path = schedule.path("cosine", 30, eps=1e-5)
    best = int((path.alpha * path.sigma)[1:-1].argmax()) + 1
    assert abs(DirectPrior(**few).fit(teacher).middle_ - best) <= 3


def test_a_run_is_told_by_its_teacher_and_by_what_changes_the_network(teacher):
    run = direct_fit._run(used(verbose_every=7, patience=3), teacher.fit_, "folder")
    assert {"verbose_every", "middle", "force"}.isdisjoint(run.identity)
    assert run.identity.keys() | {"verbose_every", "middle", "force"} == {*used(), "teacher"}
    assert (run.log_every, run.patience) == (7, 3)
    again = direct_fit._run(used(), DDPM(30, n_iter=0, seed=1, **SIZES).fit(np.eye(2)).fit_, "folder")
    assert again.identity["teacher"] != run.identity["teacher"]


def test_the_loss_is_the_pseudo_huber_distance_of_the_answers(teacher, rng):
    # The untrained first step answers alpha_T x.
    path = ddpm_fit.path_of(teacher.fit_.settings)
    top = direct_fit._row(sampling.table(path, solver="ddim", steps=1))
    start, end = rng.standard_normal((2, 20, 2)).astype(np.float32)
    width = 0.03 * 2**0.5
    expected = np.sqrt(np.square(path.alpha[-1] * start - end).sum(axis=1) + width**2) - width
    found = direct_fit._loss(teacher.fit_.network, "v", top, direct_fit.Pairs(start, end))
    assert_close(found, expected.mean(), rtol=1e-5)
