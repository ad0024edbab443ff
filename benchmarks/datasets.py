"""Data for both sides of a comparison; NumPy alone, as the sides cannot share an environment."""

import numpy as np


def manifold(n: int, D: int, d: int = 6, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    """A smooth d-dimensional manifold in R^D: random Fourier features of uniform coordinates, plus noise."""
    rng = np.random.default_rng(seed)
    chart = rng.uniform(-1, 1, (n, d))
    waves = np.cos(chart @ (1.5 * rng.standard_normal((d, 64))) + rng.uniform(0, 2 * np.pi, 64))
    rows = waves @ (rng.standard_normal((64, D)) / 8)
    return (rows + noise * rng.standard_normal((n, D))).astype(np.float32)
