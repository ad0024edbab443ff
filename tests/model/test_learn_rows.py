"""What a fit learns of rows and labels, and what it refuses in one sentence."""

import numpy as np
import pandas as pd
import pytest

from close import assert_close
from dima import ManifoldAutoencoder
from dima.data.frame import from_frame
from dima.errors import DataError, DimaError
from model.mixed import NUMBERS, ranked, table, told


@pytest.fixture(scope="module")
def frame():
    return table()


@pytest.fixture(scope="module")
def arrays(frame):
    """A model of numbers alone, without labels."""
    return ranked().fit(frame[NUMBERS].to_numpy(float))


@pytest.mark.parametrize("has_words", [False, True])
def test_missing_cells_are_refused_by_name(frame, has_words):
    gaps = (frame if has_words else frame[NUMBERS]).copy()
    gaps.loc[[4, 6], "amount"] = np.nan
    assert "'amount', first in row 5" in told(lambda: ranked().fit(gaps), DataError)


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, 1e19])
@pytest.mark.parametrize("given", [{}, {"impute": "median"}], ids=str)
def test_infinity_is_refused(frame, wrong, given):
    bad = frame.assign(amount=[wrong, *frame["amount"][1:]])
    told(lambda: ranked(**given).fit(bad, "label"), DataError)
    fitted = ranked(**given).fit(frame, "label")
    told(lambda: fitted.transform(bad), DataError)


def test_an_empty_column_is_refused_by_name(frame):
    gaps = frame.assign(amount=np.nan)
    assert "'amount'" in told(lambda: ranked(impute="median").fit(gaps), DataError)
    assert "column 1 must have" in told(
        lambda: ranked(impute="median").fit(gaps[NUMBERS].to_numpy(float)), DataError
    )


def test_words_that_name_the_rows_are_refused(frame):
    named = frame.assign(who=[f"w{row % 41}" for row in range(80)])
    sentence = told(lambda: ranked().fit(named), DataError)
    assert "got more than 40 different words in 'who', which has 80 rows. Drop the column from" in sentence
    table = from_frame(named)
    assert "Drop it (--drop 'who', or" in told(lambda: ranked().fit(table), DataError)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(80), "y must hold at least 2 classes; got 1"),
        (np.zeros(79), r"y must be one label for each of 80 rows; got shape \(79,\)"),
        ("colour", "y must be labels where X is an array; got 'colour'"),
        (np.r_[np.nan, np.arange(79) % 2], "y must hold a label for every row; got none in row 1"),
        (np.array([None, *"ab" * 39, "a"], object), "y must hold a label for every row; got none in row 1"),
        (
            np.array([*"ab" * 39, np.nan, "a"], object),
            "got none in row 79",
        ),
    ],
    ids=["one", "short", "name", "nan", "None", "objects"],
)
def test_labels_that_cannot_be_used_are_refused(frame, labels, message):
    with pytest.raises(DimaError, match=message) as found:
        ranked().fit(frame[NUMBERS].to_numpy(float), labels)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("size", "'size' must be one of its columns"),
        ("amount", "column 'amount' must hold classes; got numbers that are not whole, such as "),
        ("row", "column 'row' must hold classes; got 80 different numbers in 80 rows. Leave the label out"),
    ],
)
def test_columns_that_are_no_labels_are_refused(frame, name, message):
    assert message in told(lambda: ranked().fit(frame.assign(row=range(80)), name), DataError)


def test_a_target_of_regression_is_ignored_where_it_is_an_array(arrays, frame):
    X = frame[NUMBERS].to_numpy(float)
    beside = ranked().fit(X, np.linspace(0.1, 3.0, 80))
    assert beside.classes_ is None
    # Whole numbers that hardly repeat, as the target of diabetes, and several columns are targets too.
    for target in (np.arange(80) // 2, np.arange(80.0) // 3, np.zeros((80, 2)), np.arange(80) % 2 + 1j):
        assert ranked().fit(X, target).classes_ is None
    assert_close(beside.sample(5), arrays.sample(5))


@pytest.mark.parametrize("names", [["5.1", "3.5", "1.4", "0.2"], ["3", "1", "1.1", "1e2"]])
def test_names_that_may_be_a_row_are_told_once(names, rng):
    frame = pd.DataFrame(rng.standard_normal((40, 4)), columns=names)
    with pytest.warns(
        UserWarning, match=f"columns should have names; got numbers such as '{names[0]}'"
    ) as record:
        ManifoldAutoencoder(2, d_diffusion=0, prior=None).fit(frame)
    assert len(record) == 1


SCALE = [f"{400 + 2.5 * step}" for step in range(9)]


@pytest.mark.parametrize(
    "names", [["2019", "2020", "2021", "2022"], SCALE, SCALE[::-1], ["1.5", "0", "2", "x"]]
)
def test_years_and_wavelengths_are_names(names, rng):
    rows = pd.DataFrame(rng.standard_normal((40, len(names))), columns=names)
    ManifoldAutoencoder(2, d_diffusion=0, prior=None).fit(rows)
