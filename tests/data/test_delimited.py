import numpy as np
import pytest

from close import assert_close
from data.files import refused, write
from dima.data import read
from dima.errors import DataError


def test_csv_reads_as_numpy_reads_it(tmp_path):
    random = np.random.default_rng(0).standard_normal((50, 4)) * 1e5
    np.savetxt(tmp_path / "x.csv", random, delimiter=",", header="a,b,c,d", comments="")
    found = read.table(tmp_path / "x.csv")
    other = np.genfromtxt(tmp_path / "x.csv", delimiter=",", skip_header=1)
    assert_close(found.values, other)
    assert found.columns == ["a", "b", "c", "d"]
    assert found.values.dtype == np.float64
    assert found.values.flags.writeable


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("1,2\n3,4\n", None),
        ("a,b\n1,2\n3,4\n", ["a", "b"]),
        ("\ufeffa,b\r\n1,2\r\n\r\n3,4", ["a", "b"]),
        ('"a","b, or c"\n"1",2\n3,"4"\n', ["a", "b, or c"]),
        ('"one\nname",b\n1,2\n3,4\n', ["one\nname", "b"]),
        (" a , b \n 1 , 2 \n 3 , 4 \n", ["a", "b"]),
        ("a,2020\n1,2\n3,4\n", ["a", "2020"]),
        ("a,\n1,2\n3,4\n", ["a", "column 2"]),
    ],
)
def test_header_or_none(tmp_path, text, columns):
    found = read.table(write(tmp_path / "x.csv", text))
    assert_close(found.values, [[1, 2], [3, 4]])
    assert found.columns == columns


def test_columns_named_by_position(tmp_path):
    found = read.table(write(tmp_path / "x.csv", "0,1,2\n0.5,1.5,2.5\n"))
    assert_close(found.values, [[0.5, 1.5, 2.5]])
    counted = read.table(write(tmp_path / "x.csv", "0,1,2\n3,4,5\n"))
    assert counted.values.shape == (2, 3)


@pytest.mark.parametrize("start", [0, 1])
def test_a_nameless_column_that_numbers_the_rows_is_left_out(tmp_path, start):
    text = f",a\n{start},7\n{start + 1},8\n"
    found = read.table(write(tmp_path / "x.csv", text))
    assert_close(found.values, [[7], [8]])
    assert (found.columns, found.left_out) == (["a"], ["(row numbers)"])


def test_tsv_and_suffix_in_capitals(tmp_path):
    found = read.table(write(tmp_path / "x.TSV", "a\tb\n1\t2\n"))
    assert_close(found.values, [[1, 2]])


WORDS = "name,a,kind,b\nada,1,x,2\nbob,3,y,4\n"


def test_words_are_refused_by_name(tmp_path):
    path = write(tmp_path / "x.csv", WORDS)
    message = refused(path, DataError, "'name' ('ada' in row 1)", "'kind'", "drop_text=True")
    assert "'a'" not in message


def test_words_are_dropped_when_asked(tmp_path):
    found = read.table(write(tmp_path / "x.csv", WORDS), drop_text=True)
    assert_close(found.values, [[1, 2], [3, 4]])
    assert (found.columns, found.left_out) == (["a", "b"], ["name", "kind"])


@pytest.mark.parametrize("label", ["12_3", "0x1f", "1.2.3", "3 m"])
def test_labels_that_look_like_numbers_are_words(tmp_path, label):
    path = write(tmp_path / "x.csv", f"a,b\n1,2\n{label},3\n")
    refused(path, DataError, f"'a' ({label!r} in row 2)")


def test_rows_without_a_header_keep_their_first_row(tmp_path):
    found = read.table(write(tmp_path / "x.csv", "ada,1\nbob,2\n"), drop_text=True)
    assert_close(found.values, [[1], [2]])
    assert found.left_out == ["column 1"]


@pytest.mark.parametrize("cell", ["", " ", "NA", "nan", "NULL", "?"])
def test_missing_cells_are_refused(tmp_path, cell):
    path = write(tmp_path / "x.csv", f"a,b\n1,2\n3,{cell}\n5,{cell}\n")
    refused(path, DataError, "'b'", "row 2")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"a,b\n1,2\n\n3\n", "1 on line 4"),
        (b"a,b\n1,2,3\n", "3 on line 2"),
        (b"a,b\n", "no row"),
        (b"\n\n", "no row"),
        (b"a,b\n\xff\xfe,2\n", "UTF-8"),
        (b'a,b\n"1,2\n', "well-formed"),
        (b"a,b\n" + b"1" * 200_000 + b",2\n", "well-formed"),
        (b"a,b\nx,y\nx,y\n", "not numbers"),
    ],
)
def test_text_that_is_no_table(tmp_path, content, word):
    (tmp_path / "x.csv").write_bytes(content)
    refused(tmp_path / "x.csv", DataError, word)


def test_only_words_leave_nothing(tmp_path):
    refused(write(tmp_path / "x.csv", "a\nx\ny\n"), DataError, "none", drop_text=True)
