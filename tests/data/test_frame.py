"""Data frames: the truth is what pandas and polars themselves read from a .csv, and hold in a column."""

import datetime
import decimal
import fractions
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from close import assert_close
from data.files import write
from dima.data import frame, read
from dima.data.table import Table
from dima.errors import BackendError, DataError, DataTypeError, SettingError

TEXT = "n,x,is,kind\n1,0.5,True,red\n-2,1.25,False,blue\n3,2e3,True,red\n"
GAPS = "n,x,is,kind\n1,,True,red\n,1.25,,blue\n3,2e3,True,\n"
FRAMES = {"pandas": pd.DataFrame, "polars": pl.DataFrame}


def cells(table):
    return [table.cells(axis) for axis in range(table.values.shape[1])]


@pytest.mark.parametrize("text", [TEXT, GAPS])
@pytest.mark.parametrize("library", FRAMES)
def test_a_frame_is_what_its_own_library_reads(tmp_path, library, text):
    path = write(tmp_path / "x.csv", text)
    if library == "pandas":
        other = pd.read_csv(path, dtype={"n": "Int64", "is": "boolean"} if text == GAPS else None)
    else:
        other = pl.read_csv(text.replace("True", "true").replace("False", "false").encode())
    ours, theirs = read.table(path, keep_words=True, missing=True), frame.from_frame(other)
    assert cells(theirs) == cells(ours)
    assert (theirs.names, theirs.types, theirs.words) == (ours.names, ours.types, ours.words)
    back = frame.to_frame(ours, library)
    assert type(back) is FRAMES[library]
    assert back.equals(other)
    assert [*back.dtypes] == [*other.dtypes]


CELLS = {
    "int": st.integers(-(2**50), 2**50),
    "float": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "text": st.sampled_from(["a", "b c", "é", "1", "None"]),
}


@st.composite
def tables(draw):
    kinds = draw(st.lists(st.sampled_from([*CELLS]), min_size=1, max_size=4))
    n = draw(st.integers(1, 6))
    columns = [draw(st.lists(st.none() | CELLS[kind], min_size=n, max_size=n)) for kind in kinds]
    for column, kind in zip(columns, kinds, strict=True):
        column[draw(st.integers(0, n - 1))] = draw(CELLS[kind])
    return kinds, columns


@given(tables(), st.sampled_from([*FRAMES]))
def test_there_and_back(drawn, library):
    kinds, columns = drawn
    words = {a: tuple(sorted({*column} - {None})) for a, column in enumerate(columns) if kinds[a] == "text"}
    numbers = [
        [np.nan if cell is None else words[a].index(cell) if a in words else float(cell) for cell in column]
        for a, column in enumerate(columns)
    ]
    names = [f"c{a}" for a in range(len(kinds))]
    table = Table(np.array(numbers).T, names, [], tuple(kinds), words)
    made = frame.to_frame(table, library)
    held = {name: made[name].to_list() for name in names}
    assert [[None if pd.isna(c) else c for c in column] for column in held.values()] == columns
    found = frame.from_frame(made)
    assert cells(found) == columns
    assert (found.types, found.words) == (table.types, table.words)
    assert_close(np.nan_to_num(found.values), np.nan_to_num(table.values))


@pytest.mark.parametrize(
    ("column", "expected", "kind"),
    [
        (pd.array([1, None], "Int64"), [1, None], "int"),
        (pd.array([1, None], "UInt8"), [1, None], "int"),
        (pd.array([0.5, None], "Float32"), [0.5, None], "float"),
        (pd.array([True, None], "boolean"), [True, None], "bool"),
        (pd.array(["a ", None], "string"), ["a", None], "text"),
        (pd.array([1, None], "int64[pyarrow]"), [1, None], "int"),
        (pd.array(["a", None], "string[pyarrow]"), ["a", None], "text"),
        (pd.Categorical(["b", None], ["a", "b"]), ["b", None], "text"),
        (pd.Categorical([3, None], [2, 3]), [3, None], "int"),
        (pd.Categorical([True, False]), [True, False], "bool"),
        (pd.arrays.SparseArray([0.0, 1.5]), [0.0, 1.5], "float"),
        (np.array([1, 2], object), [1, 2], "int"),
        (np.array([1, None, 0.5], object), [1.0, None, 0.5], "float"),
        (np.array([decimal.Decimal("0.5"), fractions.Fraction(1, 4)], object), [0.5, 0.25], "float"),
        (np.array([np.True_, None, False], object), [True, None, False], "bool"),
        (np.array(["x", np.nan, np.str_("y")], object), ["x", None, "y"], "text"),
    ],
    ids=str,
)
def test_types_of_pandas(column, expected, kind):
    found = frame.from_frame(pd.DataFrame({"a": column, "b": range(len(column))}))
    assert (found.cells(0), found.types) == (expected, (kind, "int"))


