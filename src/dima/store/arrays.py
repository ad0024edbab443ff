"""Named arrays to safetensors bytes and back, bit for bit."""

import math
from collections.abc import Collection
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from dima.errors import ArtifactError, sentence
from dima.store.decode import damaged, decode, shown
from dima.typing import Array, Arrays

__all__ = [
    "MAX_ARRAYS",
    "ArraySpec",
    "check_names",
    "describe",
    "ordered",
    "pack",
    "unpack",
]

# safetensors itself accepts headers of 100 MB, which take seconds and hundreds of megabytes.
MAX_HEADER_BYTES = 1 << 20
MAX_ARRAYS = 4096
MAX_NAME_LENGTH = 200
_LENGTH_BYTES = 8  # the header's length stands before it, little-endian

DtypeName = Literal["bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64"]
Shape = Annotated[tuple[Annotated[int, msgspec.Meta(ge=0)], ...], msgspec.Meta(max_length=32)]

# safetensors' names of the element types a model may hold -> NumPy's.
_DTYPES: dict[str, DtypeName] = {
    "BOOL": "bool",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
}
_ALLOWED = tuple(_DTYPES.values())


class ArraySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is declared of an array: its element type, without byte order, and its shape."""

    dtype: DtypeName
    shape: Shape

    @property
    def nbytes(self) -> int:
        """Bytes the elements take, as an exact integer however large the shape claims to be."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


class _Tensor(msgspec.Struct, forbid_unknown_fields=True):
    """One entry of a safetensors header."""

    dtype: str
    shape: Shape
    data_offsets: tuple[int, int]


def describe(arrays: Arrays) -> dict[str, ArraySpec]:
    """Declare each array, in the order of `arrays`."""
    return {name: _spec(name, array) for name, array in arrays.items()}


def ordered(arrays: Arrays, owner: str) -> Arrays:
    """The arrays by name, C-contiguous and little-endian, as they are written.

    Raises:
        ArtifactError: too many, a name that cannot be written, or an element type that is not
            plain numbers (objects, text, complex numbers, unsigned beyond 8 bits).
    """
    check_names(arrays, owner)
    describe(arrays)
    return {name: _plain(arrays[name]) for name in sorted(arrays)}


def pack(arrays: Arrays) -> bytes:
    """Write arrays as one safetensors block; equal arrays give equal bytes.

    Raises:
        ArtifactError: an array cannot be written (see `ordered`).
    """
    data = safetensors.numpy.save(ordered(arrays, "save"))
    size = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if size > MAX_HEADER_BYTES:
        rule, fix = f"at most {MAX_HEADER_BYTES} bytes", "Use fewer or shorter names."
        raise ArtifactError(sentence("save", "the header of the arrays", rule, size, fix))
    return data


def unpack(data: bytes, owner: str) -> Arrays:
    """Read what `pack` wrote: writeable, C-contiguous arrays, by name.

    Args:
        data: the safetensors block.
        owner: the file or member it comes from, named in every error.

    Raises:
        ArtifactError: the block is truncated, lies about a size, holds an element type that is
            not allowed, has holes or overlaps, or too large a header.
    """
    header = _header(data, owner)
    check_names(header, owner)
    for name, tensor in header.items():
        if tensor.dtype not in _DTYPES:
            rule, got = f"one of {', '.join(_DTYPES)}", shown(tensor.dtype)
            raise damaged(owner, f"the element type of {name}", rule, got)
    try:
        arrays = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, OverflowError) as fault:
        # An empty array may still claim an axis longer than memory has addresses: a ValueError.
        raise damaged(owner, "its content", "sound safetensors", shown(str(fault))) from None
    # Some versions of safetensors hand out read-only views.
    return {n: a if a.flags.writeable else a.copy() for n, a in sorted(arrays.items())}


def check_names(arrays: Collection[Any], owner: str) -> None:
    """Hold names to text that every format here can write and a terminal can show.

    Raises:
        ArtifactError: too many arrays, or one of the names is not such text.
    """
    if len(arrays) > MAX_ARRAYS:
        raise damaged(owner, "the number of arrays", f"at most {MAX_ARRAYS}", len(arrays), "")
    for name in arrays:
        sound = isinstance(name, str) and name.isprintable() and 0 < len(name) <= MAX_NAME_LENGTH
        if not sound or name == "__metadata__":  # the one name safetensors keeps for itself
            rule = f"printable text of 1 to {MAX_NAME_LENGTH} characters, not '__metadata__'"
            raise damaged(owner, "an array's name", rule, shown(str(name)), "")


def _spec(name: str, array: Array) -> ArraySpec:
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        got = type(array).__name__
        raise ArtifactError(sentence("save", name, "a NumPy array", got, "Convert it first."))
    dtype = array.dtype.name
    if dtype not in _ALLOWED or array.ndim > 32:
        rule = f"at most 32 axes of {', '.join(_ALLOWED)}"
        got = f"{array.ndim} axes of {dtype}"
        raise ArtifactError(sentence("save", name, rule, got, "Convert it first."))
    return ArraySpec(dtype, array.shape)


def _plain(array: Array) -> Array:
    """The same numbers in the one layout that is written; 0-d stays 0-d."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _header(data: bytes, owner: str) -> dict[str, _Tensor]:
    """The header, read within its bounds before safetensors sees it."""
    size = int.from_bytes(data[:_LENGTH_BYTES], "little")
    room = len(data) - _LENGTH_BYTES
    if room < 0 or size > room:
        raise damaged(owner, "its header", "inside the file", f"{size} bytes of {max(room, 0)}")
    if size > MAX_HEADER_BYTES:
        raise damaged(owner, "its header", f"at most {MAX_HEADER_BYTES} bytes", size)
    text = data[_LENGTH_BYTES : _LENGTH_BYTES + size]
    raw = decode(msgspec.json.decode, text, dict[str, msgspec.Raw], owner)
    raw.pop("__metadata__", None)
    return {n: decode(msgspec.json.decode, entry, _Tensor, owner) for n, entry in raw.items()}
