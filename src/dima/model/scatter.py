"""The scatter of rows around the sheet that a decoder draws, and draws brought into line with the data.

    x = match(decode(z) + e),    e ~ N(0, C), C the shrunk covariance of the leave-one-out residuals

Decoded rows lie on a smooth sheet of d dimensions; real rows lie around it. What the prior draws too wide
or too narrow is put right afterwards: first mean and covariance, then each column by a monotone map.
What all rows of a class share is no matter of chance: its draws keep it.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from msgspec import Meta

from dima.data.columns import Columns
from dima.fitted import below, under
from dima.fitted import from_arrays as opened
from dima.fitted import to_arrays as described
from dima.model.by_class import FEWEST
from dima.settings import OneOf
from dima.typing import Array, Arrays, Float64

__all__ = ["MATCHES", "RESIDUALS", "Kinds", "Match", "Residual", "Scatter", "ScatterByClass"]

RESIDUALS = ("gaussian",)
MATCHES = ("moments", "marginals")
Residual = Annotated[
    str, OneOf("auto", *RESIDUALS), Meta(description="scatter around the sheet; auto: unless raw")
]
Match = Annotated[
    str, OneOf("auto", *MATCHES), Meta(description="what draws share with data; auto: unless raw")
]
_PILOT = 5  # draws for every row that the match is learnt from,
_PILOT_LEAST = 2000
_PILOT_MOST = 20_000
_QUANTILES = 1000  # of a column, at the most
_SEED = 2**30  # of the draws a match is learnt from
_STEPS = 50  # towards the frequencies of words
_RIDGE = 1e-9


class Kinds(NamedTuple):
    """Where among W numbers those of each column of words stand, and those of booleans."""

    words: Sequence[slice] = ()
    bools: Sequence[int] = ()

    @classmethod
    def of(cls, columns: Columns) -> Self:
        """Those of treated columns."""
        slices = columns.slices()
        bools = [slices[axis].start for axis, kind in enumerate(columns.types) if kind == "bool"]
        return cls([slices[axis] for axis in columns.words], bools)


@dataclasses.dataclass(frozen=True)
class Scatter:
    """What is done to decoded draws (n, W) of one class, in this order; None where nothing is.

    Attributes:
        root: (W, W) lower root of the covariance of the residuals.
        shift: (W,) their mean.
        matrix: (W, W) of the affine map that matches mean and covariance,
        centers: (2, W) from this mean to that.
        quantiles: (2, q, W) of draws and of data, between which columns are mapped.
        offsets: (W,) added to the numbers of words, so that each is drawn as often as it occurs.
    """

    root: Float64 | None = None
    shift: Float64 | None = None
    matrix: Float64 | None = None
    centers: Float64 | None = None
    quantiles: Float64 | None = None
    offsets: Float64 | None = None

    def apply(self, decoded: Array, rng: np.random.Generator) -> Float64:
        """Rows (n, W) around the decoded ones."""
        rows = np.asarray(decoded, np.float64)
        if self.root is not None and self.shift is not None:
            rows = rows + self.shift + rng.standard_normal(rows.shape) @ self.root.T
        if self.matrix is not None and self.centers is not None:
            rows = (rows - self.centers[0]) @ self.matrix + self.centers[1]
        if self.quantiles is not None:
            rows = _mapped(rows, self.quantiles)
        return rows if self.offsets is None else rows + self.offsets

    @classmethod
    def of(
        cls,
        draw: Callable[[int, int], Array],
        X: Array,
        residuals: Array | None,
        match: str | None,
        word_slices: Sequence[slice] = (),
    ) -> "Scatter":
        """Learn what draws lack.

        Args:
            draw: decoded draws (n, W) for a number and a seed.
            X: the rows (n, W) they should be like.
            residuals: (m, W) of leaving rows out; None adds none.
            match: "moments", "marginals" (after moments) or None.
            word_slices: where the numbers of columns of words stand: their frequencies are matched, not they.
        """
        root, shift = (None, None) if residuals is None else _gaussian(residuals)
        scattered = cls(root, shift)
        if match is None or len(X) < FEWEST:
            return scattered
        size = min(max(_PILOT * len(X), _PILOT_LEAST), _PILOT_MOST)
        pilot = scattered.apply(draw(size, _SEED), _noise(_SEED))
        moved = dataclasses.replace(scattered, **_moments(pilot, X))
        if match == "moments":
            return moved
        pilot = dataclasses.replace(moved, root=None, shift=None).apply(pilot, np.random.default_rng(0))
        quantiles = _quantiles(pilot, X)
        offsets = np.zeros(X.shape[1])
        for part in word_slices:
            quantiles[0, :, part] = quantiles[1, :, part]  # onto themselves
            offsets[part] = _offsets(pilot[:, part], X[:, part].mean(axis=0))
        return dataclasses.replace(moved, quantiles=quantiles, offsets=offsets)


@dataclasses.dataclass(frozen=True)
class ScatterByClass:
    """The scatter of each class of rows, in the order of the classes; of all rows where there are none.

    Attributes:
        of_class: a scatter each; none where nothing is scattered or matched.
        fixed: (K, W) numbers that all rows of a class have, and -inf for words that none has; NaN for
            others. None without classes.
    """

    of_class: tuple[Scatter, ...]
    fixed: Float64 | None = None

    @classmethod
    def fitted(
        cls,
        draw: Callable[[int, int, int | None], Array],
        X: Array,
        residuals: Array | None,
        class_ix: Array | None,
        match: str | None,
        kinds: Kinds,
    ) -> "ScatterByClass":
        """Learn what draws of each class lack; the arguments are those of `Scatter.of`.

        Args:
            draw: decoded draws for a number, a seed and the index of a class, None for all rows.
            X: rows (n, W).
            residuals: (n, W) of leaving each out; a small class takes those of all.
            class_ix: index (n,) of the class of each row; None where there are none.
            match: as in `Scatter.of`.
            kinds: where words and booleans stand, of which a class has none that its rows have not.
        """
        if class_ix is None:
            return cls((Scatter.of(lambda n, seed: draw(n, seed, None), X, residuals, match, kinds.words),))

        def of(index: int) -> Scatter:
            is_own = class_ix == index
            is_small = is_own.sum() < FEWEST
            own = residuals if residuals is None or is_small else residuals[is_own]
            return Scatter.of(lambda n, seed: draw(n, seed, index), X[is_own], own, match, kinds.words)

        known = range(int(class_ix.max()) + 1)
        fixed = np.stack([_fixed(X[class_ix == index], kinds) for index in known])
        is_asked = residuals is not None or match is not None
        return cls(tuple(of(index) for index in known) if is_asked else (), fixed)

    def apply(self, decoded: Array, class_ix: Array, seed: int) -> Float64:
        """Rows (n, W) around the decoded ones, which are of the classes `class_ix` (n,)."""
        rows, rng = np.empty(decoded.shape), _noise(seed)
        for index, scatter in enumerate(self.of_class):
            of_it = class_ix == index
            rows[of_it] = scatter.apply(decoded[of_it], rng)
        return self.held(rows, class_ix)

    def held(self, rows: Array, class_ix: Array) -> Array:
        """Rows (n, W) of the classes `class_ix` (n,) with what all rows of their class share."""
        if self.fixed is None:
            return rows
        fixed = self.fixed.astype(rows.dtype)[class_ix]
        return np.where(np.isnan(fixed), rows, fixed)

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Every scatter under its number."""
        arrays: Arrays = {} if self.fixed is None else {"fixed": self.fixed}
        plain = []
        for index, scatter in enumerate(self.of_class):
            missing, own = described(scatter)
            plain.append(missing)
            arrays |= under(str(index), own)
        return {"of_class": plain}, arrays

    @classmethod
    def from_arrays(cls, saved: Mapping[str, Any], arrays: Arrays) -> "ScatterByClass":
        """The scatter that `to_arrays` described."""
        # Older models call them levels.
        arrays = {key.replace("/levels", "/quantiles"): array for key, array in arrays.items()}
        parts = enumerate(saved["of_class"])
        of_class = tuple(opened(Scatter, plain, below(arrays, str(index))) for index, plain in parts)
        return cls(of_class, arrays.get("fixed"))


