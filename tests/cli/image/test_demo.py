"""`dima demo images` writes a model, a picture and a report, from what comes with dima."""

import pytest

import dima as library
from dima.cli.image import demo


@pytest.fixture
def small(monkeypatch):
    """The same demo, trained for a moment."""
    monkeypatch.setattr(demo, "_EPOCHS", 1)
    monkeypatch.setattr(demo, "_PRIOR", {"n_iter": 20, "hidden_dim": 8})


def test_it_writes_a_model_a_picture_and_a_report(small, dima, tmp_path):
    ran = dima("demo", "images", "-o", str(tmp_path / "demo"))
    assert ran.code == 0
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {"report.html", "model", "generated.png"}
    assert "FID" in ran.out
    assert "dima image sample" in ran.out
    assert library.load(tmp_path / "demo/model").sample(2).shape == (2, 1, 28, 28)
    assert "residual" in (tmp_path / "demo/report.html").read_text()
