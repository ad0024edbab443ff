"""Diffusion of pixels against closed forms: levels, the loss, guidance, walks and their draws."""

import numpy as np
import pytest
import torch

from close import assert_close
from dima.image import pixel
from dima.image.train import generator
from dima.noise import sampling, schedule, solver

PATH = schedule.path("cosine", 1000)
SPREAD = 0.5  # of Gaussian images, for which the perfect answer is known


def perfect(x, log_snr):
    """v of the perfect denoiser of images N(0, SPREAD^2)."""
    alpha, sigma = schedule.signal_and_noise(log_snr[:, None, None, None])
    clean = alpha * SPREAD**2 / (alpha**2 * SPREAD**2 + sigma**2) * x
    return (alpha * x - clean) / sigma


def test_levels_are_spread_evenly_over_the_path():
    levels = pixel.drawn_levels(PATH, 500, generator(0, 0, "test"))
    share = np.interp(-levels.numpy(), -PATH.log_snr[1:], np.arange(1000) / 999)
    assert_close(np.sort(share), (np.arange(500) + 0.5) / 500, atol=1.1 / 500)
    assert (np.diff(levels.numpy()) > 0).any()  # in no order
    assert (np.diff(levels.numpy()) < 0).any()


def test_levels_lie_between_those_of_the_path_too():
    coarse = schedule.path("cosine", 4)
    levels = pixel.drawn_levels(coarse, 200, generator(0, 0, "test"))
    assert len(levels.unique()) == 200
    assert_close([float(levels.max()), float(levels.min())], coarse.log_snr[[1, -1]], atol=0.1)


def test_the_error_is_that_of_v():
    x0, noise = torch.randn(3, 1, 4, 4), torch.randn(3, 1, 4, 4)
    log_snr = torch.tensor([-1.0, 0.0, 2.0])
    signal, share = torch.sigmoid(2 * log_snr).sqrt(), torch.sigmoid(-2 * log_snr).sqrt()
    v = signal[:, None, None, None] * noise - share[:, None, None, None] * x0
    found = pixel.error(lambda x, level: torch.ones_like(x), x0, log_snr, noise)
    torch.testing.assert_close(found, (1 - v).square().mean(dim=(1, 2, 3)))
    seen = []
    pixel.error(lambda x, level: seen.append(x) or x, x0, log_snr, noise)
    torch.testing.assert_close(seen[0][2], signal[2] * x0[2] + share[2] * noise[2])


@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m", "heun"])
def test_walks_under_the_perfect_answer_take_noise_to_the_data_by_their_ratio(name):
    table = sampling.table(PATH, solver=name, steps=200)
    start = torch.randn(4, 1, 3, 3, dtype=torch.float64)
    end = pixel.solve(table, lambda rows: pixel.denoiser(perfect), start)
    # The probability flow of N(0, s^2) stretches every state by the ratio of the spreads.
    at_start = np.hypot(PATH.alpha[-1] * SPREAD, PATH.sigma[-1])
    assert_close(end.numpy(), start.numpy() * SPREAD / at_start, rtol=0.02)


def test_guidance_moves_away_from_the_answer_without_condition():
    table = solver.build("ddim", [0.6, 1.0], [0.8, 0.0])
    x = torch.ones(1, 1, 2, 2)
    ends = [
        pixel.solve(table, lambda rows, g=guide: pixel.denoiser(lambda x, _: 0 * x, *g), x)
        for guide in [(), (lambda x, _: x, 1.0), (lambda x, _: x, 3.0)]
    ]
    # v = 0 gives D = alpha x = .6, v = x gives D = (.6 - .8) x = -.2
    assert_close([float(end.mean()) for end in ends], [0.6, 0.6, -0.2 + 3 * 0.8], atol=1e-6)


def test_draws_belong_to_seed_number_and_row():
    several = pixel.noise_of(1, range(4), (2, 2))
    torch.testing.assert_close(pixel.noise_of(1, [2, 3], (2, 2)), several[2:])
    assert not torch.equal(pixel.noise_of(2, range(4), (2, 2)), several)
    assert not torch.equal(pixel.noise_of(1, range(4), (2, 2), row=1), several)
    assert pixel.noise_of(1, [], (2, 2)).shape == (0, 2, 2)


def test_a_walk_with_noise_gives_a_sample_the_same_numbers_in_any_batch():
    table = sampling.table(PATH, solver="ddpm", steps=5)
    start = pixel.noise_of(0, range(3), (1, 2, 2))
    whole = pixel.solve(table, lambda rows: pixel.denoiser(perfect), start, seed=7)
    alone = pixel.solve(table, lambda rows: pixel.denoiser(perfect), start[:1], seed=7)
    torch.testing.assert_close(whole[:1], alone)
    other = pixel.solve(table, lambda rows: pixel.denoiser(perfect), start, seed=8)
    assert not torch.allclose(whole, other)


def test_blocks_of_rows_are_walked_under_their_own_denoisers(monkeypatch):
    monkeypatch.setattr(pixel, "_ROWS", 2)
    table = solver.build("ddim", [0.6, 1.0], [0.8, 0.0])
    targets = torch.arange(5.0)[:, None, None, None]

    def denoiser_of(rows):
        return lambda x, row: targets[rows] + 0 * x

    ends = pixel.solve(table, denoiser_of, torch.randn(5, 1, 1, 1))
    assert ends.flatten().tolist() == [0, 1, 2, 3, 4]


def test_arcs_keep_their_length_and_meet_their_ends():
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert_close(pixel.slerp(a, b, 1 / 3), [[np.cos(np.pi / 6), np.sin(np.pi / 6)]], atol=1e-6)
    assert_close(pixel.slerp(a, a, 0.5), a, atol=1e-6)


def test_errors_are_equal_at_every_call_and_those_of_the_perfect_answer_are_its_own_doubt(monkeypatch):
    monkeypatch.setattr(pixel, "_ROWS", 40)
    x0 = SPREAD * torch.randn(100, 1, 6, 6, generator=generator(0, 0, "test"))
    found = pixel.errors(lambda rows: perfect, PATH, x0, seed=0, draws=20)
    assert torch.equal(found, pixel.errors(lambda rows: perfect, PATH, x0, seed=0, draws=20))
    assert not torch.equal(found, pixel.errors(lambda rows: perfect, PATH, x0, seed=1, draws=20))
    alpha, sigma = PATH.alpha[1:], PATH.sigma[1:]
    # Var(x0 | x) / sigma^2 for Gaussian images, averaged over the levels.
    doubt = SPREAD**2 / (alpha**2 * SPREAD**2 + sigma**2)
    assert_close(float(found.mean()), doubt.mean(), rtol=0.03)
