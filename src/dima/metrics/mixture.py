"""A Gaussian mixture that chooses its own size: the plain rival of every generator of rows."""

import warnings
from typing import TYPE_CHECKING

import numpy as np

from dima import check
from dima.errors import DataError, SettingError
from dima.threads import one_thread
from dima.typing import Array, ArrayLike

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

__all__ = ["fit_mixture"]

_COVARIANCES = ("full", "diag", "tied")
_RIDGE = 1e-4  # added to each variance
_COMPARED = 5000  # rows that sizes are compared on; the best is fitted to all
_ROWS_EACH = 3  # fewer rows to a component than this are learnt by heart


def fit_mixture(X: ArrayLike, seed: int = 0, most: int = 10) -> "GaussianMixture":
    """The Gaussian mixture of least BIC: 1 to `most` components, covariances full, diagonal or tied.

    There are never more components than a third of the rows, nor than different rows. 1e-4 is added to
    each variance, so that a constant column or repeated rows do no harm; standardise the columns first.
    The search stops at the iterations scikit-learn allows, without a warning: the best found is taken.
    Source: Fraley and Raftery 2002, "Model-based clustering, discriminant analysis, and density
    estimation", sec. 2.4.

    Args:
        X: rows (n, D), at least two.
        seed: of the first guesses.
        most: components at most.

    Raises:
        DimaError: as `check.array`; a DataError for a single row.
        SettingError: most is below 1.

    Example:
        >>> line = np.linspace(-1, 1, 30)[:, None]
        >>> fit_mixture(np.concatenate([line - 5, line + 5])).n_components
        2
    """
    # scikit-learn takes half a second to import, and few metrics need it.
    from sklearn.exceptions import ConvergenceWarning

    rows = check.array("fit_mixture", "X", X).astype(np.float64, copy=False)
    if len(rows) < 2:
        raise DataError(f"fit_mixture: X must hold at least 2 rows; got {len(rows)}. Pass more rows.")
    if most < 1:
        raise SettingError(f"fit_mixture: most must be at least 1; got {most}. Raise it.")
    most = min(most, max(1, len(rows) // _ROWS_EACH), len(np.unique(rows, axis=0)))
    # Of products this small a second thread only waits: seven times the seconds, measured at 60 x 6.
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        few = rows if len(rows) <= _COMPARED else _some(rows, seed)
        fits = [_fit(few, size, kind, seed) for kind in _COVARIANCES for size in range(1, most + 1)]
        best = min(fits, key=lambda mixture: mixture.bic(few))
        return best if len(few) == len(rows) else _fit(rows, best.n_components, best.covariance_type, seed)


def _fit(X: Array, size: int, kind: str, seed: int) -> "GaussianMixture":
    from sklearn.mixture import GaussianMixture

    return GaussianMixture(size, covariance_type=kind, reg_covar=_RIDGE, random_state=seed).fit(X)


def _some(rows: Array, seed: int) -> Array:
    return rows[np.random.default_rng(seed).permutation(len(rows))[:_COMPARED]]
