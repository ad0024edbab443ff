"""How far samples are from held-out rows, beside the floor: how far real rows are."""

from typing import Any

import numpy as np

from dima import check
from dima.metrics import two_sample
from dima.scaling import Standardizer
from dima.typing import Array, Float64

__all__ = ["FEWEST", "draws", "rounded", "sample_figures"]

FEWEST = 10  # rows, images or samples that figures are made of
_FLOOR_DRAWS = 5
_ROUNDING = 1e-9  # of the size of numbers: a distance below is none
_DECIMALS = 4  # of a column's spread; what lies below is rounding of one kind or another


def sample_figures(
    model: Any, X: Array, train: Array | None, n_samples: int, rng: np.random.Generator, seed: int
) -> dict[str, Any]:
    """The figures of samples, by their names in `Evaluation`."""
    if train is None:
        order = rng.permutation(len(X))
        train, X = X[order[: len(X) // 2]], X[order[len(X) // 2 :]]
    n_samples = min(n_samples, len(train))  # samples and real rows are compared at one size
    scale = Standardizer.of(np.asarray(train))
    real = rounded(scale, X)
    drawn = check.fitted(model).rows.columns.apply(draws(model, n_samples, seed)[0])
    samples = rounded(scale, drawn)
    floors = [rounded(scale, train[rng.permutation(len(train))[:n_samples]]) for _ in range(_FLOOR_DRAWS)]
    distance = two_sample.sliced_w2(samples, real)
    floor = float(np.mean([two_sample.sliced_w2(draw, real) for draw in floors]))
    return {
        "n_samples": n_samples,
        "sliced_w2": distance,
        "sliced_w2_floor": floor,
        "sliced_w2_ratio": distance / floor if floor > _ROUNDING * np.abs(real).max() else None,
        "c2st": two_sample.c2st(samples, real),
        "c2st_floor": two_sample.c2st(floors[0], real),
    }


def draws(model: Any, n: int, seed: int) -> tuple[Array, Array | None]:
    """Drawn rows (n, D), with the indices of words for words, and the index (n,) of their classes."""
    fit = check.fitted(model)
    class_ix = fit.class_ix("evaluate", n, None, seed)
    return fit.draw(n, class_ix, {"seed": seed}), class_ix


def rounded(scale: Standardizer, rows: Array) -> Float64:
    """Rows in their own units, rounded alike: a classifier must not tell rows apart by their last digits."""
    return scale.restore(np.round(scale.apply(rows), _DECIMALS))
