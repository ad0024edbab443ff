"""MANIFEST.json: the sizes and digests of the other members, and what they were written with."""

import hashlib
import platform
from collections.abc import Mapping

import msgspec
import numpy as np

from dima import __version__
from dima.errors import ArtifactError, sentence
from dima.store.decode import FORMAT, Formatted, Sha256, damaged, from_json
from dima.store.seal import BLANK, seal, unbroken

__all__ = ["Manifest", "Member", "Versions", "read_manifest", "write_manifest"]

MAX_FINGERPRINT_LENGTH = 200


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the folder: how many bytes, and their SHA-256 in hexadecimal digits."""

    size: int
    sha256: Sha256

    @classmethod
    def of(cls, data: bytes) -> "Member":
        """The entry that describes `data`."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


class Versions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model was saved with; told to people, never compared."""

    dima: str
    numpy: str
    python: str


class Manifest(Formatted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The members of a folder, by name, under a digest of this file itself."""

    digest: Sha256
    members: dict[str, Member]
    versions: Versions
    fingerprint: str | None = None  # of the data the model was fitted on


def write_manifest(members: Mapping[str, bytes], fingerprint: str = "") -> bytes:
    """The bytes of MANIFEST.json for these members.

    Raises:
        ArtifactError: the fingerprint is not short printable text.
    """
    if len(fingerprint) > MAX_FINGERPRINT_LENGTH or not fingerprint.isprintable():
        rule = f"printable text of at most {MAX_FINGERPRINT_LENGTH} characters"
        raise ArtifactError(sentence("save", "fingerprint", rule, f"{len(fingerprint)} characters"))
    manifest = Manifest(
        format=FORMAT,
        digest=BLANK,
        members={name: Member.of(data) for name, data in members.items()},
        versions=Versions(__version__, np.__version__, platform.python_version()),
        fingerprint=fingerprint or None,
    )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    return bytes(seal(bytearray(text)))


def read_manifest(data: bytes, member: str) -> Manifest:
    """Read the bytes of MANIFEST.json.

    Raises:
        ArtifactError: they are damaged, foreign, or of a newer format; the sentence names `member`.
    """
    manifest = from_json(data, Manifest, member)
    if not unbroken(data, manifest.digest):
        raise damaged(member, "its digest", "that of its bytes", "another")
    return manifest
