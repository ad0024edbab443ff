"""What only the torch walker promises; the laws of all walkers are in contracts/test_walkers.py."""

import numpy as np
import pytest
import torch

from close import assert_close
from dima.image.walk import walk
from dima.noise.grid import trailing
from dima.noise.schedule import path
from dima.noise.solver import build

PATH, GRID = path("cosine", 20), trailing(20, 5)
TABLE = build("ddpm", PATH.alpha[GRID], PATH.sigma[GRID])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_rows_and_result_have_the_dtype_of_x(dtype):
    seen = []

    def denoise(x, row):
        seen.extend([x.dtype, *(column.dtype for column in row)])
        return x / 2

    x = torch.ones(2, 1, 4, 4, dtype=dtype)
    end = walk(TABLE, denoise, x, lambda i: torch.zeros_like(x))
    assert {end.dtype, *seen} == {dtype}
    assert end.shape == x.shape


def test_no_gradient_is_recorded_and_x_is_left_alone():
    x = torch.ones(3, requires_grad=True)
    weight = torch.tensor(0.5, requires_grad=True)
    end = walk(TABLE, lambda x, row: weight * x, x, lambda i: torch.ones(3))
    assert not end.requires_grad
    assert torch.equal(x, torch.ones(3))
    assert torch.is_grad_enabled()


def test_a_row_says_its_level_and_draws_come_in_order():
    levels, draws = [], []

    def denoise(x, row):
        levels.append([row.alpha, row.sigma, row.log_snr])
        return x

    def draw(i):
        draws.append(i)
        return torch.zeros(2, dtype=torch.float64)

    walk(TABLE, denoise, torch.ones(2, dtype=torch.float64), draw)
    assert_close(levels, np.transpose([TABLE.alpha[:-1], TABLE.sigma[:-1], TABLE.log_snr]))
    assert draws == list(range(TABLE.steps))