@pytest.mark.parametrize(
    ("column", "expected", "kind"),
    [
        (pl.Series([1, None], dtype=pl.Int16), [1, None], "int"),
        (pl.Series([0.5, None], dtype=pl.Float32), [0.5, None], "float"),
        (pl.Series([decimal.Decimal("0.5"), None]), [0.5, None], "float"),
        (pl.Series([True, None]), [True, None], "bool"),
        (pl.Series(["b", " a", None]), ["b", "a", None], "text"),
        (pl.Series(["b", "a", None], dtype=pl.Categorical), ["b", "a", None], "text"),
        (pl.Series(["b", None], dtype=pl.Enum(["b", "a"])), ["b", None], "text"),
        (pl.Series([1, None], dtype=pl.Object), [1, None], "int"),
    ],
    ids=str,
)
def test_types_of_polars(column, expected, kind):
    found = frame.from_frame(pl.DataFrame([column.alias("a"), pl.Series("b", range(len(column)))]))
    assert (found.cells(0), found.types) == (expected, (kind, "int"))


@pytest.mark.parametrize("library", FRAMES)
def test_single_precision_stays_single(library):
    assert frame.from_frame(FRAMES[library]({"a": np.float32([1, 2])})).values.dtype == np.float32


def test_subclasses_are_frames_and_arrays_are_not():
    class Mine(pd.DataFrame):
        pass

    assert frame.is_frame(Mine({"a": [1]}))
    assert frame.is_frame(pl.DataFrame({"a": [1]}))
    assert not any(map(frame.is_frame, [np.eye(2), pd.Series([1]), pl.Series([1]), None]))


DAY = datetime.date(2020, 1, 1)


@pytest.mark.parametrize(
    ("X", "kind", "words"),
    [
        (
            pd.DataFrame({"a": pd.to_datetime([DAY])}),
            DataTypeError,
            r"must .* got dates \(Timestamp\) in 'a'",
        ),
        (pd.DataFrame({"a": pd.to_timedelta([1])}), DataTypeError, "must .* got Timedelta.* in 'a'"),
        (pd.DataFrame({"a": [pd.Period("2020")]}), DataTypeError, r"must .* got dates \(Period\) in 'a'"),
        (pd.DataFrame({"a": [DAY]}), DataTypeError, r"must .* got dates \(date\) in 'a'"),
        (pd.DataFrame({"a": [[1], [2]]}), DataTypeError, "must .* got list.* in 'a'"),
        (pd.DataFrame({"a": [1j]}), DataTypeError, "must .* got complex.* in 'a'"),
        (pd.DataFrame({"a": ["x", 1]}), DataTypeError, "must .* got int and str.* in 'a'"),
        (pd.DataFrame({"a": [None, None]}), DataError, "only empty ones in 'a'"),
        (pd.DataFrame({"a": ["2020-01-01"]}), DataError, "dates in 'a'"),
        (
            pd.DataFrame({"a": [f"w{k}" for k in range(60)]}),
            DataError,
            "must .* more than 50 different words in 'a'.* Drop the column from the frame",
        ),
        (pd.DataFrame({"a": []}), DataError, r"shape \(0, 1\)"),
        (pl.DataFrame({"a": [DAY]}), DataTypeError, r"must .* got dates \(Date\) in 'a'"),
        (pl.DataFrame({"a": [[1], [2]]}), DataTypeError, "must .* got List.* in 'a'"),
        (pl.DataFrame({"a": [{"b": 1}]}), DataTypeError, "must .* got Struct.* in 'a'"),
        (pl.DataFrame({"a": [b"x"]}), DataTypeError, "must .* got Binary.* in 'a'"),
        (pl.DataFrame({"a": [None]}), DataError, "only empty ones in 'a'"),
        (pl.DataFrame({"a": []}), DataError, r"shape \(0, 1\)"),
        (np.eye(2), DataTypeError, "a data frame; got a ndarray"),
    ],
)
def test_frames_that_are_no_tables(X, kind, words):
    with pytest.raises(kind, match=f"^table: .*{words}"):
        frame.from_frame(X)


