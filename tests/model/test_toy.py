"""The toy run keeps the units of the data and hands over whole files."""

import io

import numpy as np
import pytest

from close import assert_close
from dima.errors import DataError, ShapeError
from dima.model.toy import diffuse, plane_points


@pytest.fixture(scope="module")
def ran():
    points = (100 + 5 * np.random.default_rng(0).standard_normal((600, 2))).astype(np.float32)
    sizes = {"batch_size": 64, "hidden_dim": 16, "learning_rate": 1e-3, "T": 12, "n_samples": 50}
    heard = []
    found = diffuse(points, epochs=3, beta_start=1e-4, beta_end=2e-2, seed=0, tell=heard.append, **sizes)
    assert [record.step for record in heard] == [1, 2, 3]
    return found


def test_everything_is_in_the_units_of_the_data(ran):
    assert ran.states.shape == (13, 50, 2)
    assert_close(ran.forward["t = 0"], ran.points, atol=1e-3)
    assert_close(ran.forward["t = 12"].mean(axis=0), [100, 100], atol=2)
    assert_close(ran.forward["t = 12"].std(axis=0), [5, 5], atol=1)
    assert_close(np.median(ran.states[0], axis=0), [100, 100], atol=4)


def test_files_are_whole(ran):
    files = ran.files()
    assert [name for name in files if name.endswith(".png")] == [
        "data.png",
        "forward.png",
        "loss.png",
        "samples.png",
    ]
    assert files["reverse.gif"].startswith(b"GIF89a")
    written = io.BytesIO()
    files["samples.npy"](written)
    assert_close(np.load(io.BytesIO(written.getvalue()), allow_pickle=False), ran.states[-1])


def test_losses_are_drawn_over_epochs(ran, monkeypatch):
    drawn = []
    monkeypatch.setattr("dima.model.toy.png", lambda figure: drawn.append(figure) or b"")
    ran.files()
    assert [f.axes[0].get_xlabel() for f in drawn if f.axes[0].get_ylabel() == "loss"] == ["epoch"]


def test_points_that_cannot_be_used():
    with pytest.raises(ShapeError, match=r"--data must have shape \(n, 2\); got shape \(3, 3\)"):
        plane_points(np.eye(3))
    with pytest.raises(DataError, match="must be varying; got equal points"):
        plane_points(np.ones((4, 2)))
    with pytest.raises(DataError, match="must be finite"):
        plane_points([[1.0, np.nan], [0.0, 1.0]])


def test_few_steps_of_noise_do_not_run_away():
    points = np.random.default_rng(0).standard_normal((600, 2)).astype(np.float32)
    sizes = {"batch_size": 32, "hidden_dim": 64, "learning_rate": 3e-3, "T": 20, "n_samples": 300}
    ran = diffuse(
        points, epochs=20, beta_start=1e-4, beta_end=2e-2, seed=0, tell=lambda record: None, **sizes
    )
    assert 0.5 < ran.states[-1].std() < 1.5  # 47 with betas up to 1
