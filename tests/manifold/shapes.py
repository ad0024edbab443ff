"""Point sets whose geometry is known, and how two embeddings are compared."""

import numpy as np

from close import assert_close

__all__ = [
    "R_AX",
    "R_AX_DATA",
    "R_IX",
    "R_IX_DATA",
    "assert_same_up_to_sign",
    "blobs",
    "cloud",
    "sheet",
    "smooth",
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


R_IX, R_IX_DATA = smooth(120)
R_AX, R_AX_DATA = smooth(50, seed=1)


def assert_same_up_to_sign(actual, expected, atol):
    signs = np.sign((actual * expected).sum(axis=0))
    assert_close(actual * signs, expected, atol=atol)
