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
    assert found.names == ["a", "b", "c", "d"]
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
    assert found.names == columns


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
    assert (found.names, found.left_out) == (["a"], ["the unnamed first column of row numbers"])


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
    assert (found.names, found.left_out) == (["a", "b"], ["name", "kind"])


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


KINDS = "n,x,is,kind\n1,0.5,True, red\n-2,1,FALSE,blue\n3,2e3,true,red\n"


def test_every_type_is_read_when_words_are_kept(tmp_path):
    found = read.table(write(tmp_path / "x.csv", KINDS), keep_words=True)
    assert_close(found.values, [[1, 0.5, 1, 1], [-2, 1, 0, 0], [3, 2000, 1, 1]])
    assert found.types == ("int", "float", "bool", "text")
    assert (found.words, found.left_out) == ({3: ("blue", "red")}, [])


def test_booleans_stay_when_words_are_dropped(tmp_path):
    found = read.table(write(tmp_path / "x.csv", KINDS), keep_words=True, drop_text=True)
    assert (found.names, found.left_out) == (["n", "x", "is"], ["kind"])
    assert found.types == ("int", "float", "bool")
    refused(tmp_path / "x.csv", DataError, "'is' ('True' in row 1)", "'kind'")


def test_missing_cells_stay_when_asked(tmp_path):
    path = write(tmp_path / "x.csv", "n,x,is,kind\n1,,True,red\n,0.5,NA,\n3,nan,False,?\n")
    found = read.table(path, keep_words=True, missing=True)
    assert [found.cells(axis) for axis in range(4)] == [
        [1, None, 3],
        [None, 0.5, None],
        [True, None, False],
        ["red", None, None],
    ]
    assert found.types == ("int", "float", "bool", "text")
    refused(path, DataError, "a number or a word in every cell", "'n', first in row 2", keep_words=True)


@pytest.mark.parametrize("cell", ["NA", "None", "null", "n/a"])
def test_a_missing_cell_spelt_as_a_word_may_be_is_told(tmp_path, cell):
    path = write(tmp_path / "x.csv", f"n,area,is\n1,EU,True\n2,?,False\n3, {cell},NA\n{cell},{cell},True\n")
    told = rf"^table: 'area' holds words, and '{cell}' in row 3, which is taken for a missing cell; write it"
    with pytest.warns(UserWarning, match=told) as found:
        table = read.table(path, keep_words=True, missing=True)
    assert len(found) == 1
    assert table.cells(1) == ["EU", None, None, None]
    with pytest.warns(UserWarning, match=told):
        refused(path, DataError, "'n', first in row 4", keep_words=True)


def test_numbers_among_words_are_words(tmp_path):
    found = read.table(write(tmp_path / "x.csv", "a,is\n1,True\nx,0\n1.0,1\n"), keep_words=True)
    assert [found.cells(axis) for axis in range(2)] == [["1", "x", "1.0"], ["True", "0", "1"]]


@pytest.mark.parametrize(
    ("cell", "kind"), [("1.0", "float"), ("1e3", "float"), ("-7", "int"), (" +7 ", "int")]
)
def test_integers_are_written_as_such(tmp_path, cell, kind):
    assert read.table(write(tmp_path / "x.csv", f"a,b\n1,2\n{cell},2\n")).types == (kind, "int")


def test_rows_are_numbered_beside_words(tmp_path):
    found = read.table(write(tmp_path / "x.csv", ",a,kind\n0,7,x\n1,8,y\n"), keep_words=True)
    assert (found.names, found.left_out, found.words) == (
        ["a", "kind"],
        ["the unnamed first column of row numbers"],
        {1: ("x", "y")},
    )


def test_words_of_a_long_file_are_those_of_the_csv_module(tmp_path):
    random = np.random.default_rng(0)
    rows = [[f"w{k}", str(k % 2 == 0), f"{k / 7}"] for k in random.integers(0, 40, 10_000)]
    path = write(tmp_path / "x.tsv", "kind\tis\tx\n" + "".join("\t".join(row) + "\n" for row in rows))
    found = read.table(path, keep_words=True)
    assert found.cells(0) == [row[0] for row in rows]
    assert found.cells(1) == [row[1] == "True" for row in rows]


@pytest.mark.parametrize("n", [51, 52, 5000])
def test_words_that_hardly_repeat_are_refused_or_dropped(tmp_path, n):
    path = write(tmp_path / "x.csv", "id,a\n" + "".join(f"name{k},{k}\n" for k in range(n)))
    refused(path, DataError, "words that repeat", "Drop it (--drop 'id', or drop=['id']", keep_words=True)
    assert read.table(path, keep_words=True, drop_text=True).left_out == ["id"]
    few = write(tmp_path / "few.csv", "id,a\n" + "".join(f"name{k % (n // 2)},{k}\n" for k in range(n)))
    assert len(read.table(few, keep_words=True).words[0]) == n // 2


