"""Whether a diffusion map does better than principal components on rows that had no part in it.

A row that is left out of averages has had its part in the eigenvectors. So map and decoder are fitted again
to some of the rows, and measured on the others.
"""

from collections.abc import Callable

import numpy as np
from sklearn.base import clone

from dima.errors import DataError, NumericsError, SettingError, kept_messages
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.autoencoder import Autoencoder
from dima.model.principal import FOLDS, principal
from dima.model.refit import of_fewer
from dima.model.stages import collected
from dima.model.tuning import WORTH, Tuned
from dima.threads import side_by_side
from dima.typing import Array

__all__ = ["does_better"]

_MANY, _FEW_FOLDS, _POINTS = 1000, 2, 256  # rows of which so few folds, and inducing points, tell enough


def does_better(
    make: Callable[[DMAP, GPLM, int], Autoencoder], tuned: Tuned, gplm: GPLM, few: Array, n_tried: int
) -> bool:
    """Whether the map that was chosen beats principal components alone, by a hundredth of their error.

    Args:
        make: an autoencoder of a map, a decoder and a number of diffusion coordinates.
        tuned: the map.
        gplm: the decoder, unfitted.
        few: rows (s, D), some of those that are fitted to.
        n_tried: of how many rows the settings of the trials are.
    """
    d, split = tuned.dmap.d, tuned.d_diffusion
    best = min(tuned.trials, key=lambda trial: trial.error)
    share = (1 - 1 / FOLDS) * len(few) / n_tried
    dmap, decoder = clone(tuned.dmap).set_params(k=best.k), clone(gplm)
    if decoder.m is None and len(few) > _MANY:
        decoder.set_params(m=_POINTS)

    def errors(part: int) -> tuple[float, float]:
        fold = np.arange(len(few)) % FOLDS
        others, held = few[fold != part], few[fold == part]
        try:
            both = make(*of_fewer(dmap, decoder, others, share), split)
            with kept_messages(), collected():
                left = held - both.fit(others).decode(both.encode(held))
        except (DataError, NumericsError, SettingError):  # too few rows for such a map, or all equal
            return np.inf, 0.0
        center = others.mean(axis=0, dtype=np.float64)
        alone = principal(others - center, d).rest(held - center)
        return float((left**2).sum()), float((alone**2).sum())

    parts = range(FOLDS if len(few) < _MANY else _FEW_FOLDS)
    with side_by_side(errors, parts) as found:
        error, without = np.sum(list(found), axis=0)
    return bool(error < WORTH * without)
