"""Losses of a direct decoder, held to NumPy."""

import numpy as np
import pytest
import torch

from dima.image.direct.methods import LOSSES

RANDOM = np.random.default_rng(0)
FOUND, WANTED = (RANDOM.standard_normal((3, 1, 4, 4)) * 3 for _ in range(2))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("pseudo-huber", np.mean(np.hypot(FOUND - WANTED, 1.0) - 1.0)),
        ("mse", np.mean((FOUND - WANTED) ** 2)),
    ],
)
def test_losses_are_those_of_numpy(name, wanted):
    assert float(LOSSES[name](torch.tensor(FOUND), torch.tensor(WANTED))) == pytest.approx(wanted)


def test_a_pseudo_huber_loss_is_a_square_near_and_a_slope_far():
    near, far = (float(LOSSES["pseudo-huber"](torch.tensor([x]), torch.tensor([0.0]))) for x in (0.01, 1e4))
    assert near == pytest.approx(0.01**2 / 2, rel=0.01)
    assert far == pytest.approx(1e4, rel=0.01)
