"""How many rows are rows that a model was fitted to: figures of these flatter."""

import numpy as np

from dima.model.latent_fit import LatentModelFit
from dima.typing import Array

__all__ = ["are_training", "n_among"]

_ROUNDING = 1e-10  # of a mean in another order of rows, over the size of what is summed
_KEPT = 1e-6  # of the largest deviation from the mean: to this, models keep their training rows
_NEIGHBOURS = (-2, -1, 0, 1)  # places on a line where an equal row is sought


def are_training(fit: LatentModelFit, numbers: Array) -> bool:
    """Whether numbers (b, W) are those of the training rows, told by how many they are and by their means.

    Every model has these, the rows themselves only some.
    """
    if len(numbers) != fit.n_rows:
        return False
    rounding = _ROUNDING * np.abs(numbers).mean(axis=0, dtype=np.float64)
    return bool((np.abs(numbers.mean(axis=0, dtype=np.float64) - fit.mean_X) <= rounding).all())


def n_among(numbers: Array, known: Array) -> int:
    """How many of the rows (b, W) equal one of the known rows (n, W), to the rounding of what is kept.

    Rows are laid on a random line, where equal ones are neighbours, and only neighbours are compared.
    """
    line = np.random.default_rng(0).standard_normal(known.shape[1])
    places = known @ line
    order = np.argsort(places)
    at = np.searchsorted(places[order], numbers @ line)
    rounding = _KEPT * np.abs(known - known.mean(axis=0)).max()
    found = np.zeros(len(numbers), bool)
    for step in _NEIGHBOURS:
        near = known[order[np.clip(at + step, 0, len(known) - 1)]]
        found |= np.abs(numbers - near).max(axis=1) <= rounding
    return int(found.sum())
