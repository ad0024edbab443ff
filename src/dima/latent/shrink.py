"""Points that carry noise of a known spread, drawn to what they most probably were.

    z' = z + W [y; z - y; D_1(u_1) - u_1; ...; D_L(u_L) - u_L],   u = z +- min(1, ratio^2 / noise^2) (y - z)

y is what was given, z the estimate so far, first y itself, and D_l(u) the clean estimate at level l. Were
the noise alike in every coordinate, the level of that noise alone would give the posterior mean, and one
round is enough. Where it is not, no level does: each round looks again, from points that carry about the
noise of each level (what the estimate keeps of the noise of y) and from their mirror image, as a posterior
mean depends on how the density falls to either side. The weights W of each round are those of least squares
on samples of the model to which such noise is added, so that in the mean no coordinate is made worse.
Sources: Tweedie's formula, Efron 2011, section 2, at each level, and the Wiener filter; points between y and
z: half-quadratic splitting, Zoran and Weiss 2011, section 4; joining them is ours.
"""

import numpy as np

from dima.blocks import row_blocks, rows_within
from dima.latent.ddpm_fit import DDPMFit, path_of
from dima.noise import sampling
from dima.noise import solver as solvers
from dima.typing import Array, Float32, Float64

__all__ = ["shrunk"]

_SAMPLES, _COPIES = 4000, 4  # on which weights are found, and noisy copies of each
_STEPS = 25  # of the sampler that draws them
_LEVELS = 6
_ROUNDS = 3
_RIDGE = 1e-4  # of the mean square of a feature, for estimates that hardly differ
_ROUNDING = 1e-3  # of a standard deviation, below which noise is none


def shrunk(fit: DDPMFit, Z: Array, noise: Float64, seed: int) -> Array:
    """Points `Z` (b, d) less noise of standard deviation `noise` (d,), as far as the model can tell."""
    ratios = _ratios(fit, noise)
    if not ratios.size:
        return Z.astype(np.float32)
    rounds = _learnt(fit, noise, ratios, seed)
    size = rows_within(32 * sum(len(weights) for weights in rounds))
    parts = [_moved(fit, Z[rows], noise, ratios, rounds) for rows in row_blocks(len(Z), size)]
    return np.concatenate(parts).astype(np.float32)


def _ratios(fit: DDPMFit, noise: Float64) -> Float64:
    """Ratios sigma / alpha (l,) from the least to the most noise of a coordinate, within the path."""
    own = (noise / fit.scale.unit)[fit.scale.varies]
    if not own.size or own.max() < _ROUNDING:
        return np.empty(0)
    known = np.exp(-path_of(fit.settings).log_snr[[1, -1]])
    # The root mean square is the level of noise alike in every coordinate.
    spread = np.geomspace(max(own.min(), _ROUNDING), own.max(), _LEVELS)
    return np.unique(np.clip(np.append(spread, np.sqrt((own**2).mean())), *known).round(6))


def _learnt(fit: DDPMFit, noise: Float64, ratios: Float64, seed: int) -> list[Float64]:
    """Weights of each round, by samples of the model whose noise is known."""
    table = sampling.table(path_of(fit.settings), solver="dpmpp_2m", steps=min(_STEPS, fit.settings["T"]))
    drawn = np.repeat(fit.walk(table, _SAMPLES, seed).astype(np.float64), _COPIES, axis=0)
    noisy = drawn + noise * np.random.default_rng(seed).standard_normal(drawn.shape)
    rounds: list[Float64] = []
    found = noisy
    for _ in range(_ROUNDS if len(ratios) > 1 else 1):
        features = _features(fit, noisy, found, noise, ratios)
        rounds.append(_weights(features, (drawn - found) / fit.scale.unit))
        found = found + features @ rounds[-1] * fit.scale.unit
    return rounds


def _moved(fit: DDPMFit, Z: Array, noise: Float64, ratios: Float64, rounds: list[Float64]) -> Array:
    """Points (b, d) after all rounds."""
    found = Z
    for weights in rounds:
        found = found + _features(fit, Z, found, noise, ratios) @ weights * fit.scale.unit
    return found


def _features(fit: DDPMFit, Z: Array, found: Array, noise: Float64, ratios: Float64) -> Float64:
    """What is known of points Z (b, d) and their estimates so far (b, d), in units: (b, f)."""
    unit = fit.scale.unit
    standard: Float32 = fit.scale.apply(Z, np.float32)
    left = (Z - found) / unit
    sides = (0.0,) if found is Z else (1.0, -1.0)  # of the first round there is one
    parts = [standard.astype(np.float64), left]
    for ratio in ratios:
        share = np.minimum(1.0, (ratio / np.maximum(noise / unit, _ROUNDING)) ** 2)
        parts += [_pull(fit, found + side * share * left * unit, ratio) for side in sides]
    return np.hstack(parts)


def _pull(fit: DDPMFit, Z: Array, ratio: float) -> Float64:
    """How far (b, d), in units, the clean estimate at a ratio sigma / alpha moves points."""
    alpha = 1 / np.hypot(1, ratio)
    table = solvers.build("ddim", [alpha, 1.0], [alpha * ratio, 0.0])
    clean = fit.walk(table, len(Z), 0, (fit.scale.apply(Z, np.float32) * np.float32(alpha), 0.0))
    pull: Float64 = (clean - Z) / fit.scale.unit
    return pull


def _weights(features: Float64, wanted: Float64) -> Float64:
    """Least squares (f, d) of what is wanted (n, d) by features (n, f)."""
    gram = features.T @ features
    gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, features.T @ wanted).astype(np.float64)
