import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score

from close import assert_close
from dima.metrics import rows as honesty
from dima.model.evaluate import tables
from dima.model.evaluate.rows import row_figures
from dima.model.latent_model import LatentModel

NAMES = ["amount", "kind", "count", "colour"]


@pytest.fixture(autouse=True)
def _small_forests(monkeypatch):
    monkeypatch.setattr(honesty, "_TREES", 15)


def frame(n, seed=0):
    rng = np.random.default_rng(seed)
    kind = np.where(rng.random(n) < 0.4, "new", "old")
    amount = 1000 * rng.lognormal(size=n) + 9000 * (kind == "new")
    colour = np.where(rng.random(n) < 0.8, np.where(kind == "new", "red", "blue"), "green")
    return pd.DataFrame(dict(zip(NAMES, (amount, kind, rng.integers(0, 40, n), colour), strict=True)))


@pytest.fixture(scope="module")
def train():
    return frame(90)


@pytest.fixture(scope="module")
def held_out():
    return frame(40, seed=1)


@pytest.fixture(scope="module")
def model(train):
    return LatentModel(PCA(3), prior="gmm", columns="rank").fit(train, "kind")


def by_name(figures):
    return {figure.name: figure for figure in figures}


def test_figures_are_those_of_rows_as_they_are_written(model, train, held_out):
    # The way of a user: draw, write words as their indices, measure.
    drawn = model.sample(90, seed=2)
    words, shown = ("blue", "green", "red"), []
    for rows in (drawn, held_out, train):
        word_ix = rows["colour"].map(list(words).index)
        shown.append(np.column_stack([rows["amount"], rows["count"], word_ix]).astype(float))
    labels = [(rows["kind"] == "old").astype(int) for rows in (drawn, held_out, train)]
    order = np.random.default_rng(2).permutation(40)
    expected = row_figures(
        shown[0], shown[1][order], shown[2], (labels[0], labels[1][order], labels[2]), 2, {2: words}
    )
    found = tables.table_figures(model, held_out, train, seed=2)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.name == theirs.name
        for source in ("value", "training", "mixture"):
            assert getattr(ours, source) == pytest.approx(getattr(theirs, source), abs=0.03), ours.name
    assert by_name(found)["train on synthetic, accuracy"].value > 0.7


@pytest.mark.parametrize("without", ["train", "held_out"])
def test_a_set_without_labels_leaves_out_the_score(model, train, held_out, without):
    sets = {"train": train, "held_out": held_out}
    sets[without] = sets[without].drop(columns="kind")
    found = by_name(tables.table_figures(model, sets["held_out"], sets["train"]))
    assert len(found) == 7
    assert found["copy ratio, median"].training == 0.0


def test_as_many_rows_are_drawn_as_there_are_training_rows_but_not_too_many(
    model, train, held_out, monkeypatch
):
    sizes = []
    monkeypatch.setattr(tables, "row_figures", lambda *sets: sizes.append([len(rows) for rows in sets[:3]]))
    tables.table_figures(model, held_out, train)
    monkeypatch.setattr(tables, "MOST", 30)
    tables.table_figures(model, held_out, train)
    assert sizes == [[90, 40, 90], [30, 30, 90]]


def test_the_r2_of_a_column_is_scikit_learn_s(train, held_out):
    rows, new = ((table[["amount", "count"]] - 3.0).assign(level=7.0) for table in (train, held_out))
    model = LatentModel(PCA(1), prior=None, columns="standard").fit(rows)
    numbers = model.numbers(new)
    rebuilt = model.decoded(model.transform(new))
    found = tables.column_r2(model, numbers, rebuilt)
    assert list(found) == ["amount", "count", "level"]
    assert np.isnan(found["level"])  # it is constant
    # Over the spread around the training mean, which is not that of the held-out rows.
    for axis, name in enumerate(("amount", "count")):
        spread = (numbers[:, axis] ** 2).mean() / numbers[:, axis].var()
        expected = 1 - (1 - r2_score(numbers[:, axis], rebuilt[:, axis])) / spread
        assert found[name] == pytest.approx(expected)


def test_the_numbers_of_words_count_together(model, held_out):
    numbers = model.numbers(held_out)
    rebuilt = model.decoded(model.transform(held_out))
    left, mean = rebuilt[:, 2:] - numbers[:, 2:], model.fit_.mean_X[2:]
    expected = 1 - (left**2).sum() / ((numbers[:, 2:] - mean) ** 2).sum()
    assert tables.column_r2(model, numbers, rebuilt)["colour"] == pytest.approx(expected)


def test_held_out_rows_that_all_are_the_mean_have_no_r2():
    rows = np.column_stack([[-1.0, 0.0, 1.0] * 5, np.arange(15.0)])
    model = LatentModel(PCA(1), prior=None, columns="standard").fit(rows)
    numbers = model.numbers(rows[1::3])
    assert np.isnan(tables.column_r2(model, numbers, numbers + 0.1)["column 1"])


def test_rows_are_taken_as_the_model_writes_them(model, held_out):
    words = held_out["colour"].map(["blue", "green", "red"].index)
    expected = np.column_stack([held_out["amount"], held_out["count"], words])
    assert_close(tables.plain_rows(model, held_out), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("columns", "rows", "is_one"),
    [
        ("raw", np.eye(6), False),
        ("standard", np.eye(6), True),
        ("raw", pd.DataFrame(np.eye(6), columns=list("abcdef")), True),
    ],
)
def test_what_is_a_table(columns, rows, is_one):
    model = LatentModel(PCA(2), prior=None, columns=columns).fit(rows)
    assert tables.is_table(model) is is_one
