"""Named arrays to safetensors bytes and back, bit for bit."""

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from dima.errors import ArtifactError
from dima.store.decode import damaged, quoted
from dima.typing import Array, Arrays

__all__ = ["ArraySpec", "describe", "pack", "unpack"]

# safetensors itself accepts headers of 100 MB, which take seconds and hundreds of megabytes.
MAX_HEADER_BYTES = 1 << 20
_DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64")


class ArraySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is declared of an array: its element type, without byte order, and its shape."""

    dtype: str
    shape: tuple[int, ...]


def describe(arrays: Arrays) -> dict[str, ArraySpec]:
    """Declare each array, by name."""
    return {name: ArraySpec(arrays[name].dtype.name, arrays[name].shape) for name in sorted(arrays)}


def pack(arrays: Arrays) -> bytes:
    """Write arrays as one safetensors block; equal arrays give equal bytes.

    Raises:
        ArtifactError: a name cannot be written, or an array is not plain numbers (objects, text,
            complex numbers, unsigned beyond 8 bits).
    """
    for name, array in arrays.items():
        _check(name, array)
    # C-contiguous and little-endian, the one layout that is written; 0-d stays 0-d.
    plain = {name: np.asarray(a, a.dtype.newbyteorder("<"), order="C") for name, a in sorted(arrays.items())}
    data = safetensors.numpy.save(plain)
    if (size := _header_bytes(data)) > MAX_HEADER_BYTES:
        rule, fix = f"at most {MAX_HEADER_BYTES} bytes", "Use fewer arrays or shorter names."
        raise ArtifactError(f"save: the header of the arrays must be {rule}; got {size}. {fix}")
    return data


def unpack(data: bytes, name: str) -> Arrays:
    """Read what `pack` wrote: writeable, C-contiguous arrays, by name.

    Raises:
        ArtifactError: about `name`: no sound safetensors, too large a header, or another element type.
    """
    if (size := _header_bytes(data)) > MAX_HEADER_BYTES:
        raise damaged(f"{name}: its header must be at most {MAX_HEADER_BYTES} bytes; got {size}.")
    try:
        arrays = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, OverflowError, KeyError, TypeError) as fault:
        # KeyError: an element type NumPy has not. ValueError: an axis longer than memory has addresses.
        raise damaged(f"{name}: its content must be sound safetensors; got {quoted(str(fault))}.") from None
    for key, array in arrays.items():
        if array.dtype.name not in _DTYPES:
            raise damaged(f"{name}: {quoted(key)} must be of {', '.join(_DTYPES)}; got {array.dtype}.")
    # Some versions of safetensors hand out read-only views.
    return {key: array if array.flags.writeable else array.copy() for key, array in sorted(arrays.items())}


def _header_bytes(data: bytes) -> int:
    """The length of the header, which stands before it."""
    return int.from_bytes(data[:8], "little")


def _check(name: str, array: Array) -> None:
    # safetensors keeps the one name for itself.
    if not isinstance(name, str) or not name.isprintable() or name in ("", "__metadata__"):
        got = quoted(str(name))
        raise ArtifactError(f"save: an array's name must be printable text, not '__metadata__'; got {got}.")
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        got = type(array).__name__
        raise ArtifactError(f"save: {name} must be a NumPy array; got {got}. Convert it first.")
    if array.dtype.name not in _DTYPES:
        got = array.dtype.name
        raise ArtifactError(f"save: {name} must be of {', '.join(_DTYPES)}; got {got}. Convert it first.")
