"""Held to SciPy's rank correlation, to losses that are linear by construction, and to simulated noise."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from close import assert_close
from dima.errors import DataError, MemoryBudgetError, SettingError, ShapeError
from dima.explain.influence.lds import half_subsets, lds, noise_ceiling, removal

RANDOM = np.random.default_rng(0)
MASKS = half_subsets(40, 24, seed=1)
TRUTH = RANDOM.standard_normal((5, 40))
LOSSES = 3.0 - MASKS @ TRUTH.T
NOISY = LOSSES + 2.0 * RANDOM.standard_normal(LOSSES.shape)


def test_subsets_hold_half_and_differ():
    for n in (2, 7, 40):
        masks = half_subsets(n, 30)
        assert masks.shape == (30, n)
        assert masks.dtype == bool
        assert_close(masks.sum(axis=1), np.full(30, n // 2))
    assert len(np.unique(MASKS, axis=0)) == 24
    assert (half_subsets(40, 24, seed=2) != MASKS).any()


def test_more_subsets_go_on_from_fewer_and_examples_are_in_half_of_them():
    many = half_subsets(20, 4000, seed=3)
    assert_close(half_subsets(20, 5, seed=3), many[:5])
    assert_close(many.mean(axis=0), np.full(20, 0.5), atol=5 * 0.5 / np.sqrt(4000))
    # Two examples are together in a share (n/2 - 1) / (2 (n - 1)) of the halves.
    assert_close((many[:, 0] & many[:, 1]).mean(), 9 / 38, atol=0.03)


def test_scores_are_increases_of_the_loss_when_left_out():
    assert_close(lds(TRUTH, MASKS, LOSSES).of_queries, np.ones(5), atol=1e-12)
    assert_close(lds(-TRUTH, MASKS, LOSSES).mean, -1.0, atol=1e-12)


def test_each_query_has_the_rank_correlation_of_scipy():
    scores = np.round(TRUTH)  # whole scores give ties
    found = lds(scores, MASKS, NOISY)
    for j in range(5):
        wanted = spearmanr(-(MASKS @ scores[j]), NOISY[:, j]).statistic
        assert_close(found.of_queries[j], wanted, atol=1e-12)
    assert_close(found.mean, found.of_queries.mean(), atol=1e-12)
    assert np.ptp(found.of_queries) > 0.05


def test_interval_is_that_of_a_plain_bootstrap():
    found = lds(TRUTH[:2], MASKS, NOISY[:, :2], resamples=2000, seed=5)
    random, means = np.random.default_rng(99), []
    for _ in range(300):
        drawn = random.integers(24, size=24)
        own = [spearmanr(-(MASKS[drawn] @ TRUTH[j]), NOISY[drawn, j]).statistic for j in range(2)]
        means.append(np.mean(own))
    half = 1.96 * np.std(means)
    assert_close(found.interval, [found.mean - half, found.mean + half], atol=0.25 * half)
    assert lds(TRUTH[:2], MASKS, NOISY[:, :2], resamples=2000, seed=5).interval == found.interval


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.5, 4.0])
def test_interval_holds_what_many_subsets_give(noise):
    """Of 100 sets of 32 subsets about 95 intervals hold the score of very many."""
    random, truth = np.random.default_rng(11), TRUTH[:3]

    def drawn(k, seed, resamples=100):
        masks = half_subsets(40, k, seed)
        clean = -(masks @ truth.T)
        return lds(truth, masks, clean + noise * random.standard_normal(clean.shape), resamples)

    limit = drawn(4000, 0, resamples=2).mean
    held = [low <= limit <= high for low, high in (drawn(32, seed).interval for seed in range(1, 101))]
    assert 85 <= sum(held) <= 100


def test_blocks_of_resamples_change_nothing(monkeypatch):
    whole = lds(TRUTH, MASKS, NOISY, resamples=50)
    monkeypatch.setattr("dima.explain.influence.lds._BYTES", 2**28)
    assert lds(TRUTH, MASKS, NOISY, resamples=50).interval == whole.interval


def test_scores_without_an_opinion_are_at_chance():
    found = lds(np.zeros((5, 40)), MASKS, NOISY)
    assert found.mean == 0.0
    assert found.interval == (0.0, 0.0)


@pytest.mark.parametrize("averaged", [1, 2])
def test_ceiling_is_what_the_truth_reaches(averaged):
    random = np.random.default_rng(7)
    masks = half_subsets(60, 2000, seed=4)
    truth = random.standard_normal((6, 60))
    clean = -(masks @ truth.T)
    a, b = (clean + 3.0 * random.standard_normal(clean.shape) for _ in range(2))
    reached = lds(truth, masks, a if averaged == 1 else (a + b) / 2, resamples=2).mean
    ceiling = noise_ceiling(a, b, averaged)
    assert 0.5 < reached < 0.95
    assert_close(ceiling, reached, atol=0.02)


def test_ceiling_of_noise_alone_is_zero():
    a = np.random.default_rng(1).standard_normal((30, 4))
    assert noise_ceiling(a, -a) == 0.0


def test_removal_against_hand_counts():
    found = removal([1.0, 2.0], [1.5, 2.0], [[1.1, 2.0], [0.9, 1.0], [1.6, 3.0]])
    assert_close(found.top, [0.5, 0.0], atol=1e-12)
    assert_close(found.random, [0.2, 0.0], atol=1e-12)
    assert_close(found.beaten, [2 / 3, 0.5], atol=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"scores": TRUTH[0]}, ShapeError, "scores must have shape"),
        ({"masks": MASKS[:, 1:]}, ShapeError, "masks must have shape"),
        ({"losses": NOISY[1:]}, ShapeError, "losses must have shape"),
        ({"losses": NOISY[:, 1:]}, ShapeError, "losses must have shape"),
        ({"masks": MASKS[:2], "losses": NOISY[:2]}, DataError, "at least 3 subsets"),
        ({"masks": MASKS * 0.5}, DataError, "masks must hold 0 and 1"),
        ({"losses": np.where([1, 1, 0, 1, 1], NOISY, 4.0)}, DataError, "query 2"),
        ({"losses": np.where(NOISY > 12.0, np.nan, NOISY)}, DataError, "losses must be finite"),
        ({"scores": np.full((5, 40), np.inf)}, DataError, "scores must be finite"),
        ({"resamples": 1}, SettingError, "resamples must be at least 2"),
    ],
)
def test_what_cannot_be_scored_is_refused(change, error, told):
    with pytest.raises(error, match=told):
        lds(**({"scores": TRUTH, "masks": MASKS, "losses": NOISY} | change))


def test_other_refusals():
    with pytest.raises(SettingError, match="n must be at least 2"):
        half_subsets(1, 3)
    with pytest.raises(SettingError, match="k must be at least 1"):
        half_subsets(5, 0)
    with pytest.raises(MemoryBudgetError, match=r"subsets of 1000 points must fit into .*\. Lower --subsets"):
        half_subsets(1000, 10**12)
    with pytest.raises(ShapeError, match="losses_b"):
        noise_ceiling(NOISY, NOISY[:, 1:])
    with pytest.raises(SettingError, match="averaged must be at least 1"):
        noise_ceiling(NOISY, NOISY, 0)
    with pytest.raises(ShapeError, match="without_random"):
        removal([1.0, 2.0], [1.0, 2.0], [[1.0], [2.0]])
