import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from close import assert_close
from data.files import X, refused
from dima.data import npy, read
from dima.errors import DataError, DataTypeError, DimaError, ShapeError


def npy_bytes(values, **kwargs):
    handle = io.BytesIO()
    np.save(handle, values, **kwargs)
    return handle.getvalue()


def test_npy_is_mapped_and_read_only(tmp_path):
    np.save(tmp_path / "x.npy", X)
    found = read.table(str(tmp_path / "x.npy"))
    assert isinstance(found.values, np.memmap)
    assert not found.values.flags.writeable
    assert (found.names, found.left_out) == (None, [])
    assert_close(found.values, X)


def test_npy_in_fortran_order(tmp_path):
    np.save(tmp_path / "x.npy", np.asfortranarray(X))
    assert_close(read.table(tmp_path / "x.npy").values, X)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_header(tmp_path, version):
    with (tmp_path / "x.npy").open("wb") as handle:
        np.lib.format.write_array(handle, X, version=version)
    assert_close(read.table(tmp_path / "x.npy").values, X)


@pytest.mark.parametrize("kind", ["f2", "f4", ">f8", "i1", "u8", "?", ">i4"])
def test_every_kind_of_number(tmp_path, kind):
    np.save(tmp_path / "x.npy", np.arange(6).reshape(3, 2).astype(kind))
    found = read.table(tmp_path / "x.npy").values
    assert found.dtype == np.dtype(kind)
    assert_close(found, np.arange(6).reshape(3, 2).astype(kind))


@pytest.mark.parametrize(
    ("values", "kind", "word"),
    [
        (np.array([[1, "a"]], object), DataTypeError, "dtype object"),
        (np.ones((2, 2), complex), DataTypeError, "dtype complex128"),
        (np.ones((2, 2), "f4, i4"), DataTypeError, "dtype [('f0'"),
        (np.array([["a"]]), DataTypeError, "dtype <U1"),
        (np.ones((2, 2), "M8[s]"), DataTypeError, "dtype datetime64[s]"),
        (np.ones((2, 2), np.longdouble), DataTypeError, "dtype float128"),
        (np.ones(5), ShapeError, "X[:, None]"),
        (np.float64(3), ShapeError, "shape ()"),
        (np.ones((3, 8, 8)), ShapeError, "X.reshape(len(X), -1)"),
        (np.ones((0, 3)), DataError, "(0, 3)"),
        (np.ones((3, 0)), DataError, "(3, 0)"),
    ],
)
def test_npy_that_is_no_table(tmp_path, values, kind, word):
    (tmp_path / "x.npy").write_bytes(npy_bytes(values, allow_pickle=True))
    refused(tmp_path / "x.npy", kind, word)


@pytest.mark.parametrize("shape", [(4, 4), (4, 2), (10**15, 10**15), (2**62, 4)])
def test_npy_whose_header_lies(tmp_path, shape):
    whole = npy_bytes(X).replace(b"(4, 3)", str(shape).encode())
    (tmp_path / "x.npy").write_bytes(whole)
    refused(tmp_path / "x.npy", DataError, str(shape))


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\xff\xff{'descr': '<f8'",
        b"\x93NUMPY\x09\x00v\x00" + b" " * 200,
        b"plain text",
        npy_bytes(X)[:60],
        npy_bytes(X)[:-1],
        npy_bytes(X) + b"x",
        npy_bytes(X).replace(b"(4, 3)", b"(-4,3"),
        npy_bytes(X).replace(b"(4, 3), ", b"(-4, -3)"),
        npy_bytes(X).replace(b"'fortran_order': False", b"'fortran_order': __im"),
        b"\x93NUMPY\x01\x00\x28\x23" + b"-" * 9000,
        b"\x93NUMPY\x01\x00\x28\x23" + b"(" * 9000,
        b"\x93NUMPY\x02\x00\x00\x00\x00\x40" + b"{" * 9000,
    ],
)
def test_npy_that_is_damaged(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    refused(tmp_path / "x.npy", DataError)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader_of_headers(content):
    whole = bytearray(npy_bytes(X))
    whole[6 : 6 + len(content)] = content
    with pytest.raises(DimaError):
        npy._read_header(
            "table", "x.npy", io.BytesIO(bytes(whole[:150]) if content else b""), 150, ("n", "D")
        )


def test_npz_by_key_and_alone(tmp_path):
    np.savez(tmp_path / "two.npz", train=X, test=2 * X)
    np.savez_compressed(tmp_path / "one.npz", rows=np.asfortranarray(X))
    assert_close(read.table(f"{tmp_path}/two.npz:test").values, 2 * X)
    assert_close(read.table(tmp_path / "one.npz").values, X)


def test_npz_without_the_key(tmp_path):
    np.savez(tmp_path / "two.npz", train=X, test=X)
    refused(tmp_path / "two.npz", DataError, "train, test", ":KEY")
    refused(f"{tmp_path}/two.npz:other", DataError, "train, test", "'other'")


def test_npz_with_objects(tmp_path):
    np.savez(tmp_path / "x.npz", rows=np.array([[None]]))
    refused(tmp_path / "x.npz", DataTypeError, "dtype object")


def test_npz_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(npy, "_UNPACKED_BYTES", 2**20)
    monkeypatch.setattr(npy, "_UNPACKED_RATIO", 100)
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros((2**17, 8)))
    refused(tmp_path / "x.npz", DataError, "bytes packed into")


def test_npz_with_a_flipped_byte(tmp_path):
    np.savez(tmp_path / "x.npz", rows=X)
    whole = bytearray((tmp_path / "x.npz").read_bytes())
    whole[whole.index(X.tobytes()) + 3] ^= 1
    (tmp_path / "x.npz").write_bytes(whole)
    refused(tmp_path / "x.npz", DataError, "damaged")


def test_npz_in_a_compression_without_bounds(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("rows.npy", npy_bytes(X))
    refused(tmp_path / "x.npz", DataError, "damaged")


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_npz_with_any_byte_changed_is_right_or_refused(tmp_path_factory, where, flip):
    folder = tmp_path_factory.mktemp("npz")
    np.savez_compressed(folder / "x.npz", rows=X)
    whole = bytearray((folder / "x.npz").read_bytes())
    whole[where % len(whole)] ^= flip
    (folder / "x.npz").write_bytes(whole)
    try:
        found = read.table(folder / "x.npz").values
    except DimaError:
        return
    assert_close(found, X)


@pytest.mark.parametrize(("dtype", "kind"), [(np.uint8, "int"), (np.bool_, "bool"), (np.float32, "float")])
def test_types_are_those_of_the_elements(tmp_path, dtype, kind):
    np.save(tmp_path / "x.npy", X.astype(dtype))
    np.savez(tmp_path / "x.npz", X.astype(dtype))
    for name in ("x.npy", "x.npz"):
        assert read.table(tmp_path / name, keep_words=True, missing=True).types == (kind,) * 3


def test_a_column_with_nothing_in_it(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[1, np.nan], [np.nan, np.nan]]))
    refused(tmp_path / "x.npy", DataError, "'column 2'", missing=True)
