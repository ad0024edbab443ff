"""Which way in the latent space a class lies, and how much of the classes a straight cut can tell."""

import dataclasses
from typing import Any, TypeVar

import numpy as np
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from dima import check
from dima.errors import DataError
from dima.explain.tensors import class_labels, like, rows, to_numpy
from dima.scaling import Standardizer
from dima.typing import Array

__all__ = ["ClassShifts", "binary_direction", "class_directions", "linear_probe"]

Latents = TypeVar("Latents", Tensor, Array)

_MOST_ITERATIONS = 2000
_TRIED = 61  # multiples of a shift among which the least is sought


def class_directions(z: Latents, labels: Any) -> dict[int, Latents]:
    """The direction in which each class becomes likelier, by multinomial logistic regression.

    Directions are of length one, on z standardised by its own mean and spread: add a multiple of one to a
    standardised latent.
    Source: Preechakul, Chatthee, Wizadwongsa and Suwajanakorn 2022, arXiv 2111.15640, sec. 5.2 (moving a
    standardised code along the weights of a linear classifier).

    Args:
        z: (n, d) latents, a tensor or an array.
        labels: (n,) whole numbers.

    Returns:
        Label -> (d,), of the type of z.

    Raises:
        ShapeError: z is not (n, d), or there is not one label for each row.
        DataError: z is not finite, labels are not whole numbers, or there is one class only.

    Example:
        >>> z = np.random.default_rng(0).standard_normal((300, 2))
        >>> found = class_directions(z, z[:, 0] > 0)
        >>> bool(found[1][0] > 0.95), bool(found[0][0] < -0.95)
        (True, True)
    """
    latents = to_numpy(rows("class_directions", "z", z))
    classes, places = class_labels("class_directions", labels, len(latents))
    weights = _fitted(Standardizer.of(latents).apply(latents), places).coef_
    both = np.concatenate([-weights, weights]) if len(classes) == 2 else weights
    return {int(one): like(z, _unit(row)) for one, row in zip(classes, both, strict=True)}


def binary_direction(z: Latents, labels: Any, positive: int) -> Latents:
    """The direction in which one class becomes likelier against all others together, (d,).

    As `class_directions`, by logistic regression of the class against the rest.

    Raises:
        ShapeError, DataError: as `class_directions`, or no row has the label.

    Example:
        >>> z = np.random.default_rng(0).standard_normal((300, 2))
        >>> bool(binary_direction(z, z[:, 0] > 0, positive=0)[0] < -0.95)
        True
    """
    latents = to_numpy(rows("binary_direction", "z", z))
    classes, places = class_labels("binary_direction", labels, len(latents))
    if positive not in classes:
        known = ", ".join(map(str, classes[:10]))
        raise DataError(f"binary_direction: positive must be one of the labels, {known}; got {positive}.")
    is_positive = classes[places] == positive
    return like(z, _unit(_fitted(Standardizer.of(latents).apply(latents), is_positive).coef_[0]))


