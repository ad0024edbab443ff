"""A report of honesty for generated rows: every figure beside that of training rows and of a mixture."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from dima.data.columns import Columns
from dima.errors import DataError
from dima.metrics import rows as honesty
from dima.metrics.mixture import fit_mixture
from dima.metrics.two_sample import density_coverage
from dima.model.evaluate.samples import FEWEST, rounded
from dima.scaling import Standardizer
from dima.typing import Array, ArrayLike, Float64

__all__ = ["RowFigure", "row_figures"]

_OWNER = "row_figures"
Labelled = tuple[Float64, Array]  # rows (n, D) and their labels (n,)


@dataclasses.dataclass(frozen=True)
class RowFigure:
    """One figure of generated rows against held-out rows, and what it is for rows of two other sources.

    Attributes:
        name: what is measured; `metrics.rows` says how.
        value: of the generated rows.
        training: of the training rows themselves: what real rows reach. For copies it is 0.
        mixture: of rows drawn from Gaussian mixtures fitted to the training rows, which take a second.
    """

    name: str
    value: float
    training: float
    mixture: float


def row_figures(
    fake: ArrayLike,
    held_out: ArrayLike,
    train: ArrayLike,
    labels: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
    seed: int = 0,
    words: Mapping[int, Sequence[str]] = MappingProxyType({}),
) -> list[RowFigure]:
    """Figures of generated rows, each beside that of the training rows and of a Gaussian mixture.

    The three are compared at one size, that of the smaller of generated and training rows, by a seeded draw.
    A mixture is fitted to standardised columns, its size chosen by BIC (`metrics.mixture`); its rows keep
    to the words, the range, the decimals and the few values of their columns, as `data.columns` does it.
    Distances see a word as one number for each that its column can hold, 1 for the one it is.

    Args:
        fake: generated rows (b, D).
        held_out: rows (m, D) that nothing was fitted to.
        train: rows (n, D) the generator was fitted to.
        labels: (b,), (m,) and (n,), in the order of the rows; with them the score of training on
            generated rows is one of the figures. For labels each class has a mixture and keeps its count of
            rows; a target of floating-point numbers is one more column of every table.
        seed: of draws, folds, forests and mixtures.
        words: those of a column by its position; the column holds the index of each.

    Raises:
        DimaError: as `check.array`; a DataError for fewer than ten rows of a kind, a DataTypeError for
            targets of which only some are labels.

    Example:
        >>> random = np.random.default_rng(0)
        >>> fake, held_out, train = (random.standard_normal((30, 2)) for _ in range(3))
        >>> figures = {figure.name: figure for figure in row_figures(fake, held_out, train)}
        >>> figures["copy ratio, median"].training  # training rows are copies of themselves
        0.0
    """
    tables = _tables((fake, held_out, train), labels)
    target = labels is not None and tables[0][1].dtype.kind == "f"
    if target:
        # One class, in which the target is a column like the others.
        tables = [(np.column_stack(table), np.zeros(len(table[0]), int)) for table in tables]
    train_rows, y = tables[2]
    tables.append(_mixture_rows(train_rows, y, Columns.of(train_rows, "standard", words=words), seed))
    numbers = Columns.of(train_rows, "raw", words=words)
    scale = Standardizer.of(numbers.apply(train_rows))
    ours, real, known, floor = ((rounded(scale, numbers.apply(rows)), y) for rows, y in tables)
    random, size = np.random.default_rng(seed), min(len(ours[0]), len(known[0]))
    sources = [_drawn(source, size, random) for source in (ours, known, floor)]
    columns = [_figures(source[0], real[0], known[0], seed) for source in sources]
    if labels is not None:
        for column, score in zip(columns, _scores(sources, real, target, seed), strict=True):
            column["train on synthetic, R^2" if target else "train on synthetic, accuracy"] = score
    return [RowFigure(name, *(column[name] for column in columns)) for name in columns[0]]


def _tables(sets: Sequence[ArrayLike], labels: Sequence[ArrayLike] | None) -> list[Labelled]:
    """Checked rows and labels of each kind; without labels all are of one class."""
    tables: list[Labelled] = []
    width: int | str = "D"
    for at, name in enumerate(("fake", "held_out", "train")):
        y = np.zeros(len(np.asarray(sets[at])), int) if labels is None else labels[at]
        like = tables[0][1] if tables else None
        tables.append(honesty.labelled(_OWNER, name, (sets[at], y), width, like))
        width, n = tables[0][0].shape[1], len(tables[at][0])
        if n < FEWEST:
            raise DataError(f"{_OWNER}: {name} must hold at least {FEWEST} rows; got {n}. Pass more.")
    return tables


def _mixture_rows(train: Float64, y: Array, columns: Columns, seed: int) -> Labelled:
    """As many rows as the training rows, of each class from a mixture of its own."""
    standard, draws = columns.apply(train), []
    names, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    for code, count in enumerate(counts):
        rows = standard[codes == code]
        # A single row is its own centre.
        mixture = fit_mixture(rows if count > 1 else np.repeat(rows, 2, axis=0), seed + code)
        draws.append(mixture.sample(count)[0])
    # By numbers such as no column holds a classifier would tell any mixture.
    return columns.within(columns.restore(np.concatenate(draws))), np.repeat(names, counts)


def _figures(rows: Float64, held_out: Float64, train: Float64, seed: int) -> dict[str, float]:
    """What is measured of rows from one source, by name."""
    scale = Standardizer.of(train)
    median, low = honesty.copy_ratio(rows, train, held_out)
    return {
        "1-Wasserstein distance": honesty.wasserstein1(rows, held_out, train, seed),
        "1-Wasserstein distance of the farthest column": float(
            honesty.column_wasserstein(rows, held_out).max()
        ),
        "coverage": _coverage(scale.apply(rows), scale.apply(held_out), seed),
        "classifier test, trees": honesty.c2st_trees(rows, held_out, seed),
        "classifier test, products": honesty.c2st_quadratic(rows, held_out, seed),
        "copy ratio, median": median,
        "copy ratio, 5 %": low,
    }


def _coverage(rows: Float64, held_out: Float64, seed: int) -> float:
    """Coverage at one size: more rows than held-out ones would cover everything."""
    random, size = np.random.default_rng(seed), min(len(rows), len(held_out))
    few, real = (every[random.permutation(len(every))[:size]] for every in (rows, held_out))
    return density_coverage(real, few)[1]


def _scores(sources: Sequence[Labelled], held_out: Labelled, target: bool, seed: int) -> list[float]:
    """Score on held-out rows of what was trained on each of the three sources."""
    if target:
        *sources, held_out = ((rows[:, :-1], rows[:, -1]) for rows, _ in (*sources, held_out))
    fake, train, mixture = sources
    ours, theirs = honesty.train_on_synthetic(fake, held_out, train, seed)
    floor, _ = honesty.train_on_synthetic(mixture, held_out, train, seed)
    return [ours, theirs, floor]


def _drawn(source: Labelled, size: int, random: np.random.Generator) -> Labelled:
    rows, y = source
    few = random.permutation(len(rows))[:size]
    return rows[few], y[few]