def test_all_columns_that_are_no_columns_are_named_at_once():
    X = pd.DataFrame({"day": pd.to_datetime([DAY] * 60), "who": [f"w{k}" for k in range(60)], "n": range(60)})
    with pytest.raises(
        DataTypeError, match=r"dates \(Timestamp\) in 'day'; more than 50 .* in 'who'.* columns"
    ):
        frame.from_frame(X)


def test_frames_that_cannot_be_made(monkeypatch):
    table = Table(np.eye(2), ["a", "a"], [])
    with pytest.raises(DataError, match="different names; got 'a' twice"):
        frame.to_frame(table, "pandas")
    with pytest.raises(SettingError, match="one of pandas, polars; got 'dask'"):
        frame.to_frame(table, "dask")
    for library in FRAMES:
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(BackendError, match=f"Run: pip install {library}"):
            frame.to_frame(Table(np.eye(2), None, []), library)


def test_no_library_is_imported_before_it_is_needed():
    seen = "import sys, dima.data.frame as f; f.is_frame(1); print({'pandas', 'polars'} & {*sys.modules})"
    asked = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "set()"


def test_a_table_of_words_is_a_frame_of_words():
    table = Table(np.array([[1.0, 0], [2, 1]]), ["a", "kind"], [], ("int", "text"), {1: ("x", "y")})
    assert len(table) == 2
    pd.testing.assert_frame_equal(
        frame.to_frame(table, "pandas"), pd.DataFrame({"a": [1, 2], "kind": ["x", "y"]})
    )
    assert frame.to_frame(table, "polars").rows() == [(1, "x"), (2, "y")]


PANDAS = {
    "small": pd.Series([3, 250, 7], dtype="uint8"),
    "whole": pd.Series([3, 9, -7], dtype="Int64"),
    "narrow": pd.Series([0.1, 2.5, 1e6], dtype="float32"),
    "real": pd.Series([0.1, 2.5, 1e6], dtype="Float64"),
    "is": pd.Series([True, False, True], dtype="boolean"),
    "size": pd.Series(pd.Categorical(["m", "s", "m"], ["s", "m", "l"], ordered=True)),
    "grade": pd.Series(pd.Categorical([1, 5, 5])),
    "object": pd.Series(["x", "y", "x"], dtype=object),
    "string": pd.Series(["x", "y", "x"], dtype="string"),
}
POLARS = {
    "small": pl.Series([3, 250, 7], dtype=pl.UInt8),
    "narrow": pl.Series([0.1, 2.5, 1e6], dtype=pl.Float32),
    "is": pl.Series([True, False, True]),
    "size": pl.Series(["m", "s", "m"], dtype=pl.Enum(["s", "m", "l"])),
    "kind": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
    "word": pl.Series(["x", "y", "x"]),
}


@pytest.mark.parametrize(
    ("library", "typed"), [("pandas", pd.DataFrame(PANDAS)), ("polars", pl.DataFrame(POLARS))]
)
def test_types_of_a_frame_come_back(library, typed):
    dtypes = json.loads(json.dumps(frame.dtypes_of(typed)))  # as a saved model has them
    back = frame.to_frame(frame.from_frame(typed), library, dtypes)
    assert back.equals(typed)
    assert list(back.dtypes) == list(typed.dtypes)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_cells_that_do_not_fit_a_type_are_kept_as_they_are(library):
    cells = np.array([[-3.0, 0.5, 0.0, 4.0], [200.0, 2.0, 1.0, 300.0]])
    table = Table(cells, list("abcd"), [], ("int", "float", "text", "int"), {2: ("x", "y")})
    small, some = {"pandas": "uint8", "polars": "UInt8"}[library], {"categories": ["x"], "ordered": True}
    back = frame.to_frame(table, library, {"a": small, "b": small, "c": some, "d": small})
    plain = frame.to_frame(table, library)
    assert back.equals(plain)
    assert list(back.dtypes) == list(plain.dtypes)
    unknown = dict.fromkeys("abcd", "of another library")
    assert frame.to_frame(table, library, unknown).equals(plain)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_missing_cell_stays_missing_in_any_type(library):
    table = Table(np.array([[4.0, 1.0], [np.nan, np.nan]]), ["a", "c"], [], ("int", "text"), {1: ("x", "y")})
    small, some = {"pandas": "uint8", "polars": "UInt8"}[library], {"categories": ["y"], "ordered": True}
    back = frame.from_frame(frame.to_frame(table, library, {"a": small, "c": some}))
    assert [back.cells(0), back.cells(1)] == [table.cells(0), table.cells(1)] == [[4, None], ["y", None]]
