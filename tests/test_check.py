"""The guard at every door."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from close import assert_close
from dima import check, memory
from dima.errors import DataError, DataTypeError, MemoryBudgetError, NotFittedError, ShapeError


class Door(BaseEstimator):
    """Any estimator: only its name and what it remembers count."""


TABLE = np.arange(12.0).reshape(4, 3)
DAYS = pd.to_datetime(["2020-01-01", "2020-01-02"])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.int8, np.float32),
        (np.uint8, np.float32),
        (np.uint16, np.float32),
        (bool, np.float32),
        (np.int32, np.float64),
        (np.int64, np.float64),
        (np.longdouble, np.float64),
        (object, np.float64),
        (">f8", np.float64),
    ],
)
def test_types_that_hold_the_numbers(given, kept):
    points = check.points(Door(), TABLE.astype(given), reset=True)
    assert points.dtype == kept
    assert_close(points, TABLE.astype(given).astype(float))
    values = check.array("Door", "y", TABLE.astype(given))
    assert values.dtype == kept
    assert_close(values, points)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nothing_is_copied_without_need(dtype):
    table = np.asfortranarray(TABLE.astype(dtype))
    table.flags.writeable = False
    assert np.shares_memory(check.points(Door(), table, reset=True), table)
    assert np.shares_memory(check.array("Door", "y", table), table)


def test_numbers_a_narrow_type_holds_are_not_rounded():
    widest = np.array([[65535], [65534]], np.uint16)
    assert_close(check.points(Door(), widest, reset=True), widest.astype(float))


def test_widths_and_names_are_remembered():
    door = Door()
    check.points(door, pd.DataFrame(TABLE, columns=list("abc")), reset=True)
    assert door.n_features_in_ == 3
    assert check.feature_names(door) == ["a", "b", "c"]
    with pytest.raises(ShapeError, match=r"^Door: The feature names should match"):
        check.points(door, pd.DataFrame(TABLE[:, :2], columns=list("ab")), reset=False)
    with pytest.raises(ShapeError, match=r"^Door: The feature names should match"):
        check.points(door, pd.DataFrame(TABLE, columns=list("abd")), reset=False)


@pytest.mark.parametrize("names", [None, ["a", "b", "c"]])
def test_a_restored_estimator_remembers(names):
    door = Door()
    check.remember(door, 3, names)
    assert door.n_features_in_ == 3
    assert check.feature_names(door) == names
    assert hasattr(door, "feature_names_in_") == (names is not None)


@pytest.mark.parametrize(
    ("table", "error", "told"),
    [
        (TABLE[0], ShapeError, r"Expected 2D array, got 1D array instead\. Reshape your data: X\[None\]"),
        (pd.Series([1.0, 2.0]), ShapeError, "Expected 2D array, got 1D"),
        ([1.0, 2.0], ShapeError, "Expected 2D array, got 1D"),
        (TABLE[None], ShapeError, "Found array with dim 3"),
        (TABLE[:, :0], ShapeError, r"Found array with 0 feature\(s\)"),
        (TABLE[:0], DataError, r"Found array with 0 sample\(s\)"),
        (TABLE[:1], DataError, r"Found array with 1 sample\(s\)"),
        (TABLE.astype(str), DataTypeError, r"X must be real numbers; got dtype <U32\. Convert it first\."),
        (TABLE.astype("M8[s]"), DataTypeError, r"X must be real numbers; got dtype datetime64\[s\]"),
        (TABLE.astype(complex), DataTypeError, "Complex data not supported"),
        (pd.DataFrame({"a": ["x", "y"], "b": [1, 2]}), DataTypeError, "could not convert"),
        (pd.DataFrame({"a": DAYS}), DataTypeError, r"column 'a' must be real numbers; got dtype datetime64"),
        (pd.DataFrame({"a": DAYS - DAYS[0]}), DataTypeError, "column 'a' must .* got dtype timedelta"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": DAYS}), DataTypeError, "column 'b' must .* Convert it first"),
        (
            pd.DataFrame(TABLE[:, [0, 1, 2, 0]], columns=["a", "a", "b", "b"]),
            DataError,
            r"columns must have different names; got 'a' 2 times\. Rename one\.$",
        ),
        (np.ma.masked_equal(TABLE, 5.0), DataError, "X must be free of masked values; got some"),
        (
            np.where(TABLE < 8, TABLE, np.nan),
            DataError,
            r"X must be finite; got NaN or inf in 2 of 4 rows, the first being row 3\. Drop or impute",
        ),
    ],
)
def test_what_is_refused(table, error, told):
    with pytest.raises(error, match=f"^Door: {told}") as caught:
        check.points(Door(), table, reset=True, min_rows=2)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [1.1e18, 1e300])
def test_absurd_magnitudes_are_refused(size):
    table = np.array([[size, 1.0], [-size / 2, 1.0]])
    with pytest.raises(DataError, match=r"^Door: X must hold numbers of at most 1e\+18; got 1"):
        check.points(Door(), table, reset=False)
    with pytest.raises(DataError, match=r"^Door: Z must hold numbers of at most 1e\+18; got 1"):
        check.array("Door", "Z", -table)
    check.points(Door(), table / size * check.LARGEST, reset=True)


def test_opposite_infinities_are_counted():
    table = np.array([[np.inf, 1.0], [-np.inf, 1.0]])
    with pytest.raises(DataError, match="in 2 of 2 rows"):
        check.points(Door(), table, reset=True)


def test_training_rows_beyond_memory_are_refused_before_one_is_read(monkeypatch):
    rows = np.broadcast_to(np.full(500, np.nan), (10**9, 500))  # reading it would refuse NaN, after minutes
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**12)
    told = (
        r"^Door: a float32 copy of X \(1000000000, 500\) must fit .* got 2000.0 GB wanted and 1000.0 GB free"
    )
    with pytest.raises(MemoryBudgetError, match=told):
        check.points(Door(), rows, reset=True)
    monkeypatch.setattr(memory, "available_bytes", lambda: 4 * TABLE.size)
    assert check.points(Door(), TABLE, reset=True).shape == TABLE.shape


def test_training_rows_must_differ_by_what_float32_can_square():
    tiny = TABLE * 1e-20
    with pytest.raises(DataError, match=r"^Door: X must be spread over at least 1e-18; got 9e-20"):
        check.points(Door(), tiny, reset=True)
    beside = np.column_stack([tiny[:, :1], np.ones(4)])
    with pytest.raises(DataError, match="must be spread over at least"):
        check.points(Door(), beside, reset=True)
    door = Door()
    check.points(door, TABLE, reset=True)
    assert_close(check.points(door, tiny, reset=False), tiny)
    assert_close(check.points(Door(), TABLE * 0, reset=True), TABLE * 0)


@pytest.mark.parametrize(
    ("values", "wanted", "error", "message"),
    [
        (TABLE[:3], (4, "D"), ShapeError, r"y must have shape \(4, D\); got shape \(3, 3\)\."),
        (TABLE[None], ("n", 3), ShapeError, r"y must have .* got shape \(1, 4, 3\)\. Flatten each"),
        (TABLE[0], ("n", 3), ShapeError, r"y must have .* got shape \(3,\)\. Pass X\[None\]"),
        (7.0, ("n",), ShapeError, r"y must have shape \(n,\); got shape \(\)"),
        (TABLE[:, :0], ("n", "D"), DataError, "y must hold at least one number"),
        (TABLE + 1j, ("n", "D"), DataTypeError, "y must be real numbers; got dtype complex128"),
        ([{}, {}], ("n",), DataTypeError, "y must be real numbers; got dtype object"),
        (["1", "2"], ("n",), DataTypeError, "y must be real numbers; got dtype <U1"),
        (np.ma.masked_equal(TABLE, 5.0), ("n", "D"), DataError, "y must be free of masked values"),
        ([1.0, np.inf, 2.0], ("n",), DataError, "y must be finite; got NaN or inf in 1 of 3 rows"),
    ],
)
def test_arrays_that_are_refused(values, wanted, error, message):
    with pytest.raises(error, match=f"^Door: {message}"):
        check.array("Door", "y", values, wanted)


def test_pictures_may_have_holes():
    holed = np.where(TABLE > 3, TABLE, np.nan)
    assert np.isnan(check.array("grid", "images", holed, finite=False)).sum() == 4


def test_form_is_checked_without_an_element():
    check.form("table", "a.npy", (10**12, 4), np.dtype("f8"), ("n", "D"))
    with pytest.raises(DataTypeError, match=r"^table: a.npy must be real numbers; got dtype complex64"):
        check.form("table", "a.npy", (2, 2), np.dtype("c8"), ("n", "D"))


def test_fitted_lets_the_fitted_pass():
    door = Door()
    with pytest.raises(
        NotFittedError, match=r"^Door: the estimator must be fitted; .* Call Door\.fit first\.$"
    ):
        check.fitted(door, "coef_")
    door.coef_ = 1
    assert check.fitted(door, "coef_") == 1


def test_unfitted_can_be_sent_between_processes():
    with pytest.raises(NotFittedError) as caught:
        check.fitted(Door(), "coef_")
    restored = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 made here
    assert isinstance(restored, NotFittedError)
    assert restored.args == caught.value.args


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-1.0005, 1.0005), (0.0, 0.0)])
def test_pixels_may_pass_their_range_by_rounding(low, high):
    check.pixels("Door", "pixels", low, high)


@pytest.mark.parametrize(("low", "high"), [(0.0, 255.0), (-1.01, 0.0), (np.nan, np.nan), (0.0, np.inf)])
def test_pixels_beyond_their_range_are_refused(low, high):
    with pytest.raises(DataError, match=r"^Door: images must be in \[-1, 1\]; got .* Divide bytes by 127\.5"):
        check.pixels("Door", "images", low, high)


def test_labels_are_whole_numbers_of_a_class():
    found = check.labels("Door", "labels", np.array([0.0, 2.0, 1.0]), 3, 3)
    assert found.dtype == np.int64
    assert found.tolist() == [0, 2, 1]
    assert check.labels("Door", "labels", [True, False], "n").tolist() == [1, 0]


@pytest.mark.parametrize(
    ("values", "n", "error", "told"),
    [
        ([0, 3], 2, DataError, r"whole numbers from 0 to 2; got 0 to 3\. Number the classes\."),
        ([-1, 2], 2, DataError, "got -1 to 2"),
        ([0.5, 1], 2, DataError, "got 0.5 to 1"),
        ([0, np.nan], 2, DataError, "finite"),
        ([0, 1], 3, ShapeError, r"labels must have shape \(3,\)"),
    ],
)
def test_labels_that_are_none_are_refused(values, n, error, told):
    with pytest.raises(error, match=told):
        check.labels("Door", "labels", values, n, 3)
