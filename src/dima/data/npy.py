"""Arrays in NumPy's files: .npy memory-mapped, .npz unpacked; nothing in them is evaluated."""

import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy

from dima import check
from dima.data.table import Reading, Table, refuse_blank, type_of, unfit
from dima.errors import DimaError
from dima.typing import Array

__all__ = ["read_npy", "read_npz", "write_npy", "write_numbers"]

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

_Header = tuple[tuple[int, ...], Literal["C", "F"], np.dtype[Any]]


def read_npy(path: Path, key: str | None, reading: Reading) -> Table:
    """Map a .npy file into memory, read-only, once its header and its size agree."""
    with path.open("rb") as handle:
        shape, order, dtype = _read_header(path, handle, path.stat().st_size)
        return _table(path, np.memmap(handle, dtype, "r", handle.tell(), shape, order), reading)


def read_npz(path: Path, key: str | None, reading: Reading) -> Table:
    """Read one array of a .npz archive: the one called `key`, or the only one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _table(path, _member(path, archive, key), reading)
    except DimaError:
        raise
    except _ZIP_FAULTS as fault:
        got = f"a damaged one ({fault})"
        raise unfit(path, "be a readable .npz archive", got, "Save it again.") from fault


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


def _member(path: Path, archive: zipfile.ZipFile, key: str | None) -> Array:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    listed = ", ".join(members) or "no array"
    unpacked, stored = sum(info.file_size for info in members.values()), path.stat().st_size
    if unpacked > max(_UNPACKED_BYTES, _UNPACKED_RATIO * stored):
        got = f"{unpacked} bytes packed into {stored}"
        raise unfit(path, "unpack to a reasonable size", got, "Save the array as .npy.")
    if key is None and len(members) != 1:
        got = f"{len(members)} arrays: {listed}"
        raise unfit(path, "hold one array or be given with a key", got, f"Write {path}:KEY.")
    name = next(iter(members)) if key is None else key
    if name not in members:
        raise unfit(path, f"hold an array {name!r}", listed, "Choose one of these.")
    info = members[name]
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # The others unpack without a bound on memory, and NumPy never writes them.
        raise zipfile.BadZipFile("a compression NumPy does not write")
    with archive.open(info) as handle:
        shape, order, dtype = _read_header(f"{path}:{name}", handle, info.file_size)
        flat = np.frombuffer(handle.read(info.file_size), dtype)
    return flat.reshape(shape, order=order)


def _read_header(file: Path | str, handle: IO[bytes], size: int) -> _Header:
    """Shape, order and element type of a .npy file of `size` bytes, held against the bytes that follow."""
    try:
        shape, is_fortran, dtype = _HEADERS[npy.read_magic(handle)](handle)
    except Exception as fault:  # a hostile literal makes Python's parser fail in many ways
        got = "another kind of file or a damaged header"
        raise unfit(file, "be an array in the .npy format", got, "Write it with np.save.") from fault
    check.form("table", str(file), shape, dtype, ("n", "D"))
    n_bytes, found = math.prod(shape) * dtype.itemsize, size - handle.tell()
    if min(shape) < 0 or n_bytes != found:
        rule = f"be as long as its header says (shape {shape}, {n_bytes} bytes)"
        raise unfit(file, rule, f"{found} bytes", "It is damaged: write it again.")
    return shape, "F" if is_fortran else "C", dtype
