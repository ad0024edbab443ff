"""How good generated images are: every figure beside its floor, the same figure of real training images.

Features come from two judges of different structure (`dima.image.judge`): one network has blind spots, and
a difference that only one of them sees is no finding.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dima import check
from dima.data.images import Images
from dima.errors import DataError, SettingError, ShapeError
from dima.image.judge import NETWORKS, Judge, load
from dima.model.evaluate.image_figures import (
    C2ST,
    FID,
    IN_FEATURES,
    IN_PIXELS,
    Chance,
    Figure,
    Sets,
    beside_floors,
    class_figure,
    flat,
    memory_figure,
    taught_figure,
)
from dima.model.evaluate.samples import FEWEST
from dima.typing import Array, ArrayLike, Float32

__all__ = [
    "COLUMNS",
    "Figure",
    "both_labels",
    "compare_images",
    "evaluate_images",
    "shipped_judges",
    "summary",
]

COLUMNS = ("figure", "value", "floor", "ratio", "extractor")  # of the rows of `summary`

_ASKED = 1000  # held-out images that tell whether the condition is used
_JUDGED = (1, 28, 28)

Labels = tuple[ArrayLike, ArrayLike]


def shipped_judges(data: str) -> dict[str, Judge]:
    """The judges that come with dima for "mnist" or "fashion-mnist", by their names.

    Raises:
        SettingError: there are none for such images.
        ArtifactError: a file of them is damaged.
    """
    return {name: load(name, data) for name in NETWORKS}


def both_labels(train: Images, held_out: Images) -> Labels | None:
    """The labels of two sets, where both have them."""
    if train.labels is None or held_out.labels is None:
        return None
    return train.labels, held_out.labels


def compare_images(  # noqa: PLR0913 the switches of one comparison
    fake: ArrayLike,
    train: ArrayLike,
    held_out: ArrayLike,
    *,
    judges: Mapping[str, Judge],
    labels: Labels | None = None,
    fake_labels: ArrayLike | None = None,
    rebuilt: ArrayLike | None = None,
    n_permutations: int = 200,
    seed: int = 0,
) -> list[Figure]:
    """Compare generated images with held-out ones, beside what training images get in their place.

    The three sets (n, 1, 28, 28), in [-1, 1], are cut at random to the size of the smallest, then to 5,000
    where every pair of images is measured (KID, precision to coverage), to 2,000 for C2ST and for the
    nearest training image. That one is sought among all training images; its floor is 1, that of held-out
    images. A judge that knows the training images sees them a little apart from others, and the floor
    with it.

    Args:
        fake: the generated images.
        train: the images that the model was fitted to.
        held_out: images of the same kind that it has not seen.
        judges: by name; C2ST and classes are the first one's.
        labels: (n,) of `train` and of `held_out`, for the two figures of classes, left out if None.
        fake_labels: of `fake`, for the classifier that is trained on them; what the first judge says if None.
        rebuilt: `held_out` encoded and decoded, image by image, for figures of reconstruction.
        n_permutations: relabellings behind the p of KID.
        seed: of every choice.

    Raises:
        ShapeError: sets of other shapes, or labels that are not as many.
        DataError: fewer than ten images, pixels outside [-1, 1], or labels that are none.
        SettingError: no judge.
    """
    fake, train, held_out = _checked(judges, fake=fake, train=train, held_out=held_out)
    true = _checked_labels(labels, len(train), len(held_out))
    said = None if fake_labels is None else _labels("fake_labels", fake_labels, len(fake))
    again = None if rebuilt is None else _rebuilt(rebuilt, len(held_out))
    n, chance = min(len(fake), len(train), len(held_out)), Chance(n_permutations, seed)
    chosen = Sets(*(_chosen(len(one), n, seed) for one in (fake, train, held_out)))
    sets = Sets(fake[chosen.fake], train[chosen.train], held_out[chosen.held_out])
    seen = {name: sets.through(judge.features) for name, judge in judges.items()}
    figures = beside_floors(IN_PIXELS, sets.through(flat), "pixels", chance)
    for name, rows in seen.items():
        figures += beside_floors(IN_FEATURES, rows, name, chance)
    first, judge = next(iter(judges.items()))
    figures += beside_floors(C2ST, seen[first], first, chance)
    if true is not None:
        real = true[1][chosen.held_out]
        judged = judge.classify(sets.fake)
        figures.append(class_figure(Sets(judged, judge.classify(sets.train), real), first))
        taught = judged if said is None else said[chosen.fake]
        figures.append(taught_figure(sets, Sets(taught, true[0][chosen.train], real), seed))
    figures.append(memory_figure(sets.fake, train, sets.held_out))
    if again is not None:
        rebuilt_sets = sets._replace(fake=again[chosen.held_out])
        figures += _reconstruction_figures(rebuilt_sets, seen, judges, chance)
        figures.append(memory_figure(rebuilt_sets.fake, train, sets.held_out, "reconstruction "))
    return figures


def evaluate_images(  # noqa: PLR0913 those of the comparison, and how many are drawn
    model: Any,
    train: ArrayLike,
    held_out: ArrayLike,
    *,
    judges: Mapping[str, Judge],
    labels: Labels | None = None,
    n: int = 10_000,
    n_permutations: int = 200,
    seed: int = 0,
    **sampling: Any,
) -> list[Figure]:
    """Measure samples and reconstructions of a fitted `LatentDiffusion`, as `compare_images` does.

    `n` images are drawn, but no more than there are training and held-out ones. What leaves [-1, 1] is cut
    there: a decoder that is no network may overshoot, and a picture cannot show it. The squared error of
    reconstruction is that of a pixel in [0, 1]. Of a model whose decoder is conditioned on latents the last
    figure is `condition_used`, whose floor of 1 says that they are ignored. The same arguments give the same
    figures.

    Args:
        model: the fitted model.
        train: the images (n, 1, 28, 28) that it was fitted to.
        held_out: images that it has not seen.
        judges: by name, for example `shipped_judges("mnist")`.
        labels: of `train` and of `held_out`.
        n: images drawn.
        n_permutations: relabellings behind the p of KID.
        seed: of the samples and of every choice.
        **sampling: further arguments of `LatentDiffusion.sample`: solver, steps and others.

    Raises:
        NotFittedError: the model is not fitted.
        DimaError: as in `compare_images`, and n below ten.
    """
    check.fitted(model)
    if n < FEWEST:
        raise SettingError(f"evaluate_images: n must be at least {FEWEST}; got {n}. Raise it.")
    train, held_out = _checked(judges, train=train, held_out=held_out)
    true = _checked_labels(labels, len(train), len(held_out))
    n = min(n, len(train), len(held_out))
    rows = _chosen(len(held_out), n, seed)  # no more are rebuilt than are compared
    figures = compare_images(
        _within(model.sample(n, seed=seed, **sampling)),
        train,
        held_out[rows],
        judges=judges,
        labels=None if true is None else (true[0], true[1][rows]),
        rebuilt=_within(model.decode(model.encode(held_out[rows]))),
        n_permutations=n_permutations,
        seed=seed,
    )
    if hasattr(model, "condition_used"):  # its decoder might do without the latents
        used = model.condition_used(held_out[rows[:_ASKED]], seed)
        figures.append(Figure("condition used", used, 1.0, used, "denoiser"))
    return figures


def summary(figures: Sequence[Figure]) -> list[tuple[str, str, str, str, str]]:
    """Rows of text under `COLUMNS`; what has no floor or no ratio is left empty.

    Example:
        >>> summary([Figure("FID", 2.5, 1.25, 2.0, "lenet"), Figure("MSE", 1e-3, None, None, "pixels")])
        [('FID', '2.5', '1.25', '2.00', 'lenet'), ('MSE', '0.001', '', '', 'pixels')]
    """
    return [
        (one.name, _text(one.value, ".4g"), _text(one.floor, ".4g"), _text(one.ratio, ".2f"), one.extractor)
        for one in figures
    ]


def _text(number: float | None, form: str) -> str:
    return "" if number is None else format(number, form)


def _checked(judges: Mapping[str, Judge], **sets: ArrayLike) -> list[Float32]:
    """Images that can be judged, in the order given."""
    if not judges:
        fix = 'Pass shipped_judges("mnist"), or some of fit_classifier.'
        raise SettingError(f"compare_images: judges must be at least one; got none. {fix}")
    return [_images(name, images) for name, images in sets.items()]


def _images(name: str, images: ArrayLike) -> Float32:
    owner = "compare_images"
    checked = check.array(owner, name, images, ("n", "c", "h", "w"))
    if checked.shape[1:] != _JUDGED:
        got = f"{checked.shape[1:]}. There are judges of MNIST and Fashion-MNIST alone."
        raise ShapeError(f"{owner}: {name} must be images of shape {_JUDGED}; got {got}")
    if len(checked) < FEWEST:
        raise DataError(f"{owner}: {name} must hold at least {FEWEST} images; got {len(checked)}. Pass more.")
    check.pixels(owner, name, float(checked.min()), float(checked.max()))
    return checked.astype(np.float32, copy=False)


def _chosen(size: int, n: int, seed: int) -> Array:
    """Which `n` images of so many are compared: the same ones at each asking."""
    return np.random.default_rng(seed).permutation(size)[:n]


def _checked_labels(labels: Labels | None, *sizes: int) -> list[Array] | None:
    if labels is None:
        return None
    if len(labels) != len(sizes):
        rule = f"those of train and those of held_out; got {len(labels)} sets. Pass both, or None."
        raise ShapeError(f"compare_images: labels must be {rule}")
    named = zip(("labels of train", "labels of held_out"), labels, sizes, strict=True)
    return [_labels(name, one, size) for name, one, size in named]


def _labels(name: str, labels: ArrayLike, size: int) -> Array:
    return check.labels("compare_images", name, labels, size)


def _rebuilt(images: ArrayLike, n: int) -> Float32:
    rebuilt = _images("rebuilt", images)
    if len(rebuilt) != n:
        rule = f"as many as held_out, {n}; got {len(rebuilt)}. Pass each image's own."
        raise ShapeError(f"compare_images: rebuilt must be {rule}")
    return rebuilt


def _reconstruction_figures(
    sets: Sets, seen: Mapping[str, Sets], judges: Mapping[str, Judge], chance: Chance
) -> list[Figure]:
    """What the autoencoder alone loses, before the prior has drawn anything."""
    # [-1, 1] is two units wide: its squared error is four times that of [0, 1].
    error = float(np.mean(np.square(sets.fake - sets.held_out), dtype=np.float64)) / 4.0
    figures = [Figure("MSE", error, None, None, "pixels")]
    for name, rows in seen.items():
        rebuilt = rows._replace(fake=judges[name].features(sets.fake))
        figures += beside_floors(FID, rebuilt, name, chance)
    return [dataclasses.replace(one, name=f"reconstruction {one.name}") for one in figures]


def _within(images: Array) -> Float32:
    return np.clip(images, -1.0, 1.0).astype(np.float32, copy=False)
