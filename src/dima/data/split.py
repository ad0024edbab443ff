"""Train and test rows, as a pure function of the number of rows, the share and a seed."""

import numpy as np

from dima.errors import SettingError
from dima.typing import Array, ArrayLike

__all__ = ["train_test"]


def train_test(
    n: int, test_fraction: float, seed: int, labels: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Split n rows at random into two sets that share none.

    At least one row goes each way; `test_fraction` is the share held out: of each class to within a row,
    where `labels` (n,) are given.

    Returns:
        train_idx (n - n_test,) and test_idx (n_test,), int64 in random order: the first rows of either
        are a random subset of it, however the data were sorted.

    Raises:
        SettingError: n is below 2, the share not between 0 and 1, or the seed negative.

    Example:
        >>> train, test = train_test(10, test_fraction=0.3, seed=0)
        >>> len(train), len(test)
        (7, 3)
    """
    if n < 2:
        raise SettingError(f"train_test: n must be at least 2; got {n}. Pass more rows.")
    if not 0.0 < test_fraction < 1.0:
        fix = "Pass for example 0.2 to hold out a fifth."
        raise SettingError(f"train_test: test_fraction must be between 0 and 1; got {test_fraction}. {fix}")
    if seed < 0:
        raise SettingError(f"train_test: seed must be 0 or more; got {seed}. Pass 0.")
    n_test = min(max(round(n * test_fraction), 1), n - 1)
    order = np.random.default_rng(seed).permutation(n)
    if labels is None:
        return order[n_test:], order[:n_test]
    # Class by class, every so many rows is held out: the same share of each, and the whole number of all.
    classes = np.unique(np.asarray(labels), return_inverse=True)[1]
    by_class = order[np.argsort(classes[order], kind="stable")]
    is_test = np.isin(order, by_class[((np.arange(n_test) + 0.5) * n / n_test).astype(int)])
    is_seen = np.bincount(classes[order[~is_test]], minlength=classes.max() + 1) > 0
    is_test &= is_seen[classes[order]]  # a class that is only held out could not be judged
    return order[~is_test], order[is_test]
