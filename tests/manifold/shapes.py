"""Point sets whose geometry is known, and how two embeddings are compared."""

import numpy as np

from close import assert_close

__all__ = [
    "R_AX",
    "R_AX_DATA",
    "R_IX",
    "R_IX_DATA",
    "affine_error",
    "assert_same_up_to_sign",
    "blobs",
    "cloud",
    "modes_of_strip",
    "sheet",
    "smooth",
    "strip",
]


def cloud(n, D, seed=0):
    """Normal points, (n, D)."""
    return np.random.default_rng(seed).standard_normal((n, D))


def sheet(n, D=5, seed=0):
    """A smoothly bent rectangle of sides 3 and 1 in D dimensions: connected, no repeated eigenvalues."""
    rng = np.random.default_rng(seed)
    u, v = 3 * rng.random(n), rng.random(n)
    bent = np.column_stack([u, v, np.sin(u), u * v / 3, np.cos(2 * v)])
    return bent @ np.random.default_rng(99).standard_normal((5, D))


def blobs(sizes, distance=1000.0, D=3, seed=0):
    """Normal clusters of these sizes, far apart on a line, in the order of the list."""
    centres = np.repeat(distance * np.arange(len(sizes)), sizes)
    return cloud(sum(sizes), D, seed) + centres[:, None]


def smooth(n, d=2, D=4, seed=0):
    """Latents in a square and data that depend smoothly on them."""
    R_ix = np.random.default_rng(seed).uniform(-2, 2, (n, d))
    waves = np.random.default_rng(99).standard_normal((d, D))
    return R_ix, np.sin(R_ix @ waves) + 5.0


def strip(a, seed=0, across=18):
    """A rectangle a x 1, a point somewhere in each of its cells: evenly filled, and no grid."""
    along = round(a * across)
    cells = np.stack(np.meshgrid(np.arange(along), np.arange(across)), axis=-1).reshape(-1, 2)
    placed = cells + np.random.default_rng(seed).random(cells.shape)
    return placed * [a / along, 1.0 / across]


def modes_of_strip(points, a, r):
    """cos(i pi x / a) cos(j pi y), the `r` slowest, by falling exp(-(i^2 / a^2 + j^2)), and their (i, j)."""
    waves = sorted(((i, j) for i in range(60) for j in range(20)), key=lambda w: w[0] ** 2 / a**2 + w[1] ** 2)
    waves = np.array(waves[1 : r + 1])
    return np.cos(np.pi * points[:, None] * waves / [a, 1.0]).prod(axis=2), waves.tolist()


def affine_error(found, chart, found_new, chart_new):
    """Relative Frobenius error of a new chart by the affine map that reads the chart from coordinates."""
    known, new = (np.column_stack([np.ones(len(x)), x]) for x in (found, found_new))
    read = new @ np.linalg.lstsq(known, chart)[0]
    return np.linalg.norm(read - chart_new) / np.linalg.norm(chart_new - chart_new.mean(axis=0))


R_IX, R_IX_DATA = smooth(120)
R_AX, R_AX_DATA = smooth(50, seed=1)


def assert_same_up_to_sign(actual, expected, atol):
    signs = np.sign((actual * expected).sum(axis=0))
    assert_close(actual * signs, expected, atol=atol)