@dataclasses.dataclass(frozen=True)
class ClassShifts:
    """Ways from class to class in latent space, and how far to go along them.

    The way is the difference of the means of two classes. Where latents correlate, the weights of a linear
    classifier are not the way: they leave out what goes along with the class.
    Source: Radford, Metz and Chintala 2016, arXiv 1511.06434, section 6.3 (arithmetic with means).

    Attributes:
        classes: (c,) labels in rising order.
        means: (c, d) mean latent of each.
        scale: standardises latents for the classifier.
        classifier: multinomial logistic regression of standardised latents.

    Example:
        >>> z = np.random.default_rng(0).standard_normal((300, 2))
        >>> shifts = ClassShifts.of(z, z[:, 0] > 0)
        >>> way = shifts.ways(z[:5], towards=1, labels=np.zeros(5))
        >>> bool((way[:, 0] > 1).all()), shifts.least(z[:5], way, 1).shape
        (True, (5,))
    """

    classes: Array
    means: Array
    scale: Standardizer
    classifier: LogisticRegression

    @classmethod
    def of(cls, z: Any, labels: Any) -> "ClassShifts":
        """Learnt from latents (n, d) and their labels (n,).

        Raises:
            ShapeError, DataError: as `class_directions`.
        """
        latents = to_numpy(rows("ClassShifts", "z", z))
        classes, places = class_labels("ClassShifts", labels, len(latents))
        scale = Standardizer.of(latents)
        means = np.stack([latents[places == place].mean(axis=0) for place in range(len(classes))])
        return cls(classes, means, scale, _fitted(scale.apply(latents), places))

    def ways(self, z: Latents, towards: Any, labels: Any = None) -> Latents:
        """From the mean of each row's class to that of another, (b, d): 1 is the whole way.

        Args:
            z: (b, d) latents.
            towards: a label, or one for each row.
            labels: (b,) of the rows; told by the classifier if not given.

        Raises:
            ShapeError, DataError: latents of another width, or labels that were not learnt.
        """
        latents = self._latents("ways", z)
        ends = self._places("towards", towards, len(latents))
        own = (
            self._told(latents).argmax(1) if labels is None else self._places("labels", labels, len(latents))
        )
        return like(z, self.means[ends] - self.means[own])

    def least(self, z: Any, ways: Any, towards: Any, confidence: float = 0.9, most: float = 3.0) -> Array:
        """The least multiple (b,) of each way after which the classifier is that sure; `most` if none is.

        Raises:
            ShapeError, DataError: as `ways`.
        """
        latents = self._latents("least", z)
        along = check.array("ClassShifts.least", "ways", to_numpy(ways), latents.shape)
        ends = self._places("towards", towards, len(latents))
        tried = np.linspace(0.0, most, _TRIED)
        sure = np.stack([self._told(latents + far * along)[np.arange(len(ends)), ends] for far in tried])
        is_sure = sure >= confidence
        return np.where(is_sure.any(0), tried[is_sure.argmax(0)], most)

    def _told(self, latents: Array) -> Array:
        """Probability of each class (b, c)."""
        told: Array = self.classifier.predict_proba(self.scale.apply(latents))
        return told

    def _latents(self, verb: str, z: Any) -> Array:
        return to_numpy(rows(f"ClassShifts.{verb}", "z", z, self.means.shape[1]))

    def _places(self, name: str, labels: Any, n: int) -> Array:
        given = np.broadcast_to(to_numpy(labels), (n,)) if np.ndim(labels) == 0 else to_numpy(labels)
        asked = check.array("ClassShifts", name, given, (n,)).astype(np.int64)
        unknown = set(asked.tolist()) - set(self.classes.tolist())
        if unknown:
            known = ", ".join(map(str, self.classes[:10]))
            raise DataError(f"ClassShifts: {name} must be of the labels {known}; got {min(unknown)}.")
        return np.searchsorted(self.classes, asked)


def linear_probe(z: Any, labels: Any, z_test: Any, labels_test: Any) -> float:
    """Accuracy on test rows (b, d) of a multinomial logistic regression fitted to rows (n, d).

    0 .. 1; the share of the largest class is what a constant achieves. Columns are standardised by the
    training rows. Source: Alain and Bengio 2016, arXiv 1610.01644.

    Raises:
        ShapeError: the widths differ, or labels and rows differ in number.
        DataError: as `class_directions`, for the training rows; test rows that are not finite.

    Example:
        >>> z = np.random.default_rng(0).standard_normal((400, 2))
        >>> linear_probe(z[:300], z[:300, 0] > 0, z[300:], z[300:, 0] > 0) > 0.95
        True
    """
    owner = "linear_probe"
    known = to_numpy(rows(owner, "z", z))
    asked = to_numpy(rows(owner, "z_test", z_test, known.shape[1]))
    classes, places = class_labels(owner, labels, len(known))
    truth = check.array(owner, "labels_test", to_numpy(labels_test), (len(asked),))
    scale = Standardizer.of(known)
    told = _fitted(scale.apply(known), places).predict(scale.apply(asked))
    return float(np.mean(classes[told] == truth))


def _fitted(standard: Array, places: Array) -> LogisticRegression:
    return LogisticRegression(max_iter=_MOST_ITERATIONS).fit(standard, places)


def _unit(weights: Array) -> Array:
    return weights / np.linalg.norm(weights)
