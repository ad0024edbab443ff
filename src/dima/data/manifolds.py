"""Data sets that need no download: digits, and generated manifolds with a known chart."""

import numpy as np

from dima.blocks import row_blocks, rows_within
from dima.errors import SettingError
from dima.typing import Array, Float32, Float64

__all__ = ["digits", "embedded_manifold", "isometric_roll", "s_curve", "swiss_roll"]

ROLL_LENGTH = 60.0
ROLL_WIDTH = 10.0
_ROLL_START = 1.5 * np.pi  # angle at which the spiral starts
_FEATURES = 128
_BLOCK_BYTES = 64 * 2**20


def digits() -> tuple[Float32, Array]:
    """Handwritten digits of 8 x 8 pixels: values (1797, 64) in 0 .. 16, and labels (1797,) 0 .. 9.

    Source: scikit-learn's `load_digits`, the test part of UCI's "Optical Recognition of
    Handwritten Digits" (Alpaydin and Kaynak 1998).
    """
    # scikit-learn is slow to import, and only this set needs it.
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    return values.astype(np.float32), labels


def swiss_roll(n: int, noise: float = 0.0, seed: int = 0) -> tuple[Float64, Float64]:
    """A rectangle rolled up in space; rows are denser where the roll is tight.

    `noise` is the standard deviation of Gaussian noise on each coordinate.

    Returns:
        X (n, 3), and its chart (n, 2): angle 1.5 pi .. 4.5 pi, and height 0 .. 21.

    Source: Marsland 2009, "Machine Learning: An Algorithmic Perspective", ch. 10, as in scikit-learn.

    Example:
        >>> X, chart = swiss_roll(500, noise=0.1)
        >>> X.shape, chart.shape
        ((500, 3), (500, 2))
    """
    random = _random("swiss_roll", n, seed)
    angle = 1.5 * np.pi * (1.0 + 2.0 * random.random(n))
    height = 21.0 * random.random(n)
    X = np.column_stack([angle * np.cos(angle), height, angle * np.sin(angle)])
    return X + noise * random.standard_normal(X.shape), np.column_stack([angle, height])


def s_curve(n: int, noise: float = 0.0, seed: int = 0) -> tuple[Float64, Float64]:
    """A rectangle bent isometrically into the letter S; `noise` as in `swiss_roll`.

    Returns:
        X (n, 3), and its chart (n, 2): angle -1.5 pi .. 1.5 pi, also the arc length, and height 0 .. 2.

    Source: scikit-learn's `make_s_curve`.
    """
    random = _random("s_curve", n, seed)
    angle = 3.0 * np.pi * (random.random(n) - 0.5)
    height = 2.0 * random.random(n)
    X = np.column_stack([np.sin(angle), height, np.sign(angle) * (np.cos(angle) - 1.0)])
    return X + noise * random.standard_normal(X.shape), np.column_stack([angle, height])


def isometric_roll(n: int, seed: int = 0) -> tuple[Float64, Float64]:
    """A 60 x 10 rectangle, uniformly filled, rolled up without stretching.

    Distances along the roll are distances in the chart: the spiral r = angle is walked at unit speed.

    Returns:
        X (n, 3), and its chart (n, 2): arc length 0 .. 60, and height 0 .. 10.

    Source: arXiv 2603.28037.
    """
    random = _random("isometric_roll", n, seed)
    length, height = ROLL_LENGTH * random.random(n), ROLL_WIDTH * random.random(n)
    angle = _spiral_angle(length)
    X = np.column_stack([angle * np.cos(angle), height, angle * np.sin(angle)])
    return X, np.column_stack([length, height])


def embedded_manifold(n: int, D: int, d: int = 6, noise: float = 0.05, seed: int = 0) -> Float32:
    """Rows (n, D) on a smooth curved d-dimensional manifold, plus noise; made in blocks of at most 64 MB.

    They are random waves of d uniform latents, mixed linearly: before the noise, which is as in
    `swiss_roll`, each coordinate has a standard deviation of about 0.75.

    Source: random Fourier features, Rahimi and Recht 2007.
    """
    random = _random("embedded_manifold", n, seed)
    frequency = random.standard_normal((d, _FEATURES)) * np.sqrt(3.0 / d)
    phase = random.uniform(0.0, 2.0 * np.pi, _FEATURES)
    mixing = (random.standard_normal((_FEATURES, D)) * np.sqrt(2.0 / _FEATURES)).astype(np.float32)
    latent = random.uniform(-1.0, 1.0, (n, d))
    X = np.empty((n, D), np.float32)
    for rows in row_blocks(n, rows_within(8 * max(D, _FEATURES), _BLOCK_BYTES)):
        waves = np.cos(latent[rows] @ frequency + phase).astype(np.float32)
        np.matmul(waves, mixing, out=X[rows])
        X[rows] += np.float32(noise) * random.standard_normal(X[rows].shape, dtype=np.float32)
    return X


def _spiral_angle(length: Float64) -> Float64:
    """Angle on the spiral r = angle at an arc length from its start, by Newton's method.

    The arc length from the centre is (a sqrt(1 + a^2) + asinh a) / 2, its slope sqrt(1 + a^2).
    """
    goal = length + _arc_length(np.array(_ROLL_START))
    angle = np.sqrt(2.0 * goal)
    for _ in range(6):  # convex and well started: two more than double precision needs
        angle = angle - (_arc_length(angle) - goal) / np.sqrt(1.0 + angle**2)
    return angle


def _arc_length(angle: Float64) -> Float64:
    return 0.5 * (angle * np.sqrt(1.0 + angle**2) + np.arcsinh(angle))


def _random(owner: str, n: int, seed: int) -> np.random.Generator:
    if n < 1:
        raise SettingError(f"{owner}: n must be at least 1; got {n}. Ask for a row or more.")
    if seed < 0:
        raise SettingError(f"{owner}: seed must be 0 or more; got {seed}. Pass a whole number.")
    return np.random.default_rng(seed)
