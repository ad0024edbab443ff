"""The report of a generator of images: what it draws, rebuilds and goes through, and its figures."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from dima import check
from dima.errors import DataError
from dima.figures.report import Section, Table, html
from dima.model.evaluate.images import COLUMNS, Figure, summary
from dima.model.report.latents import latents
from dima.model.report.reconstruction import reconstruction
from dima.model.report.samples import samples
from dima.model.report.subject import SHOWN, Subject, pictures
from dima.typing import Array

__all__ = ["image_report"]

_PATHS = 4


def image_report(model: Any, figures: Sequence[Figure], subject: Subject) -> str:
    """The page of a fitted `LatentDiffusion` as HTML.

    Colours are shown as one grey picture each, red above green above blue.

    Args:
        model: the fitted model.
        figures: of `evaluate_images`; none leaves their table out.
        subject: its `held_out`, and `train` if given, are images (n, c, h, w); `image_shape` is the model's.

    Raises:
        NotFittedError: the model is not fitted.
        ShapeError: images of another shape than in `fit`.
        DataError: fewer than two held-out images.
    """
    fit = check.fitted(model)
    if len(subject.held_out) < 2:
        rule = f"at least two images; got {len(subject.held_out)}. Pass more."
        raise DataError(f"image_report: held_out must hold {rule}")
    shown = _as_rows(model, subject)
    drawn = [section(model, shown) for section in (samples, reconstruction, _interpolation, latents)]
    sections = [
        *([_figures(figures)] if figures else []),
        *[section for section in drawn if section is not None],
        *fit.autoencoder.sections(),
    ]
    size = " x ".join(map(str, model.image_shape_))
    return html(
        subject.title, f"{fit.n_rows} training images of {size}, {model.d_} latent dimensions.", sections
    )


def _as_rows(model: Any, subject: Subject) -> Subject:
    """The same with rows for images, and the shape that shows the channels of one below each other."""
    c, h, w = model.image_shape_
    train = None if subject.train is None else np.asarray(model.as_rows(subject.train))
    held_out = np.asarray(model.as_rows(subject.held_out))
    return subject._replace(held_out=held_out, train=train, image_shape=(c * h, w))


def _figures(figures: Sequence[Figure]) -> Section:
    text = (
        "Each value stands beside its floor, the same number of as many training images: what a perfect "
        "sampler reaches. Features and classes are those of the network named last."
    )
    return Section("Figures", text, tables=(Table(list(COLUMNS), [list(row) for row in summary(figures)]),))


def _interpolation(model: Any, subject: Subject) -> Section:
    """Pictures on straight lines between the latents of held-out ones."""
    ends = subject.held_out[: _PATHS + 1]
    paths = np.clip(model.interpolate(ends[:-1], ends[1:], SHOWN), ends.min(), ends.max())
    rows: dict[str, Array] = dict(zip(_names(subject, len(paths)), paths, strict=True))
    text = (
        "On straight lines in latent space, from one held-out image to the next; the ends are rebuilt ones."
    )
    return Section("Interpolation", text, (pictures(rows, subject.image_shape or (0, 0)),))


def _names(subject: Subject, n: int) -> list[str]:
    """What the paths join, by the labels of their ends."""
    if subject.labels is None:
        return [f"path {place}" for place in range(1, n + 1)]
    pairs = itertools.pairwise(subject.labels[: n + 1])
    return [f"{place}: {start} to {end}" for place, (start, end) in enumerate(pairs, start=1)]