def _noise(seed: int) -> np.random.Generator:
    """The stream of the noise, which is not that of a prior with the same seed."""
    return np.random.default_rng([1, seed])


def _fixed(X: Array, kinds: Kinds) -> Float64:
    """Numbers (W,) that all rows (n, W) have, -inf for words that none has, and NaN."""
    fixed = np.where((X[:1] == X).all(axis=0), X[0], np.nan)
    if len(X) < 2:
        # One row tells of no constant, and is not drawn by heart, but its booleans are those of the class.
        fixed[np.setdiff1d(np.arange(len(fixed)), kinds.bools)] = np.nan
    for part in kinds.words:
        fixed[part] = np.where(X[:, part].any(axis=0), np.nan, -np.inf)
    return fixed


def _gaussian(residuals: Array) -> tuple[Float64, Float64]:
    """Root of the shrunk covariance of residuals, and their mean (Ledoit and Wolf 2004)."""
    # scikit-learn's: it takes half a second to import, and only a fit needs it.
    from sklearn.covariance import ledoit_wolf

    shift = residuals.mean(axis=0)
    covariance, _ = ledoit_wolf(residuals - shift, assume_centered=True)
    ridge = _RIDGE * max(float(np.trace(covariance)) / len(covariance), 1e-12)
    return np.linalg.cholesky(covariance + ridge * np.eye(len(covariance))), shift


