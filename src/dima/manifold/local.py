"""Decoding from the nearest inducing points alone: local kriging of the decoder's own values.

The decoded field is smooth, so its values nearby determine it; weights of distant inducing points,
which truncating C M would simply lose, are contained in those values.
"""

import numpy as np
from scipy import sparse

from dima.manifold.kernel import affinity
from dima.threads import one_thread
from dima.typing import Array, Float64, Int32

__all__ = ["SOLVE_BYTES", "interpolate"]

SOLVE_BYTES = 64 * 2**20  # of the k x k systems that are held at a time
_LOCAL_RIDGE = 1e-9  # of a system with unit diagonal: solvable, and too little to smooth


def interpolate(
    z_ax: Float64, z_mx: Float64, ids: Int32, values_mX: Array, bandwidth: float
) -> tuple[Float64, Float64]:
    """Values (b, D) at `z_ax` (b, d), and squared distances (b,) to the nearest inducing point.

    `ids` (b, k) are the nearest inducing points `z_mx` (m, d) of each row, `values_mX` (m, D) their values.
    """
    centred = z_mx[ids] - z_ax[:, None]
    norms = (centred**2).sum(axis=2)
    inner = centred @ centred.transpose(0, 2, 1)
    d2 = np.maximum(norms[:, :, None] + norms[:, None, :] - 2 * inner, 0)
    system = affinity(d2, bandwidth) + _LOCAL_RIDGE * np.eye(ids.shape[1])
    with one_thread():
        weights = np.linalg.solve(system, affinity(norms, bandwidth)[:, :, None])[:, :, 0]
    indptr = np.arange(0, ids.size + 1, ids.shape[1])
    chosen = sparse.csr_array((weights.ravel(), ids.ravel(), indptr), shape=(len(ids), len(z_mx)))
    return chosen @ values_mX, norms.min(axis=1)
