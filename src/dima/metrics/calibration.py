"""Whether probabilities are kept: of all that was called 80 % sure, are 80 % right?"""

import numpy as np

from dima import check
from dima.errors import DataError, SettingError
from dima.typing import ArrayLike

__all__ = ["expected_calibration_error"]

_ROUNDING = 1e-3  # by which a row of probabilities may miss a sum of one


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = 15) -> float:
    """Mean distance between how sure a classifier is and how often it is right, over bins of sureness.

    The probability of the likeliest class falls into one of `bins` equal parts of [0, 1]; each part counts
    by its rows: sum over parts of (rows / n) |accuracy - mean probability|. From 0 (kept) to 1.
    Source: Guo, Pleiss, Sun and Weinberger 2017, arXiv 1706.04599, eq. 3.

    Args:
        probabilities: (n, c), rows that sum to one.
        labels: (n,) whole numbers from 0 to c - 1, the columns of `probabilities`.
        bins: parts of [0, 1].

    Raises:
        DimaError: as `check.array`; a DataError if rows are no probabilities, or labels no columns.
        SettingError: no bin.

    Example:
        >>> expected_calibration_error([[0.75, 0.25]] * 4, [0, 0, 0, 1])  # 75 % sure, 3 of 4 right
        0.0
    """
    owner = "expected_calibration_error"
    if bins < 1:
        raise SettingError(f"{owner}: bins must be at least 1; got {bins}. Raise it.")
    p = check.array(owner, "probabilities", probabilities, ("n", "c")).astype(np.float64, copy=False)
    fix = "Number them as the columns."
    truth = check.labels(owner, "labels", labels, len(p), p.shape[1], fix)
    off = max(float(np.abs(p.sum(axis=1) - 1.0).max()), -float(p.min()))
    if off > _ROUNDING:
        rule = "at least 0 and sum to 1 in each row"
        raise DataError(f"{owner}: probabilities must be {rule}; got rows off by {off:.3g}. Pass a softmax.")
    sure, is_right = p.max(axis=1), p.argmax(axis=1) == truth
    # Part i is (i / bins, (i + 1) / bins], as in the source: sureness 1 belongs to the last.
    part = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(part, weights=is_right - sure, minlength=bins)
    return float(np.abs(gaps).sum() / len(p))
