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
    words.refuse_names("me: X", {"a": ["x"] * most}, n, words.drop_by_name, few)
    told = f"more than {most} different words in 'a', which has {n} rows. Drop it"
    with pytest.raises(DataError, match=f"^me: X must hold numbers, or words that .*; got {told}"):
        words.refuse_names("me: X", {"a": ["x"] * (most + 1)}, n, words.drop_by_name, few)


def test_every_column_that_cannot_be_learnt_is_named_at_once():
    days = [f"2024-03-{day:02}" for day in range(1, 31)]
    columns = {"day": days, "who": [f"w{n}" for n in range(30)], "kind": ["a", "b"], "blank": []}
    prices = {"price": ["12", "35,881.23"], "pair": ["1,2", "3,4"]}
    with pytest.raises(DataError) as caught:
        words.refuse_names("me: X", columns | prices, 30, words.drop_by_name, 10, {"at": "dates (time)"})
    sentence = str(caught.value)
    assert "dates (time) in 'at'; dates in 'day', such as '2024-03-01'; more than 15 different" in sentence
    assert "numbers with thousands separators in 'price', such as '35,881.23': write 35881.23" in sentence
    assert "--drop 'at' --drop 'day' --drop 'who' --drop 'price', or drop=['at', 'day'," in sentence
    assert sentence.endswith("or all columns of words (--drop-text, or drop_text=True).")
    assert not any(name in sentence for name in ("'kind'", "'blank'", "'pair'"))


def test_a_python_user_of_a_frame_is_told_what_can_be_done_there():
    assert words.drop_from_frame(["a"]) == "Drop the column from the frame, or make numbers of it."
    assert words.drop_from_frame(["a", "b"]) == "Drop the columns from the frame, or make numbers of them."
    assert words.drop_all(["column 1"]) == "Drop all columns of words (--drop-text, or drop_text=True)."
