"""Where results go: a target is judged before the long work begins, and written whole or not at all."""

import os
from pathlib import Path

from dima.errors import ArtifactError, DataError, DimaError, sentence
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
        raise _refused(path, "another file than the data", "the data themselves", "Choose a name.")


def page(path: Path) -> None:
    """Judge the target of a report.

    Raises:
        DataError: the suffix is not .html, or the file cannot be written there.
    """
    _suffix(path, (".html",))
    _reachable(path)


def model(path: Path) -> None:
    """Judge the target of a model: a free name, an empty folder, or an older model.

    Raises:
        DataError: the name is that of a file, or its folder cannot be written to.
        ArtifactError: something else stands there.
    """
    # Reading and writing models brings NumPy; a wrong suffix is told without.
    from dima.store.artifact import FILES

    if path.suffix.lower() in _FILES:
        got = f"the suffix {path.suffix!r}"
        raise _refused(path, "the name of a folder", got, "Leave the suffix out.")
    _parent(path)
    if not os.path.lexists(path):
        return
    names = {entry.name for entry in path.iterdir()} if path.is_dir() else {""}
    if names and not ({_MANIFEST} <= names <= set(FILES)):
        rule, fix = "free, or an older saved model", "Choose another place, or move it away."
        raise _refused(path, rule, "something else", fix, ArtifactError)


def folder(path: Path, owner: str) -> Path:
    """Make a folder for results, unless it is there.

    Raises:
        DataError: a file stands there, or the folder cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        got = fault.strerror or type(fault).__name__
        raise DataError(sentence(owner, "--output", "a folder to write to", got)) from None
    return path


def save(path: Path, values: Array) -> None:
    """Write a table to a target judged before.

    Raises:
        DataError: the disk refused.
    """
    from dima.data import read  # brings NumPy

    try:
        read.save_table(path, values)
    except OSError as fault:
        fix = "Check its folder, permissions and the space left."
        raise _refused(path, "writeable", fault.strerror, fix) from fault


def _suffix(path: Path, known: tuple[str, ...]) -> None:
    if path.suffix.lower() not in known:
        got = f"the suffix {path.suffix!r}"
        raise _refused(path, "of a kind to write", got, f"It can be {', '.join(known)}.")


def _reachable(path: Path) -> None:
    _parent(path)
    if path.is_dir():
        raise _refused(path, "a file", "a folder", "Name a file in it.")
    if (path.parent / _MANIFEST).exists():
        # A model with a stranger in its folder no longer opens.
        raise _refused(path, "outside a saved model", "a file inside one", "Choose another folder.")


def _parent(path: Path) -> None:
    if not path.parent.is_dir():
        raise _refused(path, "in a folder that exists", "none there", "Create it first.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise _refused(path, "in a folder you may write to", "a read-only one", "Choose another.")


def _refused(path: Path, rule: str, got: object, fix: str, kind: type[DimaError] = DataError) -> DimaError:
    return kind(sentence("-o", str(path), rule, got, fix))
