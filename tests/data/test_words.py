import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from close import assert_close
from dima.data import words
from dima.errors import DataError


@given(st.lists(st.sampled_from(["b", " b", "a ", "A", "", " ", None, "é"]), min_size=1, max_size=20))
def test_indices_are_those_of_numpy(cells):
    listed = [*dict.fromkeys(cell for cell in cells if cell is not None)]
    codes = np.array([-1 if cell is None else listed.index(cell) for cell in cells])
    word_ix, known = words.indexed(codes, listed)
    stripped = [(cell or "").strip() for cell in cells]
    expected = np.unique([cell for cell in stripped if cell])
    assert known == tuple(expected)
    is_there = np.array([bool(cell) for cell in stripped])
    assert_close(np.isnan(word_ix), ~is_there)
    assert [known[int(index)] for index in word_ix[is_there]] == [cell for cell in stripped if cell]


FORMS = [
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%m/%d/%y",
    "%d %b %Y",
    "%B %d, %Y",
    "%Y-%m",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%I:%M %p",
]


@pytest.mark.parametrize("form", [*FORMS, "%Y-%m-%d %H:%M:%S+00:00"])
def test_dates_as_they_are_printed(form):
    days = [datetime.datetime(2020, 1 + k, 1 + 2 * k, 3 * k % 12, k) for k in range(12)]
    assert words.are_dates([day.strftime(form) for day in days])


@pytest.mark.parametrize("word", ["2020/21", "1.2", "192.168.10.12", "may", "3-4", "A-2020", "12 apples"])
def test_words_that_are_no_dates(word):
    assert not words.are_dates([word])


@pytest.mark.parametrize(("n", "few", "most"), [(20, 10, 10), (21, 10, 10), (22, 10, 11), (22, 50, 50)])
def test_more_words_than_half_of_the_rows_are_refused(n, few, most):
    words.refuse_many("me: column 'a'", ["x"] * most, n, "Drop it.", few)
    told = (
        f"^me: column 'a' must hold words that repeat; got more than {most} different ones in {n} rows. Drop"
    )
    with pytest.raises(DataError, match=told):
        words.refuse_many("me: column 'a'", ["x"] * (most + 1), n, "Drop it.", few)
