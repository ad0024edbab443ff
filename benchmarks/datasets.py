"""Data for both sides of a comparison; NumPy alone, as the sides cannot share an environment."""

import gzip
import os
from pathlib import Path

import numpy as np


def manifold(n: int, D: int, d: int = 6, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    """A smooth d-dimensional manifold in R^D: random Fourier features of uniform coordinates, plus noise."""
    rng = np.random.default_rng(seed)
    chart = rng.uniform(-1, 1, (n, d))
    waves = np.cos(chart @ (1.5 * rng.standard_normal((d, 64))) + rng.uniform(0, 2 * np.pi, 64))
    rows = waves @ (rng.standard_normal((64, D)) / 8)
    return (rows + noise * rng.standard_normal((n, D))).astype(np.float32)


def mnist(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The first n training images and the first 2,000 test images, rows of 784 pixels in [0, 1]."""
    folder = Path(os.environ["DIMA_DATA"]) / "mnist"
    sets = []
    for part, most in (("train", n), ("t10k", 2000)):
        raw = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
        pixels = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784)[:most]
        sets.append(pixels.astype(np.float32) / 255)
    return sets[0], sets[1]
