"""What encoding and decoding keep of held-out rows, beside principal components."""

from typing import Any

from dima import check
from dima.metrics import reconstruction
from dima.model.evaluate.tables import column_r2, is_table
from dima.typing import Array, Float64

__all__ = ["pca_reconstruction", "reconstruction_figures"]


def reconstruction_figures(model: Any, X: Array, train: Array | None) -> dict[str, Any]:
    """The figures of reconstruction of numbers `X` (b, W), by their names in `Evaluation`."""
    fit = check.fitted(model)
    mean_X, rebuilt = fit.mean_X, fit.decode(fit.encode(type(model).__name__, X))
    figures = {
        "error_over_variance": reconstruction.error_over_variance(X, rebuilt, mean_X),
        "rmse": reconstruction.rmse(X, rebuilt),
        "predicted_error": model.facts().get("predicted_error"),
        "column_r2": column_r2(model, X, rebuilt) if is_table(model) else None,
    }
    if train is None:
        return figures
    pca = pca_reconstruction(train, X, model.d_)
    return figures | {"pca_error_over_variance": reconstruction.error_over_variance(X, pca, mean_X)}


def pca_reconstruction(train: Array, X: Array, d: int) -> Float64:
    """Rows `X` (b, D) projected on the `d` leading principal components of `train` (n, D)."""
    # Evaluation only: scikit-learn's PCA is the rival, not a part.
    from sklearn.decomposition import PCA

    pca = PCA(min(d, *train.shape), random_state=0).fit(train)
    return pca.inverse_transform(pca.transform(X))
