"""A saved model as one file: the members of the folder in one MessagePack."""

import os
from pathlib import Path

import msgspec

from dima.errors import ArtifactError
from dima.files import read_plain_file, replace_files, surviving
from dima.store.contents import ARRAYS, CONFIG, SHORT_CARD, Artifact, from_members, to_members
from dima.store.decode import FORMAT, Formatted, decode

__all__ = ["load_single", "save_single"]

_MAX_BYTES = 1 << 40
_MAX_MEMBER_BYTES = (1 << 32) - 1  # MessagePack writes a length in 32 bits


class _File(Formatted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    members: dict[str, bytes]


def save_single(
    path: str | os.PathLike[str],
    config_path: str | os.PathLike[str],
    artifact: Artifact,
    *,
    card: str = SHORT_CARD,
    fingerprint: str = "",
) -> Path:
    """Write a model as one file, and a readable description of it as another.

    Args:
        path: the MessagePack file, which is all that `load_single` needs.
        config_path: a copy of config.json, for people; never read again.
        artifact: what to save.
        card: the model card as Markdown.
        fingerprint: of the data the model was fitted on.

    Returns:
        The path of the MessagePack file.

    Raises:
        ArtifactError: the artifact cannot be saved, or the disk refused. An older model at `path`
            is then untouched.
    """
    if surviving(path, "save", ArtifactError) == surviving(config_path, "save", ArtifactError):
        raise ArtifactError(
            f"save: config_path must be another file than path; got {path} twice. Name another for the copy."
        )
    members = to_members(artifact, card, fingerprint)
    size = len(members[ARRAYS])
    if size > _MAX_MEMBER_BYTES:
        raise ArtifactError(
            f"save: the arrays must be at most {_MAX_MEMBER_BYTES} bytes in a single file; got {size}. "
            "Save the model as a folder."
        )
    data = msgspec.msgpack.encode(_File(format=FORMAT, members=members))
    # The model last: should that fail, the older model is still the one that loads.
    replace_files({config_path: members[CONFIG], path: data}, "save", ArtifactError)
    return Path(path)


def load_single(path: str | os.PathLike[str]) -> Artifact:
    """Read a model written by `save_single`, after checking every byte of it.

    Raises:
        ArtifactError: the file is missing, damaged, foreign, or written by a newer dima; the
            sentence names the member where one is concerned.
        MemoryBudgetError: it does not fit into memory.
    """
    name = Path(path).name
    place = surviving(path, "load", ArtifactError)
    data = read_plain_file(place, _MAX_BYTES, name, ArtifactError)
    return from_members(decode(msgspec.msgpack.decode, data, _File, name).members, name)
