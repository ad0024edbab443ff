import datetime
import sys

import numpy as np
import pytest

from close import assert_close
from data.files import refused, write
from dima.data import read
from dima.errors import BackendError, DataError

pa = pytest.importorskip("pyarrow", reason="an extra: .parquet files need pyarrow")
parquet = pytest.importorskip("pyarrow.parquet", reason="an extra: .parquet files need pyarrow")


def saved(path, **columns):
    parquet.write_table(pa.table(columns), path)
    return path


def test_numbers_of_every_kind(tmp_path):
    path = saved(tmp_path / "x.parquet", a=[1, 2], b=[0.5, 1.5], c=[True, False])
    found = read.table(path)
    assert_close(found.values, [[1, 0.5, 1], [2, 1.5, 0]])
    assert found.names == ["a", "b", "c"]


def test_single_precision_stays_single(tmp_path):
    path = saved(tmp_path / "x.parquet", a=np.float32([1, 2]), b=np.float32([3, 4]))
    assert read.table(path).values.dtype == np.float32


def test_words_are_refused_or_dropped(tmp_path):
    path = saved(tmp_path / "x.parquet", a=[1, 2], name=["x", "y"])
    with pytest.raises(DataError, match=r"'name' .*drop_text"):
        read.table(path)
    found = read.table(path, drop_text=True)
    assert (found.names, found.left_out) == (["a"], ["name"])


@pytest.mark.parametrize("column", [[1, None], [1.0, float("nan")]])
def test_missing_cells(tmp_path, column):
    with pytest.raises(DataError, match="'a', first in row 2"):
        read.table(saved(tmp_path / "x.parquet", a=column))


def test_a_damaged_file(tmp_path):
    path = saved(tmp_path / "x.parquet", a=[1, 2])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="damaged"):
        read.table(path)


def test_an_empty_one(tmp_path):
    with pytest.raises(DataError, match=r"shape \(0, 1\)"):
        read.table(saved(tmp_path / "x.parquet", a=pa.array([], pa.float64())))


def test_folder_names_do_not_become_columns(tmp_path):
    (tmp_path / "year=2020").mkdir()
    path = saved(tmp_path / "year=2020" / "x.parquet", a=[1.0, 2.0])
    assert read.table(path).names == ["a"]


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = write(tmp_path / "x.parquet", "PAR1")
    refused(path, BackendError, 'pip install "dima-manifold[parquet]"')


def test_words_and_missing_cells_when_asked(tmp_path):
    kind = pa.array(["red", None, " red", "blue"])
    path = saved(
        tmp_path / "x.parquet",
        n=pa.array([1, None, 3, 4]),
        flag=[True, False, None, True],
        kind=kind,
        group=kind.dictionary_encode(),
        digit=pa.array([7, 7, 8, 9]).dictionary_encode(),
    )
    found = read.table(path, keep_words=True, missing=True)
    words = ["red", None, "red", "blue"]
    expected = [[1, None, 3, 4], [True, False, None, True], words, words, [7, 7, 8, 9]]
    assert [found.cells(axis) for axis in range(5)] == expected
    assert found.types == ("int", "bool", "text", "text", "int")
    assert found.words == {2: ("blue", "red"), 3: ("blue", "red")}
    refused(path, DataError, "a number or a word in every cell", "'n', first in row 2", keep_words=True)
    assert read.table(path, True, True, True).left_out == ["kind", "group"]


def test_words_of_several_row_groups(tmp_path):
    words = np.array(["a", "b", "c"])[np.random.default_rng(0).integers(0, 3, 100)]
    for column in (pa.array(words), pa.array(words).dictionary_encode()):
        parquet.write_table(pa.table({"kind": column}), tmp_path / "x.parquet", row_group_size=7)
        assert read.table(tmp_path / "x.parquet", keep_words=True).cells(0) == words.tolist()


@pytest.mark.parametrize(
    "column",
    [
        pa.array([datetime.date(2020, 1, 1)] * 2),
        pa.array([datetime.datetime(2020, 1, 1)] * 2),
        pa.array([datetime.time(12)] * 2),
        pa.array([[1], [2]]),
        pa.array([b"x", b"y"]),
    ],
)
def test_dates_and_nested_types_are_refused_by_name(tmp_path, column):
    path = saved(tmp_path / "x.parquet", a=[1, 2], odd=column)
    refused(
        path, DataError, "'odd'", str(column.type).split("<")[0], "Drop it (--drop 'odd',", keep_words=True
    )
    assert read.table(path, keep_words=True, drop_text=True).left_out == ["odd"]


def test_a_column_with_nothing_in_it(tmp_path):
    path = saved(tmp_path / "x.parquet", a=[1, 2], b=pa.array([None, None], pa.float64()))
    refused(path, DataError, "'b'", keep_words=True, missing=True)
