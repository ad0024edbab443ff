"""Mixed tables written and read again: by dima, and by pandas and polars as the second road."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from close import assert_close
from dima.data import read
from dima.data.table import Table
from dima.errors import BackendError, DataError, DataTypeError, ShapeError

MISSING = {"", "na", "n/a", "nan", "<na>", "null", "none", "?"}  # as reading takes them
PLAIN = st.characters(codec="utf-8", exclude_characters="\ufeff")
WORDS = st.text(PLAIN, min_size=1, max_size=6).map(str.strip).filter(lambda word: word.lower() not in MISSING)
CELLS = {
    "int": st.integers(-(2**53), 2**53),
    "float": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "text": st.sampled_from(['a,"b"', "two\nlines", "tab\tbed", "=1+2", "@x", "-7", "1", "True"]) | WORDS,
}


def made(kinds, columns, names):
    """A table of columns of cells, None where one is missing."""
    words = {a: tuple(sorted({*column} - {None})) for a, column in enumerate(columns) if kinds[a] == "text"}
    numbers = [
        [np.nan if cell is None else words[a].index(cell) if a in words else float(cell) for cell in column]
        for a, column in enumerate(columns)
    ]
    return Table(np.array(numbers).T, names, [], tuple(kinds), words)


@st.composite
def tables(draw):
    kinds = draw(st.lists(st.sampled_from([*CELLS]), min_size=1, max_size=4))
    n = draw(st.integers(2, 6))
    columns = [draw(st.lists(st.none() | CELLS[kind], min_size=n, max_size=n)) for kind in kinds]
    for column, kind in zip(columns, kinds, strict=True):
        # A .csv tells words from numbers, and a column from an empty one, by one cell at least.
        column[draw(st.integers(0, n - 1))] = "word" if kind == "text" else draw(CELLS[kind])
    names = draw(st.none() | st.just([f"c{a}" for a in range(len(kinds))]))
    return made(kinds, columns, names)


def saved(path, table):
    read.save_table(path, table.values, table.names, table.types, table.words)
    return path


def cells(table):
    return [table.cells(axis) for axis in range(table.values.shape[1])]


@given(tables(), st.sampled_from([".csv", ".tsv", ".parquet"]))
@example(made(["text"], [["x", "word", None]], None), ".csv")
@example(made(["bool"], [[True, None]], None), ".csv")
@example(made(["text", "int"], [["x", "word"], [None, 1]], ["kind", "2020"]), ".tsv")
@example(made(["text", "int"], [["x", "word"], [2000, 1]], None), ".csv")
@example(made(["int", "text"], [[-0.0, 1], ["word", "x"]], ["a,b", "=c"]), ".csv")
def test_what_is_written_reads_back_equal(tmp_path_factory, table, suffix):
    path = saved(tmp_path_factory.mktemp("saved") / f"x{suffix}", table)
    found = read.table(path, keep_words=True, missing=True)
    assert cells(found) == cells(table)
    assert (found.types, found.words) == (table.types, table.words)
    numbered = [f"column {axis}" for axis in range(1, table.values.shape[1] + 1)]
    if table.names is None or "2020" in table.names:
        assert found.names in (None, numbered)
    else:
        assert found.names == [name.strip() for name in table.names]


MIXED = made(
    ["int", "float", "bool", "text"],
    [[1, None, -3], [0.1, 2.0, None], [True, False, None], ["a,b", None, 'say "x"']],
    ["n", "x", "is", "kind"],
)


@pytest.mark.parametrize(("suffix", "mark"), [(".csv", ","), (".tsv", "\t")])
def test_pandas_and_polars_read_the_text_alike(tmp_path, suffix, mark):
    path = saved(tmp_path / f"x{suffix}", MIXED)
    types = {"n": "Int64", "x": "float64", "is": "boolean", "kind": "str"}
    by_pandas = pd.read_csv(path, sep=mark, dtype=types)
    by_polars = pl.read_csv(path, separator=mark)
    for axis, name in enumerate(MIXED.names):
        expected = MIXED.cells(axis)
        assert [None if pd.isna(cell) else cell for cell in by_pandas[name]] == expected
        truths = {"True": True, "False": False}  # which polars reads as words
        assert [truths.get(cell, cell) for cell in by_polars[name]] == expected


def test_pandas_and_polars_read_the_parquet_alike(tmp_path):
    path = saved(tmp_path / "x.parquet", MIXED)
    by_polars = pl.read_parquet(path)
    assert by_polars.dtypes == [pl.Int64, pl.Float64, pl.Boolean, pl.String]
    assert [by_polars[name].to_list() for name in MIXED.names] == cells(MIXED)
    by_pandas = pd.read_parquet(path, dtype_backend="numpy_nullable")
    found = [[None if pd.isna(cell) else cell for cell in by_pandas[name]] for name in MIXED.names]
    assert found == cells(MIXED)


def test_the_text_itself(tmp_path):
    assert saved(tmp_path / "x.csv", MIXED).read_text("utf-8").splitlines() == [
        "n,x,is,kind",
        '1,0.1,True,"a,b"',
        ",2.0,False,",
        '-3,,,"say ""x"""',
    ]


