"""A table and the models fitted to it, by the command line itself."""

import numpy as np
import pytest

from cli.shell import FAST, Shell, circle
from dima.cli import run


@pytest.fixture
def dima(capsys, monkeypatch):
    """Calls the command line; pages are wide, so that a flag stands on one line."""
    monkeypatch.setenv("COLUMNS", "250")
    return Shell(capsys)


@pytest.fixture(scope="session")
def desk(tmp_path_factory):
    """A folder with rows X.npy, wrong ones wide.npy, a model with a prior and one without."""
    folder = tmp_path_factory.mktemp("desk")
    np.save(folder / "X.npy", circle(90))
    np.save(folder / "new.npy", circle(40, seed=1))
    np.save(folder / "wide.npy", np.ones((3, 11)))
    fit = ["fit", str(folder / "X.npy"), "--d", "2", "-q", "-o"]
    assert run([*fit, str(folder / "model"), *FAST]) == 0
    assert run([*fit, str(folder / "bare"), "--no-prior"]) == 0
    return folder
