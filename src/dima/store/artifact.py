"""A saved model as a folder: config.json, model.safetensors, MANIFEST.json and README.md."""

import os
from pathlib import Path

from dima.errors import ArtifactError
from dima.files import list_folder, read_plain_file, replace_folder, surviving
from dima.store.contents import LIMITS, MANIFEST, SHORT_CARD, Artifact, from_members, to_members
from dima.store.manifest import read_manifest
from dima.store.single import load_single

__all__ = ["FILES", "Artifact", "load", "save"]

FILES = tuple(LIMITS)


def save(
    path: str | os.PathLike[str], artifact: Artifact, *, card: str = SHORT_CARD, fingerprint: str = ""
) -> Path:
    """Write a model as a folder that appears whole or not at all.

    Args:
        path: the folder; an older saved model or an empty folder there is replaced.
        artifact: what to save.
        card: the model card, README.md, as Markdown.
        fingerprint: of the data the model was fitted on, kept in the manifest.

    Returns:
        The folder.

    Raises:
        ArtifactError: the artifact cannot be saved, something else stands at `path`, or the disk
            refused. What stood there before is untouched.
    """
    replace_folder(path, to_members(artifact, card, fingerprint), _is_model, "save", ArtifactError)
    return Path(path)


def load(path: str | os.PathLike[str]) -> Artifact:
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
    return from_members(_read_folder(place, name), name)


def _read_folder(folder: Path, name: str) -> dict[str, bytes]:
    """The members in a folder, bounded in size; of strangers only the names."""
    found = list_folder(folder, name, ArtifactError)
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
            read_manifest(
                read_plain_file(target / MANIFEST, LIMITS[MANIFEST], MANIFEST, ArtifactError), MANIFEST
            )
    except ArtifactError:
        return False
    return names <= set(FILES)
