"""A saved model as one file: MessagePack that is complete on its own, beside a readable copy."""

import hashlib
import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from dima.errors import ArtifactError, sentence
from dima.store.arrays import MAX_ARRAYS, ArraySpec, check_names, describe, ordered
from dima.store.contents import Artifact, Kind, plain_settings, write_config
from dima.store.decode import FORMAT, Formatted, Sha256, damaged, from_msgpack
from dima.store.disk import read_member, resolved, write_files
from dima.store.seal import BLANK, seal, unbroken
from dima.typing import Array, Arrays

__all__ = ["load_single", "save_single"]

MAX_BYTES = 1 << 40
MAX_ARRAY_BYTES = (1 << 32) - 1  # MessagePack writes a length in 32 bits


class _Record(ArraySpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One array: its declaration, the digest of its bytes, and these, little-endian in C order."""

    name: str
    sha256: Sha256
    data: memoryview


class _File(Formatted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file, under a digest of all its bytes."""

    digest: Sha256
    kind: Kind
    settings: dict[str, Any]
    arrays: Annotated[list[_Record], msgspec.Meta(max_length=MAX_ARRAYS)]


def save_single(
    path: str | os.PathLike[str], config_path: str | os.PathLike[str], artifact: Artifact
) -> Path:
    """Write a model as one file, and a readable description of it as another.

    Args:
        path: the MessagePack file, which is all that `load_single` needs.
        config_path: the JSON copy of kind, settings and shapes, for people; never read again.
        artifact: what to save.

    Returns:
        The path of the MessagePack file.

    Raises:
        ArtifactError: the artifact cannot be saved, or the disk refused. An older model at `path`
            is then untouched.
    """
    config = write_config(artifact)
    target, described = resolved(path, "save"), resolved(config_path, "save")
    if target == described:
        fix = "Name another file for the JSON copy."
        raise ArtifactError(sentence("save", "config_path", "another file than path", path, fix))
    # The model last: should that fail, the older model is still the one that loads.
    write_files({described: config, target: _encoded(artifact)})
    return Path(path)


def load_single(path: str | os.PathLike[str]) -> Artifact:
    """Read a model written by `save_single`, after checking every byte of it.

    Raises:
        ArtifactError: the file is missing, damaged, foreign, or written by a newer dima; the
            sentence names the array where one is concerned.
        MemoryBudgetError: it does not fit into memory.
    """
    name = Path(path).name
    data = read_member(resolved(path, "load"), MAX_BYTES, name)
    file = from_msgpack(data, _File, name)
    arrays = _arrays(file.arrays, name)
    if not unbroken(data, file.digest):
        raise damaged(name, "its digest", "that of its bytes", "another")
    return Artifact(file.kind, plain_settings(file.settings, name), arrays)


def _encoded(artifact: Artifact) -> bytearray:
    for name, spec in describe(artifact.arrays).items():
        if spec.nbytes > MAX_ARRAY_BYTES:
            rule, fix = f"at most {MAX_ARRAY_BYTES} bytes in a single file", "Save it as a folder."
            raise ArtifactError(sentence("save", name, rule, spec.nbytes, fix))
    arrays = ordered(artifact.arrays, "save")
    file = _File(
        format=FORMAT,
        digest=BLANK,
        kind=artifact.kind,
        settings=plain_settings(artifact.settings, "save", fix=""),
        arrays=[_record(name, spec, arrays[name]) for name, spec in describe(arrays).items()],
    )
    data = bytearray()
    msgspec.msgpack.Encoder().encode_into(file, data)
    return seal(data)


def _record(name: str, spec: ArraySpec, array: Array) -> _Record:
    data = array.reshape(-1).view(np.uint8).data
    digest = hashlib.sha256(data).hexdigest()
    return _Record(spec.dtype, spec.shape, name=name, sha256=digest, data=data)


def _arrays(records: list[_Record], file: str) -> Arrays:
    arrays: Arrays = {}
    for record in records:
        check_names([record.name], file)
        member = f"{file}: {record.name}"
        if record.name in arrays:
            raise damaged(member, "it", "written once", "two of the name")
        if len(record.data) != record.nbytes:
            rule, got = f"{record.nbytes} bytes for {record}", len(record.data)
            raise damaged(member, "its size", rule, got)
        if hashlib.sha256(record.data).hexdigest() != record.sha256:
            raise damaged(member, "its SHA-256", "the one beside it", "another")
        arrays[record.name] = _rebuilt(record, member)
    return arrays


def _rebuilt(record: _Record, member: str) -> Array:
    """An array of its own memory; the number of bytes is known to be right."""
    dtype = np.dtype(record.dtype).newbyteorder("<")
    try:
        return np.ndarray(record.shape, dtype, buffer=record.data).copy()
    except (ValueError, OverflowError):
        # An empty array may still claim an axis longer than memory has addresses.
        raise damaged(member, "its shape", "one an array can have", record) from None
