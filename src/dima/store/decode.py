"""JSON and MessagePack from outside to typed values: strict, every fault an `ArtifactError`."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec

from dima.errors import ArtifactError

__all__ = ["FORMAT", "Formatted", "damaged", "decode", "quoted"]

FORMAT = 1  # of everything in this folder; raise it when an older dima could misread a new file


class Formatted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every file's head: it says which format the file is written in."""

    format: Annotated[int, msgspec.Meta(ge=1)]


class _Format(msgspec.Struct):
    """Read first and leniently: a newer format may have fields this one does not know."""

    format: int


Head = TypeVar("Head", bound=Formatted)


def decode(read: Callable[..., Any], data: bytes, head: type[Head], name: str) -> Head:
    """Decode with msgspec's `read` for JSON or MessagePack; no unknown field passes.

    Raises:
        ArtifactError: the bytes are malformed, of another type, or of a newer format.
    """
    try:
        found = read(data, type=_Format).format
        if found <= FORMAT:
            return read(data, type=head)
    except (ValueError, OverflowError, RecursionError) as fault:
        reason = quoted(str(fault).partition("\n")[0])
        raise damaged(f"{name}: its content must be of the known form; got {reason}.") from None
    fix = "Upgrade dima: pip install --upgrade dima-manifold"
    raise ArtifactError(f"{name}: its format version must be at most {FORMAT}; got {found}. {fix}")


def damaged(message: str) -> ArtifactError:
    """The error for bytes that are not as they were written: what is wrong, and what to do."""
    return ArtifactError(f"{message} Copy or download the model again.")


def quoted(text: str) -> str:
    """Text from a file, safe on a terminal: in quotes, without control characters, and short."""
    safe = ascii(text)
    return safe if len(safe) <= 120 else f"{safe[:116]}...{safe[0]}"
