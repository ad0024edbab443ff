"""Which way in the latent space a class lies, and how much of the classes a straight cut can tell."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from dima import check
from dima.errors import DataError
from dima.explain.tensors import class_labels, label_values, like, rows, to_numpy
from dima.manifold.neighbors import knn
from dima.scaling import Standardizer, drawn_in
from dima.typing import Array, Float64

__all__ = ["ClassShifts", "binary_direction", "class_directions", "linear_probe"]

Latents = TypeVar("Latents", Tensor, Array)

_MOST_ITERATIONS = 2000
_NEAR, _SHARE = 50, 20  # latents of a class that a way leads to: so many, at most one in so many


def class_directions(z: Latents, labels: Any) -> dict[int | str, Latents]:
    """The direction in which each class becomes likelier, by multinomial logistic regression.

    Directions are of length one, on z standardised by its own mean and spread: add a multiple of one to a
    standardised latent.
    Source: Preechakul, Chatthee, Wizadwongsa and Suwajanakorn 2022, arXiv 2111.15640, sec. 5.2 (moving a
    standardised code along the weights of a linear classifier).

    Args:
        z: (n, d) latents, a tensor or an array.
        labels: (n,) whole numbers or words.

    Returns:
        Label -> (d,), of the type of z.

    Raises:
        ShapeError: z is not (n, d), or there is not one label for each row.
        DataError: z is not finite, labels are neither, or there is one class only.

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
    return {one.item(): like(z, _unit(row)) for one, row in zip(classes, both, strict=True)}


def binary_direction(z: Latents, labels: Any, positive: int | str) -> Latents:
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
    """Ways to a class in latent space, and how far to go along them.

    The way of a latent leads to the mean of those of the class that are nearest to it: where the class is
    most like it, so that little else changes. Where latents correlate, the weights of a linear classifier
    are not the way: they leave out what goes along with the class.
    Source: Keane and Smyth 2020, arXiv 2005.13997 (counterfactuals led by the nearest cases of the class).

    Attributes:
        classes: (c,) labels in rising order, numbers or words.
        scale: standardises latents.
        latents: (n, d) standardised, that ways lead to.
        places: (n,) of their labels among the classes.
        classifier: multinomial logistic regression of standardised latents.

    Example:
        >>> z = np.random.default_rng(0).standard_normal((300, 2))
        >>> shifts = ClassShifts.of(z, z[:, 0] > 0)
        >>> way = shifts.ways(z[:5], towards=1)
        >>> bool(((z[:5] + way)[:, 0] > 0).all()), shifts.least(z[:5], way, 1).shape
        (True, (5,))
    """

    classes: Array
    scale: Standardizer
    latents: Float64
    places: Array
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
        standard = scale.apply(latents)
        return cls(classes, scale, standard, places, _fitted(standard, places))

    def ways(self, z: Latents, towards: Any) -> Latents:
        """From each row to the mean of the latents of a class that are nearest to it, (b, d).

        Those are 50, and no more than a twentieth of the class. 1 is the whole way.

        Args:
            z: (b, d) latents.
            towards: a label, or one for each row.

        Raises:
            ShapeError, DataError: latents of another width, or labels that were not learnt.
        """
        standard = self.scale.apply(self._latents("ways", z))
        asked, ends = self._places("towards", towards, len(standard)), np.empty_like(standard)
        for place in np.unique(asked):
            rows, known = asked == place, self.latents[self.places == place]
            n_near = max(1, min(_NEAR, len(known) // _SHARE))
            near = knn(known, drawn_in(standard[rows]), n_near, "sklearn")
            ends[rows] = known[near.ids].mean(axis=1)
        return like(z, (ends - standard) * self.scale.unit)

    def least(  # noqa: PLR0913 what is moved where, and when it is enough
        self,
        z: Any,
        ways: Any,
        towards: Any,
        confidence: float = 0.9,
        most: float = 2.0,
        step: float = 0.05,
        through: Callable[[Array, Array], Any] = lambda moved, rows: moved,
    ) -> Array:
        """The least multiple (b,) of each way after which the classifier is that sure; `most` if none is.

        Args:
            z: (b, d) latents.
            ways: (b, d).
            towards: a label, or one for each row.
            confidence: probability of the label that is asked for.
            most: largest multiple that is tried.
            step: from one multiple to the next.
            through: (moved latents (m, d), their rows (m,)) -> the latents (m, d) that are judged. To judge
                what they decode to: `lambda moved, rows: model.encode(model.decode(moved, noise[rows]))`.

        Raises:
            ShapeError, DataError: as `ways`.
        """
        latents = self._latents("least", z)
        along = check.array("ClassShifts.least", "ways", to_numpy(ways), latents.shape)
        ends = self._places("towards", towards, len(latents))
        least, left = np.full(len(latents), float(most)), np.arange(len(latents))
        for far in np.arange(0.0, most, step):
            judged = self._latents("least", through(latents[left] + far * along[left], left))
            is_sure = self._told(judged)[np.arange(len(left)), ends[left]] >= confidence
            least[left[is_sure]] = far
            left = left[~is_sure]
            if not len(left):
                break
        return least

    def _told(self, latents: Array) -> Array:
        """Probability of each class (b, c)."""
        told: Array = self.classifier.predict_proba(self.scale.apply(latents))
        return told

    def _latents(self, verb: str, z: Any) -> Array:
        return to_numpy(rows(f"ClassShifts.{verb}", "z", z, len(self.scale.unit)))

    def _places(self, name: str, labels: Any, n: int) -> Array:
        given = np.broadcast_to(to_numpy(labels), (n,)) if np.ndim(labels) == 0 else labels
        asked = label_values("ClassShifts", name, given, n)
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
    truth = label_values(owner, "labels_test", labels_test, len(asked))
    scale = Standardizer.of(known)
    told = _fitted(scale.apply(known), places).predict(scale.apply(asked))
    return float(np.mean(classes[told] == truth))


def _fitted(standard: Array, places: Array) -> LogisticRegression:
    return LogisticRegression(max_iter=_MOST_ITERATIONS).fit(standard, places)


def _unit(weights: Array) -> Array:
    return weights / np.linalg.norm(weights)
