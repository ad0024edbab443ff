"""How many neighbours a diffusion map takes, and what memory its fit to n rows needs."""

from typing import Any

import numpy as np

from dima import memory
from dima.errors import SettingError, ShapeError

__all__ = [
    "DIMENSION",
    "FEWEST",
    "asked_neighbours",
    "fit_bytes",
    "most_neighbours",
    "refuse_too_large",
    "table_shape",
    "usual_neighbours",
]

FEWEST = 16  # neighbours below which a graph of real data tends to fall apart
_MOST = 512  # beyond which memory grows and the error hardly falls
_MOST_EDGES = 64_000_000  # of a graph whose k is not given: some 4 GB
DIMENSION = 2  # for which neighbours are taken when d is not given
_BYTES_BLOCK = 200_000_000  # of the distances that are held at a time, and what they are searched with
# As measured of peaks of the resident set: for each edge of a graph half of whose edges are mutual, for each
# value in the search, and for each row with its modes.
_BYTES_EDGE, _BYTES_VALUE, _BYTES_ROW = 63, 8, 1000


def usual_neighbours(d: int | None, n: int) -> int:
    """Neighbours taken for `d` coordinates of `n` rows when k is not given, where there are as many."""
    return max(FEWEST, min(most_neighbours(n), int(np.ceil(2 * (d or DIMENSION) * np.log2(n)))))


def most_neighbours(n: int) -> int:
    """The most that are taken of `n` rows without being asked for."""
    return max(FEWEST, min(_MOST, _MOST_EDGES // n))


def asked_neighbours(settings_used: dict[str, Any], most: int, what: str, n: int) -> int:
    """Neighbours as asked for, or as usual for `n` rows, at `most` so many, which are called `what`.

    Raises:
        SettingError: more are asked for.
    """
    k: int | None = settings_used["k"]
    if k is None:
        return min(most, usual_neighbours(settings_used["d"], n))
    if k > most:
        fix = "Lower k or pass more rows."
        raise SettingError(f"DMAP: k must be at most {what} = {most}; got {k}. {fix}")
    return k


def table_shape(owner: str, shape: Any) -> tuple[int, int]:
    """Rows and columns (n, D) of a table that is only spoken of.

    Raises:
        ShapeError: no two whole numbers from 1.
    """
    sizes = tuple(shape) if isinstance(shape, tuple | list) else ()
    if len(sizes) != 2 or any(not isinstance(size, int | np.integer) or size < 1 for size in sizes):
        got = repr(shape) if isinstance(shape, tuple | list) else f"a {type(shape).__name__}"
        raise ShapeError(f"{owner}: shape must be two whole numbers (n, D) from 1; got {got}. Pass X.shape.")
    return int(sizes[0]), int(sizes[1])


def fit_bytes(n: int, D: int, k: int) -> int:
    """Memory that the fit to distinct rows (n, D) takes beside them at its peak, in bytes."""
    search = _BYTES_BLOCK + n * (_BYTES_VALUE * D + 8 * k)
    graph = n * (_BYTES_EDGE * k + _BYTES_ROW)
    return 4 * n * D + max(search, graph)


def refuse_too_large(n: int, D: int, k: int) -> None:
    """Refuse a fit for which there is no memory, with the k for which there is.

    Raises:
        MemoryBudgetError: there is none.
    """
    wanted = fit_bytes(n, D, k)
    free = (memory.available_bytes() or 0) / n - 4 * D  # for each row
    search, graph = (free - _BYTES_BLOCK / n - _BYTES_VALUE * D) / 8, (free - _BYTES_ROW) / _BYTES_EDGE
    fewer = int(min(search, graph))
    fix = f"Lower k to {fewer}." if fewer >= FEWEST else "Pass fewer rows."
    memory.refuse_beyond("DMAP", f"a fit to {n} rows with k = {k}", wanted, fix)
