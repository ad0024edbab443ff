"""`dima image evaluate`: a table of figures beside their floors, as text, as JSON and as a page."""

import pytest


@pytest.fixture
def call(outputs):
    run = next((outputs / "checkpoints").iterdir())
    return ["image", "evaluate", "--ckpt", str(run), "--data", "fashion-mnist-1000", "-n", "40"]


def test_figures_are_told_by_both_judges(call, dima, tmp_path):
    ran = dima(*call, "--json", "--report", str(tmp_path / "page.html"), "--steps", "3")
    assert ran.code == 0
    figures = {(one["name"], one["extractor"]): one for one in ran.json["figures"]}
    for judge in ("lenet", "residual"):
        assert figures["FID", judge]["ratio"] > 2  # a network of one epoch generates no clothes
    assert ("reconstruction MSE", "pixels") in figures
    assert ("accuracy taught by samples", "labels") in figures
    assert "Interpolation" in (tmp_path / "page.html").read_text()


def test_sampling_and_judges_are_obeyed(call, dima):
    ran = dima(*call, "--judges", "mnist", "--json")
    other = dima(*call, "--json")
    guided = dima(*call, "--guidance", "2", "--json")
    fid = [run.json["figures"][1]["value"] for run in (ran, other, guided)]
    assert len(set(fid)) == 3


def test_what_cannot_be_is_refused(call, dima, tmp_path):
    assert "in a folder that exists" in dima.refused(*call, "--report", str(tmp_path / "none" / "page.html"))
    assert "tpu" in dima.refused(*call, "--judges", "tpu")
    assert "digit" in dima.refused(*call, "--only-digit", "11")
