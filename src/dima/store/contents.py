"""A model as data, and the four members it is saved as, in a folder or in a single file."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import numpy as np

from dima.errors import ArtifactError
from dima.store.arrays import ArraySpec, describe, pack, unpack
from dima.store.decode import FORMAT, Formatted, damaged, decode, quoted
from dima.store.manifest import Member, read_manifest, write_manifest
from dima.typing import Arrays

__all__ = ["Artifact", "Config", "from_members", "plain_settings", "to_members"]

CARD, CONFIG, ARRAYS, MANIFEST = "README.md", "config.json", "model.safetensors", "MANIFEST.json"
# The most bytes of each member that are read.
LIMITS = {CARD: 1 << 20, CONFIG: 4 << 20, ARRAYS: 1 << 40, MANIFEST: 4 << 20}
SHORT_CARD = "# A model saved by dima\n\nOpen it with `dima.load`. It may hold rows of its training data.\n"

Kind = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,99}\Z")]


@dataclasses.dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class Artifact:
    """A model as data.

    Attributes:
        kind: which model it is, looked up in a closed registry by whoever loads it; never a path.
        settings: plain JSON; NumPy scalars and tuples are written as what they stand for.
        arrays: by name, such as "dmap/R_iX", of bool, int8 to int64, uint8 or float16 to float64.
    """

    kind: str
    settings: dict[str, Any]
    arrays: Arrays


class Config(Formatted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The readable description, config.json: everything of an artifact but the numbers in its arrays."""

    kind: Kind
    settings: dict[str, Any]
    arrays: dict[str, ArraySpec]


def to_members(artifact: Artifact, card: str, fingerprint: str = "") -> dict[str, bytes]:
    """The bytes of each member, by file name.

    Raises:
        ArtifactError: the kind, a setting, an array, the card or the fingerprint is not of a form that
            can be saved.
    """
    arrays = pack(artifact.arrays)
    config = {
        "format": FORMAT,
        "kind": artifact.kind,
        "settings": plain_settings(artifact.settings),
        "arrays": describe(artifact.arrays),
    }
    try:
        config = msgspec.to_builtins(msgspec.convert(config, Config))
    except msgspec.ValidationError:
        rule, got = "a word of at most 100 letters, digits, '_', '.' and '-'", quoted(str(artifact.kind))
        raise ArtifactError(f"save: kind must be {rule}; got {got}.") from None
    members = {
        CARD: card.encode(errors="replace"),
        CONFIG: msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n",
        ARRAYS: arrays,
    }
    for name, data in members.items():
        if len(data) > LIMITS[name]:
            fix = "Shorten the card, and save long lists as arrays."
            raise ArtifactError(f"save: {name} must be at most {LIMITS[name]} bytes; got {len(data)}. {fix}")
    return members | {MANIFEST: write_manifest(members, fingerprint)}


def from_members(members: Mapping[str, bytes], name: str) -> Artifact:
    """The model in exactly these four members, each held against the size and digest its manifest says.

    `name`, of the folder or file they come from, opens the message.

    Raises:
        ArtifactError: a member is missing, damaged, foreign, or written by a newer dima.
    """
    for extra in sorted(members.keys() - LIMITS.keys()):
        rule = f"a file of a saved model must be one of {', '.join(LIMITS)}; got another"
        raise ArtifactError(f"{name}/{quoted(extra)[1:-1]}: {rule}. Move it out of the folder.")
    for missing in (member for member in LIMITS if member not in members):
        raise damaged(f"{name}/{missing}: it must be there; got no such file.")
    declared = read_manifest(members[MANIFEST], f"{name}/{MANIFEST}").members
    for member in LIMITS.keys() - {MANIFEST}:
        found = Member.of(members[member])
        if found != declared.get(member):
            got = f"{found.size} bytes with another"
            raise damaged(f"{name}/{member}: it must have the size and SHA-256 in the manifest; got {got}.")
    config = decode(msgspec.json.decode, members[CONFIG], Config, f"{name}/{CONFIG}")
    arrays = unpack(members[ARRAYS], f"{name}/{ARRAYS}")
    if describe(arrays) != config.arrays:
        raise damaged(f"{name}/{ARRAYS}: its arrays must be those declared in {CONFIG}; got others.")
    return Artifact(config.kind, config.settings, arrays)


def plain_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings as JSON gives them back: NumPy scalars as numbers, tuples as lists.

    Raises:
        ArtifactError: a value would not come back as it was; the sentence names the setting.
    """
    if not isinstance(settings, dict):
        raise ArtifactError(f"save: settings must be a dictionary; got {type(settings).__name__}.")
    return {name: _plain(name, value) for name, value in settings.items()}


def _plain(name: str, value: Any) -> Any:
    try:
        # MessagePack keeps what JSON would change without a word: NaN, bytes, and keys that are numbers.
        kept = msgspec.msgpack.decode(msgspec.msgpack.encode({name: value}, enc_hook=np.generic.item))
        read = msgspec.json.decode(msgspec.json.encode(kept))
        if repr(read) == repr(kept):
            return read[name]
        reason = "a value that JSON does not keep"
    except (TypeError, ValueError, OverflowError, RecursionError) as fault:
        reason = quoted(str(fault))
    rule = "plain JSON: finite numbers, text, lists, and dictionaries keyed by text"
    raise ArtifactError(f"save: settings[{quoted(str(name))}] must be {rule}; got {reason}.")
