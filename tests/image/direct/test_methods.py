"""Losses of a direct decoder, held to NumPy; consistency, held to a network that is."""

import dataclasses

import numpy as np
import pytest
import torch

from dima.data.images import load
from dima.image import judge
from dima.image.direct import methods
from dima.image.direct.methods import LOSSES
from dima.noise import schedule

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


class Exact(torch.nn.Module):
    """A network that knows the only image there is: its answer is that image at every level."""

    def __init__(self, image):
        super().__init__()
        self.path, self.image, self.asked = schedule.cosine(100), image, []
        self.bias = torch.nn.Parameter(torch.zeros(()))

    def standard(self, images):
        return images

    def pixels(self, images):
        return images

    def unet(self, x, level):
        alpha, sigma = schedule.signal_and_noise(level[:, None, None, None])
        self.asked.append((level, x))
        return (alpha * x - self.image) / sigma + self.bias  # v, of which alpha x - sigma v is the image


def test_consistency_asks_for_like_answers_at_near_levels_of_one_image_and_noise():
    image = torch.tensor(WANTED[:1]).float()
    network, method = Exact(image), methods.METHODS["consistency"]
    images = image.expand(16, -1, -1, -1)
    lost = method.loss(network, (images,), LOSSES["mse"], torch.Generator().manual_seed(0))
    assert lost.item() == pytest.approx(0, abs=1e-8)
    (low, at_low), (high, at_high) = network.asked
    assert (low >= high).all()
    assert (low > high).sum() >= 14  # those in the lowest of eight parts have none below
    noise = []
    for level, x in network.asked:
        alpha, sigma = schedule.signal_and_noise(level[:, None, None, None])
        noise.append((x - alpha * image) / sigma)
    np.testing.assert_allclose(noise[0], noise[1], atol=1e-3)
    assert at_low.std() != at_high.std()
    assert not method.is_of_pairs


def test_consistency_learns_from_the_higher_level_alone():
    image = torch.tensor(WANTED[:1]).float()
    network = Exact(image)
    network.bias.data += 0.1
    lost = methods.METHODS["consistency"].loss(
        network, (image.expand(64, -1, -1, -1),), LOSSES["mse"], torch.Generator().manual_seed(0)
    )
    sigma_low, sigma_high = (schedule.signal_and_noise(level)[1] for level, _ in network.asked)
    assert lost.item() == pytest.approx((0.1 * (sigma_high - sigma_low)).square().mean().item(), rel=1e-4)
    (slope,) = torch.autograd.grad(lost, network.bias)
    # Were the lower answer learnt from too, both slopes would nearly cancel.
    wanted = (2 * 0.1 * (sigma_high - sigma_low) * sigma_high).mean()
    assert slope.item() == pytest.approx(wanted.item(), rel=1e-3)
