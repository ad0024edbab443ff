"""Leading eigenpairs of the Markov graph, with its exactly known ones taken out first.

Every connected component contributes the eigenvalue one with a known eigenvector, sqrt(pi) on that
component. They are deflated, so that a solver never has to find a multiple eigenvalue, and come
back as contrasts between components.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import scipy.linalg
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from dima import threads
from dima.errors import NumericsError
from dima.manifold.graph import MarkovGraph, rows_of
from dima.manifold.parts import connected
from dima.typing import Float64, Int32

__all__ = ["diffusion_modes", "fix_signs", "shared_product"]

_DENSE_ROWS = 1000  # beyond them Lanczos is as good and up to eight times as fast
_TOLERANCE = 1e-10
_RESTARTS = 1000  # of Lanczos; what has not converged then hardly ever does
_SHARED = 1_000_000  # stored numbers from which threads share a product


def diffusion_modes(graph: MarkovGraph, n_modes: int, seed: int) -> tuple[Float64, Float64, int]:
    """Eigenvalues (n_modes,), right eigenvectors (n, n_modes) of P, and the number of components.

    The constant mode is left out. Modes are orthonormal under the stationary distribution, in
    falling order, with fixed signs. Fewer come back when the graph has fewer.
    """
    off, diagonal = graph.conjugate()
    n_components, labels = connected(off)
    root = np.sqrt(graph.stationary_i)
    contrasts = _contrasts(labels, root[:, None], min(n_components - 1, n_modes))
    ones = np.ones(contrasts.shape[1])
    wanted = min(n_modes - len(ones), len(labels) - n_components)
    if wanted <= 0:
        return ones, contrasts, n_components
    solve = _dense if len(labels) <= _DENSE_ROWS else _lanczos
    values, conjugate_modes = solve(off, diagonal, labels, root, wanted, seed)
    modes = fix_signs(conjugate_modes / root[:, None])
    return np.concatenate([ones, values]), np.hstack([contrasts, modes]), n_components


def fix_signs(vectors_ix: Float64) -> Float64:
    """Make each column's third moment positive; a symmetric column's largest entry positive."""
    cubes = (vectors_ix**3).sum(axis=0)
    size = (np.abs(vectors_ix) ** 3).sum(axis=0)
    largest = np.take_along_axis(vectors_ix, np.abs(vectors_ix).argmax(axis=0)[None], axis=0)[0]
    leading = np.where(np.abs(cubes) > 1e-6 * size, cubes, largest)
    return vectors_ix * np.where(leading < 0, -1.0, 1.0)


def _contrasts(labels: Int32, root: Float64, n_contrasts: int) -> Float64:
    """Orthonormal step functions that tell components apart, the larger components first."""
    largest = np.argsort(-np.bincount(labels), kind="stable")[:n_contrasts]
    indicators = (labels[:, None] == largest).astype(np.float64)
    orthonormal, _ = np.linalg.qr(root * np.hstack([np.ones((len(labels), 1)), indicators]))
    return fix_signs((orthonormal / root)[:, 1:])


def _dense(
    off: sparse.csr_array, diagonal: Float64, labels: Int32, root: Float64, wanted: int, _seed: int
) -> tuple[Float64, Float64]:
    n = len(labels)
    dense = off.toarray()
    dense[np.diag_indices(n)] += diagonal
    # Deflated pairs move to -1, below everything wanted, not to 0, where true modes may lie.
    known = np.zeros((n, labels.max() + 1))
    known[np.arange(n), labels] = root
    known /= np.linalg.norm(known, axis=0)
    dense -= 2 * known @ known.T
    values, vectors = scipy.linalg.eigh(dense, subset_by_index=[n - wanted, n - 1])
    return values[::-1], vectors[:, ::-1]


def _lanczos(
    off: sparse.csr_array, diagonal: Float64, labels: Int32, root: Float64, wanted: int, seed: int
) -> tuple[Float64, Float64]:
    mass = np.bincount(labels, weights=root**2)

    start = np.random.default_rng(seed).standard_normal(len(labels))
    try:
        with shared_product(off) as product:

            def deflated(x: Float64) -> Float64:
                flat = x.ravel()
                known = np.bincount(labels, weights=root * flat) / mass
                return product(flat) + diagonal * flat - 2 * root * known[labels]

            operator = LinearOperator(off.shape, matvec=deflated, dtype=np.float64)
            given = {"which": "LA", "v0": start, "tol": _TOLERANCE, "maxiter": _RESTARTS}
            values, vectors = eigsh(operator, k=wanted, **given)
    except ArpackNoConvergence as stopped:
        got = f"{len(stopped.eigenvalues)} of {wanted}. Lower d, raise k or raise eps."
        raise NumericsError(f"DMAP: eigenpairs must be converged; got {got}") from None
    order = np.argsort(-values)
    return values[order], vectors[:, order]


@contextlib.contextmanager
def shared_product(matrix: sparse.csr_array) -> Iterator[Callable[[Float64], Float64]]:
    """The product (n,) by a vector (n,); of many numbers the rows on as many threads as are allowed.

    Each row is summed as it would be on one.
    """
    n_parts = threads.allowed() if matrix.nnz >= _SHARED else 1
    if n_parts == 1:
        yield matrix.__matmul__
        return
    ends = np.searchsorted(matrix.indptr, np.linspace(0, matrix.nnz, n_parts + 1))
    parts = [rows_of(matrix, slice(*both)) for both in pairwise(ends)]
    # Those of BLAS would wait for work between products, and keep the cores from it.
    with threads.one_thread(), ThreadPoolExecutor(n_parts) as pool:
        yield lambda x: np.concatenate(list(pool.map(lambda part: part @ x, parts)))
