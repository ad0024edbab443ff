"""Where results go: a target is judged before the long work begins, and written whole or not at all."""

import os
from pathlib import Path

from dima.data import read
from dima.errors import ArtifactError, DataError
from dima.store.artifact import FILES
from dima.typing import Array

__all__ = ["TABLES", "folder", "model", "page", "save", "table"]

TABLES = (".npy", ".csv")
_FILES = (*TABLES, ".npz", ".tsv", ".parquet", ".html", ".json", ".toml", ".msgpack")
_MANIFEST = "MANIFEST.json"


def table(path: Path, data: str = "") -> None:
    """Judge the target of a table.

    Args:
        path: the target.
        data: the table that is read, which may not be overwritten.

    Raises:
        DataError: the suffix is unknown, or the file cannot be written there.
    """
    _suffix(path, TABLES)
    _reachable(path)
    if data and path.exists() and Path(data).exists() and path.samefile(data):
        message = f"-o: {path} must be another file than the data; got the data themselves."
        raise DataError(f"{message} Choose a name.")


def page(path: Path) -> None:
    """Judge the target of a report.

    Raises:
        DataError: the suffix is not .html, or the file cannot be written there.
    """
    _suffix(path, (".html",))
    _reachable(path)


def model(path: Path, overwrite: bool) -> None:
    """Judge the target of a model: a free name or an empty folder, and with `overwrite` an older model.

    Raises:
        DataError: the name is that of a file, or its folder cannot be written to.
        ArtifactError: something else stands there, or an older model that is not to be replaced.
    """
    if path.suffix.lower() in _FILES:
        message = f"-o: {path} must be the name of a folder; got the suffix {path.suffix!r}."
        raise DataError(f"{message} Leave the suffix out.")
    _parent(path)
    if not os.path.lexists(path):
        return
    names = {entry.name for entry in path.iterdir()} if path.is_dir() else {""}
    if names and not ({_MANIFEST} <= names <= set(FILES)):
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
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        got = fault.strerror or type(fault).__name__
        raise DataError(f"{owner}: --output must be a folder to write to; got {got}.") from None
    return path


def save(path: Path, values: Array, columns: list[str] | None = None) -> None:
    """Write a table to a target judged before, under column names where the format holds them.

    Raises:
        DataError: the disk refused.
    """
    try:
        read.save_table(path, values, columns)
    except OSError as fault:
        fix = "Check its folder, permissions and the space left."
        raise DataError(f"-o: {path} must be writeable; got {fault.strerror}. {fix}") from fault


def _suffix(path: Path, known: tuple[str, ...]) -> None:
    if path.suffix.lower() not in known:
        message = f"-o: {path} must be of a kind to write; got the suffix {path.suffix!r}."
        raise DataError(f"{message} It can be {', '.join(known)}.")


def _reachable(path: Path) -> None:
    _parent(path)
    if path.is_dir():
        raise DataError(f"-o: {path} must be a file; got a folder. Name a file in it.")
    if (path.parent / _MANIFEST).exists():
        # A model with a stranger in its folder no longer opens.
        fix = "Choose another folder."
        raise DataError(f"-o: {path} must be outside a saved model; got a file inside one. {fix}")


def _parent(path: Path) -> None:
    if not path.parent.is_dir():
        raise DataError(f"-o: {path} must be in a folder that exists; got none there. Create it first.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        message = f"-o: {path} must be in a folder you may write to; got a read-only one."
        raise DataError(f"{message} Choose another.")