def _moments(drawn: Float64, X: Array) -> dict[str, Float64]:
    """The affine map of least movement that gives draws the mean and covariance of `X`.

    Source: Peyre and Cuturi 2019, "Computational optimal transport", eq. 2.40.
    """
    theirs, ours = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (drawn, X))
    root, inverse = _roots(theirs)
    middle, _ = _roots(root @ ours @ root)
    return {"matrix": inverse @ middle @ inverse, "centers": np.stack([drawn.mean(axis=0), X.mean(axis=0)])}


def _roots(C: Float64) -> tuple[Float64, Float64]:
    """Symmetric square root of a covariance, and its inverse; directions of no spread stay as they are."""
    values, vectors = np.linalg.eigh(C)
    floor = _RIDGE * max(float(values[-1]), np.finfo(float).tiny)
    sizes = np.sqrt(np.maximum(values, floor))
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T, (vectors / sizes) @ vectors.T


def _quantiles(drawn: Float64, X: Array) -> Float64:
    """Quantiles (2, q, W) of draws and data at the same shares."""
    q = min(len(X), _QUANTILES)
    at = (np.arange(q) + 0.5) / q
    return np.stack([np.quantile(drawn, at, axis=0), np.quantile(X, at, axis=0, method="hazen")])


def _mapped(rows: Float64, quantiles: Float64) -> Float64:
    """Every column taken from the first quantiles to the second; beyond their ends, as far beyond."""
    mapped = np.empty_like(rows)
    for axis in range(rows.shape[1]):
        known, wanted = quantiles[0, :, axis], quantiles[1, :, axis]
        inside = np.clip(rows[:, axis], known[0], known[-1])
        mapped[:, axis] = np.interp(inside, known, wanted) + (rows[:, axis] - inside)
    return mapped


def _offsets(drawn: Float64, wanted: Float64) -> Float64:
    """What to add to the numbers (n, w) of words so that each is the largest as often as `wanted` (w,)."""
    offsets, step = np.zeros(len(wanted)), float(drawn.std()) or 1.0
    for turn in range(_STEPS):
        largest = (drawn + offsets).argmax(axis=1)
        offsets += step / (1 + turn / 5) * (wanted - np.bincount(largest, minlength=len(wanted)) / len(drawn))
    return offsets
