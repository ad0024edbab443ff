"""The digest that stands in its own file: it covers every byte, itself included."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dima.store.seal import BLANK, seal, unbroken


def _sealed(before: bytes, after: bytes) -> tuple[bytes, str]:
    data = bytes(seal(bytearray(before + BLANK.encode() + after)))
    return data, data[len(before) : len(before) + 64].decode()


@given(st.binary(max_size=20).filter(lambda text: b"0" not in text), st.binary(max_size=200))
def test_sealed_is_unbroken(before: bytes, after: bytes) -> None:
    assert unbroken(*_sealed(before, after))


def test_digest_is_that_of_the_blank_form() -> None:
    _, digest = _sealed(b"a", b"b")
    assert digest == hashlib.sha256(b"a" + b"0" * 64 + b"b").hexdigest()


def test_every_other_bit_breaks_it() -> None:
    data, digest = _sealed(b"head ", b" tail" * 5)
    for at in range(len(data)):
        for bit in range(8):
            broken = bytearray(data)
            broken[at] ^= 1 << bit
            assert not unbroken(broken, digest)


def test_a_later_blank_is_left_alone() -> None:
    data, digest = _sealed(b"", b" " + BLANK.encode())
    assert data.endswith(BLANK.encode())
    assert unbroken(data, digest)


def test_nothing_to_fill_is_an_error() -> None:
    with pytest.raises(ValueError, match="not found"):
        seal(bytearray(b"no blank here"))
