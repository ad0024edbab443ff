"""Walking a solver table in PyTorch."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dima.noise.solver import SolverTable

__all__ = ["Row", "walk"]


class Row(NamedTuple):
    """One row of a solver table as tensors: its level, () each, and its coefficients."""

    alpha: Tensor
    sigma: Tensor
    log_snr: Tensor
    M: Tensor
    C: Tensor


Denoise = Callable[[Tensor, Row], Tensor]
Draw = Callable[[int], Tensor]


@torch.no_grad()
def walk(table: SolverTable, denoise: Denoise, x: Tensor, draw: Draw) -> Tensor:
    """Walk the table, without gradients, in the dtype and on the device of `x`.

    Args:
        table: the sampler.
        denoise: (x, row) -> clean estimate D.
        x: state before the first row.
        draw: row number -> standard normal draws of the shape of `x`.

    Returns:
        The state after the last row, of the shape of `x`.

    Example:
        >>> from dima.noise import solver
        >>> table = solver.build("ddim", [0.0, 0.6, 1.0], [1.0, 0.8, 0.0])
        >>> walk(table, lambda x, row: 2.0 + 0 * x, torch.ones(3), lambda i: torch.zeros(3)).tolist()
        [2.0, 2.0, 2.0]
    """
    # Converted once: a NumPy scalar in the loop would promote the dtype and wait for the device.
    columns = (table.alpha[:-1], table.sigma[:-1], table.log_snr, table.M, table.C)
    rows = zip(*(torch.as_tensor(c, dtype=x.dtype, device=x.device) for c in columns), strict=True)
    anchor, history = x, [torch.zeros_like(x)] * table.depth
    for i, row in enumerate(map(Row._make, rows)):
        history = [denoise(x, row), *history[:-1]]
        anchor, moved = torch.tensordot(row.M, torch.stack([anchor, x, *history]), dims=1)
        x = moved + row.C * draw(i)
    return x
