"""MANIFEST.json: the sizes and digests of the other members, and what they were written with."""

import hashlib
import platform
from collections.abc import Mapping
from typing import Annotated

import msgspec
import numpy as np

from dima import __version__
from dima.errors import ArtifactError
from dima.store.decode import FORMAT, Formatted, damaged, decode

__all__ = ["Manifest", "Member", "Versions", "read_manifest", "write_manifest"]

_MAX_FINGERPRINT_LENGTH = 200
_BLANK = "0" * 64

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the folder: how many bytes, and their SHA-256 in hexadecimal digits."""

    size: int
    sha256: Sha256

    @classmethod
    def of(cls, data: bytes) -> "Member":
        """The entry that describes `data`."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


class Versions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model was saved with; for people, never compared."""

    dima: str
    numpy: str
    python: str


class Manifest(Formatted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The members of a model, by name, under a digest of this file itself.

    The digest is taken while its own field is blank (64 zeros), so that it leaves out no byte of the file.
    """

    digest: Sha256
    members: dict[str, Member]
    versions: Versions
    fingerprint: str | None = None  # of the data the model was fitted on


def write_manifest(members: Mapping[str, bytes], fingerprint: str = "") -> bytes:
    """The bytes of MANIFEST.json for these members.

    Raises:
        ArtifactError: the fingerprint is not short printable text.
    """
    if len(fingerprint) > _MAX_FINGERPRINT_LENGTH or not fingerprint.isprintable():
        rule = f"printable text of at most {_MAX_FINGERPRINT_LENGTH} characters"
        raise ArtifactError(f"save: fingerprint must be {rule}; got {len(fingerprint)} characters.")
    manifest = Manifest(
        format=FORMAT,
        digest=_BLANK,
        members={name: Member.of(data) for name, data in members.items()},
        versions=Versions(__version__, np.__version__, platform.python_version()),
        fingerprint=fingerprint or None,
    )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    return _with_digest(text, _BLANK, hashlib.sha256(text).hexdigest())


def read_manifest(data: bytes, name: str) -> Manifest:
    """Read the bytes of MANIFEST.json; an `ArtifactError` about `name` if damaged, foreign or newer."""
    manifest = decode(msgspec.json.decode, data, Manifest, name)
    blank = _with_digest(data, manifest.digest, _BLANK)
    if hashlib.sha256(blank).hexdigest() != manifest.digest:
        raise damaged(f"{name}: its digest must be that of its bytes; got another.")
    return manifest


def _with_digest(text: bytes, old: str, new: str) -> bytes:
    return text.replace(old.encode(), new.encode(), 1)  # the digest stands before all other digits
