"""The figures of generated images one by one, each measured twice: of samples, and of training images.

A measure says its numbers between two sets; `beside_floors` takes them for samples and for the floor.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dima.image.judge import fit_classifier
from dima.metrics import features, two_sample
from dima.typing import Array

__all__ = [
    "C2ST",
    "FID",
    "IN_FEATURES",
    "IN_PIXELS",
    "Chance",
    "Figure",
    "Measure",
    "Sets",
    "beside_floors",
    "class_figure",
    "flat",
    "memory_figure",
    "taught_figure",
]

_MOST_PAIRED = 5000  # images of a set where every pair is measured: four times the time for twice the images
_MOST_SOUGHT = 2000  # images whose nearest training image is sought, among all of them, for a median
# A classifier that is taught sees each image ten times, many images fewer times: half the minutes of a table.
_MOST_EPOCHS = 10
_MOST_SHOWN = 50_000


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number and what a perfect model would get.

    Attributes:
        name: what is measured.
        value: of the generated or rebuilt images.
        floor: the same number of as many training images in their place; None where there is none.
        ratio: value over floor, 1 is as good as real images; None where a ratio says nothing.
        extractor: what the images were seen by: "pixels", a judge, or "labels".
    """

    name: str
    value: float
    floor: float | None
    ratio: float | None
    extractor: str


class Sets(NamedTuple):
    """Three sets of one size, as images, rows of pixels, features or labels."""

    fake: Array
    train: Array
    held_out: Array

    def through(self, see: Callable[[Array], Array]) -> "Sets":
        """What is seen of each."""
        return Sets(see(self.fake), see(self.train), see(self.held_out))


class Chance(NamedTuple):
    """What the measures draw with."""

    n_permutations: int
    seed: int


class Measure(NamedTuple):
    """Numbers between two sets of rows: their names, and how to get them of (samples, real rows)."""

    names: tuple[str, ...]
    between: Callable[[Array, Array, Chance], tuple[float, ...]]
    has_ratio: bool = True
    most: int | None = None  # rows of a set


IN_PIXELS = (
    Measure(("sliced W2",), lambda fake, real, by: (two_sample.sliced_w2(fake, real, seed=by.seed),)),
)
# KID has no bias: real images are at about 0, and nothing can be divided by it.
IN_FEATURES = (
    Measure(("FID",), lambda fake, real, _: (features.frechet(fake, real),)),
    Measure(("KID", "KID p"), lambda fake, real, by: features.kid(fake, real, *by), False, _MOST_PAIRED),
    Measure(
        ("precision", "recall"),
        lambda fake, real, _: two_sample.precision_recall(real, fake),
        most=_MOST_PAIRED,
    ),
    Measure(
        ("density", "coverage"),
        lambda fake, real, _: two_sample.density_coverage(real, fake),
        most=_MOST_PAIRED,
    ),
)
# At 0.5 the classifier guesses: half of it is no better than real.
C2ST = (Measure(("C2ST accuracy",), lambda fake, real, by: (two_sample.c2st(fake, real, by.seed),), False),)
FID = IN_FEATURES[:1]


def beside_floors(measures: Sequence[Measure], rows: Sets, extractor: str, chance: Chance) -> list[Figure]:
    """Each number between samples and held-out rows, and between training and held-out rows."""
    figures = []
    for measure in measures:
        fake, train, held_out = (one[: measure.most] for one in rows)
        values, floors = (measure.between(one, held_out, chance) for one in (fake, train))
        for name, value, floor in zip(measure.names, values, floors, strict=True):
            figures.append(_figure(name, value, floor, extractor, has_ratio=measure.has_ratio))
    return figures


def _figure(name: str, value: float, floor: float, extractor: str, *, has_ratio: bool = True) -> Figure:
    return Figure(name, value, floor, value / floor if has_ratio and floor > 0 else None, extractor)


def class_figure(labels: Sets, extractor: str) -> Figure:
    """How far the shares of classes are from those of held-out images."""
    n_classes = int(max(one.max() for one in labels)) + 1
    value, floor = (
        features.class_total_variation(one, labels.held_out, n_classes) for one in (labels.fake, labels.train)
    )
    return _figure("class total variation", value, floor, extractor)


def taught_figure(images: Sets, labels: Sets, seed: int) -> Figure:
    """Accuracy on held-out images of a classifier taught by samples, beside one taught by real images."""
    epochs = min(_MOST_EPOCHS, max(1, _MOST_SHOWN // len(images.fake)))
    value, floor = (
        float(np.mean(fit_classifier(shown, said, seed, epochs).classify(images.held_out) == labels.held_out))
        for shown, said in ((images.fake, labels.fake), (images.train, labels.train))
    )
    return _figure("accuracy taught by samples", value, floor, "labels")


def memory_figure(images: Array, train: Array, held_out: Array, of: str = "") -> Figure:
    """How near to training images, in units of how near held-out ones are; 0 for copies."""
    few, usual = flat(images[:_MOST_SOUGHT]), flat(held_out[:_MOST_SOUGHT])
    # The floor is held-out images in the place of samples: one, by its meaning.
    return _figure(
        f"{of}nearest-row ratio", features.nearest_row_ratio(few, flat(train), usual), 1.0, "pixels"
    )


def flat(images: Array) -> Array:
    """Images (n, c, h, w) as rows (n, D)."""
    return images.reshape(len(images), -1)
