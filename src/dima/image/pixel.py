"""Diffusion of pixels: the loss at drawn levels, and walks of solver tables from noise to image and back.

x_t = alpha_t x_0 + sigma_t noise;   a network learns v = alpha_t noise - sigma_t x_0 on standardised pixels
"""

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dima.blocks import row_blocks
from dima.errors import SettingError
from dima.image.train import generator
from dima.image.walk import Row, walk
from dima.noise import target as targets
from dima.noise.schedule import Path, signal_and_noise
from dima.noise.solver import SolverTable

__all__ = [
    "Network",
    "denoiser",
    "drawn_levels",
    "drawn_shares",
    "error",
    "errors",
    "levels_at",
    "noise_of",
    "path_below",
    "slerp",
    "solve",
]

_ROWS = 512  # images walked at a time
Network = Callable[..., Tensor]  # (noisy, lambda (b,), ...) -> v


def drawn_levels(path: Path, n: int, draws: torch.Generator) -> Tensor:
    """`n` levels lambda, one in each of as many equal parts of the path, in no order.

    The law of even draws with less variance from batch to batch.
    """
    return levels_at(path, drawn_shares(n, draws))


def drawn_shares(n: int, draws: torch.Generator) -> Tensor:
    """`n` shares of a way, one in each of as many equal parts of it, in no order."""
    return (torch.randperm(n, generator=draws) + torch.rand(n, generator=draws)) / n


def levels_at(path: Path, share: Tensor) -> Tensor:
    """Levels lambda (n,) at shares (n,) of the path from its lowest level of noise, 0, to its highest, 1."""
    known = torch.from_numpy(path.log_snr[1:]).float()
    at = share * (path.T - 1)
    low = at.long().clamp(max=max(path.T - 2, 0))
    return torch.lerp(known[low], known[(low + 1).clamp(max=path.T - 1)], at - low)


def error(network: Network, x0: Tensor, log_snr: Tensor, noise: Tensor) -> Tensor:
    """Squared error (b,) of the network's v at clean images (b, c, h, w) with noise of levels (b,)."""
    alpha, sigma = signal_and_noise(log_snr[:, None, None, None])
    answer = network(alpha * x0 + sigma * noise, log_snr)
    wanted = targets.predicted("v", x0, noise, alpha, sigma)
    return (answer.float() - wanted).square().flatten(1).mean(1)


def path_below(path: Path, diffusion_time: float) -> Path:
    """The path from clean images to a diffusion time in [0, 1], which is a share of its levels.

    Raises:
        SettingError: the time is outside [0, 1].
    """
    try:
        diffusion_time = float(diffusion_time)
    except (TypeError, ValueError):
        rule, got = "one number for all images", type(diffusion_time).__name__
        fix = "Pass a float."
        raise SettingError(f"DiffusionModel: diffusion_time must be {rule}; got a {got}. {fix}") from None
    if not 0 <= diffusion_time <= 1:
        raise SettingError(f"DiffusionModel: diffusion_time must be in [0, 1]; got {diffusion_time:g}.")
    stop = round(diffusion_time * path.T) + 1
    return Path(path.alpha[:stop], path.sigma[:stop])


@torch.no_grad()
def errors(
    network_of: Callable[[slice], Network], path: Path, x0: Tensor, seed: int, draws: int = 4
) -> Tensor:
    """The mean (b,) of `error` over as many equal draws at every call; `network_of` tells that of a block."""
    blocks = []
    for at, rows in enumerate(row_blocks(len(x0), _ROWS)):
        own, total = generator(seed, at, "errors"), torch.zeros(len(x0[rows])).to(x0)
        for _ in range(draws):
            level = drawn_levels(path, len(x0[rows]), own).to(x0)
            total += error(
                network_of(rows), x0[rows], level, torch.randn(x0[rows].shape, generator=own).to(x0)
            )
        blocks.append(total / draws)
    return torch.cat(blocks)


def denoiser(
    network: Network, free: Network | None = None, guidance: float = 1.0
) -> Callable[[Tensor, Row], Tensor]:
    """The clean estimate at rows of a table, guided away from that of a network without condition."""

    def answer(own: Network, x: Tensor, row: Row) -> Tensor:
        level = row.log_snr.expand(len(x))
        return targets.estimate("v", lambda scaled: own(scaled, level), x, row.alpha, row.sigma)

    def denoise(x: Tensor, row: Row) -> Tensor:
        D = answer(network, x, row)
        return D if free is None else targets.guided(D, answer(free, x, row), guidance)

    return denoise


def noise_of(seed: int, numbers: Sequence[int], shape: Sequence[int], row: int = 0) -> Tensor:
    """Standard normal draws (b, ...) of the samples with these numbers: a function of (seed, number, row)."""
    draws = [torch.randn(*shape, generator=generator(seed, number, f"row {row}")) for number in numbers]
    return torch.stack(draws) if draws else torch.empty(0, *shape)


def solve(
    table: SolverTable,
    denoiser_of: Callable[[slice], Callable[[Tensor, Row], Tensor]],
    start: Tensor,
    seed: int = 0,
    first: int = 0,
) -> Tensor:
    """Walk a table from `start` (b, c, h, w) in blocks of rows, each with a denoiser of its own.

    Noise on the way is a function of (seed, number of the sample, row of the table), numbered from `first`.
    """

    def draw(rows: slice, i: int) -> Tensor:
        if table.C[i] == 0:  # that row adds no noise
            return torch.zeros_like(start[rows])
        numbers = range(first + rows.start, first + rows.stop)
        return noise_of(seed, numbers, start.shape[1:], i + 1).to(start)

    ends = [
        walk(table, denoiser_of(rows), start[rows], functools.partial(draw, rows))
        for rows in row_blocks(len(start), _ROWS)
    ]
    return torch.cat(ends) if ends else start


def slerp(a: Tensor, b: Tensor, share: float) -> Tensor:
    """Points (b, ...) on the arcs between points `a` and `b` (b, ...). Source: Shoemake 1985."""
    flat_a, flat_b = a.flatten(1), b.flatten(1)
    cosine = torch.nn.functional.cosine_similarity(flat_a, flat_b)[:, None].clamp(-1, 1)
    angle = torch.acos(cosine)
    weights = [torch.sin((1 - share) * angle), torch.sin(share * angle)]
    arc = (weights[0] * flat_a + weights[1] * flat_b) / torch.sin(angle)
    straight = torch.lerp(flat_a, flat_b, share)
    return torch.where(angle < 1e-3, straight, arc).reshape(a.shape)
