"""Bytes from outside: read strictly, and each fault is one sentence."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dima.errors import ArtifactError
from dima.store.decode import FORMAT, Formatted, decode, quoted

JSON, MSGPACK = msgspec.json.decode, msgspec.msgpack.decode


class Head(Formatted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A head for these tests."""

    d: int


GOOD = {"format": FORMAT, "d": 3}
BAD = {
    "unknown field": GOOD | {"e": 1},
    "wrong type": GOOD | {"d": "3"},
    "float for an integer": GOOD | {"d": 3.5},
    "missing field": {"format": FORMAT},
    "no format": {"d": 3},
    "format zero": GOOD | {"format": 0},
    "a list": [1, 3],
}


def test_both_forms_read_the_same() -> None:
    expected = Head(format=FORMAT, d=3)
    assert decode(JSON, msgspec.json.encode(GOOD), Head, "m") == expected
    assert decode(MSGPACK, msgspec.msgpack.encode(GOOD), Head, "m") == expected


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_of_the_form_is_refused(case: str) -> None:
    with pytest.raises(ArtifactError, match=r"^m: its content must be of the known form"):
        decode(JSON, msgspec.json.encode(BAD[case]), Head, "m")
    with pytest.raises(ArtifactError, match=r"^m: its content must be of the known form"):
        decode(MSGPACK, msgspec.msgpack.encode(BAD[case]), Head, "m")


@pytest.mark.parametrize(
    "text",
    [
        b'{"format":1,"d":NaN}',
        b'{"format":1,"d":1e999}',
        b'{"format":1,"d":3} x',
        b'{"format":1,"d":3',
        b'{"format":1,"d":"\xff"}',
        b'{"format":1,"d":' + b"[" * 200_000,
        b"",
    ],
    ids=["NaN", "overflow", "tail", "cut", "utf-8", "deep", "empty"],
)
def test_malformed_json_is_refused(text: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"^m: "):
        decode(JSON, text, Head, "m")


@pytest.mark.parametrize(
    "text",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x81\xa6format" + b"\x91" * 200_000,
        b"\x82\xa6format\x01\xa1d\xc7\x01\x05a",
        msgspec.msgpack.encode(GOOD) + b"\x00",
        b"",
    ],
    ids=["long array", "long map", "long bytes", "deep", "extension", "tail", "empty"],
)
def test_malformed_msgpack_is_refused(text: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"^m: "):
        decode(MSGPACK, text, Head, "m")


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    for read in (JSON, MSGPACK):
        with contextlib.suppress(ArtifactError):
            assert isinstance(decode(read, data, Head, "m"), Head)


def test_newer_format_asks_for_an_upgrade_whatever_else_is_new() -> None:
    newer = {"format": FORMAT + 1, "field of the future": 1}
    for read, text in (
        (JSON, msgspec.json.encode(newer)),
        (MSGPACK, msgspec.msgpack.encode(newer)),
    ):
        with pytest.raises(ArtifactError, match="Upgrade dima: pip install --upgrade dima-manifold"):
            decode(read, text, Head, "m")


@given(st.text())
def test_quoted_text_is_short_and_printable(text: str) -> None:
    safe = quoted(text)
    assert len(safe) <= 120
    assert safe.isprintable()
    assert safe.isascii()
