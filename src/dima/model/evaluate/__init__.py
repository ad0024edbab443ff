"""How good a fitted model is on rows it has not seen, with the floor or the rival beside every number."""

import dataclasses
from typing import Any

import numpy as np

from dima import check
from dima.errors import DataError, SettingError
from dima.model.evaluate.reconstruction import pca_reconstruction, reconstruction_figures
from dima.model.evaluate.rows import RowFigure
from dima.model.evaluate.samples import FEWEST, sample_figures
from dima.model.evaluate.seen import are_training, n_among
from dima.model.evaluate.tables import is_table, table_figures
from dima.typing import Array

__all__ = ["Evaluation", "evaluate", "pca_reconstruction"]


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
        sliced_w2_ratio: the former over the latter; 1 is as good as real rows. None where the floor is 0 or
            rounding, as where the rows are training rows.
        c2st: accuracy of a classifier telling samples from held-out rows; 0.5 cannot tell.
        c2st_floor: the same of real rows.
        rows: of a model of a table how honest the rows it draws are (`tables.table_figures`). A model keeps
            no labels of its training rows: where it has learnt some, only `train` brings them.
        column_r2: of a model of a table, R^2 of the reconstruction of each column by its name.
        is_training: whether the rows are those the model was fitted to, in any order: figures then flatter.
        n_seen: how many of the rows equal rows the model was fitted to; None where these are not known.
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
    rows: list[RowFigure] | None = None
    column_r2: dict[str, float] | None = None
    is_training: bool = False
    n_seen: int | None = None


def evaluate(model: Any, X: Any, *, train: Any = None, n_samples: int = 500, seed: int = 0) -> Evaluation:
    """Measure a `LatentModel` of any kind on held-out rows `X` (b, D).

    Args:
        model: a fitted model.
        X: rows the model has not seen.
        train: rows (n, D) it was fitted on, with their labels, for the rival and the floor; those it keeps if
            None. Where it keeps none, there is no rival, and the floor is that of one half of `X` to the
            other.
        n_samples: samples compared with them.
        seed: of the samples and of the rows that make the floor.

    Raises:
        NotFittedError: the model is not fitted.
        ShapeError: another width than in `fit`.
        DataError: fewer than ten rows of either kind.
        SettingError: fewer than ten samples.
    """
    fit = check.fitted(model)
    if n_samples < FEWEST:
        raise SettingError(f"evaluate: n_samples must be at least {FEWEST}; got {n_samples}. Raise it.")
    held_out = _numbers(model, "X", X)
    known = fit.autoencoder.training_rows() if train is None else _numbers(model, "train", train)
    figures = reconstruction_figures(model, held_out, known)
    if fit.prior is not None:
        figures |= sample_figures(model, held_out, known, n_samples, np.random.default_rng(seed), seed)
        figures["rows"] = _row_figures(model, X, train, known, seed)
    figures["is_training"] = are_training(fit, held_out)
    if figures["is_training"]:
        figures["n_seen"] = len(held_out)
    elif known is not None:
        figures["n_seen"] = n_among(held_out, known)
    return Evaluation(d=model.d_, n_train=fit.n_rows, n_held_out=len(held_out), **figures)


def _numbers(model: Any, name: str, X: Any) -> Array:
    """The numbers (b, W) of enough rows."""
    numbers: Array = model.numbers(X)
    if len(numbers) < FEWEST:
        raise DataError(
            f"evaluate: {name} must hold at least {FEWEST} rows; got {len(numbers)}. Pass more rows."
        )
    return numbers


def _row_figures(model: Any, X: Any, train: Any, known: Array | None, seed: int) -> list[RowFigure] | None:
    """How honest drawn rows are; None for what is no table, and where training rows or labels are missing."""
    rows = check.fitted(model).rows
    if not is_table(model) or known is None or len(known) < FEWEST:
        return None
    if train is None and rows.label is not None:
        return None
    return table_figures(model, X, rows.table(rows.columns.restore(known)) if train is None else train, seed)
