"""How the kernel decoder moves when a latent does, in closed form, and the metric that it pulls back.

    dR_aX / dz_ax = sum_m 2 (z_mx - z_ax) / bandwidth * C_am M_mX,    G_a = J_a' J_a

`G` measures on latents the lengths that their images have among the data.
"""

from collections.abc import Callable, Iterator

import numpy as np

from dima.blocks import row_blocks, rows_within
from dima.manifold.kernel import affinity
from dima.metrics.distance import distance_matrix
from dima.typing import Array, Float64

__all__ = ["derivative", "pulled_along", "pulled_back", "slope_blocks"]

_NUMBER = 8  # bytes
_COPIES = 4  # of a block of derivatives that are held at a time


def derivative(z_ax: Float64, z_mx: Float64, M_mX: Float64, bandwidth: float) -> Float64:
    """Derivatives (b, D, d) of exp(-|z_a - z_m|^2 / bandwidth) M_mX at `z_ax` (b, d).

    Cost: O(b m D d) time; the result, and two blocks of affinities.
    """
    slopes = np.empty((len(z_ax), M_mX.shape[1], z_ax.shape[1]))
    for rows in row_blocks(len(z_ax), rows_within(2 * _NUMBER * len(z_mx))):
        C_am = affinity(distance_matrix(z_ax[rows], z_mx), bandwidth)
        for axis in range(z_ax.shape[1]):
            # Differences first: far from the origin, two products would cancel.
            apart = z_mx[:, axis] - z_ax[rows, axis, None]
            slopes[rows, :, axis] = (apart * C_am) @ M_mX
    slopes *= 2 / bandwidth
    return slopes


def pulled_along(z_ax: Float64, z_mx: Float64, weights_am: Float64, bandwidth: float) -> Float64:
    """Sums (b, d) over m of 2 (z_mx - z_ax) / bandwidth times weights (b, m)."""
    pulled = np.empty_like(z_ax)
    for axis in range(z_ax.shape[1]):
        apart = z_mx[:, axis] - z_ax[:, axis, None]
        pulled[:, axis] = np.einsum("am,am->a", apart, weights_am)
    return pulled * (2 / bandwidth)


def slope_blocks(
    jacobian: Callable[[Array], Float64], Z: Array, width: int
) -> Iterator[tuple[slice, Float64]]:
    """Derivatives (rows, D, d) at `Z` (b, d), by blocks of rows that fit into memory, where D is `width`."""
    for rows in row_blocks(len(Z), rows_within(_COPIES * _NUMBER * width * Z.shape[1])):
        yield rows, jacobian(Z[rows])


def pulled_back(jacobian: Callable[[Array], Float64], Z: Array, width: int) -> Float64:
    """The metric J'J (b, d, d) at latents `Z` (b, d) of a decoder with these derivatives (b, D, d)."""
    metric = np.empty((len(Z), Z.shape[1], Z.shape[1]))
    for rows, slopes in slope_blocks(jacobian, Z, width):
        metric[rows] = slopes.transpose(0, 2, 1) @ slopes
    return metric
