import importlib.util
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_toy_example_runs_and_draws(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    samples = load("toy_2d").main(epochs=10, points=1000)
    assert samples.shape == (2000, 2)
    assert np.isfinite(samples).all()
    assert (tmp_path / "toy_2d.png").stat().st_size > 1000
    assert "mean loss" in capsys.readouterr().out
