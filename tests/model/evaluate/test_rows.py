import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import train_test_split

from close import assert_close
from dima.data.columns import Columns
from dima.errors import DataError, DataTypeError, ShapeError
from dima.metrics import rows as honesty
from dima.model.evaluate import rows
from dima.model.evaluate.rows import row_figures


@pytest.fixture(autouse=True)
def _small_forests(monkeypatch):
    monkeypatch.setattr(honesty, "_TREES", 15)


def by_name(figures):
    return {figure.name: figure for figure in figures}


@pytest.fixture
def iris():
    """Training and held-out rows and their classes, as words."""
    table = load_iris()
    words = table.target_names[table.target]
    return train_test_split(table.data, words, test_size=0.3, random_state=0, stratify=words)


def test_each_figure_is_that_of_its_source(iris):
    train, held_out, y, held_out_y = iris
    found = by_name(row_figures(train, held_out, train, (y, held_out_y, y)))
    assert [figure.value for figure in found.values()] == pytest.approx(
        [figure.training for figure in found.values()], nan_ok=True, abs=0.15
    )
    w1 = honesty.wasserstein1(train, held_out, train)
    assert found["1-Wasserstein distance"].training == pytest.approx(w1, abs=0.05)
    assert found["copy ratio, median"].value == 0.0
    assert found["copy ratio, median"].mixture > 0.5
    assert found["train on synthetic, accuracy"].training > 0.85
    assert found["train on synthetic, accuracy"].mixture > 0.85
    assert found["coverage"].training > 0.85


def test_rows_without_scatter_are_near_and_told_apart(iris):
    # The mean of two neighbours of one class: near in distance, and yet nothing like a draw.
    train, held_out, y, held_out_y = iris
    order = np.lexsort([train[:, 2], y])
    between = np.stack([train[np.roll(order, shift)] for shift in range(5)]).mean(axis=0)
    found = by_name(row_figures(between, held_out, train, (y[order], held_out_y, y)))
    assert found["classifier test, trees"].value > found["classifier test, trees"].training + 0.1
    assert found["1-Wasserstein distance"].value < 1.5 * found["1-Wasserstein distance"].training


def test_sources_are_compared_at_one_size(iris, monkeypatch):
    train, held_out, *_ = iris
    sizes = []
    measured = rows._figures
    monkeypatch.setattr(rows, "_figures", lambda *given: sizes.append(len(given[0])) or measured(*given))
    row_figures(train[:40], held_out, train)
    row_figures(np.repeat(train, 3, axis=0), held_out, train)
    assert sizes == [40, 40, 40, 105, 105, 105]


def test_without_labels_there_is_no_score_and_a_seed_decides(iris):
    train, held_out, *_ = iris
    first, again = (row_figures(train + 0.1, held_out, train, seed=3) for _ in range(2))
    assert first == again
    assert not any("synthetic" in figure.name for figure in first)
    assert len(first) == 7


def test_a_target_of_numbers_is_a_column_and_scored_by_r2():
    table = load_diabetes()
    X, y = table.data[:, [1, 2, 8]], table.target  # sex, body mass, a lipid
    train, held_out, train_y, held_out_y = train_test_split(X, y, random_state=0)
    found = by_name(row_figures(train, held_out, train, (train_y, held_out_y, train_y)))
    joint = [np.column_stack(pair) for pair in ((train, train_y), (held_out, held_out_y))]
    expected = honesty.wasserstein1(*joint, like=joint[0])
    assert found["1-Wasserstein distance"].training == pytest.approx(expected, abs=0.02)
    score = found["train on synthetic, R^2"]
    assert score.training == pytest.approx(score.value, abs=0.15)
    # A shuffled target leaves every column as it is, and teaches nothing.
    shuffled = np.random.default_rng(0).permutation(train_y)
    worse = by_name(row_figures(train, held_out, train, (shuffled, held_out_y, train_y)))
    assert worse["train on synthetic, R^2"].value < score.training - 0.15


def test_the_mixture_keeps_class_counts_and_the_values_of_columns(rng):
    y = np.repeat(["a", "b", "lone"], [40, 19, 1])
    train = np.column_stack(
        [
            rng.normal(size=60) + 50.0 * (y == "b"),
            rng.integers(0, 3, 60) * 0.5,
            rng.integers(0, 1000, 60),
            np.full(60, 7.0),
        ]
    )
    train = np.column_stack([train, rng.integers(0, 4, 60)])
    columns = Columns.of(train, "standard", words={4: ("red", "green", "blue", "grey")})
    drawn, names = rows._mixture_rows(train, y, columns, seed=0)
    assert drawn.shape == (60, 5)
    assert {name: int((names == name).sum()) for name in "ab"} == {"a": 40, "b": 19}
    assert_close(drawn[names == "b", 0].mean(), 50.0, atol=1.0)
    assert set(drawn[:, 1]) <= {0.0, 0.5, 1.0}
    assert_close(drawn[:, 2], np.rint(drawn[:, 2]))
    assert set(drawn[:, 3]) == {7.0}
    assert set(drawn[:, 4]) == {0.0, 1.0, 2.0, 3.0}
    assert (drawn >= train.min(axis=0)).all()
    assert (drawn <= train.max(axis=0)).all()


def test_words_are_seen_as_one_number_each(rng):
    # Neither their order nor their number matters: indices are names, not sizes.
    words, other = rng.integers(0, 3, (2, 60))
    sets = [np.column_stack([rng.normal(size=60), column]) for column in (words, other, words)]
    renamed = [
        np.column_stack([rows[:, 0], [9, 2, 5] @ np.eye(3)[:, rows[:, 1].astype(int)]]) for rows in sets
    ]
    first = by_name(row_figures(*sets, words={1: "abc"}))
    again = by_name(row_figures(*renamed, words={1: "0123456789"}))
    by_hand = [np.column_stack([rows[:, :1], np.eye(3)[rows[:, 1].astype(int)]]) for rows in sets]
    expected = honesty.wasserstein1(by_hand[0], by_hand[1], like=by_hand[2])
    assert first["1-Wasserstein distance"].value == pytest.approx(expected, abs=1e-3)
    for name in ("1-Wasserstein distance", "coverage", "copy ratio, median"):
        assert first[name].value == pytest.approx(again[name].value), name


TABLE = np.random.default_rng(0).standard_normal((20, 2))
CLASSES = np.arange(20) % 2


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ((TABLE[:9], TABLE, TABLE), DataError, "fake must hold at least 10 rows; got 9"),
        ((TABLE, TABLE[:9], TABLE), DataError, "held_out must hold at least 10 rows; got 9"),
        ((TABLE, TABLE, TABLE[:, :1]), ShapeError, r"train must have shape \(n, 2\)"),
        ((TABLE, TABLE, TABLE * np.nan), DataError, "train must be finite"),
        ((TABLE, TABLE, TABLE, (CLASSES, CLASSES, CLASSES[:5])), ShapeError, "targets of train must have"),
        ((TABLE, TABLE, TABLE, (CLASSES, CLASSES, TABLE[:, 0])), DataTypeError, "targets of train must be"),
    ],
)
def test_what_is_refused(given, kind, message):
    with pytest.raises(kind, match=f"row_figures: {message}"):
        row_figures(*given)
