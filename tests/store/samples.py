"""What the tests of saved models share: a small model, equality to the bit, hand-made files."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dima.store import Artifact
from dima.store.manifest import write_manifest

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64"]

arrays = hnp.arrays(
    st.sampled_from([np.dtype(name) for name in DTYPES]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
named_arrays = st.dictionaries(st.sampled_from(["a", "dmap/R_iX", "net/0/w", "ß 1"]), arrays)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
names = st.text(max_size=5)
nested = st.lists(scalars, max_size=3) | st.dictionaries(names, scalars, max_size=3)
settings = st.dictionaries(names, scalars | nested | st.lists(nested, max_size=2), max_size=4)


def small() -> Artifact:
    """A model of three arrays in some two hundred bytes."""
    made = {
        "net/w": np.arange(6, dtype=np.float32).reshape(2, 3),
        "ids": np.array([3, 1], np.int32),
        "scale": np.array(0.5),
    }
    return Artifact("toy", {"d": 2, "prior": None, "dmap": {"alpha": 1.0}}, made)


def assert_same(actual: Artifact, expected: Artifact) -> None:
    """Hold two artifacts equal, arrays to the bit and in their element types."""
    assert actual.kind == expected.kind
    assert repr(actual.settings) == repr(expected.settings)  # tells 1 from 1.0 and 0.0 from -0.0
    assert_same_arrays(actual.arrays, expected.arrays)


def assert_same_arrays(actual: dict[str, Any], expected: dict[str, Any]) -> None:
    """Hold arrays equal to the bit, fit to be worked on in place."""
    assert actual.keys() == expected.keys()
    for name, array in actual.items():
        assert (array.dtype, array.shape) == (expected[name].dtype, expected[name].shape)
        assert array.tobytes() == expected[name].tobytes()
        assert array.flags.writeable
        assert array.flags.c_contiguous
        assert array.flags.aligned


def safetensors_block(header: dict[str, Any] | bytes, data: bytes = b"") -> bytes:
    """A safetensors block with a header of our own making."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def reseal(folder: Path) -> None:
    """Make the manifest true again after a member was changed on purpose."""
    names = ("README.md", "config.json", "model.safetensors")
    members = {name: (folder / name).read_bytes() for name in names}
    (folder / "MANIFEST.json").write_bytes(write_manifest(members))
