"""Held-out figures in words: rows of a table, and a verdict."""

import math

from dima.model.evaluate import Evaluation

__all__ = [
    "ROW_HEADERS",
    "by_chance",
    "column_headers",
    "column_summary",
    "more_columns",
    "row_summary",
    "seen",
    "summary",
    "verdict",
]

ROW_HEADERS = ("generated rows", "dima", "training rows", "mixture")
_MOST_COLUMNS = 24  # a page of them
_FEW_ROWS = 200  # below which chance moves the accuracy of a classifier noticeably
_CHANCE = 0.35  # over the root of the rows of a set: the spread of an accuracy of 0.5 over twice as many
_ALIKE = 1e-4  # of an error; what differs less is one


def summary(measured: Evaluation) -> list[tuple[str, str, str]]:
    """Rows (figure, value, beside it) that say how good the model is; what was not measured is left out."""
    pca, floor = measured.pca_error_over_variance, measured.sliced_w2_floor
    beside = "" if pca is None else f"PCA at d = {measured.d}: {pca:.4f}"
    rows = [(f"{_of(measured)}error / variance", f"{measured.error_over_variance:.4f}", beside)]
    if measured.predicted_error is not None:
        rows.append(("the same, predicted by leave-one-out", f"{measured.predicted_error:.4f}", ""))
    if measured.sliced_w2 is not None:
        ratio = measured.sliced_w2_ratio
        beside = f"floor {floor:.4f}, ratio {'-' if ratio is None else f'{ratio:.2f}'}"
        rows.append((f"sliced W2 of {measured.n_samples} samples", f"{measured.sliced_w2:.4f}", beside))
        beside = f"real rows: {measured.c2st_floor:.3f}; 0.5 is best"
        rows.append(("C2ST accuracy of samples", f"{measured.c2st:.3f}", beside))
    return rows


def row_summary(measured: Evaluation) -> list[tuple[str, str, str, str]]:
    """Rows (figure, dima, training rows, mixture) that say how honest generated rows are; maybe none."""
    return [
        (one.name, _number(one.value), _number(one.training), _number(one.mixture))
        for one in measured.rows or []
    ]


def column_headers(measured: Evaluation) -> tuple[str, str]:
    """What stands above `column_summary`."""
    return "column", f"{_of(measured)}R^2"


def column_summary(measured: Evaluation) -> list[tuple[str, str]]:
    """Rows (column, R^2) that say how well columns are rebuilt, of more than 24 the worst; maybe none."""
    found = list((measured.column_r2 or {}).items())
    if len(found) > _MOST_COLUMNS:
        found = sorted(found, key=lambda column: (math.isnan(column[1]), column[1]))[:_MOST_COLUMNS]
    return [(name, _number(r2)) for name, r2 in found]


def more_columns(measured: Evaluation) -> str:
    """Which columns stand in `column_summary`, of how many; empty where all do."""
    n = len(measured.column_r2 or {})
    return f"The {_MOST_COLUMNS} of {n} columns that are rebuilt worst." if n > _MOST_COLUMNS else ""


def seen(measured: Evaluation) -> str:
    """How many of the rows the model was fitted to; empty where none is known to be."""
    if measured.n_seen in (None, 0):
        return ""
    rows, known = f"{measured.n_held_out} rows", "rows the model was fitted to: figures flatter."
    if measured.n_seen == measured.n_held_out:
        return f"All {rows} are {known} Pass rows it has not seen."
    return f"{measured.n_seen} of {rows} equal {known}"


def _of(measured: Evaluation) -> str:
    """What kind of rows figures are of."""
    return "" if measured.n_seen else "held-out "


def _number(value: float) -> str:
    """A figure; a dash where there is none, as of a column that does not vary."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def by_chance(measured: Evaluation) -> str:
    """How far classifier tests on few held-out rows move by chance; empty where there is none, or many."""
    n = measured.n_held_out
    if measured.c2st is None or n >= _FEW_ROWS:
        return ""
    return f"On {n} rows a classifier test moves by about {_CHANCE / math.sqrt(n):.2f} by chance."


def verdict(measured: Evaluation, *, is_principal: bool = False) -> str:
    """One paragraph: on what the figures were taken, and whether the rival is beaten.

    Args:
        measured: the figures.
        is_principal: whether the latents are principal components themselves.
    """
    sentences = [
        seen(measured) or f"Figures on {measured.n_held_out} rows that no part of the model has seen."
    ]
    if is_principal:
        sentences.append("The latents are principal components here.")
    ours, pca = measured.error_over_variance, measured.pca_error_over_variance
    if pca is not None:
        is_same = math.isclose(ours, pca, rel_tol=_ALIKE)
        compared = "equal to" if is_same else "below" if ours < pca else "above"
        sentences.append(
            f"The reconstruction error is {compared} that of principal components at the same dimension."
        )
    return " ".join(sentences)
