"""A prior a class: who is drawn, how often, and how likely, against sums over the classes."""

import numpy as np
import pytest

from close import assert_close
from dima.errors import SettingError
from dima.model.by_class import FEWEST, ByClass, proportional
from dima.model.mixture_prior import BootstrapPrior, MixturePrior

CENTERS = np.array([[-50.0, 0.0], [0.0, 50.0], [50.0, 0.0]])
COUNTS = (60, 30, 20)


def make(n):
    return MixturePrior(2)


@pytest.fixture(scope="module")
def latents():
    rng = np.random.default_rng(2)
    class_ix = np.repeat(np.arange(3), COUNTS)
    return CENTERS[class_ix] + rng.standard_normal((110, 2)), class_ix


@pytest.fixture(scope="module")
def prior(latents):
    return ByClass.fitted(make, *latents)


def test_a_run_folder_is_a_path(latents):
    with pytest.raises(SettingError, match=r"^LatentModel: checkpoint must be a path, .*; got 3\."):
        ByClass.fitted(make, *latents, checkpoint=3)


def nearest(Z):
    return np.linalg.norm(Z[:, None] - CENTERS, axis=2).argmin(axis=1)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 100, 1234])
@pytest.mark.parametrize("shares", [[0.5, 0.3, 0.2], [1 / 3] * 3, [0.9, 0.05, 0.05], [0.999, 0.0005, 0.0005]])
def test_counts_are_proportional_to_within_one(n, shares):
    class_ix = proportional(np.array(shares), n, 0)
    counts = np.bincount(class_ix, minlength=3)
    assert counts.sum() == len(class_ix) == n
    assert (np.abs(counts - n * np.array(shares)) < 1).all()
    assert_close(class_ix, proportional(np.array(shares), n, 0))


def test_order_is_random():
    class_ix = proportional(np.array([0.5, 0.5]), 200, 1)
    assert 70 < np.count_nonzero(np.diff(class_ix)) < 130


def test_shares_are_those_of_the_rows(prior):
    assert_close(prior.shares, np.array(COUNTS) / 110, atol=1e-15)
    assert_close(np.bincount(nearest(prior.sample(220))), 2 * np.array(COUNTS))


def test_classes_asked_for_are_drawn_from_their_own_prior(prior):
    class_ix = np.array([2, 0, 0, 1, 2, 2])
    drawn = prior.sample(6, class_ix=class_ix)
    assert_close(nearest(drawn), class_ix)
    assert np.linalg.norm(drawn - CENTERS[class_ix], axis=1).max() < 6
    one = prior.sample(5, class_ix=np.full(5, 1))
    assert_close(nearest(one), np.full(5, 1))


def test_equal_seeds_draw_equal_latents_and_classes_differ(prior):
    class_ix = np.repeat([0, 1, 2], 5)
    drawn = prior.sample(15, seed=4, class_ix=class_ix)
    assert_close(drawn, prior.sample(15, seed=4, class_ix=class_ix))
    assert np.abs(drawn - prior.sample(15, seed=5, class_ix=class_ix)).min() > 0
    twice = ByClass([prior.of_class[0]] * 2, [0.5, 0.5]).sample(10, class_ix=np.repeat([0, 1], 5))
    assert np.abs(twice[:5] - twice[5:]).min() > 0


def test_density_is_the_sum_of_shares_times_densities(prior, rng):
    Z = CENTERS[rng.integers(0, 3, 30)] + rng.standard_normal((30, 2))
    each = np.exp([one.score_samples(Z) for one in prior.of_class])
    assert_close(prior.score_samples(Z), np.log(np.array(COUNTS) / 110 @ each), atol=1e-9)


def test_refining_is_by_the_nearest_class(prior):
    Z = CENTERS[[1, 2, 0, 1]] + 3.0
    refined = prior.refine(Z, t_start=300, add_noise=False)
    for row, index in enumerate((1, 2, 0, 1)):
        alone = prior.of_class[index].refine(Z[row : row + 1], t_start=300, add_noise=False)
        assert_close(refined[row : row + 1], alone, atol=1e-12)
    assert_close(prior.refine(Z, t_start=0), Z)


@pytest.mark.parametrize("few", [1, 2, FEWEST - 1])
@pytest.mark.parametrize("kind", [MixturePrior, BootstrapPrior])
def test_small_classes_spread_as_all_do_about_their_mean(few, kind):
    rng = np.random.default_rng(7)
    class_ix = np.r_[np.zeros(80, int), np.ones(few, int)]
    Z = CENTERS[class_ix] + rng.standard_normal((80 + few, 2)) * [1.0, 3.0]
    drawn = ByClass.fitted(lambda n: kind(), Z, class_ix).sample(4000, class_ix=np.ones(4000, int))
    assert_close(drawn.mean(axis=0), Z[80:].mean(axis=0), atol=0.6)
    assert_close(drawn.std(axis=0), [1.0, 3.0], rtol=0.25)


def test_each_prior_is_chosen_by_all_rows(latents):
    told = []

    def counted(n):
        told.append(n)
        return make(n)

    ByClass.fitted(counted, *latents)
    assert told == [sum(COUNTS)] * len(COUNTS)


def test_facts_say_how_many_there_are(prior):
    facts = prior.facts()
    assert facts["prior_classes"] == 3
    assert facts["prior"] == "gmm"


def test_a_saved_one_is_equal(prior, latents):
    again = ByClass.from_arrays(*prior.to_arrays())
    assert_close(again.shares, prior.shares)
    assert_close(again.sample(40, seed=3), prior.sample(40, seed=3))
    assert_close(again.score_samples(latents[0]), prior.score_samples(latents[0]))
