from pathlib import Path

import numpy as np
import pytest

from close import assert_close
from dima.data.table import check_cells
from dima.errors import DataError

FILE = Path("x.csv")
NAN = float("nan")


def test_columns_keep_their_names_and_order():
    values = np.array([[1.0, NAN, 3.0], [4.0, NAN, 6.0]])
    found = check_cells(FILE, ["a", "b", ""], values, {1: "'x' in row 1"}, drop_text=True)
    assert_close(found.values, [[1, 3], [4, 6]])
    assert (found.columns, found.left_out) == (["a", "column 3"], ["b"])


def test_nothing_is_copied_when_nothing_is_dropped():
    values = np.ones((2, 2))
    assert check_cells(FILE, None, values, {}, drop_text=False).values is values


def test_five_columns_are_named_and_the_others_counted():
    text = dict.fromkeys(range(8), "'x' in row 1")
    with pytest.raises(DataError, match=r"'column 5' \('x' in row 1\) and 3 more\."):
        check_cells(FILE, None, np.full((2, 9), NAN), text, drop_text=False)


def test_a_dropped_column_does_not_count_as_missing():
    values = np.array([[NAN, 1.0], [NAN, NAN]])
    with pytest.raises(DataError, match="in 'b', first in row 2"):
        check_cells(FILE, ["a", "b"], values, {0: ""}, drop_text=True)