def test_no_word_is_a_formula(tmp_path):
    table = made(["text"], [["=1+2", "@a", "-b", "+c"]], ["kind"])
    path = saved(tmp_path / "x.csv", table)
    assert path.read_text().splitlines() == ["kind", " =1+2", " @a", " -b", " +c"]
    assert read.table(path, keep_words=True).words == table.words


def test_integers_are_rounded_and_long_ones_written_out(tmp_path):
    values = np.array([[1.6, 1e18], [-0.4, -(2.0**60)]])
    read.save_table(tmp_path / "x.csv", values, ["a", "b"], ["int", "int"])
    assert (tmp_path / "x.csv").read_text() == f"a,b\n2,{10**18}\n0,{-(2**60)}\n"
    read.save_table(tmp_path / "x.parquet", values, ["a", "b"], ["int", "int"])
    assert_close(read.table(tmp_path / "x.parquet").values, [[2, 1e18], [0, -(2.0**60)]])


def test_words_alone_say_which_columns_hold_words(tmp_path):
    read.save_table(tmp_path / "x.csv", np.array([[0.5, 1], [2, 0]]), None, words={1: ["x", "y"]})
    assert cells(read.table(tmp_path / "x.csv", keep_words=True)) == [[0.5, 2.0], ["y", "x"]]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_])
def test_arrays_without_types_as_parquet(tmp_path, dtype):
    values = np.array([[1, 0], [0, 1]], dtype)
    read.save_table(tmp_path / "x.parquet", values)
    found = read.table(tmp_path / "x.parquet")
    assert_close(found.values, values)
    assert found.types == ({"f": "float", "b": "bool"}.get(np.dtype(dtype).kind, "int"),) * 2


@pytest.mark.parametrize(
    ("name", "table", "kind", "words"),
    [
        ("x.npy", MIXED, DataError, r"words in 'kind'. Write .csv or .parquet\."),
        ("x.csv", made(["text"], [["None", "x"]], ["a"]), DataError, "got 'None' in 'a'. Write .parquet"),
        ("x.csv", made(["text"], [["1", "2"]], ["a"]), DataError, "got '1' in 'a'. Write .parquet"),
        ("x.tsv", made(["text"], [["True", "false"]], ["a"]), DataError, "got 'True' in 'a'. Write .parquet"),
        ("x.parquet", Table(np.array([[1e30]]), None, [], ("int",)), DataError, "integers of 64 bits"),
        (
            "x.csv",
            Table(np.array([[np.inf]]), ["a"], [], ("int",)),
            DataError,
            "'a' must fit .*'int'; got inf",
        ),
        ("x.csv", Table(np.array([[2.0]]), ["a"], [], ("bool",)), DataError, "'a' must fit .*'bool'; got 2"),
        (
            "x.csv",
            Table(np.array([[0.5]]), ["a"], [], ("bool",)),
            DataError,
            "'a' must fit .*'bool'; got 0.5",
        ),
        ("x.csv", Table(np.array([[0.5]]), ["a"], [], ("text",), {0: ("x", "y")}), DataError, "got 0.5"),
        ("x.csv", Table(np.array([[2.0]]), ["a"], [], ("text",), {0: ("x", "y")}), DataError, "got 2"),
        (
            "x.csv",
            Table(np.eye(2), None, [], ("int",)),
            ShapeError,
            "types must be 2, one for each column; got 1",
        ),
        ("x.parquet", Table(np.eye(2), ["a"], []), ShapeError, "names must be 2, one for each column; got 1"),
        ("x.csv", Table(np.eye(1), ["a"], [], ("date",)), DataTypeError, "got 'date' without words"),
        ("x.csv", Table(np.eye(1), ["a"], [], ("text",)), DataTypeError, "got 'text' without words"),
        ("x.csv", Table(np.eye(1), ["a"], [], ("int",), {0: ("x",)}), DataTypeError, "got 'int' with words"),
    ],
)
def test_tables_that_cannot_be_written(tmp_path, name, table, kind, words):
    with pytest.raises(kind, match=f"^table: .*{words}") as caught:
        saved(tmp_path / name, table)
    assert " must " in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BackendError, match=r"written with pyarrow.*pip install"):
        saved(tmp_path / "x.parquet", MIXED)
    assert list(tmp_path.iterdir()) == []
