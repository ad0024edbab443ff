import json

import numpy as np
import pytest

import dima
from dima.cli import demo, run
from dima.model.manifold_autoencoder import ManifoldAutoencoder

TINY = {"n_iter": 60, "hidden_dim": 16, "T": 20, "batch_size": 32}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The same demo on fewer digits, with a prior that is trained for a moment."""
    X, labels = demo.manifolds.digits()
    monkeypatch.setattr(demo.manifolds, "digits", lambda: (X[:300], labels[:300]))
    fitted = lambda d, seed: ManifoldAutoencoder(d, gplm={"m": 80}, prior=TINY, seed=seed)  # noqa: E731 a stand-in for the class
    monkeypatch.setattr(demo, "ManifoldAutoencoder", fitted)


def test_it_writes_a_report_a_model_and_samples(tmp_path, capsys):
    assert run(["demo", "-o", str(tmp_path / "demo")]) == 0
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {"report.html", "model", "samples.npy"}
    assert np.load(tmp_path / "demo/samples.npy", allow_pickle=False).shape == (1000, 64)
    assert dima.load(tmp_path / "demo/model").transform(np.zeros((1, 64)) + 5.0).shape == (1, 16)
    said = capsys.readouterr().out
    assert "PCA at d = 16" in said
    assert "dima sample" in said


def test_figures_as_json_and_nothing_else(tmp_path, capsys):
    assert run(["demo", "-o", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["n_held_out"] == 60
    assert [stage["name"] for stage in told["stages"]][:3] == ["tuning", "encoder", "decoder"]


def test_the_model_keeps_the_stages_of_its_fit_alone(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(demo.report, "build", lambda model, *_: shown.append(model) or "page")
    assert run(["demo", "-o", str(tmp_path / "demo"), "-q"]) == 0
    assert [stage.name for stage in shown[0].stages_] == ["tuning", "encoder", "decoder", "prior"]


def test_a_target_that_is_a_file_is_refused(tmp_path, capsys):
    (tmp_path / "taken").write_text("mine")
    assert run(["demo", "-o", str(tmp_path / "taken")]) == 2
    assert f"dima demo: {tmp_path / 'taken'} must be a folder to write to" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text() == "mine"
