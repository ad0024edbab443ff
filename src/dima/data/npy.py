"""Arrays in NumPy's files: .npy memory-mapped, .npz unpacked; nothing in them is evaluated."""

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np

from dima import check
from dima.data.table import Table
from dima.errors import DataError, DataTypeError, DimaError
from dima.typing import Array

__all__ = ["read_npy", "read_npz", "write_npy"]

# An archive that unpacks to more than this, and to a thousand times what it stores, is a trap.
_UNPACKED_BYTES = 4 * 2**30
_UNPACKED_RATIO = 1000
_HEADER_BYTES = 65536
_ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,  # an encrypted member; an unknown compression
    ValueError,
)


class _Header(NamedTuple):
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    dtype: np.dtype[Any]
    n_bytes: int


def read_npy(path: Path, key: str | None, drop_text: bool) -> Table:
    """Map a .npy file into memory, read-only, once its header and its size agree."""
    with path.open("rb") as handle:
        header = _read_header(path, handle)
        start = handle.tell()
    _check_size(path, path.stat().st_size - start, header)
    values = np.memmap(path, header.dtype, "r", start, header.shape, header.order)
    return Table(values, None, [])


def read_npz(path: Path, key: str | None, drop_text: bool) -> Table:
    """Read one array of a .npz archive: the one called `key`, or the only one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return Table(_member(path, archive, key), None, [])
    except DimaError:
        raise
    except _ZIP_FAULTS as fault:
        got, fix = f"a damaged one ({fault})", "Save it again."
        raise DataError(f"table: {path} must be a readable .npz archive; got {got}. {fix}") from fault


def write_npy(handle: IO[bytes], values: Array, columns: Sequence[str] | None = None) -> None:
    """Write an array in the .npy format, which has no place for the names of columns."""
    np.lib.format.write_array(handle, values, allow_pickle=False)


def _member(path: Path, archive: zipfile.ZipFile, key: str | None) -> Array:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    listed = ", ".join(members) or "no array"
    unpacked, stored = sum(info.file_size for info in members.values()), path.stat().st_size
    if unpacked > max(_UNPACKED_BYTES, _UNPACKED_RATIO * stored):
        got, fix = f"{unpacked} bytes packed into {stored}", "Save the array as .npy."
        raise DataError(f"table: {path} must unpack to a reasonable size; got {got}. {fix}")
    if key is None and len(members) != 1:
        got, fix = f"{len(members)} arrays: {listed}", f"Write {path}:KEY."
        raise DataError(f"table: {path} must hold one array or be given with a key; got {got}. {fix}")
    name = next(iter(members)) if key is None else key
    if name not in members:
        raise DataError(f"table: {path} must hold an array {name!r}; got {listed}. Choose one of these.")
    info = members[name]
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # The others unpack without a bound on memory, and NumPy never writes them.
        raise zipfile.BadZipFile("a compression NumPy does not write")
    with archive.open(info) as handle:
        header = _read_header(f"{path}:{name}", handle)
        _check_size(f"{path}:{name}", info.file_size - handle.tell(), header)
        flat = np.frombuffer(handle.read(header.n_bytes), header.dtype)
    return flat.reshape(header.shape, order=header.order)


def _read_header(file: Path | str, handle: IO[bytes]) -> _Header:
    """Header of the .npy format, read by patterns.

    Source: NumPy's `numpy.lib.format`, format versions 1.0 to 3.0.
    """
    magic = handle.read(8)
    known = len(magic) == 8 and magic[:6] == b"\x93NUMPY"
    width = {1: 2, 2: 4, 3: 4}.get(magic[6], 0) if known else 0
    size = int.from_bytes(handle.read(width), "little")
    text = handle.read(min(size, _HEADER_BYTES)).decode("latin-1")
    descr = re.search(r"""['"]descr['"]\s*:\s*(?:['"]([^'"]*)['"]|[\[(])""", text)
    fortran = re.search(r"""['"]fortran_order['"]\s*:\s*(True|False)""", text)
    shape = re.search(r"""['"]shape['"]\s*:\s*\(([\d\s,]{0,200})\)""", text)
    if not (width and descr and fortran and shape) or len(text) != size:
        got, fix = "another kind of file or a damaged header", "Write it with np.save."
        raise DataError(f"table: {file} must be an array in the .npy format; got {got}. {fix}")
    if not re.fullmatch(r"[<>|=]?(?:b1|[iu][1248]|f[248])", descr[1] or ""):
        got = f"dtype {descr[1] or 'with named fields'}"
        fix = "Convert it with X.astype(float), or keep only the columns that are numbers."
        raise DataTypeError(f"table: {file} must be an array of real numbers; got {got}. {fix}")
    axes = tuple(int(axis) for axis in shape[1].split(",") if axis.strip())
    dtype = np.dtype(descr[1])
    check.form("table", str(file), axes, dtype, ("n", "D"))
    order: Literal["C", "F"] = "F" if fortran[1] == "True" else "C"
    return _Header(axes, order, dtype, math.prod(axes) * dtype.itemsize)


def _check_size(file: Path | str, n_bytes: int, header: _Header) -> None:
    if n_bytes != header.n_bytes:
        rule = f"as long as its header says (shape {header.shape}, {header.n_bytes} bytes)"
        fix = "It is damaged: write it again."
        raise DataError(f"table: {file} must be {rule}; got {n_bytes} bytes. {fix}")
