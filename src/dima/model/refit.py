"""A diffusion map and a decoder again, of some of the rows: settings that count rows go with their number."""

from sklearn.base import clone

from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.manifold.rows import DistinctRows
from dima.typing import Array

__all__ = ["neighbours_share", "of_fewer"]


def of_fewer(dmap: DMAP, gplm: GPLM, rows: Array, share: float) -> tuple[DMAP, GPLM]:
    """Map and decoder, unfitted, for some of the rows (n, D) that their settings are for.

    There are at least two neighbours, and never more of them, or coordinates, than rows that differ, nor more
    inducing points than rows.

    Args:
        dmap: with the settings of all rows.
        gplm: with the settings of all rows.
        rows: (n, D) some of them, not all equal.
        share: of the neighbours.
    """
    n_distinct = len(DistinctRows.of(rows, "DMAP").R_uX)
    fewer, decoder = clone(dmap), clone(gplm)
    if dmap.k is not None:
        fewer.set_params(k=max(2, min(n_distinct, round(dmap.k * share))))
    if dmap.d is not None:
        fewer.set_params(d=min(dmap.d, n_distinct - 1 + (not dmap.drop_trivial)))
    for name in ("m", "k_eps", "pred_k"):
        if (count := getattr(gplm, name)) is not None:
            decoder.set_params(**{name: min(count, len(rows))})
    return fewer, decoder


def neighbours_share(share: float, d: int) -> float:
    """The share of the neighbours that goes with a share of the rows, on a sheet of `d` dimensions.

    Neighbours go with n^(6 / (6 + d)), the bandwidth with n^(-2 / (6 + d)).
    Source: Singer 2006, where bias and variance of the graph Laplacian balance.
    """
    return share ** (6 / (6 + d))