def test_dates_are_refused_or_dropped(tmp_path):
    path = write(tmp_path / "x.csv", "day,a\n2024-03-01,1\n2024-03-02,2\n")
    refused(path, DataError, "dates in 'day'", "Drop it (--drop 'day', or drop=", keep_words=True)
    assert read.table(path, keep_words=True, drop_text=True).left_out == ["day"]


@pytest.mark.parametrize("keep_words", [True, False])
@pytest.mark.parametrize("missing", [True, False])
def test_a_column_with_nothing_in_it_is_refused(tmp_path, keep_words, missing):
    path = write(tmp_path / "x.csv", "a,b\n1,\n2,NA\n")
    refused(path, DataError, "empty one", "'b', first in row 1", keep_words=keep_words, missing=missing)


def test_a_column_may_be_empty_when_asked(tmp_path):
    path = write(tmp_path / "x.csv", "a,b\n1,\n2,NA\n")
    assert read.table(path, keep_words=True, missing=True, blank=True).cells(1) == [None, None]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("country,2019,2020\nPeru,15,23\nChad,7,4\n", ["country", "2019", "2020"]),
        ("country,2020\nPeru,1.5\nChad,0.25\n", ["country", "2020"]),
        ("ada,1990\nbob,2001\n", None),
        ("ada,1990,3\nbob,5,4\n", None),
        ("ada,1990\n", None),
        ("ada,1\nbob,2\n", None),
        ("ada,1,2\nbob,4,5\n", None),
        ("ada,1,2\n", None),
        ("ada,1.5\nbob,2.5\n", None),
    ],
)
def test_years_name_columns_beside_words(tmp_path, text, columns):
    found = read.table(write(tmp_path / "x.csv", text), keep_words=True)
    assert found.names == columns
    assert len(found.values) == text.count("\n") - (columns is not None)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "x;y;z\n1,5;2;3\n", "cells apart by commas; got semicolons in its first line"),
        ("a.csv", "1\t2\t3\n4\t5\t6\n", "cells apart by commas; got tabs in its first line"),
        ("a.tsv", "x;y;z\n1;2;3\n", "cells apart by tabs; got semicolons in its first line"),
        ("a.csv", "x;y\n1,5;2,5\n", "commas; got semicolons in its first line, and decimal commas. Save it"),
        (
            "a.csv",
            "1,5;2\n-3,5;4\n",
            "got semicolons in its first line, and decimal commas. Save it with those",
        ),
        ("a.csv", "x, in kg;y\n1,5;2\n", "got semicolons in its first line, and decimal commas"),
        ("a.tsv", "x;y\n1,5;2e3\n", "by tabs; got semicolons in its first line, and decimal commas"),
        ("a.csv", "x;y\n1;2\n", "cells apart by commas; got semicolons in its first line. Save"),
    ],
)
def test_cells_that_something_else_keeps_apart_are_refused(tmp_path, name, text, told):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=told):
        read.table(tmp_path / name)


@pytest.mark.parametrize(
    "text", ["x;y\n1\n2\n", 'x,y\n"a;b",1\n"a;b",2\n', '"x;y"\n1\n2\n', "x;y,z\n1,2\n3,4\n"]
)
def test_semicolons_in_names_and_words_keep_no_cells_apart(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    assert len(read.table(tmp_path / "a.csv", keep_words=True)) == 2


def test_a_word_among_numbers_is_told(tmp_path):
    cells = [str(number % 7) for number in range(40)]
    cells[11] = "unknown"
    (tmp_path / "a.csv").write_text("ash,mass\n" + "\n".join(f"{cell},1.5" for cell in cells) + "\n")
    with pytest.warns(UserWarning, match=r"'ash' holds numbers but for words such as 'unknown' in row 12"):
        found = read.table(tmp_path / "a.csv", keep_words=True)
    assert set(found.words[0]) == {*"0123456", "unknown"}
    many = [str(number) for number in range(400)] + ["unknown"]
    (tmp_path / "b.csv").write_text("ash,mass\n" + "\n".join(f"{cell},1.5" for cell in many) + "\n")
    with pytest.raises(DataError, match="got numbers but for 'unknown' in 'ash'"):
        read.table(tmp_path / "b.csv", keep_words=True)
