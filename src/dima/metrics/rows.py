"""How honest generated rows of a table are: as far, as real, as new and as useful as real ones?"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from dima import check
from dima.errors import DataTypeError
from dima.metrics.classifier import MOST_ROWS, told_apart
from dima.metrics.distance import city_distances, pair, squared_distances
from dima.scaling import Standardizer
from dima.typing import Array, ArrayLike, Float64

# fmt: off
__all__ = [
    "c2st_quadratic", "c2st_trees", "column_wasserstein", "copy_ratio", "labelled", "train_on_synthetic",
    "wasserstein1",
]
# fmt: on

Labelled = tuple[ArrayLike, ArrayLike]  # rows (n, D) and their targets (n,)

_TREES = 200
_PRODUCTS = 780  # pairs of 40 columns
_QUANTILES = (0.5, 0.05)


def wasserstein1(X: ArrayLike, Y: ArrayLike, like: ArrayLike, seed: int = 0) -> float:
    """Exact 1-Wasserstein distance of rows by cityblock distance, columns over their range in `like`.

    At most 2,000 rows of each set are compared, a draw by `seed`. The larger set is then cut to the
    largest multiple of the smaller one's size, and each row of that stands for as many rows of the larger.
    It is in [0, inf), a sum over columns, and not 0 for two samples of one distribution: compare with
    training rows against held-out ones. This measure flatters rows without scatter.
    Source: Jolicoeur-Martineau, Fatras, Kachman 2023, arXiv 2309.09968.

    Args:
        X: rows (n, D).
        Y: rows (m, D).
        like: rows (l, D), usually the training rows, whose range becomes [0, 1] in each column. A column
            that is constant there is measured by its range in all three.
        seed: of the draws of rows.

    Raises:
        DimaError: as `check.array`.

    Example:
        >>> X = np.array([[0.0], [10.0], [10.0], [0.0]])
        >>> wasserstein1(X, [[5.0], [10.0]], like=X)  # half of the mass moves by half of the range
        0.25
    """
    X, Y = pair("wasserstein1", X, Y, ("X", "Y"))
    like = check.array("wasserstein1", "like", like, ("l", X.shape[1])).astype(np.float64, copy=False)
    random = np.random.default_rng(seed)
    few, many = sorted((_drawn(rows, MOST_ROWS, random) for rows in (X, Y)), key=len)
    times = len(many) // len(few)
    many = _drawn(many, times * len(few), random)
    unit = np.ptp(like, axis=0)
    unit = np.where(unit > 0.0, unit, np.ptp(np.concatenate([like, few, many]), axis=0))
    unit[unit == 0.0] = 1.0
    # About one place, so that far-off columns keep their digits.
    few, many = ((rows - like[0]) / unit for rows in (few, many))
    cost = city_distances(np.repeat(few, times, axis=0), many)
    return float(cost[linear_sum_assignment(cost)].mean())


def column_wasserstein(X: ArrayLike, Y: ArrayLike) -> Float64:
    """1-Wasserstein distance (D,) of each column alone, X (n, D) to Y (m, D), over the column's spread in Y.

    Each is in [0, inf) and exact for unequal sizes; a shift by one standard deviation is 1. A column that
    is constant in Y is measured in the common unit of `Standardizer`.
    Source: Villani 2009, "Optimal transport: old and new", sec. 6.

    Example:
        >>> Y = np.array([[-1.0, 0.0], [1.0, 4.0]])
        >>> column_wasserstein(Y + [1.0, 0.0], Y)
        array([1., 0.])
    """
    X, Y = pair("column_wasserstein", X, Y, ("X", "Y"))
    scale = Standardizer.of(Y)
    columns = zip(scale.apply(X).T, scale.apply(Y).T, strict=True)
    return np.array([wasserstein_distance(x, y) for x, y in columns])


def c2st_trees(X: ArrayLike, Y: ArrayLike, seed: int = 0, folds: int = 5) -> float:
    """Classifier two-sample test by a random forest of 200 trees: what boundaries along axes tell apart.

    X (n, D) and Y (m, D) are cut at random to one size, at most 2,000 rows. The cross-validated accuracy
    is from about 0.5 (indistinguishable) to 1 (told apart every time); below 0.5 is chance, or rows of
    one set that lie beside their like in the other.
    Source: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests"; Breiman 2001.

    Raises:
        DimaError: as `check.array`; a SettingError for folds below 2 or above a set's rows.

    Example:
        >>> X = np.random.default_rng(0).uniform(size=(30, 2))
        >>> c2st_trees(X, X + 2.0)
        1.0
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(_TREES, random_state=seed)
    sets = pair("c2st_trees", X, Y, ("X", "Y"))
    return told_apart("c2st_trees", sets, [forest], seed, folds)[0]


