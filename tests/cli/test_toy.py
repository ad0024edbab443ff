import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dima.cli import run

QUICK = ["--epochs", "2", "--T", "8", "--hidden-dim", "8", "--batch-size", "2048"]


def test_it_writes_pictures_an_animation_and_samples(tmp_path, capsys):
    assert run(["toy", "checkerboard", *QUICK, "-o", str(tmp_path / "t")]) == 0
    names = {"data.png", "forward.png", "loss.png", "samples.png", "reverse.gif", "samples.npy"}
    assert {path.name for path in (tmp_path / "t").iterdir()} == names
    assert np.load(tmp_path / "t/samples.npy", allow_pickle=False).shape == (2000, 2)
    with Image.open(tmp_path / "t/reverse.gif") as moving:
        assert moving.n_frames == 9
    assert "mean loss" in capsys.readouterr().out


def test_pictures_of_an_earlier_run_are_replaced_only_when_told(tmp_path, dima):
    target = tmp_path / "t"
    target.mkdir()
    (target / "notes.txt").write_text("mine")  # a stranger is no hindrance
    assert dima("toy", "rings", *QUICK, "-o", target).code == 0
    older = {path.name: path.read_bytes() for path in target.iterdir()}
    for name in set(older) - {"samples.npy", "notes.txt"}:
        (target / name).unlink()  # one of them is enough
    ran = dima("toy", "spiral", *QUICK, "-o", target)
    assert ran.code == 2
    assert "must hold no older results; got samples.npy. Add --overwrite to replace it" in ran.err
    assert {path.name for path in target.iterdir()} == {"samples.npy", "notes.txt"}
    assert (target / "samples.npy").read_bytes() == older["samples.npy"]
    assert dima("toy", "spiral", *QUICK, "-o", target, "--overwrite").code == 0
    assert {path.name for path in target.iterdir()} == set(older)
    assert (target / "samples.npy").read_bytes() != older["samples.npy"]


def test_a_run_whose_last_file_cannot_be_written_leaves_the_earlier_one(tmp_path, dima, monkeypatch):
    target = tmp_path / "t"
    assert dima("toy", "rings", *QUICK, "-o", target).code == 0
    older = {path.name: path.read_bytes() for path in target.iterdir()}

    def full(handle, samples):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dima.model.toy.write_npy", full)
    assert dima("toy", "spiral", *QUICK, "-o", target, "--overwrite").code == 2
    assert {path.name: path.read_bytes() for path in target.iterdir()} == older


def test_own_points_and_json(tmp_path, capsys, rng):
    np.save(tmp_path / "points.npy", 100 + 5 * rng.standard_normal((3000, 2)))
    target = str(tmp_path / "t")
    some = ["--epochs", "60", "--T", "20", "--hidden-dim", "32", "--batch-size", "256"]
    assert run(["toy", "--data", str(tmp_path / "points.npy"), *some, "-o", target, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] == 60
    samples = np.load(tmp_path / "t/samples.npy", allow_pickle=False)
    assert np.abs(np.median(samples, axis=0) - 100).max() < 10


def test_neither_pytorch_nor_tensorflow_is_imported(tmp_path):
    code = (
        "import sys; from dima.cli import run; code = run(sys.argv[1:]);"
        "sys.exit(code or any(name in sys.modules for name in ('torch', 'tensorflow')))"
    )
    command = [sys.executable, "-c", code, "toy", "rings", *QUICK, "-o", str(tmp_path / "t")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["nowhere"], "Invalid value"),
        (["gaussian", "--T", "0"], "Invalid value"),
        (["gaussian", "--beta-start", "-1"], "beta_start must be a finite number > 0 and < 1; got -1"),
        (["gaussian", "--T", "1"], "Invalid value"),
        (["gaussian", "--T", "50", "--beta-end", "2"], "beta_end must be a finite number > 0 and < 1; got 2"),
        (["gaussian", "--beta-start", "0.1"], "beta_start must be at most beta_end; got 0.1 and 0.02"),
        (["--data", "missing.npy"], "missing.npy"),
    ],
)
def test_bad_flags_are_one_line(tmp_path, dima, flags, told):
    ran = dima("toy", *flags, "-o", tmp_path / "t")
    assert ran.code == 2
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_three_columns_are_refused(tmp_path, capsys):
    np.save(tmp_path / "points.npy", np.eye(3))
    assert run(["toy", "--data", str(tmp_path / "points.npy"), "-o", str(tmp_path / "t")]) == 2
    assert "--data must have shape (n, 2); got shape (3, 3)" in capsys.readouterr().err
