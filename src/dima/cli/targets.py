"""Where results go: a target is judged before the long work begins."""

import os
from collections.abc import Iterable
from pathlib import Path

from dima.errors import ArtifactError, DataError
from dima.files import make_folder
from dima.store.artifact import FILES
from dima.store.contents import MANIFEST

__all__ = ["TABLES", "file", "folder", "model", "results"]

TABLES = (".npy", ".csv", ".tsv", ".parquet")
_FILES = (*TABLES, ".npz", ".html", ".json", ".toml", ".msgpack")


def file(path: Path, data: str = "", kinds: tuple[str, ...] = TABLES) -> None:
    """Judge the target of a table or a page: not the data that are read, and not inside a saved model.

    Raises:
        DataError: the suffix is none of `kinds`, or the file cannot be written there.
    """
    if path.suffix.lower() not in kinds:
        got, fix = f"the suffix {path.suffix!r}", f"It can be {', '.join(kinds)}."
        raise DataError(f"-o: {path} must be of a kind to write; got {got}. {fix}")
    _in_folder(path)
    if path.is_dir():
        raise DataError(f"-o: {path} must be a file; got a folder. Name a file in it.")
    if (path.parent / MANIFEST).exists():  # a model with a stranger in its folder no longer opens
        got = "got a file inside one. Choose another folder."
        raise DataError(f"-o: {path} must be outside a saved model; {got}")
    if data and path.exists() and Path(data).exists() and path.samefile(data):
        got = "got the data themselves. Choose a name."
        raise DataError(f"-o: {path} must be another file than the data; {got}")


def model(path: Path, overwrite: bool) -> None:
    """Judge the target of a model: a free name or an empty folder, and with `overwrite` an older model.

    Raises:
        DataError: the name is that of a file, or its folder cannot be written to.
        ArtifactError: something else stands there, or an older model that is not to be replaced.
    """
    if path.suffix.lower() in _FILES:
        got = f"got the suffix {path.suffix!r}. Leave the suffix out."
        raise DataError(f"-o: {path} must be the name of a folder; {got}")
    _in_folder(path)
    if not os.path.lexists(path):
        return
    names = {entry.name for entry in path.iterdir()} if path.is_dir() else {""}
    if names and not ({MANIFEST} <= names <= set(FILES)):
        fix = "Choose another place, or move it away."
        raise ArtifactError(f"-o: {path} must be free, or an older saved model; got something else. {fix}")
    if names and not overwrite:
        fix = "Add --overwrite to replace it, or choose another place."
        raise ArtifactError(f"-o: {path} must be free; got an older saved model. {fix}")


def folder(path: Path, owner: str) -> Path:
    """Make a folder for results, unless it is there.

    Raises:
        DataError: a file stands there, or the folder cannot be made.
    """
    return make_folder(path, owner)


def results(path: Path, owner: str, names: Iterable[str], overwrite: bool) -> Path:
    """Make a folder for results of these names; older ones are replaced only with `overwrite`.

    Raises:
        DataError: a file stands there, or the folder cannot be made.
        ArtifactError: an older result is there, and is not to be replaced.
    """
    older = [] if overwrite else [name for name in names if os.path.lexists(path / name)]
    if older:
        fix = "Add --overwrite to replace it, or choose another folder."
        raise ArtifactError(f"-o: {path} must hold no older results; got {older[0]}. {fix}")
    return folder(path, owner)


def _in_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise DataError(f"-o: {path} must be in a folder that exists; got none there. Create it first.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        got = "got a read-only one. Choose another."
        raise DataError(f"-o: {path} must be in a folder you may write to; {got}")
