"""Bytes from outside to typed values: bounded and strict, every fault an `ArtifactError`."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec

from dima.errors import ArtifactError, sentence
from dima.store.seal import Buffer

__all__ = [
    "FORMAT",
    "MAX_JSON_BYTES",
    "Formatted",
    "Sha256",
    "damaged",
    "decode",
    "from_json",
    "from_msgpack",
    "shown",
]

FORMAT = 1  # of everything in this folder; raise it when an older dima could misread a new file
MAX_JSON_BYTES = 4 << 20

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Formatted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every file's head: it says which format the file is written in."""

    format: Annotated[int, msgspec.Meta(ge=1)]


class _Format(msgspec.Struct):
    """Read first and leniently: a newer format may have fields this one does not know."""

    format: int


Head = TypeVar("Head", bound=Formatted)
T = TypeVar("T")


def damaged(
    member: str, thing: str, rule: str, got: object, fix: str = "Copy or download the model again."
) -> ArtifactError:
    """Word what is wrong with a member of a saved model."""
    return ArtifactError(sentence(member, thing, rule, got, fix))


def shown(text: str) -> str:
    """Text from a file, safe on a terminal: quoted, without control characters, and short."""
    quoted = ascii(text)
    return quoted if len(quoted) <= 120 else f"{quoted[:116]}...{quoted[0]}"


def from_json(data: bytes, head: type[Head], member: str) -> Head:
    """Read a member that is JSON: at most 4 MiB, no NaN, no unknown field.

    Raises:
        ArtifactError: it is too large, malformed, of another type, or of a newer format.
    """
    if len(data) > MAX_JSON_BYTES:
        raise damaged(member, "its size", f"at most {MAX_JSON_BYTES} bytes", len(data))
    return _formatted(msgspec.json.decode, data, head, member)


def from_msgpack(data: Buffer, head: type[Head], member: str) -> Head:
    """Read a member that is MessagePack; what it may claim is bounded by its own length.

    Raises:
        ArtifactError: it is malformed, of another type, or of a newer format.
    """
    return _formatted(msgspec.msgpack.decode, data, head, member)


def decode(call: Callable[..., Any], data: Buffer, kind: type[T], member: str) -> T:
    """Decode with msgspec's `call`; whatever it may say of bad bytes becomes an ArtifactError."""
    try:
        value: T = call(data, type=kind)
    except (ValueError, OverflowError, RecursionError) as fault:
        told = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise damaged(member, "its content", "of the known form", shown(told)) from None
    return value


def _formatted(call: Callable[..., Any], data: Buffer, head: type[Head], member: str) -> Head:
    found = decode(call, data, _Format, member).format
    if found > FORMAT:
        fix = "Upgrade dima: pip install --upgrade dima-manifold"
        raise damaged(member, "its format version", f"at most {FORMAT}", found, fix)
    return decode(call, data, head, member)
