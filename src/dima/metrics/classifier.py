"""How well a classifier tells two sets of rows apart: the part every classifier two-sample test shares."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dima.errors import SettingError
from dima.typing import Float64

__all__ = ["MOST_ROWS", "told_apart"]

MOST_ROWS = 2000  # of each set


def told_apart(
    owner: str, sets: tuple[Float64, Float64], classifiers: Sequence[Any], seed: int, folds: int
) -> list[float]:
    """Cross-validated accuracy of each scikit-learn classifier between two checked sets of rows.

    The sets (n, D) and (m, D) are cut at random to one size, at most 2,000 rows; the folds are shuffled
    and hold as many of each set.

    Raises:
        SettingError: folds below 2, or more than the rows of a set.
    """
    # scikit-learn takes half a second to import, and few metrics need it.
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    size = min(*map(len, sets), MOST_ROWS)
    if not 2 <= folds <= size:
        raise SettingError(
            f"{owner}: folds must be 2 to {size}, a set's rows; got {folds}. Lower folds or pass more."
        )
    random = np.random.default_rng(seed)
    chosen = [rows[random.permutation(len(rows))[:size]] for rows in sets]
    pooled, labels = np.concatenate(chosen), np.repeat([0, 1], size)
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return [float(cross_val_score(one, pooled, labels, cv=split).mean()) for one in classifiers]
