import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linprog
from scipy.spatial.distance import cdist
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import PolynomialFeatures

from close import assert_close
from dima.errors import DataError, DataTypeError, SettingError, ShapeError
from dima.metrics import rows, two_sample


@pytest.fixture
def unit():
    """Rows whose range is [0, 1] in each of three columns, so that scaling by it changes nothing."""
    return np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])


def transport(X, Y):
    """W1 as the linear programme it is: mass from every row of X to every row of Y."""
    n, m = len(X), len(Y)
    leaves = np.kron(np.eye(n), np.ones(m))
    arrives = np.kron(np.ones(n), np.eye(m))
    mass = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    return linprog(cdist(X, Y, "cityblock").ravel(), A_eq=np.vstack([leaves, arrives]), b_eq=mass).fun


@pytest.mark.parametrize(("n", "m"), [(5, 5), (12, 4), (3, 9)])
def test_w1_is_the_optimum_of_the_linear_programme(rng, unit, n, m):
    X, Y = rng.uniform(size=(n, 3)), rng.uniform(size=(m, 3)) ** 2
    assert rows.wasserstein1(X, Y, unit) == pytest.approx(transport(X, Y), abs=1e-9)


def test_w1_on_a_line_is_scipys(rng, unit):
    x, y = rng.normal(size=(60, 1)), rng.normal(1.0, 2.0, (20, 1))
    expected = stats.wasserstein_distance(x[:, 0], y[:, 0])
    assert rows.wasserstein1(x, y, unit[:, :1]) == pytest.approx(expected, abs=1e-12)


def test_w1_of_five_rows_by_every_permutation(rng, unit):
    X, Y = rng.uniform(size=(2, 5, 3))
    best = min(np.abs(X[list(order)] - Y).sum(axis=1).mean() for order in itertools.permutations(range(5)))
    assert rows.wasserstein1(X, Y, unit) == pytest.approx(best, abs=1e-12)


def test_w1_of_other_sizes_drops_the_rest_and_no_more(rng, unit):
    X, y = rng.uniform(size=(7, 3)), rng.uniform(size=(3, 3))
    possible = {round(transport(np.delete(X, at, axis=0), y), 9) for at in range(7)}
    assert round(rows.wasserstein1(X, y, unit), 9) in possible
    assert rows.wasserstein1(X, y, unit) == rows.wasserstein1(y, X, unit)


def test_w1_counts_columns_in_their_range_and_a_constant_one_by_the_rows(rng):
    like = np.stack([np.linspace(0.0, 50.0, 9), np.full(9, 4.0)], axis=1)
    X, Y = rng.uniform(0.0, 50.0, (2, 12, 2))
    X[:, 1], Y[:, 1] = 4.0, 4.0
    expected = stats.wasserstein_distance(X[:, 0], Y[:, 0]) / 50.0
    assert rows.wasserstein1(X, Y, like) == pytest.approx(expected, abs=1e-12)
    Y[:, 1] = 1004.0  # all of its range
    assert rows.wasserstein1(X, Y, like) == pytest.approx(expected + 1.0, abs=1e-12)
    assert rows.wasserstein1(X + 1e9, Y + 1e9, like + 1e9) == pytest.approx(expected + 1.0, abs=1e-6)


def test_w1_compares_a_seeded_draw_of_many_rows(rng, unit, monkeypatch):
    monkeypatch.setattr(rows, "MOST_ROWS", 40)
    X, Y = rng.uniform(size=(200, 3)), rng.uniform(size=(90, 3))
    assert rows.wasserstein1(X, Y, unit, seed=1) == rows.wasserstein1(X, Y, unit, seed=1)
    assert rows.wasserstein1(X, Y, unit, seed=1) != rows.wasserstein1(X, Y, unit, seed=2)


def with_target(table):
    return np.column_stack([table.data, table.target]), None


def with_classes(table):
    return table.data, table.target


@pytest.mark.parametrize(
    ("load", "split", "low", "high"),
    [
        (load_wine, with_classes, 1.40, 1.50),
        (load_iris, with_classes, 0.20, 0.30),
        (load_diabetes, with_target, 1.00, 1.05),
    ],
)
def test_w1_of_known_tables_is_what_was_measured_for_them(load, split, low, high):
    X, y = split(load())
    pairs = [train_test_split(X, test_size=0.2, random_state=seed, stratify=y) for seed in range(8)]
    assert low < np.mean([rows.wasserstein1(a, b, like=a) for a, b in pairs]) < high


def test_columns_alone_are_scipys_over_their_spread(rng):
    X, Y = rng.normal(2.0, 3.0, (40, 2)), rng.normal(size=(70, 2)) * [1.0, 100.0]
    expected = [stats.wasserstein_distance(X[:, c], Y[:, c]) / Y[:, c].std() for c in range(2)]
    assert_close(rows.column_wasserstein(X, Y), expected, atol=1e-9)
    assert_close(rows.column_wasserstein(Y + Y.std(axis=0), Y), [1.0, 1.0], atol=1e-9)


@pytest.mark.parametrize("test", [rows.c2st_trees, rows.c2st_quadratic])
def test_a_classifier_tells_apart_what_differs_alone(rng, test, monkeypatch):
    monkeypatch.setattr(rows, "_TREES", 40)
    X, Y = rng.standard_normal((160, 2)), rng.standard_normal((200, 2))
    wider = rng.standard_normal((180, 2)) * [1.0, 6.0]
    assert 0.35 < test(X, Y) < 0.65
    assert test(X, wider) > 0.75
    assert test(X, Y, seed=4) == test(X, Y, seed=4)


