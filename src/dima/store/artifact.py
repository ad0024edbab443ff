"""A saved model as a folder: config.json, model.safetensors, MANIFEST.json and README.md."""

import os
from pathlib import Path

from dima.errors import ArtifactError, sentence
from dima.store.arrays import ArraySpec, describe, pack, unpack
from dima.store.contents import Artifact, read_config, write_config
from dima.store.decode import MAX_JSON_BYTES, damaged
from dima.store.disk import listing, read_member, resolved, standing, write_folder
from dima.store.manifest import Manifest, Member, read_manifest, write_manifest
from dima.store.single import load_single

__all__ = ["FILES", "Artifact", "load", "save"]

CARD, CONFIG, ARRAYS, MANIFEST = "README.md", "config.json", "model.safetensors", "MANIFEST.json"
FILES = (CARD, CONFIG, ARRAYS, MANIFEST)
MAX_CARD_BYTES = 1 << 20

_DEFAULT_CARD = """\
---
library_name: dima
tags: [dima]
---

# {kind}

A model saved by dima (`pip install dima-manifold`). Open it with

```python
import dima

model = dima.load("this-folder")
```

Its arrays may contain rows of the data it was fitted on; share it only where you may share those.
"""


def save(path: str | os.PathLike[str], artifact: Artifact, *, card: str = "", fingerprint: str = "") -> Path:
    """Write a model as a folder that appears whole or not at all.

    Args:
        path: the folder; an older saved model or an empty folder there is replaced.
        artifact: what to save.
        card: the model card, README.md, as Markdown; a short one by default.
        fingerprint: of the data the model was fitted on, kept in the manifest.

    Returns:
        The folder.

    Raises:
        ArtifactError: the artifact cannot be saved, something else stands at `path`, or the disk
            refused. What stood there before is untouched.
    """
    members = {
        CARD: _card(card or _DEFAULT_CARD.format(kind=artifact.kind)),
        CONFIG: write_config(artifact),
        ARRAYS: pack(artifact.arrays),
    }
    members[MANIFEST] = write_manifest(members, fingerprint)
    target = resolved(path, "save")
    write_folder(target, members, _replaceable)
    return Path(path)


def load(path: str | os.PathLike[str]) -> Artifact:
    """Read a saved model, a folder or a single file, after checking every byte of it.

    Raises:
        ArtifactError: there is none, a member is missing, damaged, foreign or not one of the four,
            or it was written by a newer dima. No code in a file is ever run.
        MemoryBudgetError: it does not fit into memory.
    """
    place = standing(resolved(path, "load"))
    if place.is_file():
        return load_single(place)
    if not place.is_dir():
        raise damaged("load", str(path), "a saved model", "nothing there", "Check the path.")
    name = Path(path).name or place.name
    _check_listing(place, name)
    members = _verified(place, name)
    config = read_config(members[CONFIG], f"{name}/{CONFIG}")
    arrays = unpack(members[ARRAYS], f"{name}/{ARRAYS}")
    _check_declared(describe(arrays), config.arrays, f"{name}/{ARRAYS}")
    return Artifact(config.kind, config.settings, arrays)


def _card(text: str) -> bytes:
    data = text.encode(errors="replace")
    if len(data) > MAX_CARD_BYTES:
        rule = f"at most {MAX_CARD_BYTES} bytes"
        raise ArtifactError(sentence("save", "the card", rule, len(data), "Shorten it."))
    return data


def _replaceable(target: Path) -> bool:
    """Whether a folder is ours to replace: empty, or nothing but the members of a saved model."""
    if not target.is_dir():
        return False
    names = listing(target, str(target))
    if not names:
        return True
    if MANIFEST not in names or not names <= set(FILES):
        return False
    try:
        read_manifest(read_member(target / MANIFEST, MAX_JSON_BYTES, MANIFEST), MANIFEST)
    except ArtifactError:
        return False
    return True


def _check_listing(folder: Path, name: str) -> None:
    found = listing(folder, name)
    for missing in (file for file in FILES if file not in found):
        raise damaged(f"{name}/{missing}", "it", "there", "no such file")
    for extra in sorted(found - set(FILES)):
        rule, fix = f"one of {', '.join(FILES)}", "Move it out of the folder."
        raise damaged(f"{name}/{extra}", "a file of a saved model", rule, "another", fix)


def _verified(folder: Path, name: str) -> dict[str, bytes]:
    """The members, each of the size and digest the manifest says."""
    path = f"{name}/{MANIFEST}"
    manifest = read_manifest(read_member(folder / MANIFEST, MAX_JSON_BYTES, path), path)
    if manifest.members.keys() != set(FILES) - {MANIFEST}:
        raise damaged(path, "its members", "the other three files", "others")
    return {file: _member(folder / file, manifest, f"{name}/{file}") for file in manifest.members}


def _member(path: Path, manifest: Manifest, member: str) -> bytes:
    declared = manifest.members[path.name]
    data = read_member(path, declared.size, member)
    if len(data) != declared.size:
        raise damaged(member, "its size", f"{declared.size} bytes", len(data))
    if Member.of(data) != declared:
        raise damaged(member, "its SHA-256", "the one in the manifest", "another")
    return data


def _check_declared(found: dict[str, ArraySpec], declared: dict[str, ArraySpec], member: str) -> None:
    for array in sorted(found.keys() | declared.keys()):
        if found.get(array) != declared.get(array):
            rule, got = f"{declared.get(array, 'absent')} as in {CONFIG}", found.get(array, "none")
            raise damaged(member, array, rule, got)
