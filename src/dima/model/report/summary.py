"""Held-out figures in words: rows of a table, and a verdict."""

from dima.model.evaluate import Evaluation

__all__ = ["summary", "verdict"]


def summary(measured: Evaluation) -> list[tuple[str, str, str]]:
    """Rows (figure, value, beside it) that say how good the model is; what was not measured is left out."""
    pca, floor = measured.pca_error_over_variance, measured.sliced_w2_floor
    beside = "" if pca is None else f"PCA at d = {measured.d}: {pca:.4f}"
    rows = [("held-out error / variance", f"{measured.error_over_variance:.4f}", beside)]
    if measured.predicted_error is not None:
        rows.append(("the same, predicted by leave-one-out", f"{measured.predicted_error:.4f}", ""))
    if measured.sliced_w2 is not None:
        ratio = measured.sliced_w2_ratio
        beside = f"floor {floor:.4f}, ratio {ratio:.2f}" if ratio is not None else "floor 0: training rows"
        rows.append((f"sliced W2 of {measured.n_samples} samples", f"{measured.sliced_w2:.4f}", beside))
        beside = f"real rows: {measured.c2st_floor:.3f}; 0.5 is best"
        rows.append(("C2ST accuracy of samples", f"{measured.c2st:.3f}", beside))
    return rows


def verdict(measured: Evaluation) -> str:
    """One paragraph: on what the figures were taken, and whether the rival is beaten."""
    text = f"Figures on {measured.n_held_out} rows that no part of the model has seen."
    if measured.pca_error_over_variance is None:
        return text
    is_better = measured.error_over_variance < measured.pca_error_over_variance
    compared = "below" if is_better else "not below"
    return (
        f"{text} The reconstruction error is {compared} that of principal components at the same dimension."
    )
