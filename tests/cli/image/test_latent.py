"""`dima image fit-latent`: the tree it writes, that a cut run goes on, and what it refuses."""

import re

import numpy as np
import pytest
from sklearn.decomposition import PCA

from cli.image.conftest import QUICK
from dima import load
from dima.data.images import load as load_images
from dima.image import device
from dima.model import persist
from dima.model.image_autoencoder import ImageAutoencoder
from dima.model.latent_diffusion import LatentDiffusion

QUICKER = ["--batch-size", "400", "--hidden-dim", "8", "--T", "20", *QUICK]


def test_the_tree_is_as_published(outputs):
    (run,) = (outputs / "checkpoints").iterdir()
    assert re.fullmatch(r"latent-diffusion-dall-bs400-lr0\.0002-T20-seed0-\d{8}-\d{6}", run.name)
    assert sorted(path.name for path in run.iterdir()) == ["epoch_000001", "epoch_000002", "latest"]
    pictures = sorted(path.name for path in (outputs / "samples" / run.name).iterdir())
    assert pictures == ["epoch_000001.png", "epoch_000002.png"]
    assert (outputs / "runs" / run.name / "metrics.jsonl").read_text().count("\n") == 2
    log = (outputs / "logs" / f"{run.name}.log").read_text()
    assert "800 images" in log
    assert "Epoch 2 of 2" in log


def test_the_latest_is_that_of_the_last_epoch_and_the_autoencoder_is_in_it(outputs):
    (run,) = (outputs / "checkpoints").iterdir()
    latest, last = load(run / "latest"), load(run / "epoch_000002")
    np.testing.assert_array_equal(latest.sample(3), last.sample(3))
    assert not np.array_equal(latest.sample(3), load(run / "epoch_000001").sample(3))
    assert latest.prior_.get_params()["beta_end"] == 0.02


def test_a_run_that_was_cut_goes_on_to_the_same_numbers(outputs, dima, tmp_path, monkeypatch):
    ae = ["--ae-ckpt", str(outputs / "autoencoders" / "mlp-d3")]
    call = ["image", "fit-latent", "--epochs", "4", *ae, *QUICKER, "--outdir"]
    assert dima(*call, str(tmp_path / "whole")).code == 0
    save, saved = persist.save, []

    def cut(model, path):
        saved.append(path)
        if len(saved) == 3:
            raise KeyboardInterrupt
        return save(model, path)

    with monkeypatch.context() as patched:
        patched.setattr(persist, "save", cut)
        assert dima(*call, str(tmp_path / "cut")).code == 130
    ran = dima(*call, str(tmp_path / "cut"), "--auto-resume")
    assert ran.code == 0
    whole, resumed = (
        next((tmp_path / name / "checkpoints").iterdir()) / "latest" / "model.safetensors"
        for name in ("whole", "cut")
    )
    assert whole.read_bytes() == resumed.read_bytes()
    refused = dima(*call, str(tmp_path / "cut"), "--auto-resume", "--beta-end", "0.1")
    assert (refused.code, "got others: beta_end" in refused.err) == (2, True)


def test_a_smooth_training_can_be_gone_back_through(outputs, dima, tmp_path):
    ae = ["--ae-ckpt", str(outputs / "autoencoders" / "mlp-d3")]
    call = ["image", "fit-latent", "--epochs", "1", *ae, *QUICKER, "--smooth", "--outdir", str(tmp_path)]
    assert dima(*call).code == 0
    (run,) = (tmp_path / "checkpoints").iterdir()
    assert load(run / "latest").prior_.get_params()["eps_root"] == 1e-8


def test_the_newest_run_of_the_same_settings_is_gone_on_from(outputs, dima, tmp_path):
    ae = ["--ae-ckpt", str(outputs / "autoencoders" / "mlp-d3")]
    call = ["image", "fit-latent", "--epochs", "1", *ae, *QUICKER, "--outdir", str(tmp_path), "--auto-resume"]
    call.remove("-q")
    first = dima(*call)
    assert (first.code, "No run latent-diffusion-dall-bs400-lr0.0002-T20-seed0-..." in first.err) == (0, True)
    other = dima(*call, "--lr", "0.1")
    assert (other.code, "a new one begins" in other.err) == (0, True)
    again = dima(*call)
    assert (again.code, "a new one begins" in again.err) == (0, False)
    assert again.err.count("Epoch 1 of 1") == 0  # it had ended
    assert other.err.count("Epoch 1 of 1") == 1
    quiet = dima(*call, "--lr", "0.3", "-q")
    assert (quiet.code, quiet.out, "Epoch" in quiet.err, "begins" in quiet.err) == (0, "", False, False)
    assert len(list((tmp_path / "runs").iterdir())) == 3


@pytest.mark.parametrize(
    ("extra", "got"),
    [(["--device", "cuda"], "--device cuda"), (["--amp"], "--amp"), (["--device", "cpu"], None)],
)
def test_an_autoencoder_that_cannot_be_moved_is_not_asked_to(dima, tmp_path, extra, got):
    model = LatentDiffusion(PCA(2), prior=None).fit(load_images("fashion-mnist-1000").images)
    persist.save(model, tmp_path / "map")
    call = ["image", "fit-latent", "--ae-ckpt", str(tmp_path / "map"), "--epochs", "1", *QUICKER]
    ran = dima(*call, *extra, "--outdir", str(tmp_path / "results"))
    if got is None:
        assert ran.code == 0, ran.err
        call.append("--auto-resume")
        assert dima(*call, "--amp", "--outdir", str(tmp_path / "results")).code == 2
    else:
        assert f"a TransformerAutoencoder, which runs on the CPU in full precision; got {got}." in ran.err


