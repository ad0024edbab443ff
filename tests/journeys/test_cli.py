"""From a spreadsheet to samples, as a newcomer would type it."""

import numpy as np
import pytest

from cli.shell import FAST, Shell, circle
from dima.data import read
from dima.model import persist


@pytest.fixture
def dima(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Shell(capsys)


@pytest.mark.slow
def test_spreadsheet_to_samples(dima, tmp_path):
    np.savetxt("table.csv", circle(120), delimiter=",", header="a,b,c,d,e,f", comments="")
    (tmp_path / "flags.toml").write_text("d = 2\n[dmap]\nalpha = 1.0\n", encoding="utf-8")
    fit = ["fit", "table.csv", "-o", "model", "--config", "flags.toml", *FAST]
    assert dima(*fit, "--report", "report.html").code == 0
    assert dima("encode", "model", "table.csv", "-o", "Z.npy").code == 0
    assert dima("decode", "model", "Z.npy", "-o", "X.csv", "--refine", "--t-start", "2").code == 0
    assert dima("reconstruct", "model", "table.csv", "-o", "X_hat.npy", "--json").json["shape"] == [120, 6]
    assert dima("sample", "model", "-n", "30", "-o", "new.csv").code == 0
    assert dima("evaluate", "model", "table.csv", "--json", "--n-samples", "20").json["n_train"] == 96
    assert dima("info", "model", "--json").json["settings"]["dmap"]["alpha"] == 1.0
    written = {path.name for path in tmp_path.iterdir()}
    inputs = {"table.csv", "flags.toml"}
    assert written == inputs | {"model", "report.html", "Z.npy", "X.csv", "X_hat.npy", "new.csv"}
    assert read.table("new.csv").values.shape == (30, 6)


def test_decoded_rows_come_back(dima):
    np.save("X.npy", circle(120))
    assert dima("fit", "X.npy", "-o", "model", "--d", "4", "--no-prior", "-q").code == 0
    assert dima("encode", "model", "X.npy", "-o", "Z.npy", "-q").code == 0
    assert dima("decode", "model", "Z.npy", "-o", "X_hat.npy", "-q").code == 0
    X, X_hat = (read.table(name).values for name in ("X.npy", "X_hat.npy"))
    assert ((X - X_hat) ** 2).sum() < 0.05 * ((X - X.mean(axis=0)) ** 2).sum()


def test_same_seed_same_model_same_file(dima):
    np.save("X.npy", circle(80))
    for name in ("one", "two"):
        assert dima("fit", "X.npy", "-o", name, "--d", "2", "--seed", "3", "-q", *FAST).code == 0
        line = ["sample", name, "-n", "9", "-o", f"{name}.npy"]
        assert dima(*line).code == 0
    assert np.array_equal(read.table("one.npy").values, read.table("two.npy").values)
    assert persist.load("one").prior_.seed == 3
