"""Arrays in NumPy's files: .npy memory-mapped, .npz unpacked; nothing in them is evaluated."""

import contextlib
import math
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy

from dima import check
from dima.data.table import Reading, Table, refuse_blank, type_of, unfit
from dima.errors import DataTypeError, DimaError
from dima.typing import Array

__all__ = ["mapped", "read_npy", "read_npz", "unpacked", "write_npy", "write_numbers"]

# An archive that unpacks to more than this, and to a thousand times what it stores, is a trap.
_UNPACKED_BYTES = 4 * 2**30
_UNPACKED_RATIO = 1000
# RuntimeError: an encrypted member; an unknown compression.
_ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError)
# NumPy's own, which read a literal and run nothing. Version 3.0 differs in the names of fields alone.
_HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
    (3, 0): npy.read_array_header_2_0,
}

_TABLE = ("n", "D")  # the shape of every table

_Members = dict[str, zipfile.ZipInfo]  # of an archive, by the names of its arrays
_Header = tuple[tuple[int, ...], Literal["C", "F"], np.dtype[Any]]


def read_npy(path: Path, key: str | None, reading: Reading) -> Table:
    """Map a .npy file into memory, read-only, once its header and its size agree."""
    return _table(path, mapped("table", path, _TABLE), reading)


def read_npz(path: Path, key: str | None, reading: Reading) -> Table:
    """Read one array of a .npz archive: the one called `key`, or the only one."""
    with _opened("table", path) as (archive, members):
        name = _chosen(path, members, key)
        return _table(path, _unpacked("table", path, archive, members[name], _TABLE), reading)


def mapped(owner: str, path: Path, wanted: check.Shape | None = None) -> Array:
    """The array of a .npy file, mapped into memory, read-only.

    Args:
        owner: who asks; opens every message.
        path: of the file.
        wanted: its shape, as in `check.array`; None takes any without an empty axis.

    Raises:
        DataTypeError: its elements are not real numbers.
        ShapeError: it has another shape.
        DataError: it is damaged, of another kind, or holds nothing.
    """
    with path.open("rb") as handle:
        shape, order, dtype = _read_header(owner, path, handle, path.stat().st_size, wanted)
        return np.memmap(handle, dtype, "r", handle.tell(), shape, order)


def unpacked(owner: str, path: Path, names: Collection[str]) -> dict[str, Array]:
    """The arrays of these names that a .npz archive has, of any shape.

    Raises:
        DataTypeError, DataError: as `mapped`; the archive unpacks to too much.
    """
    with _opened(owner, path) as (archive, members):
        known = [name for name in names if name in members]
        return {name: _unpacked(owner, path, archive, members[name]) for name in known}


def write_npy(handle: IO[bytes], values: Array) -> None:
    """Write an array in the .npy format."""
    npy.write_array(handle, values, allow_pickle=False)


def write_numbers(handle: IO[bytes], path: Path, table: Table) -> None:
    """Write the numbers of a table in the .npy format, which has no place for names and types of columns.

    Raises:
        DataError: there are words in the table.
    """
    if table.words:
        got = f"words in {table.shown_names[min(table.words)]!r}"
        raise unfit(path, "hold numbers", got, "Write .csv or .parquet.")
    write_npy(handle, table.values)


def _table(path: Path, values: Array, reading: Reading) -> Table:
    table = Table(values, None, [], (type_of(values.dtype),) * values.shape[1])
    if reading.missing:
        refuse_blank(path, table)
    return table


@contextlib.contextmanager
def _opened(owner: str, path: Path) -> Iterator[tuple[zipfile.ZipFile, _Members]]:
    """A block with an archive of a reasonable size open, and its members; damage is told in one sentence."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            unpacked, stored = sum(info.file_size for info in members.values()), path.stat().st_size
            if unpacked > max(_UNPACKED_BYTES, _UNPACKED_RATIO * stored):
                got = f"{unpacked} bytes packed into {stored}"
                raise unfit(path, "unpack to a reasonable size", got, "Save the array as .npy.", owner)
            yield archive, members
    except DimaError:
        raise
    except _ZIP_FAULTS as fault:
        got = f"a damaged one ({fault})"
        raise unfit(path, "be a readable array file", got, "Save it again.", owner) from fault


def _chosen(path: Path, members: _Members, key: str | None) -> str:
    """The name of the one array that is asked for."""
    listed = ", ".join(members) or "no array"
    if key is None and len(members) != 1:
        got = f"{len(members)} arrays: {listed}"
        raise unfit(path, "hold one array or be given with a key", got, f"Write {path}:KEY.")
    name = next(iter(members)) if key is None else key
    if name not in members:
        raise unfit(path, f"hold an array {name!r}", listed, "Choose one of these.")
    return name


def _unpacked(
    owner: str,
    path: Path,
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    wanted: check.Shape | None = None,
) -> Array:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # The others unpack without a bound on memory, and NumPy never writes them.
        raise zipfile.BadZipFile("a compression NumPy does not write")
    with archive.open(info) as handle:
        file = f"{path}:{info.filename.removesuffix('.npy')}"
        shape, order, dtype = _read_header(owner, file, handle, info.file_size, wanted)
        flat = np.frombuffer(handle.read(info.file_size), dtype)
    return flat.reshape(shape, order=order)


def _read_header(
    owner: str, file: Path | str, handle: IO[bytes], size: int, wanted: check.Shape | None
) -> _Header:
    """Shape, order and element type of a .npy file of `size` bytes, held against the bytes that follow."""
    try:
        shape, is_fortran, dtype = _HEADERS[npy.read_magic(handle)](handle)
    except Exception as fault:  # a hostile literal makes Python's parser fail in many ways
        got = "another kind of file or a damaged header"
        raise unfit(file, "be an array in the .npy format", got, "Write it with np.save.", owner) from fault
    if dtype.hasobject:
        got, fix = f"dtype {dtype}, which pickle alone would read", "Save numbers."
        raise DataTypeError(f"{owner}: {file} must be a readable array file; got {got}. {fix}")
    check.form(owner, str(file), shape, dtype, ("n",) * len(shape) if wanted is None else wanted)
    n_bytes, found = math.prod(shape) * dtype.itemsize, size - handle.tell()
    if min(shape, default=0) < 0 or n_bytes != found:
        rule = f"be as long as its header says (shape {shape}, {n_bytes} bytes)"
        raise unfit(file, rule, f"{found} bytes", "It is damaged: write it again.", owner)
    return shape, "F" if is_fortran else "C", dtype
