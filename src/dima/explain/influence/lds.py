"""How far attribution scores can be trusted: what they predict for retrainings that have been done.

Scores (q, n) predict that a model trained on the subset S has, at query q, the loss

    constant - sum of scores[q, i] over i in S

The linear datamodeling score compares that order of the subsets with the order of the real losses.
"""

import dataclasses

import numpy as np
from scipy.stats import rankdata

from dima import check
from dima.blocks import row_blocks, rows_within
from dima.errors import DataError, SettingError
from dima.memory import refuse_beyond
from dima.typing import Array, ArrayLike, Float64

__all__ = ["LDS", "Removal", "half_subsets", "lds", "noise_ceiling", "removal"]

_FEWEST = 3  # subsets: two have a rank correlation of 1 or -1 whatever they are
_DEVIATIONS = 1.96  # to either side of the mean, for 95 %
_BYTES = 64  # of one subset at one query in one resample: two ranks, their sorting, and copies


@dataclasses.dataclass(frozen=True)
class LDS:
    """The linear datamodeling score of attribution scores.

    Attributes:
        mean: over the queries, -1 .. 1; 0 is no better than chance.
        of_queries: (q,) rank correlation of predicted and real loss at each query.
        interval: ends of the 95 % interval of the mean, by the bootstrap's standard error over the subsets.
    """

    mean: float
    of_queries: Float64
    interval: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Removal:
    """What leaving out the examples with the highest scores did, beside leaving out as many at random.

    Attributes:
        top: (q,) increase of the loss without the highest.
        random: (q,) mean increase of the loss without random ones.
        beaten: (q,) share of the random draws that raised the loss by less; 0.5 is chance.
    """

    top: Float64
    random: Float64
    beaten: Float64


def half_subsets(n: int, k: int, seed: int = 0) -> Array:
    """Draw `k` random subsets with half of `n` examples each, as masks (k, n) of bool.

    Equal seeds draw equal subsets, the first few being the same whatever `k`.

    Raises:
        SettingError: n is below 2, or k below 1.
        MemoryBudgetError: so many masks would not fit into memory.

    Example:
        >>> half_subsets(6, 4).sum(axis=1)
        array([3, 3, 3, 3])
    """
    for name, value, least in (("n", n, 2), ("k", k, 1)):
        if value < least:
            raise SettingError(f"half_subsets: {name} must be at least {least}; got {value}. Raise it.")
    # What is drawn, and the copy that is permuted.
    refuse_beyond("half_subsets", f"{k} subsets of {n} points", 2 * k * n, "Lower --subsets.")
    first_half = np.arange(n) < n // 2
    return np.random.default_rng(seed).permuted(np.broadcast_to(first_half, (k, n)), axis=1)


def lds(scores: ArrayLike, masks: ArrayLike, losses: ArrayLike, resamples: int = 1000, seed: int = 0) -> LDS:
    """How well scores rank subsets of the training set by the loss after training on them.

    Per query the Spearman correlation over the subsets of predicted and real loss; 0 where the scores
    predict one loss for all subsets. The interval, 1.96 standard errors to either side, comes from
    redrawing the subsets, so it holds for the given queries.
    Source: Park, Georgiev, Ilyas, Leclerc and Madry 2023, arXiv 2303.14186 (TRAK), section 2.

    Args:
        scores: (q, n) predicted increase of the loss of each query without each example.
        masks: (k, n) which examples each of k models was trained on, at least 3.
        losses: (k, q) loss of each model at each query, averaged over seeds of training if there are several.
        resamples: bootstrap draws, at least 2.
        seed: of the draws.

    Raises:
        ShapeError: the sizes do not fit together.
        DataError: fewer than 3 subsets, not finite, masks that are not of 0 and 1, or a query with the
            same loss in all subsets.
        SettingError: resamples is below 2.

    Example:
        >>> masks = half_subsets(20, 8)
        >>> truth = np.arange(20.0)[None]
        >>> lds(truth, masks, losses=-(masks @ truth.T)).mean
        1.0
    """
    owner = "lds"
    given = check.array(owner, "scores", scores, ("q", "n")).astype(np.float64, copy=False)
    members = _masks(owner, masks, given.shape[1])
    real = _losses(owner, "losses", losses, (len(members), len(given)))
    if resamples < 2:
        raise SettingError(f"{owner}: resamples must be at least 2; got {resamples}. Raise it.")
    predicted = -given @ members.T
    of_queries = _spearman(predicted, real.T)
    draws = np.random.default_rng(seed).integers(len(members), size=(resamples, len(members)))
    means = np.empty(resamples)
    for rows in row_blocks(resamples, rows_within(_BYTES * real.size)):
        drawn = (values[:, draws[rows]].transpose(1, 0, 2) for values in (predicted, real.T))
        means[rows] = _spearman(*drawn).mean(axis=1)
    # Subsets drawn twice are ties, which lower every redrawn correlation: its spread is used, not its level.
    mean, spread = float(of_queries.mean()), _DEVIATIONS * float(np.std(means, ddof=1))
    return LDS(mean, of_queries, (max(mean - spread, -1.0), min(mean + spread, 1.0)))


