"""Bytes from outside: bounded, strict, and told in one sentence."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dima.errors import ArtifactError
from dima.store.decode import (
    FORMAT,
    MAX_JSON_BYTES,
    Formatted,
    damaged,
    decode,
    from_json,
    from_msgpack,
    shown,
)


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
    assert from_json(msgspec.json.encode(GOOD), Head, "m") == expected
    assert from_msgpack(msgspec.msgpack.encode(GOOD), Head, "m") == expected


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_of_the_form_is_refused(case: str) -> None:
    with pytest.raises(ArtifactError, match=r"^m: its content must be of the known form"):
        from_json(msgspec.json.encode(BAD[case]), Head, "m")
    with pytest.raises(ArtifactError, match=r"^m: its content must be of the known form"):
        from_msgpack(msgspec.msgpack.encode(BAD[case]), Head, "m")


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
        from_json(text, Head, "m")


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
        from_msgpack(text, Head, "m")


@given(st.binary(max_size=60))
def test_any_bytes_are_told_or_read(data: bytes) -> None:
    for read in (from_json, from_msgpack):
        with contextlib.suppress(ArtifactError):
            assert isinstance(read(data, Head, "m"), Head)


def test_newer_format_asks_for_an_upgrade_whatever_else_is_new() -> None:
    newer = {"format": FORMAT + 1, "field of the future": 1}
    for read, text in (
        (from_json, msgspec.json.encode(newer)),
        (from_msgpack, msgspec.msgpack.encode(newer)),
    ):
        with pytest.raises(ArtifactError, match="Upgrade dima: pip install --upgrade dima-manifold"):
            read(text, Head, "m")


def test_json_is_bounded() -> None:
    text = msgspec.json.encode(GOOD).ljust(MAX_JSON_BYTES + 1)
    with pytest.raises(ArtifactError, match=f"at most {MAX_JSON_BYTES} bytes; got"):
        from_json(text, Head, "m")
    assert from_json(text[:-1], Head, "m").d == 3


def test_plain_values_decode_too() -> None:
    assert decode(msgspec.json.decode, b'{"a": 1}', dict[str, int], "m") == {"a": 1}


@given(st.text())
def test_shown_text_is_short_and_printable(text: str) -> None:
    told = shown(text)
    assert len(told) <= 120
    assert told.isprintable()
    assert told.isascii()


def test_damage_names_the_member_and_the_way_out() -> None:
    told = str(damaged("m/config.json", "its size", "3 bytes", 4))
    assert told == ("m/config.json: its size must be 3 bytes; got 4. Copy or download the model again.")