def c2st_quadratic(X: ArrayLike, Y: ArrayLike, seed: int = 0, folds: int = 5) -> float:
    """Classifier two-sample test by logistic regression on columns, their squares and their products.

    It sees what the first two moments tell: a covariance too small or too round. Columns are standardised,
    and so are the products. Above 40 columns 780 products, as many as 40 columns have, are drawn by the
    seed; every column and square stays. Sizes, range and errors are those of `c2st_trees`.
    Source: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests".

    Example:
        >>> X = np.random.default_rng(0).standard_normal((200, 2))
        >>> c2st_quadratic(X, 9 * X) > 0.8  # the same mean, another scatter
        True
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    sets = pair("c2st_quadratic", X, Y, ("X", "Y"))
    products = FunctionTransformer(_with_products, kw_args={"seed": seed})
    quadratic = [StandardScaler(), products, StandardScaler(), LogisticRegression(max_iter=1000)]
    return told_apart("c2st_quadratic", sets, [make_pipeline(*quadratic)], seed, folds)[0]


def copy_ratio(fake: ArrayLike, train: ArrayLike, held_out: ArrayLike) -> tuple[float, float]:
    """How near generated rows lie to training rows, over how near held-out rows do.

    Rows (b, D), (n, D) and (m, D), on columns standardised by the training rows; distances are Euclidean,
    to the nearest training row.

    Returns:
        Ratio of the medians and of the 5 % quantiles, each in [0, inf): about 1 for new rows of the same
        kind, 0 for copies, above 1 for rows off the data. NaN where the held-out quantile is 0.

    Source: Meehan, Chaudhuri, Dasgupta 2020, arXiv 2004.05675: copying is told by distances to training
    rows beside those of held-out rows.

    Raises:
        DimaError: as `check.array`.

    Example:
        >>> train = np.array([[0.0], [10.0], [20.0]])
        >>> [round(ratio, 3) for ratio in copy_ratio(train + 1.0, train, held_out=train + 2.0)]
        [0.5, 0.5]
    """
    fake, train = pair("copy_ratio", fake, train, ("fake", "train"))
    held_out = check.array("copy_ratio", "held_out", held_out, ("m", train.shape[1]))
    scale = Standardizer.of(train)
    known = scale.apply(train)
    ours, theirs = (np.quantile(_nearest(scale.apply(rows), known), _QUANTILES) for rows in (fake, held_out))
    median, low = (float(a / b) if b > 0.0 else float("nan") for a, b in zip(ours, theirs, strict=True))
    return median, low


def train_on_synthetic(
    fake: Labelled, held_out: Labelled, train: Labelled, seed: int = 0
) -> tuple[float, float]:
    """What a model learns from generated rows, beside what it learns from real ones.

    Each of the three is a pair of rows and their targets: (b, D) and (b,), (m, D) and (m,), (n, D) and
    (n,). A random forest of 200 trees is fitted to generated and to training rows, and held to the same
    held-out ones.

    Returns:
        Score of the one trained on generated rows and of the one on training rows: accuracy, 0 to 1, for
        labels (words, whole numbers, truth values); R^2, at most 1, for a target of floating-point numbers.

    Source: Esteban, Hyland, Ratsch 2017, arXiv 1706.02633 (train on synthetic, test on real).

    Raises:
        DimaError: as `check.array`; a DataTypeError for targets of which only some are labels.

    Example:
        >>> X, y = np.array([[0.0], [1.0], [8.0], [9.0]]), np.array(["a", "a", "b", "b"])
        >>> train_on_synthetic((X, y[::-1]), (X, y), (X, y))  # generated labels are the wrong way round
        (0.0, 1.0)
    """
    owner = "train_on_synthetic"
    goal, y = labelled(owner, "held_out", held_out)
    fits = [labelled(owner, name, of, goal.shape[1], y) for name, of in (("fake", fake), ("train", train))]
    ours, theirs = (_forest_score(rows, targets, goal, y, seed) for rows, targets in fits)
    return ours, theirs


def labelled(
    owner: str, name: str, given: Labelled, width: int | str = "D", like: Array | None = None
) -> tuple[Float64, Array]:
    """Check rows (n, width) and their targets (n,), which are all labels or all numbers.

    Returns:
        The rows and, for targets of floating-point numbers, the targets as float64; labels of another
        type as they are.

    Raises:
        DimaError: as `check.array`; a DataTypeError for targets of another kind than those in `like`, or none
            of these.
    """
    rows = check.array(owner, name, given[0], ("n", width)).astype(np.float64, copy=False)
    y, told = np.asarray(given[1]), f"targets of {name}"
    if like is not None and (y.dtype.kind == "f") != (like.dtype.kind == "f"):
        rule = f"{'labels' if y.dtype.kind == 'f' else 'floating-point numbers'}, as the others"
        raise DataTypeError(f"{owner}: {told} must be {rule}; got dtype {y.dtype}. Convert them first.")
    if y.dtype.kind == "f":
        return rows, check.array(owner, told, y, (len(rows),)).astype(np.float64, copy=False)
    check.form(owner, told, y.shape, np.dtype(np.int64), (len(rows),))  # labels have no type to check
    if y.dtype.kind not in "iubU" and not all(isinstance(label, str) for label in y.tolist()):
        rule = f"words, whole numbers or truth values; got dtype {y.dtype}"
        raise DataTypeError(f"{owner}: {told} must be {rule}. Convert them first.")
    return rows, y


def _drawn(rows: Float64, size: int, random: np.random.Generator) -> Float64:
    return rows if len(rows) <= size else rows[random.permutation(len(rows))[:size]]


def _with_products(X: Float64, seed: int) -> Float64:
    """Columns (n, D), their squares and the products of different ones, 780 of them at most."""
    first, second = np.triu_indices(X.shape[1], 1)
    if len(first) > _PRODUCTS:
        few = np.random.default_rng(seed).permutation(len(first))[:_PRODUCTS]
        first, second = first[few], second[few]
    return np.hstack([X, X**2, X[:, first] * X[:, second]])


def _nearest(rows: Float64, known: Float64) -> Float64:
    """Euclidean distance (n,) of each row to its nearest known one."""
    return np.sqrt(np.concatenate([squared.min(axis=1) for _, squared in squared_distances(rows, known)]))


def _forest_score(rows: Float64, y: Array, held_out: Array, goal: Array, seed: int) -> float:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestRegressor if goal.dtype.kind == "f" else RandomForestClassifier
    return float(kind(_TREES, random_state=seed).fit(rows, y).score(held_out, goal))
