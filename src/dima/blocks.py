"""Blocks of rows under a memory budget: the one loop over data too large to hold at once."""

from collections.abc import Iterator

__all__ = ["BLOCK_BYTES", "row_blocks", "rows_within"]

BLOCK_BYTES = 256 * 2**20


def rows_within(bytes_per_row: int, budget: int = BLOCK_BYTES) -> int:
    """Rows whose working memory stays within the budget in bytes; at least one.

    Example:
        >>> rows_within(2**20)
        256
    """
    return max(1, budget // max(1, bytes_per_row))


def row_blocks(n: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most `size` rows that cover `n` rows.

    Example:
        >>> list(row_blocks(5, 2))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    yield from (slice(start, min(start + size, n)) for start in range(0, n, size))
