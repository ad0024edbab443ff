"""Held to minima that are known in closed form, and to the promises about rows, balls and priors."""

import numpy as np
import pytest
import torch

from close import assert_close
from dima.errors import DataError, NumericsError, SettingError, ShapeError
from dima.explain.clue import clue

Z = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
GOAL = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)


def bowl(z):
    """Sure at the goal."""
    return 0.5 * (z - GOAL).square().sum(dim=1)


def flat(z):
    return 0.0 * z.sum(dim=1)


def test_the_minimum_with_a_distance_is_a_shrunk_step():
    # Of |z' - g|^2 / 2 + w |z' - z|: w short of the goal, on the line to it.
    found = clue(Z, bowl, distance_weight=0.8, steps=400, rate=0.1)
    away = (GOAL - Z).norm(dim=1, keepdim=True)
    assert (away > 0.8).all()
    assert_close(found.z[:, 0], GOAL - 0.8 * (GOAL - Z) / away, atol=1e-3)
    assert_close(found.distance[:, 0], away[:, 0] - 0.8, atol=1e-3)
    assert_close(found.uncertainty[:, 0], bowl(found.z[:, 0]))
    assert_close(found.uncertainty_before, bowl(Z))


def test_a_distance_that_costs_too_much_leaves_the_row():
    found = clue(Z, bowl, distance_weight=100.0)
    assert_close(found.z[:, 0], Z)
    assert_close(found.distance, torch.zeros(6, 1))


def test_the_gaussian_prior_draws_to_the_origin():
    # Of |z' - g|^2 / 2 + w |z'|^2 / 2. With the sign of the released code it would flee beyond the goal.
    found = clue(Z, bowl, distance_weight=0.0, prior="gaussian", prior_weight=0.5, steps=400, rate=0.1)
    assert_close(found.z[:, 0], (GOAL / 1.5).expand(6, 3), atol=1e-3)
    still = clue(Z, flat, distance_weight=0.0, prior="gaussian", steps=20)
    assert (still.z[:, 0].norm(dim=1) < Z.norm(dim=1)).all()


def test_a_denoiser_keeps_rows_on_its_manifold():
    def flattened(z):  # the manifold is the plane z_2 = 0
        return z * torch.tensor([1.0, 1.0, 0.0], dtype=z.dtype)

    found = clue(Z, bowl, distance_weight=0.0, prior=flattened, prior_weight=5.0, steps=400, rate=0.1)
    free = clue(Z, bowl, distance_weight=0.0, steps=400, rate=0.1)
    assert_close(found.z[:, 0], torch.tensor([[2.0, -1.0, 0.5 / 11]]).expand(6, 3), atol=2e-3)
    assert (free.z[:, 0, 2] > 0.4).all()


def test_a_denoiser_of_numpy_is_constant_in_the_gradient():
    # (z - a z)^2 has the slope 2 (1 - a)^2 z through the denoiser, and 2 (1 - a) z with it held.
    def halved(z):
        return 0.5 * np.asarray(z)

    held = clue(Z, bowl, distance_weight=0.0, prior=halved, steps=1)
    through = clue(Z, bowl, distance_weight=0.0, prior=lambda z: 0.5 * z, steps=400, rate=0.1)
    assert isinstance(held.z, torch.Tensor)
    assert_close(through.z[:, 0], (GOAL / 1.5).expand(6, 3), atol=1e-3)
    # At this point the held slope is zero and the other is not: it stays, where the other would leave.
    rest = (GOAL / 2.0)[None]
    assert_close(clue(rest, bowl, distance_weight=0.0, prior=halved, steps=5).z[0], rest, atol=1e-9)
    assert clue(rest, bowl, distance_weight=0.0, prior=lambda z: 0.5 * z, steps=5).distance > 1e-3


def test_the_ball_holds_every_start():
    found = clue(Z, bowl, distance_weight=0.0, ball=0.3, starts=5)
    assert (found.distance <= 0.3 + 1e-9).all()
    # The bowl is lower the nearer the goal: the answer lies on the ball's edge, towards it.
    towards = 0.3 * (GOAL - Z) / (GOAL - Z).norm(dim=1, keepdim=True)
    assert_close(found.z[:, 0], Z + towards, atol=1e-3)


def test_several_starts_find_several_minima():
    def wells(z):
        return torch.cos(4.0 * z).sum(dim=1)

    found = clue(Z, wells, distance_weight=0.01, ball=2.0, starts=8)
    assert found.z.shape == (6, 8, 3)
    assert found.uncertainty.shape == found.distance.shape == (6, 8)
    assert (found.uncertainty < -2.9).double().mean() > 0.6
    apart = torch.cdist(found.z[0], found.z[0])
    assert (apart > 1.0).any()
    alone = clue(Z, wells, distance_weight=0.01, ball=2.0)
    assert_close(found.z[:, :1], alone.z)  # the first start is the row itself


@pytest.mark.parametrize("starts", [1, 4])
def test_a_row_does_not_depend_on_the_batch(starts):
    whole = clue(Z, bowl, distance_weight=0.3, starts=starts, steps=50)
    alone = clue(Z[4:5], bowl, distance_weight=0.3, starts=starts, steps=50)
    assert_close(alone.z, whole.z[4:5], atol=1e-12)


def test_no_answer_is_worse_than_the_row():
    def steep(z):
        return 1e3 * z.abs().sum(dim=1)

    found = clue(Z, steep, distance_weight=1.0, steps=3, rate=50.0)
    assert (found.uncertainty[:, 0] + found.distance[:, 0] <= found.uncertainty_before).all()


def test_the_seed_decides_the_starts():
    one, same, other = (clue(Z, bowl, distance_weight=0.1, starts=3, steps=2, seed=s) for s in (0, 0, 1))
    assert_close(one.z, same.z)
    assert not torch.equal(one.z, other.z)


def test_weights_of_a_network_gather_no_gradient():
    network = torch.nn.Linear(3, 1)
    clue(Z.float(), lambda z: network(z)[:, 0].square(), distance_weight=0.1, steps=3)
    assert network.weight.grad is None


@pytest.mark.parametrize(
    ("z", "uncertainty", "settings", "kind", "message"),
    [
        (Z * np.nan, bowl, {}, DataError, "z must be finite"),
        (Z[0], bowl, {}, ShapeError, r"z must have shape \(n, d\)"),
        (Z, bowl, {"ball": -1.0}, SettingError, "ball must be"),
        (Z, bowl, {"starts": 0}, SettingError, "starts must be"),
        (
            Z,
            bowl,
            {"prior": "flat"},
            SettingError,
            "prior must be 'none', 'gaussian' or a function; got 'flat'",
        ),
        (Z, bowl, {"prior": lambda z: z[:1]}, ShapeError, r"prior must return shape \(6, 3\) for z"),
        (
            Z,
            lambda z: z,
            {},
            ShapeError,
            r"uncertainty must return a tensor of shape \(6,\); got shape \(6, 3\)",
        ),
        (Z, lambda z: bowl(z).detach(), {}, DataError, "uncertainty must be differentiable"),
        (Z, "entropy", {}, SettingError, "uncertainty must be a function of latents; got a str"),
        (Z, lambda z: bowl(z) / 0.0, {}, NumericsError, "uncertainty must be finite"),
    ],
)
def test_what_is_refused(z, uncertainty, settings, kind, message):
    with pytest.raises(kind, match=f"clue: {message}"):
        clue(z, uncertainty, distance_weight=0.1, **settings)
