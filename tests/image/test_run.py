"""What trainings of pixels share: which rows are held out, and what makes two runs one."""

import numpy as np
import pytest
import torch

from dima.image.run import holding_out, run_of
from dima.image.train import Engine, Plan


def engine_of(n):
    rows = torch.arange(n)
    return Engine(Plan(1, 4, 1e-3), torch.nn.Identity, lambda *_: None, (rows, 10 * rows))


@pytest.mark.parametrize(("n", "apart"), [(3, 1), (19, 1), (60, 3)])
def test_a_twentieth_of_the_rows_is_kept_apart_the_same_of_each_tensor(n, apart):
    engine = holding_out(engine_of(n), 1)
    kept, held_out = engine.data[0], engine.held_out[0]
    assert len(held_out) == apart
    assert sorted(torch.cat([kept, held_out]).tolist()) == list(range(n))
    assert torch.equal(engine.data[1], 10 * kept)
    assert torch.equal(engine.held_out[1], 10 * held_out)
    assert torch.equal(holding_out(engine_of(n), 3).held_out[0], held_out)


def test_without_patience_all_rows_are_learnt_from():
    assert len(holding_out(engine_of(60), None).data[0]) == 60


@pytest.mark.parametrize("n", [1, 2])
def test_of_one_row_or_two_one_serves_twice(n):
    few = holding_out(engine_of(n), 1)
    assert (len(few.data[0]), len(few.held_out[0])) == (n, 1)


def test_a_run_is_its_settings_and_its_data_not_its_device(tmp_path):
    settings, data = {"widths": (8, 16), "device": "cpu", "patience": None}, {"images": np.zeros(3)}
    run = run_of("Owner", settings, data, tmp_path)
    assert run.identity["widths"] == (8, 16)
    assert run.identity == run_of("Owner", settings | {"device": "cuda"}, data, tmp_path).identity
    assert run.identity != run_of("Owner", settings, {"images": np.ones(3)}, tmp_path).identity
