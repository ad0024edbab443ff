"""`dima image fit-autoencoder`: what it writes, that it goes on, and what it refuses."""

import json
import shutil

import numpy as np
import pytest

from cli.image.conftest import QUICK
from dima import load
from dima.model.image_autoencoder import ImageAutoencoder

CALL = ["image", "fit-autoencoder", "--latent-dim", "3", "--epochs", "2", *QUICK]


def test_it_writes_an_autoencoder_a_run_and_a_log(outputs):
    assert load(outputs / "autoencoders" / "mlp-d3").facts()["autoencoder_training_steps"] == 3
    (run,) = (outputs / "runs").glob("autoencoder-*")
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [3]
    assert "runs on cpu" in (outputs / "logs" / f"{run.name}.log").read_text()


def test_a_run_is_gone_on_from_and_not_with_other_settings(dima, tmp_path):
    at = ["--outdir", str(tmp_path)]
    assert dima(*CALL, *at).code == 0
    first = load(tmp_path / "autoencoders" / "mlp-d3").fit_.network
    shutil.rmtree(tmp_path / "autoencoders")
    assert dima(*CALL, *at, "--auto-resume").code == 0
    assert len(list((tmp_path / "runs").iterdir())) == 1
    for name, array in load(tmp_path / "autoencoders" / "mlp-d3").fit_.network.items():
        np.testing.assert_array_equal(array, first[name])
    ran = dima(*CALL, *at, "--auto-resume", "--loss", "mse")
    assert ran.code == 2
    assert "got others: loss" in ran.err


def test_a_stop_tells_the_flag_to_go_on_with(dima, tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageAutoencoder, "fit", stop)
    call = [word for word in CALL if word != "-q"]
    ran = dima(*call, "--outdir", str(tmp_path))
    assert ran.code == 130
    assert "To go on, give the same command again with --auto-resume." in ran.err


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--only-digit", "12"], "--only-digit"),
        (["--device", "cuda"], "must be one of those here, cpu; got 'cuda'"),
        (["--model", "vae"], "--model"),
        (["--loss", "l1"], "--loss"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(dima, tmp_path, extra, message):
    ran = dima(*CALL, "--outdir", str(tmp_path / "results"), *extra)
    assert ran.code == 2
    assert message in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert not (tmp_path / "results" / "runs").exists()


def test_an_older_one_is_kept_unless_told(dima, tmp_path):
    to = ["-o", str(tmp_path / "mine"), "--outdir", str(tmp_path)]
    assert dima(*CALL, *to).code == 0
    ran = dima(*CALL, *to)
    assert (ran.code, "must be free; got an older saved model" in ran.err) == (2, True)
    assert dima(*CALL, *to, "--overwrite").code == 0


def test_an_older_one_is_replaced_by_going_on_only_where_there_is_a_run(dima, tmp_path):
    at = ["--outdir", str(tmp_path)]
    assert dima(*CALL, *at).code == 0
    place = tmp_path / "autoencoders" / "mlp-d3"
    before = (place / "MANIFEST.json").read_bytes()
    told = dima.refused(*CALL, *at, "--seed", "1", "--auto-resume")
    assert "must be free; got an older saved model" in told
    assert (place / "MANIFEST.json").read_bytes() == before
    assert len(list((tmp_path / "runs").iterdir())) == 1
    assert dima(*CALL, *at, "--auto-resume").code == 0  # the run that made it


def test_images_that_are_nowhere_are_refused(dima, tmp_path):
    ran = dima("image", "fit-autoencoder", "--data", "nowhere", "--outdir", str(tmp_path / "results"))
    assert (ran.code, "nowhere must be a set of images" in ran.err) == (2, True)
