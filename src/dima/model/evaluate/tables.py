"""A model of a table: how honest the rows it draws are, and how well it rebuilds each column."""

from typing import Any

import numpy as np

from dima import check
from dima.metrics.reconstruction import error_over_variance
from dima.model.evaluate.rows import RowFigure, row_figures
from dima.model.evaluate.samples import draws
from dima.model.rows import Rows
from dima.typing import Array

__all__ = ["MOST", "column_r2", "is_table", "plain_rows", "table_figures"]

MOST = 5000  # rows drawn, and held-out rows: a forest of more takes minutes and says the same


def is_table(model: Any) -> bool:
    """Whether a model was fitted to a table with names, or treats its columns; not to pictures or points."""
    rows = check.fitted(model).rows
    return rows.columns.treatment != "raw" or (rows.library is not None and rows.columns.names is not None)


def table_figures(model: Any, held_out: Any, train: Any, seed: int = 0) -> list[RowFigure]:
    """Figures of the rows a model draws, beside those of its training rows and of a Gaussian mixture.

    As many rows are drawn as there are training rows, 5,000 at most, of the classes in the proportions of
    the training rows. All rows are taken as the model writes them: with the decimals and few values of
    their columns.

    Args:
        model: a fitted `LatentModel` with a prior.
        held_out: rows (m, D) it has not seen, as it takes them; 5,000 are compared.
        train: rows (n, D) it was fitted to. Where both sets hold the column of labels that the model knows,
            each class has a mixture, and the score of training on drawn rows is one of the figures.
        seed: of draws, folds, forests and mixtures.

    Raises:
        NotFittedError: the model is not fitted.
        DimaError: as `LatentModel.transform` for rows, and a DataError for fewer than ten of a kind.

    Example:
        >>> from sklearn.decomposition import PCA
        >>> from dima.model.latent_model import LatentModel
        >>> rows = np.random.default_rng(0).standard_normal((60, 3))
        >>> model = LatentModel(PCA(2), columns="rank").fit(rows[:40])
        >>> figures = {figure.name: figure for figure in table_figures(model, rows[40:], rows[:40])}
        >>> figures["copy ratio, median"].training, figures["copy ratio, median"].value > 0.3
        (0.0, True)
    """
    order = np.random.default_rng(seed).permutation
    known, real = plain_rows(model, train), plain_rows(model, held_out)
    fake, drawn_class_ix = draws(model, min(len(known), MOST), seed)
    few = order(len(real))[:MOST]
    class_ix = [_class_ix(model, X) for X in (held_out, train)]
    labels = None
    if drawn_class_ix is not None and class_ix[0] is not None and class_ix[1] is not None:
        labels = (drawn_class_ix, class_ix[0][few], class_ix[1])
    words = check.fitted(model).rows.columns.words
    return row_figures(fake, real[few], known, labels, seed, words)


def column_r2(model: Any, numbers: Array, rebuilt: Array) -> dict[str, float]:
    """R^2 of each of the D columns by name, of numbers (b, W) and what the model made of them.

    At most 1; 0 is no better than the training mean. The numbers of a column of words count together. NaN
    where a column does not vary.
    """
    fit = check.fitted(model)
    columns, found = fit.rows.columns, {}
    for name, part, varies in zip(columns.shown_names, columns.slices(), columns.scale.varies, strict=True):
        X, mean = numbers[:, part], fit.mean_X[part]
        is_flat = not varies or not (mean != X).any()
        found[name] = float("nan") if is_flat else 1.0 - error_over_variance(X, rebuilt[:, part], mean)
    return found


def plain_rows(model: Any, X: Any) -> Array:
    """Rows (b, D), with the indices of words for words, as the model writes them."""
    restored: Array = check.fitted(model).rows.columns.restore(model.numbers(X))
    return restored


def _class_ix(model: Any, X: Any) -> Array | None:
    """Index (b,) of the classes of rows; None where the model or the rows have no column of labels."""
    rows: Rows = check.fitted(model).rows
    if (labels := rows.labels_of(X)) is None:
        return None
    assert rows.label is not None, "labels are of a column"
    class_ix: Array = rows.class_ix("evaluate", labels, len(labels), f"column {rows.label[0]!r}")
    return class_ix
