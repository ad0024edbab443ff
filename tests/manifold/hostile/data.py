"""Rows that people really pass, and should not have to fear: each function makes a fresh array."""

import tempfile
from pathlib import Path

import numpy as np

__all__ = ["clusters", "counts", "duplicates", "grid", "mapped", "outlier", "read_only", "sheet", "with_cell"]

N, D = 100, 4


def sheet(n=N, D=D, seed=0):
    """A smoothly bent rectangle in D dimensions: what two latents code well."""
    rng = np.random.default_rng(seed)
    u, v = 3 * rng.random(n), rng.random(n)
    bent = np.column_stack([u, v, np.sin(u), u * v / 3, np.cos(2 * v)])
    return bent @ np.random.default_rng(99).standard_normal((5, D))


def with_cell(value, dtype=float):
    """The sheet with one cell of another value."""
    X = sheet().astype(dtype)
    X[7, 1] = value
    return X


def duplicates(n_distinct=N // 10):
    """Nine rows of ten are copies of others."""
    return np.tile(sheet(n_distinct), (N // n_distinct, 1))


def clusters(n_clusters, distance=1e4):
    """Normal clusters far apart, on the corners of nothing regular."""
    rng = np.random.default_rng(0)
    centres = distance * rng.standard_normal((n_clusters, D))
    return centres[np.arange(N) % n_clusters] + rng.standard_normal((N, D))


def outlier(distance=1e6):
    """The sheet, its last row far away."""
    X = sheet()
    X[-1] += distance
    return X


def grid(n_values, n_axes):
    """Every point of an integer grid."""
    return np.stack(np.meshgrid(*[np.arange(float(n_values))] * n_axes), axis=-1).reshape(-1, n_axes)


def polygon(n_corners=60):
    """The corners of a regular polygon: every eigenvalue comes twice."""
    angle = 2 * np.pi * np.arange(n_corners) / n_corners
    return np.column_stack([np.cos(angle), np.sin(angle)])


def line(n_columns=50):
    """Points on a straight line in many dimensions."""
    rng = np.random.default_rng(0)
    return rng.random((N, 1)) * rng.standard_normal((1, n_columns))


def counts():
    """Small whole numbers, most of them zero, that follow one rate."""
    rng = np.random.default_rng(0)
    return rng.poisson(0.3 * np.exp(rng.random((N, 1)) * [2.0, 1.5, 1.0, 0.5, 0.0, 2.0])).astype(float)


def one_hot():
    """Rows with a single one."""
    return np.eye(6)[np.random.default_rng(0).integers(6, size=N)]


def zeros(value):
    """The sheet with a third of its cells replaced by a zero of either sign."""
    X = sheet()
    return np.where(np.random.default_rng(1).random(X.shape) < 0.3, value, X)


def read_only(X):
    """The same rows, not to be written to."""
    X.flags.writeable = False
    return X


def mapped(X):
    """The same rows, read from a file as they are needed."""
    path = Path(tempfile.mkdtemp(prefix="hostile-")) / "rows.npy"
    np.save(path, X)
    rows = np.load(path, mmap_mode="r", allow_pickle=False)
    path.unlink()  # the map outlives the name
    path.parent.rmdir()
    return rows
