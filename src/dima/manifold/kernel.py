"""The decoder's kernel and the features it becomes once whitened over the inducing points.

    phi(z) = Lambda^-1/2 V' k(Z_m, z)   with   K_mm = V Lambda V'

Directions whose eigenvalue is rounding noise are dropped, so that nothing here needs a jitter to be
solvable, and inner products of features are the Nystrom approximation of the kernel.
Source: Williams and Seeger 2001.
"""

import numpy as np

from dima.manifold.eigen import eigh
from dima.typing import Float64

__all__ = ["affinity", "excited", "whitening"]


def affinity(d2: Float64, bandwidth: float) -> Float64:
    """Gaussian kernel exp(-d2 / bandwidth)."""
    exponent = d2 / -bandwidth
    return np.exp(exponent, out=exponent)


def whitening(K_mm: Float64, jitter: float) -> Float64:
    """(m, r) matrix W with W' K_mm W = 1, of the r eigenvalues above `jitter` times the largest."""
    values, vectors = eigh(K_mm)
    kept = values > jitter * values[-1]
    return vectors[:, kept] / np.sqrt(values[kept])


def excited(gram: Float64) -> tuple[Float64, Float64]:
    """Eigenvalues (s,) and eigenvectors (r, s) of the features' Gram matrix (r, r) that data excite.

    Without a ridge, the other directions would explode; with one, they carry nothing.
    """
    values, vectors = eigh(gram)
    kept = values > np.finfo(float).eps * len(values) * values[-1]
    return values[kept], vectors[:, kept]
