"""What is known of each point: a label or a vector, as numbers that the denoiser is shown."""

import dataclasses
from typing import Any

import numpy as np

from dima import check
from dima.errors import DataError, ShapeError
from dima.scaling import Standardizer
from dima.typing import Array, ArrayLike, Float32

__all__ = ["Conditions"]

_MOST_CLASSES = 1000


@dataclasses.dataclass(frozen=True)
class Conditions:
    """How conditions become numbers: labels one for each class, vectors by standard scores.

    Attributes:
        classes: labels in order; None for vectors.
        scale: standardises vectors; None for labels.

    Example:
        >>> known = Conditions.of("DDPM", ["b", "a", "b"], 3)
        >>> known.classes, known.apply("DDPM", "b", 1).tolist()
        (['a', 'b'], [[0.0, 1.0]])
    """

    classes: list[Any] | None = None
    scale: Standardizer | None = None

    @classmethod
    def of(cls, owner: str, given: ArrayLike, n: int) -> "Conditions":
        """Learn from the conditions of `n` points: labels (n,), or vectors (n, c).

        Raises:
            ShapeError: not one for each point.
            DataError: not finite, one class alone, or more than a thousand classes.
        """
        values = np.asarray(given)
        if len(np.atleast_1d(values)) != n or values.ndim not in (1, 2):
            got, fix = f"shape {values.shape}", "Pass labels (n,) or vectors (n, c)."
            raise ShapeError(f"{owner}: condition must be one for each of {n} points; got {got}. {fix}")
        if not _are_labels(values):
            return cls(scale=Standardizer.of(_vectors(owner, values, ("n", "c"))))
        known = sorted(set(values.tolist()), key=lambda label: (isinstance(label, str), label))
        if not 2 <= len(known) <= _MOST_CLASSES:
            rule, fix = f"2 to {_MOST_CLASSES} classes", "Leave it out, or pass numbers as floats."
            raise DataError(f"{owner}: condition must hold {rule}; got {len(known)}. {fix}")
        return cls(known)

    def apply(self, owner: str, given: ArrayLike, n: int) -> Float32:
        """The numbers (n, c) of `n` points: of a label or vector for all, or of one for each.

        Raises:
            ShapeError: neither one nor n of them, or of another width.
            DataError: not finite, or a class that is not known.
        """
        values, single = np.asarray(given), 0 if self.scale is None else 1
        if self.scale is not None and len(self.scale.center) == 1 and values.ndim < 2:
            values = values.reshape(-1, 1)[0] if values.size == 1 else values[:, None]  # numbers, not vectors
        values = values[None].repeat(n, axis=0) if values.ndim == single else values
        if len(np.atleast_1d(values)) != n or values.ndim != single + 1:
            fix = "Pass one for all, or one for each."
            raise ShapeError(f"{owner}: condition must be 1 or {n}; got shape {np.shape(given)}. {fix}")
        if self.scale is not None:
            vectors = _vectors(owner, values, (n, len(self.scale.center)))
            return self.scale.apply(vectors, np.float32)
        return self._one_hot(owner, values)

    def _one_hot(self, owner: str, labels: Array) -> Float32:
        assert self.classes is not None
        known = {label: place for place, label in enumerate(self.classes)}
        places = np.array([known.get(label, -1) for label in labels.tolist()], int)
        if (places < 0).any():
            strange, there = (
                labels.tolist()[int((places < 0).argmax())],
                ", ".join(map(str, self.classes[:10])),
            )
            fix = f"There are: {there}."
            raise DataError(f"{owner}: condition must be a class of the model; got {strange!r}. {fix}")
        return np.eye(len(known), dtype=np.float32)[places]


def _are_labels(values: Array) -> bool:
    return values.ndim == 1 and values.dtype.kind != "f"


def _vectors(owner: str, values: Array, shape: tuple[int | str, int | str]) -> Array:
    values = values[:, None] if values.ndim == 1 else values
    return check.array(owner, "condition", values, shape)
