"""Points that carry noise of a known spread, drawn to what they most probably were.

    z + W [z - mean; D_1(z) - z; ...; D_L(z) - z]

D_l is the clean estimate at level l. Were the noise alike in every coordinate, the level of that noise alone
would give the posterior mean; where it is not, no level does. The weights W are those of least squares on
samples of the model to which such noise is added, so that in the mean no coordinate is made worse.
Sources: Tweedie's formula, Efron 2011, section 2, at each level, and the Wiener filter; joining them is ours.
"""

import numpy as np

from dima.latent.ddpm_fit import DDPMFit, path_of
from dima.noise import sampling
from dima.noise import solver as solvers
from dima.typing import Array, Float32, Float64

__all__ = ["shrunk"]

_SAMPLES = 4000  # on which weights are found
_STEPS = 25  # of the sampler that draws them
_LEVELS = 6
_RIDGE = 1e-4  # of the mean square of a feature, for estimates that hardly differ
_ROUNDING = 1e-3  # of a standard deviation, below which noise is none


def shrunk(fit: DDPMFit, Z: Array, noise: Float64, seed: int) -> Array:
    """Points `Z` (b, d) less noise of standard deviation `noise` (d,), as far as the model can tell."""
    ratios = _ratios(fit, noise)
    if not ratios.size:
        return Z.astype(np.float32)
    table = sampling.table(path_of(fit.settings), solver="dpmpp_2m", steps=min(_STEPS, fit.settings["T"]))
    drawn = fit.walk(table, _SAMPLES, seed).astype(np.float64)
    noisy = drawn + noise * np.random.default_rng(seed).standard_normal(drawn.shape)
    weights = _weights(_features(fit, noisy, ratios), (drawn - noisy) / fit.scale.unit)
    return (Z + _features(fit, Z, ratios) @ weights * fit.scale.unit).astype(np.float32)


def _ratios(fit: DDPMFit, noise: Float64) -> Float64:
    """Ratios sigma / alpha (l,) from the least to the most noise of a coordinate, within the path."""
    own = (noise / fit.scale.unit)[fit.scale.varies]
    if not own.size or own.max() < _ROUNDING:
        return np.empty(0)
    known = np.exp(-path_of(fit.settings).log_snr[[1, -1]])
    # The root mean square is the level of noise alike in every coordinate.
    spread = np.geomspace(max(own.min(), _ROUNDING), own.max(), _LEVELS)
    return np.unique(np.clip(np.append(spread, np.sqrt((own**2).mean())), *known).round(6))


def _features(fit: DDPMFit, Z: Array, ratios: Float64) -> Float64:
    """Standardised points, and how far the clean estimate at each level moves them: (b, (1 + l) d)."""
    standard: Float32 = fit.scale.apply(Z, np.float32)
    parts = [standard.astype(np.float64)]
    for ratio in ratios:
        alpha = 1 / np.hypot(1, ratio)
        table = solvers.build("ddim", [alpha, 1.0], [alpha * ratio, 0.0])
        clean = fit.walk(table, len(Z), 0, (standard * np.float32(alpha), 0.0))
        parts.append((clean - Z) / fit.scale.unit)
    return np.hstack(parts)


def _weights(features: Float64, wanted: Float64) -> Float64:
    """Least squares (f, d) of what is wanted (n, d) by features (n, f)."""
    gram = features.T @ features
    gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, features.T @ wanted).astype(np.float64)
