"""Tables as users hold them: what comes back, and what is refused in one sentence."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA

import dima
from close import assert_close
from dima.errors import DataError, DimaError, SettingError, ShapeError
from dima.model import priors
from dima.model.latent_model import LatentModel
from model.mixed import NUMBERS, ranked, table, told


@pytest.fixture(scope="module")
def frame():
    return table()


@pytest.fixture(scope="module")
def model(frame):
    return ranked().fit(frame, "label")


@pytest.fixture(scope="module")
def arrays(frame):
    """A model of numbers alone, without labels."""
    return ranked().fit(frame[NUMBERS].to_numpy(float))


def test_pandas_comes_back_as_it_was(model, frame):
    rows = model.sample(80, seed=1)
    assert isinstance(rows, pd.DataFrame)
    assert list(rows.columns) == list(frame.columns)  # the label in its place
    assert rows.dtypes.to_dict() == frame.dtypes.to_dict()
    for name in ("label", "colour"):
        assert set(rows[name]) == set(frame[name])
    assert rows["count"].between(frame["count"].min(), frame["count"].max()).all()
    # As many as there are rows: as many of each class.
    assert rows["label"].value_counts().to_dict() == frame["label"].value_counts().to_dict()


def test_polars_comes_back_as_it_was(model, frame):
    rows = ranked().fit(pl.from_pandas(frame), "label").sample(40, seed=1)
    assert isinstance(rows, pl.DataFrame)
    assert rows.schema == pl.from_pandas(frame).schema
    pd.testing.assert_frame_equal(rows.to_pandas(), model.sample(40, seed=1), check_dtype=False)


def test_arrays_come_back_as_arrays(arrays, frame):
    X = frame[NUMBERS].to_numpy(float)
    rows = arrays.sample(9)
    assert isinstance(rows, np.ndarray)
    assert rows.shape == (9, 3)
    assert_close(rows[:, 1:], np.round(rows[:, 1:]))
    assert isinstance(arrays.inverse_transform(arrays.transform(X)), np.ndarray)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_come_where_they_are_asked_for(frame, library):
    numbers = frame[NUMBERS]
    model = ranked().fit(numbers)
    assert isinstance(model.sample(3), np.ndarray)
    model.set_output(transform=library)
    Z = model.transform(numbers)
    for rows in (model.sample(3), model.inverse_transform(Z)):
        assert type(rows).__module__.startswith(library)
        assert list(rows.columns) == NUMBERS
        back = rows if library == "pandas" else rows.to_pandas()
        assert [dtype.kind for dtype in back.dtypes] == ["f", "i", "b"]


def test_frames_asked_for_do_not_break_the_others(frame):
    numbers = frame[NUMBERS]
    plain, asked = ranked().fit(numbers), ranked().fit(numbers).set_output(transform="pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asked.score(numbers) == plain.score(numbers)
        assert_close(asked.log_density(numbers), plain.log_density(numbers))
    expected = plain.interpolate(numbers[:2], numbers[2:4], steps=3)
    assert_close(asked.interpolate(numbers[:2], numbers[2:4], steps=3), expected)


@pytest.mark.parametrize("position", [0, 2, 4])
@pytest.mark.parametrize("values", [["b", "a"], [3, 1], [True, False]], ids=["text", "int", "bool"])
def test_labels_stand_where_they_stood(frame, position, values):
    given = frame.drop(columns="label")
    given.insert(position, "kind", np.where(frame["label"] == "high", *values))
    rows = ranked().fit(given, "kind").sample(30, y=values[0])
    assert list(rows.columns) == list(given.columns)
    assert rows["kind"].dtype == given["kind"].dtype
    assert (rows["kind"] == values[0]).all()


@pytest.mark.parametrize("label", ["label", "kind"])
def test_a_table_of_numbers_with_its_label(frame, label):
    given = frame[[*NUMBERS, "label"]].assign(kind=np.arange(80) % 3)[[*NUMBERS, label]]
    model = ranked().fit(given, label)
    assert model.n_features_in_ == 3
    assert list(model.sample(6).columns) == [*NUMBERS, label]


def test_rows_encode_with_their_labels_or_without(model, frame):
    assert_close(model.transform(frame), model.transform(frame.drop(columns="label")))


@pytest.mark.parametrize(
    "order", [["colour", "is_new", "count", "amount"], ["count", "label", "colour", "amount", "is_new"]]
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_in_another_order_are_taken_by_name(model, frame, order, library):
    moved = frame[order] if library == "pandas" else pl.from_pandas(frame[order])
    assert_close(model.transform(moved), model.transform(frame))


def test_rows_of_a_class_are_like_it(model, frame):
    for label in ("high", "low"):
        own = model.sample(200, y=label, seed=2)["amount"]
        seen = frame.loc[frame["label"] == label, "amount"]
        assert own.median() == pytest.approx(seen.median(), rel=0.2)


def test_raw_booleans_are_drawn_as_often(frame):
    rows = LatentModel(PCA(6), prior="gmm", match="moments").fit(frame.drop(columns="label")).sample(500)
    assert rows["is_new"].mean() == pytest.approx(frame["is_new"].mean(), abs=0.15)


def test_saved_and_opened_it_draws_the_same(model, frame, tmp_path):
    again = dima.load(dima.save(model, tmp_path / "m"))
    pd.testing.assert_frame_equal(again.sample(20, seed=3), model.sample(20, seed=3))
    pd.testing.assert_frame_equal(again.sample(5, y="low"), model.sample(5, y="low"))
    assert_close(again.transform(frame), model.transform(frame), atol=1e-12)
    assert again.classes_ == model.classes_ == ["high", "low"]


def test_types_of_a_frame_come_back(frame, tmp_path):
    types = {
        "amount": "float32",
        "count": "Int16",
        "is_new": "boolean",
        "colour": "category",
        "label": "category",
    }
    typed = frame.astype(types)
    model = ranked().fit(typed, "label")
    for fitted in (model, dima.load(dima.save(model, tmp_path / "m"))):
        assert fitted.sample(9).dtypes.to_dict() == typed.dtypes.to_dict()
        numbers = fitted.inverse_transform(fitted.transform(typed))
        assert numbers.dtypes.to_dict() == typed.drop(columns="label").dtypes.to_dict()
    assert model.set_output(transform="polars").sample(9).schema["count"] == pl.Int64  # of another library


def test_raw_columns_have_the_types_that_hold_any_number(frame):
    typed = frame.astype({"count": "int8", "amount": "float32"})
    rows = LatentModel(PCA(2), columns="raw").fit(typed, "label").sample(9)
    assert rows.dtypes[["amount", "count", "is_new"]].astype(str).to_list() == [
        "float32",
        "float64",
        "float64",
    ]


def test_a_constant_column_stays_constant(frame):
    rows = ranked().fit(frame.assign(count=7), "label").sample(20)
    assert (rows["count"] == 7).all()


@pytest.mark.parametrize("few", [1, 2])
def test_a_class_of_few_rows_is_drawn(frame, few):
    labels = np.r_[np.repeat("most", 80 - few), np.repeat("few", few)]
    with pytest.warns(UserWarning, match="classes with fewer than 10 rows take the spread of all: few"):
        model = ranked().fit(frame.assign(label=labels), "label")
    assert (model.sample(12, y="few")["label"] == "few").all()
    assert model.sample(80)["label"].value_counts()["few"] == few


@pytest.fixture(scope="module")
def with_a_small_class(frame):
    """Four rows of a class with a word, a number and a boolean of their own."""
    few = np.arange(80) % 20 == 3
    return frame.assign(
        label=np.where(few, "few", "most"),
        colour=np.where(few, "violet", frame["colour"]),
        count=np.where(few, 7, frame["count"]),
        is_new=frame["is_new"] & ~few,
    )


@pytest.mark.filterwarnings("ignore:LatentModel. classes with fewer")
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize(
    "given",
    [
        {"columns": "rank"},
        {"columns": "standard"},
        {"columns": "raw"},
        {"columns": "rank", "residual": None, "match": None},
        {"columns": "rank", "match": "moments"},
    ],
    ids=str,
)
def test_rows_of_a_small_class_have_its_own_words_and_constants(
    with_a_small_class, given, residual, tmp_path
):
    model = LatentModel(PCA(3), prior="gmm", **given).fit(with_a_small_class, "label")
    opened = dima.load(dima.save(model, tmp_path / "m"))
    for fitted in (model, opened):
        rows = fitted.sample(300, y="few", residual=residual)
        assert set(rows["colour"]) == {"violet"}
        assert_close(rows["count"].to_numpy(float), np.full(300, 7.0), atol=1e-9)
        assert not rows["is_new"].astype(bool).any()
        assert rows["amount"].nunique() > 100
        assert "violet" not in set(fitted.sample(300, y="most", residual=residual)["colour"])


@pytest.mark.filterwarnings("ignore:LatentModel. classes with fewer")
@pytest.mark.parametrize("has", [True, False])
@pytest.mark.parametrize("columns", ["rank", "standard"])
@pytest.mark.parametrize("given", [{}, {"residual": None, "match": None}], ids=str)
def test_rows_of_a_class_of_one_row_have_its_booleans(frame, has, columns, given):
    is_ghost = np.arange(80) == 40
    ghostly = frame.assign(
        label=np.where(is_ghost, "ghost", frame["label"]), is_new=np.where(is_ghost, has, frame["is_new"])
    )
    rows = LatentModel(PCA(3), columns=columns, **given).fit(ghostly, "label").sample(100, y="ghost")
    assert (rows["is_new"] == has).all()
    assert set(rows["colour"]) == {frame["colour"][40]}
    assert rows["amount"].nunique() > 50  # not by heart


def test_missing_cells_are_filled_where_asked(frame):
    gaps = frame.copy()
    gaps.loc[[3, 8], "amount"], gaps.loc[5, "colour"] = np.nan, None
    model = ranked(impute="median").fit(gaps, "label")
    filled = gaps.fillna({"amount": gaps["amount"].median(), "colour": gaps["colour"].mode()[0]})
    assert_close(model.transform(gaps), model.transform(filled))
    assert not model.sample(30).isna().any(axis=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.assign(colour="pink"), "column 'colour' must hold known words; got 'pink' in row 1"),
        (lambda f: f.drop(columns="count"), "columns must be those of the model; got none named 'count'"),
        (lambda f: f.assign(more=1.0), "got 'more' besides"),
        (lambda f: f.assign(count="many"), "column 'count' must hold numbers; got words such as 'many'"),
        (lambda f: f.assign(colour=1.5), "column 'colour' must hold known words; got '1.5'"),
        (lambda f: f.assign(count=pd.Timestamp("2020-01-01")), "got dates .* in 'count'"),
        (lambda f: f.assign(is_new=7), "column 'is_new' must hold booleans, .*; got 7 in row 1"),
        (lambda f: f.assign(count=[*range(79), 30.5]), "column 'count' must hold whole .* 30.5 in row 80"),
        (lambda f: f.assign(amount=[np.nan, *f["amount"][1:]]), "an empty one in 'amount', first in row 1"),
        (lambda f: f.assign(colour=[*f["colour"][:-1], None]), "an empty one in 'colour', first in row 80"),
        (lambda f: np.full((2, 4), 7.0), "column 4 must hold indices of its 3 words, 0 to 2"),
        (lambda f: np.zeros((2, 3)), r"^LatentModel: X must have shape \(b, 4\); got shape \(2, 3\)\."),
    ],
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_rows_that_do_not_fit_are_refused(model, frame, change, message, library):
    given = change(frame)
    if library == "polars" and isinstance(given, pd.DataFrame):
        given = pl.from_pandas(given)
    with pytest.raises(DimaError, match=message) as found:
        model.transform(given)
    assert "\n" not in str(found.value)


def test_whole_numbers_may_be_written_as_floats(model, frame):
    spelt = frame.assign(count=frame["count"].astype(float), is_new=frame["is_new"].astype(int))
    assert_close(model.transform(spelt), model.transform(frame), atol=0)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("impute", [None, "median"])
def test_arrays_are_held_to_types_that_were_learnt(frame, impute):
    numbers = frame[NUMBERS]
    typed = ranked(impute=impute).fit(numbers)
    X = numbers.to_numpy(float)
    assert_close(typed.transform(X), typed.transform(numbers), atol=0)
    X[4, 2] = 0.5
    rule = "column 'is_new' must hold booleans, True and False or 1 and 0"
    fix = "Change it, or fit to rows that hold such."
    said = f"LatentModel: {rule}; got 0.5 in row 5. {fix}"
    assert told(lambda: typed.transform(X), DataError) == said


@pytest.mark.parametrize("columns", ["raw", "standard", "rank"])
def test_arrays_of_integers_are_of_no_type(frame, columns):
    whole = frame[["count", "is_new"]].to_numpy(int)
    model = LatentModel(PCA(2), prior=None, columns=columns).fit(whole)
    assert np.isfinite(model.transform(whole + 0.25)).all()


@pytest.mark.parametrize("make", [pd.DataFrame, pl.from_pandas], ids=["pandas", "polars"])
@pytest.mark.parametrize(("unit", "taken"), [(1.0, "rank"), (1e-5, "standard")])
def test_frames_are_treated_if_nobody_says_how(frame, make, unit, taken):
    given = make(frame.assign(amount=unit * frame["amount"], count=0.1 * frame["count"]))
    model, said = (
        LatentModel(PCA(2), **settings).fit(given, "label") for settings in ({}, {"columns": taken})
    )
    assert model.fit_.rows.columns.treatment == model.facts()["columns_taken"] == taken
    assert model.columns == model.fit_.settings["columns"] == "auto"  # what was asked
    rows = model.sample(20)
    assert rows.equals(said.sample(20))  # scattered and matched as well
    assert set(rows["is_new"]) <= {True, False}


def test_integers_booleans_and_words_are_drawn_as_such_by_default(frame):
    rows = LatentModel(PCA(2)).fit(frame.drop(columns="label"), frame["label"]).sample(30)
    assert rows.dtypes.to_dict() == frame.drop(columns="label").dtypes.to_dict()


def test_arrays_are_raw_if_nobody_says_how(frame):
    X = frame[NUMBERS].to_numpy(float)
    model, raw = LatentModel(PCA(2)).fit(X), LatentModel(PCA(2), columns="raw").fit(X)
    assert "columns_taken" not in model.facts()
    assert model.fit_.scatter is None
    assert_close(model.sample(9), raw.sample(9), atol=0)


def test_the_prior_is_chosen_by_the_treatment_taken(frame, monkeypatch):
    monkeypatch.setattr(priors, "_ENOUGH", len(frame))  # raw rows would train a network
    assert LatentModel(PCA(2)).fit(frame[NUMBERS]).facts()["prior"] == "gmm"


def test_a_saved_model_is_refitted_as_it_was(frame, tmp_path):
    model = LatentModel(PCA(2)).fit(frame, "label")
    again = dima.load(dima.save(model, tmp_path / "m"))
    assert again.columns == "auto"
    pd.testing.assert_frame_equal(clone(again).fit(frame, "label").sample(9), model.sample(9))


def test_raw_columns_of_a_frame_hold_any_number(frame):
    model = LatentModel(PCA(2), prior=None, columns="raw").fit(frame[NUMBERS])
    assert np.isfinite(model.transform(frame[NUMBERS].assign(count=30.5, is_new=7))).all()


def test_whole_labels_are_found_as_integers_or_floats(frame):
    X, y = frame[NUMBERS].to_numpy(float), np.arange(80) % 2
    whole, real = ranked().fit(X, y), ranked().fit(X, y.astype(float))
    assert_close(whole.sample(5, y=1), real.sample(5, y=1.0))
    assert_close(real.sample(5, y=1), whole.sample(5, y=1.0))


def test_classes_that_are_not_there_are_refused(model, arrays):
    assert "must hold classes of the model; got 'middle'. There are: high, low." in told(
        lambda: model.sample(3, y="middle"), DataError
    )
    assert "column 'label' must hold classes of the model; got 'middle'" in told(
        lambda: model.fit_.rows.class_ix("me", ["middle"], 1, "column 'label'"), DataError
    )
    assert "one for each of 3 rows; got shape (2,)" in told(
        lambda: model.sample(3, y=["low"] * 2), ShapeError
    )
    assert "the model has no classes" in told(lambda: arrays.sample(3, y="low"), DataError)


@pytest.mark.parametrize(
    "given", [{"n": -1}, {"n": 1.5}, {"n": 3, "seed": -1}, {"n": 3, "seed": 0.5}], ids=str
)
def test_wrong_numbers_of_rows_are_refused_with_classes_too(model, given):
    assert "must be a whole number >= 0" in told(lambda: model.sample(**given), SettingError)
    assert "must be a whole number >= 0" in told(lambda: model.sample(y="low", **given), SettingError)


def test_facts_tell_what_columns_and_classes_are(model, arrays):
    found = model.facts()
    assert (found["columns_taken"], found["label"], found["classes"]) == ("rank", "label", ["high", "low"])
    assert not {"label", "classes"} & arrays.facts().keys()


@pytest.mark.parametrize("labels", [[None, "high"], [None, None]])
def test_new_rows_need_no_labels(labels):
    frame = table()
    model = ranked().fit(frame, "label")
    rows = frame[:2].assign(label=labels)
    assert np.array_equal(model.transform(rows), model.transform(frame[:2]))
