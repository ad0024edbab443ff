"""How good a fitted model is on rows it has not seen, with the floor or the rival beside every number."""

import dataclasses
from typing import Any

import numpy as np

from dima import check
from dima.errors import DataError, SettingError
from dima.model.evaluate.reconstruction import pca_reconstruction, reconstruction_figures
from dima.model.evaluate.samples import sample_figures

__all__ = ["Evaluation", "evaluate", "pca_reconstruction"]

_FEWEST = 10


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Held-out figures of a model; None where there is nothing to measure or to compare with.

    Attributes:
        d: latent dimension.
        n_train: training rows.
        n_held_out: held-out rows.
        error_over_variance: squared reconstruction error over variance; 0 is perfect, 1 the mean.
        rmse: root mean squared reconstruction error per coordinate, in the data's units.
        pca_error_over_variance: the first of principal components fitted on the training rows, at the
            same d.
        predicted_error: what leave-one-out on the training rows predicted of the first.
        n_samples: samples drawn.
        sliced_w2: sliced 2-Wasserstein distance of the samples to the held-out rows.
        sliced_w2_floor: the same of as many real rows, mean of five draws.
        sliced_w2_ratio: the former over the latter; 1 is as good as real rows.
        c2st: accuracy of a classifier telling samples from held-out rows; 0.5 cannot tell.
        c2st_floor: the same of real rows.
    """

    d: int
    n_train: int
    n_held_out: int
    error_over_variance: float
    rmse: float
    pca_error_over_variance: float | None = None
    predicted_error: float | None = None
    n_samples: int | None = None
    sliced_w2: float | None = None
    sliced_w2_floor: float | None = None
    sliced_w2_ratio: float | None = None
    c2st: float | None = None
    c2st_floor: float | None = None


def evaluate(model: Any, X: Any, *, train: Any = None, n_samples: int = 500, seed: int = 0) -> Evaluation:
    """Measure a `LatentModel` of any kind on held-out rows `X` (b, D).

    Args:
        model: a fitted model.
        X: rows the model has not seen.
        train: rows (n, D) it was fitted on, for the rival and the floor; those it keeps if None. Where it
            keeps none, there is no rival, and the floor is that of one half of `X` to the other.
        n_samples: samples compared with them.
        seed: of the samples and of the rows that make the floor.

    Raises:
        NotFittedError: the model is not fitted.
        ShapeError: another width than in `fit`.
        DataError: fewer than ten rows.
        SettingError: fewer than ten samples.
    """
    fit = check.fitted(model)
    if n_samples < _FEWEST:
        raise SettingError(f"evaluate: n_samples must be at least {_FEWEST}; got {n_samples}.")
    held_out = model.numbers(X)
    if len(held_out) < _FEWEST:
        fix = "Pass more held-out rows."
        raise DataError(f"evaluate: X must hold at least {_FEWEST} rows; got {len(held_out)}. {fix}")
    known = fit.autoencoder.training_rows() if train is None else model.numbers(train)
    figures = reconstruction_figures(model, held_out, known)
    if fit.prior is not None:
        figures |= sample_figures(model, held_out, known, n_samples, np.random.default_rng(seed), seed)
    return Evaluation(d=model.d_, n_train=fit.n_rows, n_held_out=len(held_out), **figures)
