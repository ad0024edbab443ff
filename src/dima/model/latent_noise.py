"""How wrong the latents of rows are: of new rows as predicted, of noisy ones as they miss the manifold."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dima import check
from dima.errors import DataError
from dima.model.latent_fit import LatentModelFit
from dima.typing import Array, ArrayLike, Float64

__all__ = ["latent_noise", "refined"]


def latent_noise(model: Any, X: Any, seed: int = 0) -> Float64:
    """Root mean square error (d,) of the latents of rows `X` (b, D), in standardised units.

    Noise of one spread in every number leaves what decoding does not explain larger than it is for clean
    rows; what is told is how far such noise moves the latents of the rows' own reconstructions. Rows as far
    from the manifold as new rows are have the error of new rows.

    Args:
        model: a fitted `LatentModel`.
        X: rows, as it takes them, that carry noise of one spread.
        seed: of the noise that is tried.

    Raises:
        DataError: the model was saved before it told of its residuals.
        DimaError: as `LatentModel.transform`.

    Example:
        >>> from sklearn.decomposition import PCA
        >>> from dima.model.latent_model import LatentModel
        >>> line = np.outer(np.linspace(-3, 3, 200), np.ones(40))
        >>> noise = np.random.default_rng(0).standard_normal(line.shape)
        >>> model = LatentModel(PCA(1), prior="gmm").fit(line + 0.01 * noise)
        >>> float(latent_noise(model, line + noise).round(1)[0])  # the spread of the sum is 11
        0.1
    """
    fit: LatentModelFit = check.fitted(model)
    if fit.residual is None:
        fix = "Fit it anew, or pass the noise yourself."
        raise DataError(f"latent_noise: the model must tell of its residuals; got none. {fix}")
    numbers = model.numbers(X)
    owner, d, width = "latent_noise", model.d_, numbers.shape[1]
    rebuilt = fit.decode(fit.encode(owner, numbers))
    left = float(np.square(numbers - rebuilt).mean())
    # Of noise in `width` directions, those off the manifold are seen.
    spread = np.sqrt(max(left - fit.residual, 0.0) / max(1 - d / width, 1 / width))
    noisy = rebuilt + spread * np.random.default_rng(seed).standard_normal(rebuilt.shape)
    moved = fit.encode(owner, noisy) - fit.encode(owner, rebuilt)
    found: Float64 = np.sqrt(np.square(moved).mean(axis=0) + _error_of_new(fit, d) ** 2)
    return found


def refined(fit: LatentModelFit, Z: ArrayLike, t_start: int | str, refining: Mapping[str, Any]) -> Array:
    """Latents `Z` (b, d) refined by the prior; "auto" without noise takes the error of new rows."""
    if t_start == "auto" and refining.get("noise") is None:
        refining = {**refining, "noise": _error_of_new(fit, len(fit.scale.center))}
    latents: Array = fit.prior.refine(Z, t_start=t_start, **refining)
    return latents


def _error_of_new(fit: LatentModelFit, d: int) -> Float64:
    return np.zeros(d) if fit.latent_error is None else fit.latent_error