def test_products_see_what_lines_do_not(rng):
    # One spread in each column and another correlation: neither a line nor a square can tell.
    x, y = rng.standard_normal((2, 600))
    turned = np.stack([x, 0.9 * x + np.sqrt(1 - 0.81) * y], axis=1)
    assert rows.c2st_quadratic(rng.standard_normal((600, 2)), turned) > 0.65


def test_squares_and_products_are_those_of_scikit_learn(rng):
    X = rng.standard_normal((6, 5))
    expected = PolynomialFeatures(2, include_bias=False).fit_transform(X)
    assert_close(np.sort(rows._with_products(X, 0), axis=1), np.sort(expected, axis=1))
    assert rows._with_products(np.ones((2, 40)), 0).shape == (2, 40 + 40 + 780)
    assert rows._with_products(np.ones((2, 60)), 0).shape == (2, 60 + 60 + 780)


def test_classifiers_know_rows_of_one_size_only(rng):
    # Were the sets not cut to one size, guessing the larger one would be right 9 times in 10.
    few, many = rng.standard_normal((40, 3)), rng.standard_normal((360, 3))
    assert max(rows.c2st_trees(few, many), rows.c2st_quadratic(few, many), two_sample.c2st(few, many)) < 0.75


def test_copy_ratio_by_scipys_distances(rng):
    fake, train, held_out = (rng.normal(size=(n, 3)) * [1.0, 50.0, 0.01] for n in (70, 90, 40))
    spread = train.std(axis=0)
    ours, theirs = (cdist(x / spread, train / spread).min(axis=1) for x in (fake, held_out))
    expected = [np.median(ours) / np.median(theirs), np.quantile(ours, 0.05) / np.quantile(theirs, 0.05)]
    assert_close(rows.copy_ratio(fake, train, held_out), expected, atol=1e-9)


def test_copies_are_at_zero_and_no_ratio_is_nan_but_where_held_out_rows_are_copies(rng):
    train, held_out = rng.standard_normal((50, 4)), rng.standard_normal((20, 4))
    assert rows.copy_ratio(train[::2], train, held_out) == (0.0, 0.0)
    mixed = np.concatenate([held_out[:15], train[:5]])  # a quarter of them copies
    median, low = rows.copy_ratio(held_out, train, mixed)
    assert median > 0.0
    assert np.isnan(low)


def test_training_on_labels_is_scored_by_accuracy(rng):
    X = rng.standard_normal((300, 2))
    y = np.where(X[:, 0] > 0, "high", "low")
    halves = (X[:100], y[:100]), (X[100:200], y[100:200]), (X[200:], y[200:])
    ours, theirs = rows.train_on_synthetic(*halves)
    assert min(ours, theirs) > 0.9
    shuffled = (X[:100], rng.permutation(y[:100]))
    worse, same = rows.train_on_synthetic(shuffled, *halves[1:])
    assert worse < 0.7
    assert same == theirs


@pytest.mark.parametrize("kind", [object, str, int, bool])
def test_labels_of_every_type_are_learnt(kind):
    X = np.repeat([[0.0], [9.0]], 8, axis=0)
    y = np.repeat(np.array(["a", "b"], object) if kind in (object, str) else [0, 1], 8).astype(kind)
    assert rows.train_on_synthetic((X, list(y)), (X, y), (X, y)) == (1.0, 1.0)


def test_training_on_numbers_is_scored_by_r2(rng):
    X = rng.uniform(-1, 1, (240, 2))
    y = 3.0 * X[:, 0] + 0.1 * rng.standard_normal(240)
    constant = (X[:80], np.full(80, y[80:160].mean() + 1.0))
    ours, theirs = rows.train_on_synthetic(constant, (X[80:160], y[80:160]), (X[160:], y[160:]))
    assert ours == pytest.approx(r2_score(y[80:160], constant[1]), abs=1e-9)
    assert theirs > 0.9


A = np.arange(24.0).reshape(12, 2)
LABELS = np.repeat([0, 1], 6)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: rows.wasserstein1(A, A[:, :1], A), ShapeError, "wasserstein1: Y must have shape"),
        (lambda: rows.wasserstein1(A, A, A[:, :1]), ShapeError, "wasserstein1: like must have shape"),
        (lambda: rows.wasserstein1(A, A * np.nan, A), DataError, "wasserstein1: Y must be finite"),
        (lambda: rows.c2st_trees(A, A, folds=13), SettingError, "c2st_trees: folds must be 2 to 12"),
        (lambda: rows.c2st_quadratic(A, A, folds=1), SettingError, "c2st_quadratic: folds must be 2"),
        (lambda: rows.copy_ratio(A, A, A[0]), ShapeError, "copy_ratio: held_out must have shape"),
        (
            lambda: rows.train_on_synthetic((A, LABELS), (A, LABELS + 0.5), (A, LABELS)),
            DataTypeError,
            "targets of fake must be floating-point numbers, as the others; got dtype int64",
        ),
        (
            lambda: rows.train_on_synthetic((A, LABELS), (A, LABELS), (A, LABELS + 0.5)),
            DataTypeError,
            "targets of train must be labels",
        ),
        (
            lambda: rows.train_on_synthetic((A, [None, "a"] * 6), (A, LABELS), (A, LABELS)),
            DataTypeError,
            "targets of fake must be words, whole numbers or truth values; got dtype object",
        ),
        (
            lambda: rows.train_on_synthetic((A, LABELS[:5]), (A, LABELS), (A, LABELS)),
            ShapeError,
            r"targets of fake must have shape \(12,\); got shape \(5,\)",
        ),
    ],
)
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