def noise_ceiling(losses_a: ArrayLike, losses_b: ArrayLike, averaged: int = 1) -> float:
    """The linear datamodeling score that perfect predictions would reach, 0 .. 1.

    Training again on the same subset with another seed gives another loss, which no scores can foresee.
    Let r be the correlation over subsets of two such losses, their reliability. The true mean loss then
    correlates with one loss by the square root of r, as errors independent of it and of each other thin
    every correlation out (Spearman 1904, correction for attenuation). Where scores are held against the
    average of m losses, that average has the reliability m r / (1 + (m - 1) r) (Spearman 1910; Brown 1910).
    Both laws are those of linear correlation, here applied to ranks; r is the mean over the queries.

    Args:
        losses_a: (k, q) of models trained on k subsets.
        losses_b: (k, q) the same with other seeds; each half may itself be an average of equally many.
        averaged: halves in the average that the scores are held against: 1 for either half, 2 for the
            mean of the two.

    Raises:
        ShapeError: the two differ in shape.
        DataError: fewer than 3 subsets, not finite, or a query with the same loss in all subsets.
        SettingError: averaged is not positive.

    Example:
        >>> losses = np.random.default_rng(0).standard_normal((50, 4))
        >>> noise_ceiling(losses, losses)
        1.0
    """
    owner = "noise_ceiling"
    first = _losses(owner, "losses_a", losses_a, ("k", "q"))
    second = _losses(owner, "losses_b", losses_b, first.shape)
    if averaged < 1:
        raise SettingError(f"{owner}: averaged must be at least 1; got {averaged}. Pass 1 for one half.")
    r = max(float(_spearman(first.T, second.T).mean()), 0.0)
    return float(np.sqrt(averaged * r / (1 + (averaged - 1) * r)))


def removal(full: ArrayLike, without_top: ArrayLike, without_random: ArrayLike) -> Removal:
    """What leaving out each query's highest scored examples did, beside as many at random.

    Args:
        full: (q,) loss of each query with the model of all examples.
        without_top: (q,) its loss with a model that was not trained on its own highest examples.
        without_random: (r, q) its losses with r models that were not trained on as many random ones.

    Raises:
        ShapeError: the sizes do not fit together.
        DataError: not finite.

    Example:
        >>> removal([1.0], [1.5], [[1.1], [0.9]]).top
        array([0.5])
    """
    owner = "removal"
    before = check.array(owner, "full", full, ("q",)).astype(np.float64)
    top = check.array(owner, "without_top", without_top, before.shape)
    random = check.array(owner, "without_random", without_random, ("r", len(before)))
    # Equal losses count half, so that scores which change nothing are at chance.
    beaten = (random < top).mean(axis=0) + (random == top).mean(axis=0) / 2
    return Removal(top - before, random.mean(axis=0, dtype=np.float64) - before, beaten)


def _masks(owner: str, masks: ArrayLike, n: int) -> Float64:
    members = check.array(owner, "masks", masks, ("k", n)).astype(np.float64, copy=False)
    if ((members != 0) & (members != 1)).any():
        raise DataError(f"{owner}: masks must hold 0 and 1; got other numbers. Pass which examples are in.")
    return members


def _losses(owner: str, name: str, values: ArrayLike, shape: tuple[int | str, ...]) -> Float64:
    """Losses (k, q) of enough subsets, each query's differing."""
    checked = check.array(owner, name, values, shape).astype(np.float64, copy=False)
    if len(checked) < _FEWEST:
        got = f"{len(checked)}. Train on more subsets."
        raise DataError(f"{owner}: {name} must be of at least {_FEWEST} subsets; got {got}")
    same = np.flatnonzero((checked == checked[0]).all(axis=0))
    if len(same):
        got = f"one value in all subsets at {len(same)} queries, the first being query {same[0]}"
        raise DataError(f"{owner}: {name} must differ between subsets; got {got}. Leave those queries out.")
    return checked


def _spearman(first: Array, second: Array) -> Float64:
    """Rank correlation along the last axis; 0 where one of the two does not vary."""
    a, b = (_centred_ranks(values) for values in (first, second))
    size = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    return (a * b).sum(axis=-1) / np.where(size > 0, size, 1.0)


def _centred_ranks(values: Array) -> Float64:
    """Ranks less their mean, which is known: equal values share theirs."""
    return rankdata(values, axis=-1) - (values.shape[-1] + 1) / 2
