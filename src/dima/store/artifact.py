"""A saved model on disk: a folder of four files, or the same four in one MessagePack."""

import os
from pathlib import Path

import msgspec

from dima.errors import ArtifactError
from dima.files import list_folder, read_plain_file, replace_files, replace_folder, surviving
from dima.store.contents import (
    ARRAYS,
    CONFIG,
    LIMITS,
    MANIFEST,
    SHORT_CARD,
    Artifact,
    from_members,
    to_members,
)
from dima.store.decode import FORMAT, Formatted, decode
from dima.store.manifest import read_manifest

__all__ = ["FILES", "Artifact", "load", "load_single", "models_below", "save", "save_single"]

AnyPath = str | os.PathLike[str]
FILES = tuple(LIMITS)
_MAX_BYTES = 1 << 40
_SAVED = f"a model or recipe that dima saved, a folder with {MANIFEST} or a .msgpack file"
_HEADS = range(0x81, 0x88)  # first bytes of a MessagePack of a few named parts, as a model is
_NAMED = 3  # models that a refusal names
_MAX_MEMBER_BYTES = (1 << 32) - 1  # MessagePack writes a length in 32 bits


class _File(Formatted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    members: dict[str, bytes]


def save(path: AnyPath, artifact: Artifact, *, card: str = SHORT_CARD, fingerprint: str = "") -> Path:
    """Write a model as a folder that appears whole or not at all, and return its path.

    Args:
        path: an older saved model or an empty folder there is replaced.
        artifact: what to save.
        card: README.md, as Markdown.
        fingerprint: of the data the model was fitted on, kept in the manifest.

    Raises:
        ArtifactError: the artifact cannot be saved, something else stands at `path`, or the disk
            refused. What stood there before is untouched.
    """
    replace_folder(path, to_members(artifact, card, fingerprint), _is_model, "save", ArtifactError)
    return Path(path)


def save_single(
    path: AnyPath, config_path: AnyPath, artifact: Artifact, *, card: str = SHORT_CARD, fingerprint: str = ""
) -> Path:
    """Write a model as one file, whose path is returned, and a copy of config.json for people as another.

    Raises:
        ArtifactError: the artifact cannot be saved, or the disk refused. An older model at `path`
            is then untouched.
    """
    if surviving(path, "save", ArtifactError) == surviving(config_path, "save", ArtifactError):
        fix = "Name another for the copy."
        raise ArtifactError(f"save: config_path must be another file than path; got {path} twice. {fix}")
    members = to_members(artifact, card, fingerprint)
    size = len(members[ARRAYS])
    if size > _MAX_MEMBER_BYTES:
        rule = f"at most {_MAX_MEMBER_BYTES} bytes in a single file"
        raise ArtifactError(f"save: the arrays must be {rule}; got {size}. Save the model as a folder.")
    data = msgspec.msgpack.encode(_File(format=FORMAT, members=members))
    # The model last: should that fail, the older model is still the one that loads.
    replace_files({config_path: members[CONFIG], path: data}, "save", ArtifactError)
    return Path(path)


def load(path: AnyPath) -> Artifact:
    """Read a saved model, a folder or a single file, after checking every byte of it.

    Raises:
        ArtifactError: there is none, a member is missing, damaged, foreign or not one of the four,
            or it was written by a newer dima. No code in a file is ever run.
        MemoryBudgetError: it does not fit into memory.
    """
    place = surviving(path, "load", ArtifactError)
    if place.is_file():
        return load_single(place)
    if not place.is_dir():
        raise ArtifactError(f"load: {path} must be a saved model; got nothing there. Check the path.")
    name = Path(path).name or place.name
    names = list_folder(place, name, ArtifactError)
    if MANIFEST not in names and (inside := models_below(Path(path))):
        rule, fix = "the folder of a saved model", f"Pass one inside: {', '.join(map(str, inside))}"
        raise ArtifactError(f"{name}: it must be {rule}; got a folder of others, such as a run's. {fix}.")
    if names and names.isdisjoint(FILES):
        raise ArtifactError(f"{name}: it must be {_SAVED}; got a folder of other files. Check the path.")
    return from_members(_read_folder(place, name, names), name)


def load_single(path: AnyPath) -> Artifact:
    """Read a model written by `save_single`, as strictly as `load`, and with its errors."""
    name, place = Path(path).name, surviving(path, "load", ArtifactError)
    data = read_plain_file(place, _MAX_BYTES, name, ArtifactError)
    if data and data[0] not in _HEADS:
        raise ArtifactError(f"{name}: it must be {_SAVED}; got a file of another kind. Check the path.")
    return from_members(decode(msgspec.msgpack.decode, data, _File, name).members, name)


def models_below(folder: Path) -> list[Path]:
    """Folders of saved models inside another, at most three down, as many as a message names."""
    places = (sorted(folder.glob(f"{'*/' * depth}{MANIFEST}")) for depth in (1, 2, 3))
    return [place.parent for found in places for place in found][:_NAMED]


def _read_folder(folder: Path, name: str, found: set[str]) -> dict[str, bytes]:
    """The members in a folder in which these names were found, bounded in size; of strangers the names."""
    return dict.fromkeys(found - set(FILES), b"") | {
        file: read_plain_file(folder / file, LIMITS[file], f"{name}/{file}", ArtifactError)
        for file in FILES
        if file in found
    }


def _is_model(target: Path) -> bool:
    """Whether a folder is ours to replace: empty, or nothing but the members of a saved model."""
    if not target.is_dir():
        return False
    names = list_folder(target, str(target), ArtifactError)
    try:
        if names and names <= set(FILES):
            data = read_plain_file(target / MANIFEST, LIMITS[MANIFEST], MANIFEST, ArtifactError)
            read_manifest(data, MANIFEST)
    except ArtifactError:
        return False
    return names <= set(FILES)
