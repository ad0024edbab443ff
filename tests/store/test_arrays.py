"""Arrays to bytes and back: every bit, and nothing that is not what it says."""

from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given

from dima.errors import ArtifactError
from dima.store.arrays import describe, pack, unpack
from store.samples import DTYPES, arrays, assert_same_arrays, named_arrays, safetensors_block

ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
EIGHT = bytes(8)


@given(named_arrays)
def test_round_trip_keeps_every_bit(given_arrays: dict[str, Any]) -> None:
    assert_same_arrays(unpack(pack(given_arrays), "m"), given_arrays)


@given(arrays)
def test_other_readers_understand_it(array: Any) -> None:
    read = safetensors.numpy.load(pack({"x": array}))["x"]
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    assert read.tobytes() == array.tobytes()


def test_equal_arrays_give_equal_bytes_in_any_order() -> None:
    one = {name: np.ones(3, name) for name in DTYPES}
    assert pack(one) == pack(dict(reversed(one.items())))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.arange(9)[::-2],
        np.arange(3, dtype=">f4"),
        np.broadcast_to(np.float32(2), (2, 2)),
    ],
    ids=["fortran", "strided", "big-endian", "broadcast"],
)
def test_layout_is_ironed_out(array: Any) -> None:
    read = unpack(pack({"x": array}), "m")["x"]
    assert read.dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(read, array)
    assert read.flags.c_contiguous
    assert read.flags.writeable


@pytest.mark.parametrize(
    "array",
    [
        np.array([None]),
        np.array(["a"]),
        np.zeros(2, np.complex64),
        np.zeros(2, np.uint32),
        np.zeros(2, np.longdouble),
        np.zeros(2, [("a", "f4")]),
        np.zeros(2, "M8[s]"),
        np.ma.masked_array([1.0, 2.0], [True, False]),
        [1.0, 2.0],
    ],
    ids=lambda array: str(getattr(array, "dtype", "list")),
)
def test_what_is_not_plain_numbers_is_refused(array: Any) -> None:
    with pytest.raises(ArtifactError, match=r"^save: x must be"):
        pack({"x": array})


@pytest.mark.parametrize("name", ["", "__metadata__", "a\nb", "\x1b[31m", "\ud800", 3])
def test_name_that_cannot_be_written_is_refused(name: Any) -> None:
    with pytest.raises(ArtifactError, match="name must be printable") as error:
        pack({name: np.zeros(1)})
    assert "\x1b" not in str(error.value)


def test_names_too_long_together_are_refused() -> None:
    with pytest.raises(ArtifactError, match="header of the arrays must be at most 1048576"):
        pack({f"{i:0200}": np.zeros(1) for i in range(5000)})


def test_oversized_header_is_refused_before_it_is_read() -> None:
    header = b'{"x":' + b" " * (1 << 20) + b"null}"
    with pytest.raises(ArtifactError, match="m: its header must be at most 1048576 bytes"):
        unpack(safetensors_block(header), "m")


def _with(**changes: Any) -> dict[str, Any]:
    return {"x": ENTRY | changes}


LIES = {
    "shape too large": safetensors_block(_with(shape=[3]), EIGHT),
    "shape too small": safetensors_block(_with(shape=[1]), EIGHT),
    "shape negative": safetensors_block(_with(shape=[-2]), EIGHT),
    "shape overflows": safetensors_block(_with(shape=[2**40, 2**40]), EIGHT),
    "empty, and longer than memory": safetensors_block(_with(shape=[0, 2**62, 8], data_offsets=[0, 0])),
    "offsets beyond the end": safetensors_block(_with(data_offsets=[0, 800]), EIGHT),
    "offsets backwards": safetensors_block(_with(data_offsets=[8, 0]), EIGHT),
    "hole": safetensors_block({"x": ENTRY, "y": ENTRY | {"data_offsets": [16, 24]}}, bytes(24)),
    "overlap": safetensors_block({"x": ENTRY, "y": ENTRY | {"data_offsets": [4, 12]}}, bytes(12)),
    "bytes left over": safetensors_block({"x": ENTRY}, bytes(9)),
    "bfloat16": safetensors_block(_with(dtype="BF16", shape=[4]), EIGHT),
    "unsigned 32": safetensors_block(_with(dtype="U32"), EIGHT),
    "unknown type": safetensors_block(_with(dtype="\x1b[31m"), EIGHT),
    "name twice": safetensors_block(
        b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
        b'"x":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}',
        bytes(16),
    ),
    "deep nesting": safetensors_block(b"[" * 500_000),
    "not JSON": safetensors_block(b"\xff\xfe{}"),
    "header longer than the file": b"\xff" * 8,
    "half a length": b"\x01\x00",
    "nothing": b"",
}


@pytest.mark.parametrize("lie", LIES)
def test_lie_is_refused(lie: str) -> None:
    with pytest.raises(ArtifactError, match=r"^m: ") as told:
        unpack(LIES[lie], "m")
    assert "\x1b" not in str(told.value)


def test_every_truncation_is_refused() -> None:
    block = pack({"x": np.arange(4.0), "ids": np.arange(3, dtype=np.int8)})
    for size in range(len(block)):
        with pytest.raises(ArtifactError, match=r"^m: "):
            unpack(block[:size], "m")


def test_foreign_metadata_is_no_array() -> None:
    block = safetensors_block({"__metadata__": {"format": "np"}, "x": ENTRY}, EIGHT)
    assert list(unpack(block, "m")) == ["x"]


def test_description_says_type_and_shape() -> None:
    spec = describe({"b": np.zeros((2, 0), ">f4"), "a": np.array(True)})
    assert list(spec) == ["a", "b"]
    assert (spec["b"].dtype, spec["b"].shape) == ("float32", (2, 0))
    assert (spec["a"].dtype, spec["a"].shape) == ("bool", ())
