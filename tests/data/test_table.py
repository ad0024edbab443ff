import dataclasses
from pathlib import Path

import numpy as np
import pytest

from close import assert_close
from dima.data.table import Reading, Table, check_cells
from dima.errors import DataError

FILE = Path("x.csv")
NAN = float("nan")
DROP = Reading(drop_text=True)


def test_columns_keep_their_names_and_order():
    values = np.array([[1.0, NAN, 3.0], [4.0, NAN, 6.0]])
    found = check_cells(FILE, Table(values, ["a", "b", ""], []), {1: "'x' in row 1"}, DROP)
    assert_close(found.values, [[1, 3], [4, 6]])
    assert (found.names, found.left_out) == (["a", "column 3"], ["b"])


def test_nothing_is_copied_when_nothing_is_dropped():
    values = np.ones((2, 2))
    assert check_cells(FILE, Table(values, None, []), {}, Reading()).values is values


def test_five_columns_are_named_and_the_others_counted():
    text = dict.fromkeys(range(8), "'x' in row 1")
    with pytest.raises(DataError, match=r"'column 5' \('x' in row 1\) and 3 more\."):
        check_cells(FILE, Table(np.full((2, 9), NAN), None, []), text, Reading())


def test_a_dropped_column_does_not_count_as_missing():
    values = np.array([[NAN, 1.0], [NAN, NAN]])
    with pytest.raises(DataError, match="in 'b', first in row 2"):
        check_cells(FILE, Table(values, ["a", "b"], []), {0: "x"}, DROP)


MIXED = Table(
    np.array([[1.0, 0.5, 1, 1], [2, NAN, 0, 0], [3, 2.5, NAN, 1]]),
    ["n", "x", "is", "kind"],
    [],
    ("int", "float", "bool", "text"),
    {3: ("blue", "red")},
)


def test_cells_have_the_type_of_their_column():
    cells = [MIXED.cells(axis) for axis in range(4)]
    assert cells == [[1, 2, 3], [0.5, None, 2.5], [True, False, None], ["red", "blue", "red"]]
    assert [type(column[0]) for column in cells] == [int, float, bool, str]


@pytest.mark.parametrize("rows", [np.array([2, 0]), slice(1, None), slice(0, 0)])
def test_rows_are_taken_as_numpy_takes_them(rows):
    taken = MIXED.take(rows)
    assert taken.cells(3) == np.array(["red", "blue", "red"])[rows].tolist()
    assert (taken.names, taken.types, taken.words) == (MIXED.names, MIXED.types, MIXED.words)


def test_a_column_is_split_off():
    rest, n = MIXED.split_off("n")
    assert n == [1, 2, 3]
    assert (rest.names, rest.types) == (["x", "is", "kind"], ("float", "bool", "text"))
    assert rest.words == {2: ("blue", "red")}
    assert rest.cells(2) == MIXED.cells(3)
    rest, kind = MIXED.split_off("kind")
    assert (rest.words, kind) == ({}, ["red", "blue", "red"])
    nameless, second = Table(np.eye(2), None, []).split_off("column 2")
    assert (nameless.names, second) == (None, [0.0, 1.0])


@pytest.mark.parametrize(
    ("table", "name", "words"),
    [
        (MIXED, "colour", "'colour' must be one of its columns; got none. There are: n, x, is, kind."),
        (MIXED, "x", "every cell of 'x' must hold something; got an empty one in row 2"),
        (MIXED.select([0]), "n", "other columns must stand beside 'n'"),
        (Table(np.ones((1, 30)), None, []), "y", "column 20, ..."),
    ],
)
def test_columns_that_cannot_be_split_off(table, name, words):
    with pytest.raises(DataError, match=f"table: .*{words}"):
        table.split_off(name)


def test_words_are_counted_in_other_lists():
    words = {3: ("green", "red", "blue"), 0: ("3", "2", "1")}
    found = MIXED.recoded(words, "me")
    assert_close(found.values[:, [0, 3]], [[2, 1], [1, 2], [0, 1]])
    assert (found.types, found.words) == (("text", "float", "bool", "text"), words)
    assert found.cells(3) == MIXED.cells(3)
    assert found.cells(0) == ["1", "2", "3"]
    blank = dataclasses.replace(MIXED, values=np.full((2, 4), NAN))
    assert blank.recoded({3: ("red",)}, "me").cells(3) == [None, None]


def test_words_are_refused_where_numbers_or_truth_values_were():
    words = Table(np.array([[0.0], [1.0]]), ["is"], [], ("text",), {0: ("True", "yes")})
    with pytest.raises(DataError, match="'is' must hold true or false; got words such as 'yes'"):
        words.recoded({}, "me", ("bool",))
    with pytest.raises(DataError, match="'is' must hold numbers; got words such as 'yes'"):
        words.recoded({}, "me", ("int",))


def test_unknown_words_are_named_with_their_row():
    with pytest.raises(
        DataError, match=r"me: column 'kind' must hold known words; got 'blue' in row 2\. It can be red"
    ):
        MIXED.recoded({3: ("red",)}, "me")
    with pytest.raises(DataError, match=r"me: column 'n' must hold known words; got '1' in row 1\."):
        MIXED.recoded({0: ("2", "3"), 3: ("blue", "red")}, "me")
    with pytest.raises(DataError, match="me: column 'kind' must hold numbers; got words such as 'blue'"):
        MIXED.recoded({}, "me")