@pytest.mark.parametrize(
    ("extra", "asked"),
    [
        ([], ("auto", "float32")),
        (["--amp"], ("auto", "auto")),
        (["--amp", "--device", "cpu"], ("cpu", "auto")),
    ],
)
def test_the_autoencoder_encodes_where_and_as_asked(outputs, dima, tmp_path, monkeypatch, extra, asked):
    seen, to_device = [], ImageAutoencoder.to_device
    monkeypatch.setattr(
        ImageAutoencoder, "to_device", lambda self, *given: seen.append(given) or to_device(self, *given)
    )
    ae = ["--ae-ckpt", str(outputs / "autoencoders" / "mlp-d3")]
    call = ["image", "fit-latent", "--epochs", "1", *ae, *QUICKER, "--outdir", str(tmp_path)]
    assert dima(*call, *extra).code == 0
    assert seen == [asked]


def test_a_run_that_goes_on_encodes_in_the_precision_it_began_with(outputs, dima, tmp_path, monkeypatch):
    ae = ["--ae-ckpt", str(outputs / "autoencoders" / "mlp-d3")]
    call = ["image", "fit-latent", "--epochs", "1", *ae, *QUICKER, "--outdir", str(tmp_path), "--amp"]
    monkeypatch.setattr(device, "bf16_is_faster", lambda work, place: True)
    assert dima(*call).code == 0
    latest = next((tmp_path / "checkpoints").iterdir()) / "latest"
    before = (latest / "model.safetensors").read_bytes()
    monkeypatch.setattr(device, "bf16_is_faster", lambda work, place: False)  # the machine is busy now
    again = dima(*call, "--auto-resume")
    assert again.code == 0, again.err
    assert (latest / "model.safetensors").read_bytes() == before
    assert load(latest).fit_.autoencoder.precision == "bfloat16"
    assert dima(*call, "--auto-resume", "--lr", "0.1").code == 0
    (other,) = (tmp_path / "checkpoints").glob("*-lr0.1-*")
    assert load(other / "latest").fit_.autoencoder.precision == "float32"  # a new run measures


def test_training_stops_when_the_held_out_rows_are_no_better(outputs, dima, tmp_path):
    ae = ["--ae-ckpt", str(outputs / "autoencoders" / "mlp-d3")]
    call = [
        "image",
        "fit-latent",
        "--epochs",
        "9",
        "--lr",
        "1e-12",
        *ae,
        *QUICKER,
        "--outdir",
    ]  # learns nothing
    epochs = []
    for name, extra in {"whole": [], "stopped": ["--early-stopping-patience", "2"]}.items():
        assert dima(*call, str(tmp_path / name), *extra).code == 0
        (metrics,) = (tmp_path / name / "runs").glob("*/metrics.jsonl")
        epochs.append(metrics.read_text().count("\n"))
    assert epochs[0] == 9
    assert epochs[1] < 9


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--ae-ckpt", "missing"], "got nothing there"),
        (["--ae-ckpt-dir", "missing"], "must hold a saved autoencoder; got none"),
        (["--only-digit", "10"], "--only-digit"),
        (["--beta-start", "0.5"], "--beta-start must be below --beta-end 0.02; got 0.5"),
        (["--device", "cuda"], "got 'cuda'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(outputs, dima, tmp_path, extra, message):
    ae = [] if "--ae" in extra[0] else ["--ae-ckpt", str(outputs / "autoencoders" / "mlp-d3")]
    ran = dima("image", "fit-latent", *ae, *QUICKER, "--outdir", str(tmp_path / "results"), *extra)
    assert ran.code == 2
    assert message in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_images_of_another_size_are_refused(outputs, dima, tmp_path):
    np.save(tmp_path / "small.npy", np.zeros((20, 1, 9, 9), np.uint8))
    ae = ["--ae-ckpt", str(outputs / "autoencoders" / "mlp-d3"), "--data", str(tmp_path / "small.npy")]
    ran = dima("image", "fit-latent", *ae, "--outdir", str(tmp_path / "results"), "-q")
    assert ran.code == 2
    assert "images must be of 1 x 28 x 28, as those of the autoencoder; got 1 x 9 x 9" in ran.err
    assert not (tmp_path / "results").exists()


def test_labels_are_needed_for_one_digit(outputs, dima, tmp_path):
    np.save(tmp_path / "bare.npy", np.zeros((20, 1, 28, 28), np.uint8))
    ae = ["--ae-ckpt", str(outputs / "autoencoders" / "mlp-d3"), "--data", str(tmp_path / "bare.npy")]
    ran = dima("image", "fit-latent", *ae, "--only-digit", "3", "--outdir", str(tmp_path))
    assert (ran.code, "left out without labels; got 3" in ran.err) == (2, True)
