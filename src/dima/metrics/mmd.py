"""The unbiased maximum mean discrepancy of any kernel, with every permutation from one pass."""

from collections.abc import Iterable

import numpy as np

from dima.errors import DataError, SettingError
from dima.typing import Array, Float64

__all__ = ["check_sizes", "unbiased_mmd"]


def check_sizes(owner: str, n: int, m: int, n_permutations: int) -> None:
    """Raise DataError for sets without a pair of rows, SettingError for fewer than no permutations."""
    if min(n, m) < 2:
        raise DataError(f"{owner}: X and Y must have at least 2 rows each; got {n} and {m}. Pass more rows.")
    if n_permutations < 0:
        raise SettingError(f"{owner}: n_permutations must be at least 0; got {n_permutations}. Raise it.")


def unbiased_mmd(
    blocks: Iterable[tuple[slice, Array]], diagonal: Float64, n: int, n_permutations: int, seed: int
) -> tuple[float, float]:
    """Squared MMD of the first `n` of the pooled rows from the others, and its permutation p.

    With a 0/1 column for each relabelling, the three sums of the statistic are quadratic forms in it: one
    pass over the Gram matrix serves them all.

    Args:
        blocks: the Gram matrix of the pooled rows, as blocks (rows, n + m) of its rows.
        diagonal: its diagonal (n + m,), no pair of two rows.
        n: rows of the first set; 2 <= n <= n + m - 2.
        n_permutations: relabellings to compare with.
        seed: of the relabellings.

    Returns:
        The statistic; and p, the share of relabellings at least as far apart, NaN without them.

    Source: Gretton, Borgwardt, Rasch, Scholkopf, Smola 2012, "A kernel two-sample test", eq. 3.
    """
    m = len(diagonal) - n
    in_x = _relabellings(n, m, n_permutations, seed)
    within_x, total_x, total = np.zeros(in_x.shape[1]), np.zeros(in_x.shape[1]), 0.0
    for block, kernel in blocks:
        within_x += np.einsum("ip,ip->p", in_x[block], kernel @ in_x)
        row_sums = kernel.sum(axis=1)
        total_x += row_sums @ in_x[block]
        total += float(row_sums.sum())
    between = total_x - within_x
    within_y = total - total_x - between
    own_x = diagonal @ in_x
    statistic = (within_x - own_x) / (n * (n - 1)) + (within_y - (diagonal.sum() - own_x)) / (m * (m - 1))
    statistic -= 2.0 * between / (n * m)
    observed, others = float(statistic[0]), statistic[1:]
    # Equal relabellings may differ by rounding: they count as at least as far.
    far = int(np.count_nonzero(others >= observed - 1e-12 * float(diagonal.max())))
    return observed, (1 + far) / (1 + n_permutations) if n_permutations else float("nan")


def _relabellings(n: int, m: int, count: int, seed: int) -> Float64:
    """Columns (n + m, 1 + count) with ones for the rows called X: the true labels come first."""
    truth = np.repeat([1.0, 0.0], [n, m])
    random = np.random.default_rng(seed)
    return np.column_stack([truth, *(random.permutation(truth) for _ in range(count))])
