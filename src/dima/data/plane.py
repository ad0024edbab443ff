"""Two-dimensional sets for trying a diffusion model by eye: each a function `(n, rng) -> (n, 2)`."""

from collections.abc import Callable

import numpy as np

from dima.errors import SettingError
from dima.typing import Float32, Float64

__all__ = ["PLANES", "points"]

Generator = np.random.Generator


def _gaussian(n: int, rng: Generator) -> Float64:
    """One correlated Gaussian away from the origin."""
    shape = np.array([[1.0, 0.0], [0.6, 0.5]])
    return rng.standard_normal((n, 2)) @ shape.T + np.array([1.0, -0.5])


def _two_moons(n: int, rng: Generator) -> Float64:
    """Two interleaved half circles."""
    angle, upper = rng.uniform(0, np.pi, n), rng.random(n) < 0.5
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    return 1.5 * np.column_stack([x - 0.5, y - 0.25]) + 0.1 * rng.standard_normal((n, 2))


def _eight_gaussians(n: int, rng: Generator) -> Float64:
    """Eight small Gaussians on a circle."""
    angle = rng.integers(0, 8, n) * np.pi / 4
    return _on_circle(angle, 2.0) + 0.15 * rng.standard_normal((n, 2))


def _checkerboard(n: int, rng: Generator) -> Float64:
    """The dark squares of a 4 x 4 board."""
    column = rng.integers(0, 4, n)
    row = 2 * rng.integers(0, 2, n) + column % 2
    return np.column_stack([column, row]) + rng.random((n, 2)) - 2.0


def _spiral(n: int, rng: Generator) -> Float64:
    """Two arms of a spiral, evenly spread along them."""
    angle = 3 * np.pi * np.sqrt(rng.random(n))
    sign = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    return sign[:, None] * _on_circle(angle, 0.25 * angle) + 0.08 * rng.standard_normal((n, 2))


def _swiss_roll(n: int, rng: Generator) -> Float64:
    """The spiral cross-section of the swiss roll."""
    angle = 1.5 * np.pi * (1 + 2 * rng.random(n))
    return _on_circle(angle, angle / 5) + 0.08 * rng.standard_normal((n, 2))


def _pinwheel(n: int, rng: Generator) -> Float64:
    """Five curved blades."""
    radial = 1 + 0.3 * rng.standard_normal(n)
    across = 0.1 * rng.standard_normal(n)
    turn = rng.integers(0, 5, n) * 2 * np.pi / 5 + 0.25 * np.exp(radial)
    cosine, sine = np.cos(turn), np.sin(turn)
    return 2 * np.column_stack([radial * cosine - across * sine, radial * sine + across * cosine])


def _rings(n: int, rng: Generator) -> Float64:
    """Three concentric rings, evenly spread along them."""
    radius = rng.choice([0.7, 1.4, 2.1], n, p=[1 / 6, 2 / 6, 3 / 6])
    return _on_circle(rng.uniform(0, 2 * np.pi, n), radius) + 0.06 * rng.standard_normal((n, 2))


PLANES: dict[str, Callable[[int, Generator], Float64]] = {
    "gaussian": _gaussian,
    "two-moons": _two_moons,
    "eight-gaussians": _eight_gaussians,
    "checkerboard": _checkerboard,
    "spiral": _spiral,
    "swiss-roll": _swiss_roll,
    "pinwheel": _pinwheel,
    "rings": _rings,
}


def points(name: str, n: int, seed: int = 0) -> Float32:
    """Draw `n` points (n, 2) of a named set.

    Raises:
        SettingError: the name is unknown, or n is not positive.
    """
    if name not in PLANES:
        raise SettingError(f"data.plane: name must be one of {', '.join(PLANES)}; got {name!r}.")
    if n < 1:
        raise SettingError(f"data.plane: n must be at least 1; got {n}. Pass for example 5000.")
    return PLANES[name](n, np.random.default_rng(seed)).astype(np.float32)


def _on_circle(angle: Float64, radius: Float64 | float) -> Float64:
    return np.column_stack([np.cos(angle), np.sin(angle)]) * np.reshape(radius, (-1, 1))
