"""Eigenpairs of dense symmetric matrices, on as many threads as pay."""

import contextlib

import scipy.linalg

from dima.threads import one_thread
from dima.typing import Array, Float64

__all__ = ["eigh"]

_SMALL = 1500  # rows below which threads wait for each other longer than they compute


def eigh(A: Array) -> tuple[Float64, Float64]:
    """All eigenvalues (n,), rising, and eigenvectors (n, n) of the symmetric `A` (n, n).

    A matrix of a thousand rows takes 0.2 s on one core and, where the other is busy, four times that on two.
    """
    with one_thread() if len(A) < _SMALL else contextlib.nullcontext():
        values, vectors = scipy.linalg.eigh(A, driver="evd")
    return values, vectors
