import os

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from close import assert_close
from data.files import X, refused, write
from dima.data import read
from dima.errors import DataError, DataTypeError, MemoryBudgetError, ShapeError

TABLES = arrays(
    st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_]),
    array_shapes(min_dims=2, max_dims=2, max_side=5),
    elements=None,
).filter(lambda values: values.dtype.kind != "f" or np.isfinite(values).all())


def test_no_such_file(tmp_path):
    refused(tmp_path / "x.npy", DataError, "exists")
    refused(tmp_path, DataError, "a folder")
    refused(tmp_path / "x.pkl", DataError, "'.pkl'", ".npy, .npz, .csv, .tsv, .parquet")
    (tmp_path / "x.csv").touch()
    refused(tmp_path / "x.csv", DataError, "0 bytes")


@pytest.mark.parametrize(
    ("fault", "kind"), [(PermissionError(13, "no"), DataError), (MemoryError(), MemoryBudgetError)]
)
def test_faults_of_the_machine_become_sentences(tmp_path, monkeypatch, fault, kind):
    def broken(*_):
        raise fault

    monkeypatch.setitem(read._READERS, ".csv", broken)
    refused(write(tmp_path / "x.csv", "1"), kind)


@given(TABLES, st.sampled_from([".npy", ".csv"]))
def test_what_is_written_reads_back_equal(tmp_path_factory, values, suffix):
    path = tmp_path_factory.mktemp("saved") / f"x{suffix}"
    read.save_table(path, values)
    found = read.table(path).values
    kept = found if suffix == ".npy" else found.astype(values.dtype)
    if values.dtype == np.int64 and suffix == ".csv":
        assert_close(found, values.astype(np.float64))
    else:
        assert_close(kept, values)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=9), min_size=1, max_size=5
    )
)
@example(["=SUM(A1)", "+1", "-x", "@y", "\t=z"])
@example(["a,b", 'quo"ted', "two\nlines", "two\rlines", "12_3"])
@example(["", "none", "2020"])
def test_column_names_read_back_with_the_numbers(tmp_path_factory, columns):
    columns = ["a", *columns]  # numbers alone are no header
    values = np.arange(2.0 * len(columns)).reshape(2, -1)
    path = tmp_path_factory.mktemp("saved") / "x.csv"
    read.save_table(path, values, columns)
    found = read.table(path)
    assert_close(found.values, values)
    assert found.names == [name.strip() or f"column {i}" for i, name in enumerate(columns, start=1)]
    assert found.left_out == []


@given(st.lists(st.sampled_from(["", "0", "1", "2", "3.5", "nan", "?", "x"]), min_size=3, max_size=3))
def test_no_header_is_read_as_a_row(tmp_path_factory, columns):
    path = tmp_path_factory.mktemp("saved") / "x.csv"
    for values in (np.eye(3), np.eye(3, dtype=int), np.arange(9).reshape(3, 3)):
        read.save_table(path, values, columns)
        assert_close(read.table(path).values, values.astype(float))


def test_no_name_is_a_formula(tmp_path):
    read.save_table(tmp_path / "x.csv", X, ["=1+2", "@a", "\t-b"])
    assert (tmp_path / "x.csv").read_text().startswith(" =1+2, @a, -b\n")


def test_names_that_do_not_fit(tmp_path):
    with pytest.raises(ShapeError, match="names must be 3, one for each column; got 2"):
        read.save_table(tmp_path / "x.csv", X, ["a", "b"])
    assert list(tmp_path.iterdir()) == []


def test_npy_holds_no_names(tmp_path):
    read.save_table(tmp_path / "x.npy", X, ["a", "b", "c"])
    assert_close(read.table(tmp_path / "x.npy").values, X)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("x.xlsx", X, DataError),
        ("none/x.npy", X, DataError),
        ("x.npy", X[0], ShapeError),
        ("x.npy", X[:0], DataError),
        ("x.npy", X.astype(object), DataTypeError),
    ],
)
def test_save_refuses(tmp_path, name, values, kind):
    with pytest.raises(kind, match=r"table: .* must "):
        read.save_table(tmp_path / name, values)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    read.save_table(tmp_path / "x.npy", X)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space"):
        read.save_table(tmp_path / "x.npy", 2 * X)
    assert_close(read.table(tmp_path / "x.npy").values, X)
    assert len(list(tmp_path.iterdir())) == 1
