"""`dima image evaluate`: a table of figures beside their floors, as text, as JSON and as a page."""

import numpy as np
import pytest

from dima.data.images import load


@pytest.fixture
def call(outputs):
    run = next((outputs / "checkpoints").iterdir())
    return ["image", "evaluate", "--ckpt", str(run), "--data", "fashion-mnist-1000", "-n", "40"]


def test_figures_are_told_by_both_judges(call, dima, tmp_path):
    ran = dima(*call, "--json", "--report", str(tmp_path / "page.html"), "--steps", "3")
    assert (ran.code, ran.json["n"]) == (0, 40)
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


def test_the_table_says_whose_networks_judge(outputs, call, dima, tmp_path):
    assert "extractor (networks of fashion-mnist)" in dima(*call).out
    np.save(tmp_path / "mine.npy", load("fashion-mnist-1000").images[:100])
    mine = ["--data", str(tmp_path / "mine.npy"), "-n", "50"]
    own = [*call[: call.index("--data")], *mine]
    told = dima(*own).out
    assert "extractor (networks of mnist)" in told
    assert "20 images drawn, beside as many test and training images. Without labels there are no" in told
    assert dima(*own, "--json").json["judges"] == "mnist"


def test_what_cannot_be_is_refused(call, dima, tmp_path):
    assert "in a folder that exists" in dima.refused(*call, "--report", str(tmp_path / "none" / "page.html"))
    assert "tpu" in dima.refused(*call, "--judges", "tpu")


def test_a_folder_of_models_is_no_model_and_those_in_it_are_named(outputs, call, dima):
    told = dima.refused(*call[:2], "--ckpt", str(outputs), *call[4:])
    assert "must be a saved model; got a folder that is none. Name one of those below it: " in told
    assert str(outputs / "autoencoders" / "mlp-d3") in told
    assert "digit" in dima.refused(*call, "--only-digit", "11")
