"""Losses of a direct decoder, held to NumPy."""

import dataclasses

import numpy as np
import pytest
import torch

from dima.data.images import load
from dima.image import judge
from dima.image.direct import methods
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
    assert float(LOSSES[name](torch.tensor(FOUND), torch.tensor(WANTED), torch.tanh)) == pytest.approx(wanted)


def test_a_pseudo_huber_loss_is_a_square_near_and_a_slope_far():
    near, far = (
        float(LOSSES["pseudo-huber"](torch.tensor([x]), torch.tensor([0.0]), torch.tanh)) for x in (0.01, 1e4)
    )
    assert near == pytest.approx(0.01**2 / 2, rel=0.01)
    assert far == pytest.approx(1e4, rel=0.01)


def test_features_add_what_both_classifiers_see_and_lead_to_the_same_images():
    images = load("fashion-mnist-1000").images[:6]
    standard = torch.tensor(images * 2)  # pixels in units of a half
    own, wanted = standard[:3].clone().requires_grad_(), standard[3:]
    lost = LOSSES["features"](own, wanted, lambda x: x / 2)
    total = np.square(2 * (images[:3] - images[3:])).mean()
    for data in ("mnist", "fashion-mnist"):
        seen = judge.load("lenet", data).features(images).astype(np.float64)
        total += 0.05 * np.square(seen[:3] - seen[3:]).mean() / np.square(seen[3:]).mean()
    assert lost.item() == pytest.approx(total, rel=1e-5)
    (slope,) = torch.autograd.grad(lost, own)
    of_pixels = 2 * (own - wanted).detach() / own.numel()
    assert (slope - of_pixels).abs().max() > 1e-5
    assert float(LOSSES["features"](wanted, wanted, lambda x: x / 2)) == 0


def test_a_loss_of_features_is_finite_where_no_unit_answers(monkeypatch):
    silent = judge.load("lenet", "mnist")
    weights = {name: torch.zeros_like(one) for name, one in silent.weights.items()}
    monkeypatch.setattr(methods, "_judges", lambda: [dataclasses.replace(silent, weights=weights)] * 2)
    own, wanted = (torch.full((2, 1, 28, 28), pixel, requires_grad=True) for pixel in (0.5, -1.0))
    lost = LOSSES["features"](own, wanted, lambda x: x)
    (slope,) = torch.autograd.grad(lost, own)
    assert lost.item() == 2.25
    torch.testing.assert_close(slope, torch.full_like(own, 3.0 / own.numel()))
