"""Which training points an output came from: scores by several methods, and a measure of each.

score[q, i]: by how much the loss of query q is told to rise when training point i is removed

Both sides of a comparison are latents: of the training images, and of the query. For a model without latents,
which makes pixels of noise, they are the images themselves (`dima.model.pixel_attribution`).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dima import check
from dima.errors import DataError, SettingError
from dima.explain.influence.cosine import similarity
from dima.explain.influence.lds import LDS, half_subsets, lds, noise_ceiling
from dima.explain.influence.posterior import noised_responsibilities
from dima.explain.influence.trak import gradient_features, trak
from dima.latent.ddpm import DDPM
from dima.latent.direct import DirectPrior
from dima.latent.retrain import retrained_losses
from dima.latent.unrolled import unrolled_scores
from dima.memory import refuse_beyond
from dima.model.latent_model import LatentModel
from dima.model.pixel_attribution import PixelModel, pixel_influence, random_scores
from dima.noise.schedule import signal_and_noise
from dima.progress import track
from dima.typing import Array, ArrayLike

__all__ = ["METHODS", "Attribution", "Measured", "attribute", "influence", "measure"]

_LEVELS = np.linspace(2.0, -1.0, 7)  # lambda = log(alpha / sigma) of the responsibilities
_DRAWS = 4
_GRADIENT_LEVELS = 32  # noise levels of plain products of gradients
_SIDE = 32  # of the two-sided projection of a layer's gradient
_ROUNDING = 1e-3  # units by which the same point may differ, encoded twice
_BYTES = 1 + 8 + 4 + 8  # of a point in a subset: its mask, weights in float64 and 32, what is scored
_IMAGES = ("n", "c", "h", "w")
_SEEDS = 2  # runs of each subset: how well two agree is what the best score could reach

Score = Callable[[DDPM, Array, Array, int], Array]  # (prior, training latents, latents of queries, seed)


def _posterior(prior: DDPM, Z: Array, queries: Array, seed: int) -> Array:
    fit = check.fitted(prior)
    alpha, sigma = signal_and_noise(_LEVELS)
    known, asked = fit.scale.apply(Z), fit.scale.apply(queries)
    return noised_responsibilities(asked, known, alpha, sigma, draws=_DRAWS, seed=seed)


def _gradients(prior: DDPM, Z: Array, queries: Array, seed: int) -> Array:
    asked, known = (
        gradient_features(prior, rows, levels=_GRADIENT_LEVELS, side=_SIDE, seed=seed)
        for rows in (queries, Z)
    )
    return asked.astype(np.float64) @ known.T.astype(np.float64)


def _trak(output: str) -> Score:
    def score(prior: DDPM, Z: Array, queries: Array, seed: int) -> Array:
        asked, known = (gradient_features(prior, rows, output, seed=seed) for rows in (queries, Z))
        return trak(asked, known)

    return score


# The dearest knows most: "unrolled" trains the prior again and goes back through all of it.
METHODS: dict[str, Score] = {
    "cosine": lambda prior, Z, queries, seed: similarity(queries, Z),
    "posterior": _posterior,
    "gradients": _gradients,
    "trak": _trak("loss"),
    "d-trak": _trak("norm"),
    "unrolled": lambda prior, Z, queries, seed: unrolled_scores(check.fitted(prior), Z, queries),
    "random": random_scores,
}


@dataclasses.dataclass(frozen=True)
class Attribution:
    """The training points that count most for each query.

    Attributes:
        ids: (q, k) which of the training points, the most important first.
        scores: (q, k) by how much the query's loss is told to rise without it; the unit is the method's.
        method: a name in `METHODS`.
    """

    ids: Array
    scores: Array
    method: str


@dataclasses.dataclass(frozen=True)
class Measured:
    """How well scores foretold retrainings.

    Attributes:
        lds: method -> linear datamodeling score.
        ceiling: what a perfect score would have reached against retrainings that differ by seed.
        losses: (k, q) of the queries after each retraining, averaged over the seeds.
        masks: (k, n) which points were in.
    """

    lds: dict[str, LDS]
    ceiling: float
    losses: Array
    masks: Array


def influence(
    prior: DDPM, Z: ArrayLike, queries: ArrayLike, method: str = "posterior", seed: int = 0
) -> Array:
    """Scores (q, n) of training latents `Z` (n, d) for the latents of queries (q, d).

    Args:
        prior: fitted to `Z`.
        Z: training latents, as the prior took them: all of them for "unrolled", all or some for the others.
        queries: latents of generated or given points.
        method: a name in `METHODS`.
        seed: of what a method draws.

    Raises:
        SettingError: there is no such method.
        ShapeError, DataError: latents that cannot be used, or that the prior was not fitted to.

    Example:
        >>> Z = np.random.default_rng(0).standard_normal((60, 2))
        >>> prior = DDPM(n_iter=20, hidden_dim=8).fit(Z)
        >>> influence(prior, Z, Z[:3]).argmax(axis=1).tolist()
        [0, 1, 2]
    """
    if method not in METHODS:
        raise SettingError(f"influence: method must be one of {', '.join(METHODS)}; got {method!r}.")
    d = len(check.fitted(prior).scale.center)
    known = check.array("influence", "Z", Z, ("n", d))
    asked = check.array("influence", "queries", queries, ("q", d))
    _refuse_others(prior, known)
    return METHODS[method](prior, known, asked, seed)


def attribute(
    model: LatentModel | PixelModel,
    training: ArrayLike,
    queries: ArrayLike,
    method: str = "posterior",
    k: int = 8,
    seed: int = 0,
) -> Attribution:
    """The `k` training images (n, c, h, w) that count most for each of the queries (q, c, h, w).

    Raises:
        SettingError: there is no such method for the model, it has no prior, or k is not in 1..n.
        ShapeError, DataError: images that cannot be used.
    """
    if isinstance(model, LatentModel):
        prior = _prior(model)
        _check_images("training", training)
        _check_images("queries", queries)
        known, asked = model.encode(training), model.encode(queries)
        _check_k(k, len(known))
        found = influence(prior, known, asked, method, seed)
    else:
        known = check.array("attribute", "training", training, ("n", *check.fitted(model).image_shape))
        _check_k(k, len(known))
        found = pixel_influence(model, known, queries, method, seed)
    order = np.argsort(-found, axis=1, kind="stable")[:, :k]
    return Attribution(order, np.take_along_axis(found, order, axis=1), method)


def _check_images(name: str, images: ArrayLike) -> None:
    read = check.plain("attribute", name, images)
    if read.ndim == len(_IMAGES):  # a latent model reads rows too
        check.form("attribute", name, read.shape, read.dtype, _IMAGES)


def _check_k(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise SettingError(f"attribute: k must be in 1..{n}; got {k}.")


def _prior(model: LatentModel) -> DDPM:
    prior = check.fitted(model).prior
    if isinstance(prior, DirectPrior):
        prior = prior.teacher_  # it learnt from the images, the one step only from it
    if not isinstance(prior, DDPM):
        got, fix = type(prior).__name__, "Fit with prior='ddpm'."
        raise SettingError(f"attribute: the model must have a DDPM as its prior; got {got}. {fix}")
    return prior


def measure(
    prior: DDPM,
    Z: ArrayLike,
    queries: ArrayLike,
    methods: Sequence[str] = ("cosine", "posterior", "gradients", "trak", "random"),
    subsets: int = 64,
    seed: int = 0,
) -> Measured:
    """Linear datamodeling score of methods: half of the points is removed at random, and training rerun.

    Each subset is trained from two seeds that the prior does not have; scores are held against the mean.
    Source: Park et al. 2023, arXiv 2303.14186, section 2.

    Args:
        prior: fitted to `Z`; its settings are those of the retrainings.
        Z: (n, d) training latents.
        queries: (q, d).
        methods: names in `METHODS`.
        subsets: number of subsets, at least 3.
        seed: of subsets and methods.

    Raises:
        SettingError: there is no such method.
        ShapeError, DataError: latents that cannot be used.
        MemoryBudgetError: so many subsets would not fit into memory.
    """
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        raise SettingError(f"measure: methods must be of {', '.join(METHODS)}; got {', '.join(unknown)}.")
    known, asked = np.asarray(Z), np.asarray(queries)
    wanted = _BYTES * subsets * len(known)
    refuse_beyond("measure", f"{subsets} subsets of {len(known)} points", wanted, "Lower --subsets.")
    masks = half_subsets(len(known), subsets, seed)
    fit = check.fitted(prior)
    # Not the prior's own seed: a method may know its luck, and the ceiling is for the luck of others.
    runs = [_seeded(fit, run) for run in range(1, _SEEDS + 1)]
    losses = [
        retrained_losses(own, known, asked, masks.astype(np.float64))
        for own in track(runs, _SEEDS, f"{subsets} retrainings")
    ]
    mean = np.mean(losses, axis=0)
    found = {
        method: lds(influence(prior, known, asked, method, seed), masks, mean)
        for method in track(methods, len(methods), "scores")
    }
    return Measured(found, noise_ceiling(losses[0], losses[1], averaged=_SEEDS), mean, masks)


def _refuse_others(prior: DDPM, Z: Array) -> None:
    """Latents outside the range of those that the prior was fitted to; it keeps no more of them."""
    fit = check.fitted(prior)
    if fit.reach is None:  # saved by an older version
        return
    standard = fit.scale.apply(Z)
    beyond = np.maximum(fit.reach[0] - standard, standard - fit.reach[1]).max(axis=1)
    if outside := int((beyond > _ROUNDING).sum()):
        rule, fix = "latents that the prior was fitted to", "Pass the data of its training."
        raise DataError(f"influence: Z must be {rule}; got {outside} of {len(Z)} outside their range. {fix}")


def _seeded(fit: Any, run: int) -> Any:
    """The fit with the settings of another seed."""
    settings_used: Mapping[str, Any] = fit.settings
    return dataclasses.replace(fit, settings={**settings_used, "seed": settings_used["seed"] + run})
