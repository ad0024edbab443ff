"""The manifest: true to its members and to itself."""

import hashlib
import json
import platform

import numpy as np
import pytest

import dima
from dima.errors import ArtifactError
from dima.store.manifest import Manifest, Member, Versions, read_manifest, write_manifest

MEMBERS = {"config.json": b"{}", "README.md": b"", "model.safetensors": bytes(range(256))}


def test_manifest_says_sizes_digests_and_versions() -> None:
    told = read_manifest(write_manifest(MEMBERS, "sha256:abc"), "MANIFEST.json")
    assert isinstance(told, Manifest)
    assert told.fingerprint == "sha256:abc"
    assert told.versions == Versions(dima.__version__, np.__version__, platform.python_version())
    assert told.members.keys() == MEMBERS.keys()
    for name, data in MEMBERS.items():
        assert told.members[name] == Member(len(data), hashlib.sha256(data).hexdigest())


def test_no_fingerprint_is_none() -> None:
    assert read_manifest(write_manifest(MEMBERS), "m").fingerprint is None


@pytest.mark.parametrize("fingerprint", ["x" * 201, "a\nb", "\x1b"])
def test_fingerprint_is_short_printable_text(fingerprint: str) -> None:
    with pytest.raises(ArtifactError, match="save: fingerprint must be printable"):
        write_manifest(MEMBERS, fingerprint)


def test_every_flipped_bit_is_found() -> None:
    data = write_manifest(MEMBERS, "0" * 64)
    for at in range(len(data)):
        for bit in range(8):
            broken = bytearray(data)
            broken[at] ^= 1 << bit
            with pytest.raises(ArtifactError, match=r"^m: "):
                read_manifest(bytes(broken), "m")


def test_reformatted_is_no_longer_sealed() -> None:
    told = json.loads(write_manifest(MEMBERS))
    with pytest.raises(ArtifactError, match="its digest must be that of its bytes"):
        read_manifest(json.dumps(told).encode(), "m")
