"""Element types at every door: what no number can be made of is refused with what it is."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator

from dima import check
from dima.errors import DataTypeError

DAY, NUMBERS = np.datetime64("2020-01-01"), np.arange(12.0).reshape(4, 3)
DATES = [datetime.date(2020, 1, day) for day in range(1, 5)]
ZONED = pd.DataFrame({"a": pd.date_range("2020", periods=4, tz="UTC"), "b": range(4)})


class Door(BaseEstimator):
    """Any estimator."""


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([[DAY, DAY], [DAY, DAY]], r"X must be real numbers; got dtype datetime64\[D\]\. Convert"),
        ([[DAY, 1.0], [DAY, 2.0]], r"X must be real numbers; got dtype datetime64\. Convert"),
        (np.array([[DAY - DAY, 1.0]], object), r"X must be real numbers; got dtype timedelta64\. Convert"),
        (
            pl.DataFrame({"a": DATES, "b": range(4)}),
            r"column 'a' must be real numbers; got dtype Date\. Convert",
        ),
        (ZONED, r"column 'a' must be real numbers; got dtype datetime64\[.*UTC\]\. Convert"),
        (np.full((2, 2), "x", object), r"could not convert string to float: 'x'\. Make numbers of words, or"),
        ([["x", "y"]], r"X must be real numbers; got dtype <U1\. Convert it first\."),
        (NUMBERS * 1j, r"Complex data not supported\. Pass real and imaginary parts as columns\."),
        ([[1j]], r"X must be real numbers; got dtype complex128\. Convert it first\."),
        (
            np.array([DATES, DATES]),
            r"X must be real numbers; got dtype object \(.* not 'datetime.date'\)\. Conv",
        ),
    ],
)
def test_rows_that_are_no_numbers(rows, told):
    with pytest.raises(DataTypeError, match=f"^Door: {told}"):
        check.points(Door(), rows, reset=True)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": 1.5}), "got dtype object with a NAType"),
        (ZONED, r"must be real numbers; got dtype datetime64\[.*UTC\]\. Convert it first\."),
        (pl.DataFrame({"a": DATES}), r"must be real numbers; got dtype Date\. Convert it first\."),
        (np.array([[1.0, {}]], object), "got dtype object with a dict"),
        (np.array([[DAY, 1.0]], object), "got dtype datetime64"),
        (sparse.csr_array(NUMBERS), r"must be a dense array; got a csr_array\. Pass its toarray\(\)\."),
    ],
)
def test_arrays_that_are_no_numbers(values, told):
    with pytest.raises(DataTypeError, match=f"^GPLM: (y|column 'a') .*{told}"):
        check.array("GPLM", "y", values)


def test_objects_that_are_numbers_stay_such():
    assert check.array("GPLM", "y", NUMBERS.astype(object)).dtype == np.float64
    assert check.points(Door(), NUMBERS.tolist(), reset=True).tolist() == NUMBERS.tolist()


@pytest.mark.parametrize("kind", [pd.Series, pl.Series])
def test_a_series_of_numbers_is_taken(kind):
    assert np.array_equal(check.array("door", "y", kind([1.0, 2.5]), ("n",)), [1.0, 2.5])
