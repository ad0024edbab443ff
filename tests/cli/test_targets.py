"""Targets are judged before work begins, as the writers would judge them after it."""

import os

import numpy as np
import pytest

from dima.cli import targets
from dima.data import read
from dima.errors import ArtifactError, DataError

X = np.arange(6.0).reshape(2, 3)


def _page(path):
    targets.file(path, kinds=(".html",))


@pytest.mark.parametrize("suffix", [*targets.TABLES, ".NPY"])
def test_known_tables_are_written(tmp_path, suffix):
    path = tmp_path / f"X{suffix}"
    targets.file(path)
    read.save_table(path, X)
    targets.file(path)  # an older table may be replaced
    assert np.array_equal(read.table(path).values, X)


@pytest.mark.parametrize("name", ["X.txt", "X", "X.npz", "X.xlsx", "none/X.npy", ""])
def test_a_target_refused_is_one_the_writer_refuses(tmp_path, name):
    with pytest.raises(DataError, match=r"^-o: "):
        targets.file(tmp_path / name)
    with pytest.raises(DataError):
        read.save_table(tmp_path / name, X)


def test_a_folder_is_no_table(tmp_path):
    (tmp_path / "X.npy").mkdir()
    with pytest.raises(DataError, match="must be a file; got a folder"):
        targets.file(tmp_path / "X.npy")


@pytest.mark.parametrize("alias", ["X.npy", "link.npy"])
def test_the_data_are_not_overwritten(tmp_path, alias):
    read.save_table(tmp_path / "X.npy", X)
    (tmp_path / "link.npy").symlink_to(tmp_path / "X.npy")
    with pytest.raises(DataError, match="must be another file than the data"):
        targets.file(tmp_path / alias, str(tmp_path / "X.npy"))
    targets.file(tmp_path / "Z.npy", str(tmp_path / "X.npy"))


def test_a_model_takes_no_strangers(desk):
    with pytest.raises(DataError, match="must be outside a saved model"):
        targets.file(desk / "model" / "Z.npy")


def test_read_only_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    judges = (targets.file, "X.npy"), (lambda path: targets.model(path, True), "m"), (_page, "r.html")
    for judge, name in judges:
        with pytest.raises(DataError, match="must be in a folder you may write to"):
            judge(tmp_path / name)


@pytest.mark.parametrize("name", ["r.htm", "r", "none/r.html"])
def test_pages(tmp_path, name):
    _page(tmp_path / "r.html")
    with pytest.raises(DataError, match=r"^-o: "):
        _page(tmp_path / name)


def test_models_replace_models_and_empty_folders_only(tmp_path, desk):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary").touch()
    (tmp_path / "file").touch()
    for path in (tmp_path / "new", tmp_path / "empty"):
        targets.model(path, overwrite=False)
    targets.model(desk / "model", overwrite=True)
    with pytest.raises(ArtifactError, match="must be free; got an older saved model"):
        targets.model(desk / "model", overwrite=False)
    for path in (tmp_path / "notes", tmp_path / "file"):
        with pytest.raises(ArtifactError, match="must be free, or an older saved model"):
            targets.model(path, overwrite=True)


@pytest.mark.parametrize("name", ["m.npy", "m.msgpack", "m.json", "none/m"])
def test_names_that_are_no_model(tmp_path, name):
    with pytest.raises(DataError, match=r"^-o: "):
        targets.model(tmp_path / name, overwrite=True)
