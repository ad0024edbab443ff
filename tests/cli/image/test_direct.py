"""`dima image make-pairs` and `fit-direct`: from a teacher to a one-step model by the command line."""

import dataclasses
import json
import os
import shutil
import signal

import pytest

from dima.cli import run
from dima.cli.image import direct
from dima.model.direct import DirectModel
from dima.model.persist import load, save

QUICK = ["--data", "fashion-mnist-1000", "--widths", "4", "8", "--batch-size", "400", "--epochs", "1", "-q"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    assert run(["image", "fit-ddpm", *QUICK, "-o", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def pairs(teacher):
    folder = teacher / "pairs"
    made = ["image", "make-pairs", "--ckpt", str(teacher), "--n-samples", "200", "--steps", "2"]
    assert run([*made, "-q", "--output-dir", str(folder)]) == 0
    return folder


def test_a_decoder_is_learnt_with_pictures_by_epoch(teacher, pairs, dima, tmp_path):
    folder = tmp_path / "direct"
    given = ["--ddpm-ckpt", str(teacher / "model"), "--data-path", str(pairs), "--output-dir", str(folder)]
    made = dima("image", "fit-direct", *given, "--epochs", "2", "--lr", "1e-4", "--json")
    assert made.code == 0
    told = json.loads(made.out)
    epochs = {f"{name}_{epoch:03d}{end}" for name, end in (("ckpt_epoch", ""), ("samples_epoch", ".png"))
              for epoch in (1, 2)}  # fmt: skip
    names = {path.name for path in folder.iterdir()}
    assert names == epochs | {"best_model", "model", "run", "teacher_and_student.png"}
    model = load(folder / "model")
    assert told["map_r2"] == pytest.approx(model.r2_)
    assert model.learning_rate == 1e-4
    assert load(folder / "best_model").r2_ == max(load(folder / f"ckpt_epoch_00{i}").r2_ for i in (1, 2))


def test_the_best_of_a_run_that_goes_on_is_kept(teacher, pairs, dima, tmp_path):
    best = DirectModel(epochs=1, batch_size=200).fit(load(teacher / "model"), pairs)
    best.fit_ = dataclasses.replace(best.fit_, r2=2.0)  # nothing that is trained can be better
    save(best, tmp_path / "best_model")
    (tmp_path / "run").mkdir()
    given = ["--ddpm-ckpt", str(teacher), "--data-path", str(pairs), "--epochs", "1"]
    assert dima("image", "fit-direct", *given, "-o", str(tmp_path)).code == 0
    assert load(tmp_path / "best_model").r2_ == 2.0
    assert load(tmp_path / "ckpt_epoch_001").r2_ < 1.0


@pytest.mark.skipif(os.name != "posix", reason="signals of Unix")
def test_a_stop_tells_how_to_go_on_and_loses_nothing(teacher, pairs, dima, tmp_path, monkeypatch):
    given = ["--ddpm-ckpt", str(teacher), "--data-path", str(pairs), "--epochs", "2", "--batch-size", "90"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert dima("image", "fit-direct", *given, "-o", str(whole)).code == 0
    with monkeypatch.context() as patched:
        patched.setattr(direct, "save_grid", lambda path, images: os.kill(os.getpid(), signal.SIGTERM))
        stopped = dima("image", "fit-direct", *given, "-o", str(cut))
    assert stopped.code == 128 + signal.SIGTERM
    assert f"the checkpoint in {cut / 'run'} is kept" in stopped.err
    assert stopped.err.endswith("To go on, give the same command again.\n")
    again = dima("image", "fit-direct", *given, "-o", str(cut))
    assert again.code == 0
    next_call = f"  dima image hooks --ddpm-ckpt {teacher} --decoder-ckpt {cut / 'model'} --output-dir hooks"
    assert again.out.endswith(f"Next:\n{next_call}\n")
    for name in ("model", "best_model"):
        files = [folder / name / "model.safetensors" for folder in (whole, cut)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_models_of_another_run_are_left_alone_unless_told(teacher, pairs, dima, tmp_path):
    given = ["--ddpm-ckpt", str(teacher), "--data-path", str(pairs), "--epochs", "1", "--batch-size", "90"]
    call = ["image", "fit-direct", *given, "-q", "-o", str(tmp_path)]
    assert dima(*call).code == dima(*call).code == 0  # the second is the first, gone on with
    assert "got others: seed" in dima.refused(*call, "--seed", "1", "--overwrite")
    shutil.rmtree(tmp_path / "run")
    weights = tmp_path / "best_model" / "model.safetensors"
    before = weights.read_bytes()
    assert "must hold no older results; got model. Add" in dima.refused(*call, "--seed", "1")
    shutil.rmtree(tmp_path / "model")
    assert "must hold no older results; got best_model. Add" in dima.refused(*call, "--seed", "1")
    assert weights.read_bytes() == before
    assert dima(*call, "--seed", "1", "--overwrite").code == 0
    assert weights.read_bytes() != before


def test_what_does_not_fit_is_one_sentence(teacher, pairs, outputs, dima, tmp_path):
    (latent,) = outputs.glob("checkpoints/*/latest")
    other = dima("image", "make-pairs", "--ckpt", str(teacher), "--steps", "3", "-o", str(pairs))
    assert (other.code, other.err.count("\n")) == (2, 1)
    assert "must be of n 60000, steps 3; got n 200, steps 2. Choose another folder" in other.err
    given = ["--data-path", str(pairs), "--output-dir", str(tmp_path / "out")]
    wrong = dima("image", "fit-direct", "--ddpm-ckpt", str(pairs), *given)
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    swapped = dima("image", "fit-direct", "--ddpm-ckpt", str(latent), *given)
    assert (swapped.code, swapped.err.count("\n")) == (2, 1)
    assert swapped.err.startswith("--ddpm-ckpt: ")
    assert dima("image", "make-pairs", "--ckpt", str(teacher), "--solver", "euler").code == 2


def test_a_latent_diffusion_is_distilled_and_sampled_in_one_step(outputs, dima, tmp_path):
    (latest,) = outputs.glob("checkpoints/*/latest")
    few = ["--ddpm-ckpt", str(latest), "--n-pairs", "3000"]
    made = dima("image", "fit-direct", *few, "--output-dir", str(tmp_path), "--json")
    assert made.code == 0, made.err
    assert json.loads(made.out)["prior_training_pairs"] == 3000
    assert {path.name for path in tmp_path.iterdir()} == {"model", "run", "teacher_and_student.png"}
    to = str(tmp_path / "one.png")
    drawn = ["image", "sample", "--ckpt", str(tmp_path / "model"), "--num-images", "4"]
    assert dima(*drawn, "--steps", "1", "-o", to).code == 0
    flags = ["--epochs", "3", "--batch-size", "9", "--lr", "0.1"]
    given = ["--ddpm-ckpt", str(latest), *flags, "-o", str(tmp_path)]
    unused = dima("image", "fit-direct", *given)
    assert (unused.code, unused.err.count("\n")) == (2, 1)
    assert "left out for a latent diffusion; got --epochs, --batch-size, --learning-rate. Leave" in unused.err
    many = dima(*drawn, "--steps", "20", "-o", to)
    assert (many.code, many.err.count("\n")) == (2, 1)
    wrong = dima("image", "fit-direct", "--ddpm-ckpt", str(tmp_path / "nothing"), "-o", str(tmp_path))
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)


def test_pixels_without_pairs_are_refused(teacher, pairs, dima, tmp_path):
    more = ["--data-path", str(pairs), "--n-pairs", "9", "-o", str(tmp_path / "out")]
    told = dima.refused("image", "fit-direct", "--ddpm-ckpt", str(teacher), *more)
    assert "--n-pairs must be left out with --data-path, whose pairs are there; got 9. Make fewer" in told
    ran = dima("image", "fit-direct", "--ddpm-ckpt", str(teacher / "model"), "-o", str(tmp_path / "out"))
    assert ran.code == 2
    assert "must be a saved LatentDiffusion; got a PixelDiffusion. Make one with" in ran.err


def test_a_teacher_is_trained_on_images_alone(teacher, pairs, dima, tmp_path):
    given = ["--ddpm-ckpt", str(teacher), "--method", "consistency", "--data", "fashion-mnist-1000"]
    out = tmp_path / "out"
    made = dima("image", "fit-direct", *given, "--epochs", "1", "--batch-size", "90", "-o", str(out))
    assert made.code == 0, made.err
    assert {"model", "best_model", "ckpt_epoch_001", "samples_epoch_001.png"} < {
        x.name for x in out.iterdir()
    }
    both = dima.refused("image", "fit-direct", *given, "--data-path", str(pairs), "-o", str(out))
    assert "must be one of --data-path and --data; got both. Leave one out." in both
    few = dima.refused("image", "fit-direct", *given, "--n-pairs", "9", "-o", str(out))
    assert "--n-pairs must be left out with --data, which takes none; got 9." in few
