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
    assert found.columns == ["a", "b", "c"]


def test_single_precision_stays_single(tmp_path):
    path = saved(tmp_path / "x.parquet", a=np.float32([1, 2]), b=np.float32([3, 4]))
    assert read.table(path).values.dtype == np.float32


def test_words_are_refused_or_dropped(tmp_path):
    path = saved(tmp_path / "x.parquet", a=[1, 2], name=["x", "y"])
    with pytest.raises(DataError, match=r"'name' .*drop_text"):
        read.table(path)
    found = read.table(path, drop_text=True)
    assert (found.columns, found.left_out) == (["a"], ["name"])


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
    assert read.table(path).columns == ["a"]


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = write(tmp_path / "x.parquet", "PAR1")
    refused(path, BackendError, 'pip install "dima-manifold[parquet]"')
