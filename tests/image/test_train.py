"""The engine of torch networks: order, average, precision, and states that are gone on from."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from close import assert_close
from dima.errors import ArtifactError
from dima.image import train

N = 22
PLAN = train.Plan(epochs=3, batch_size=4, learning_rate=0.01, seed=1)


class Line(nn.Module):
    """Rows to numbers, with a running statistic beside the parameters."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3, affine=False)
        self.weigh = nn.Conv2d(3, 1, 3, padding=1)  # four axes, which training lays out in its own order

    def forward(self, X):
        return self.weigh(self.norm(X)[:, :, None, None])[:, 0, 0, 0]


def build():
    torch.manual_seed(0)
    return Line()


def squares(network, batch, draws):
    X, y, _ = batch
    return (network(X + 0.1 * torch.randn(X.shape, generator=draws)) - y).square().mean()


def engine_of(plan=PLAN, loss=squares, **changes):
    draws = torch.Generator().manual_seed(3)
    X = torch.randn(N, 3, generator=draws)
    data = (X, X @ torch.tensor([1.0, -1.0, 2.0]), torch.arange(N))
    return train.Engine(dataclasses.replace(plan, **changes), build, loss, data, data)


def run(engine, state):
    records = []
    for now, record in engine.steps(state):
        state = now
        records.append(record)
    return state, records


def test_an_epoch_shows_each_row_once_and_epochs_differ():
    seen = []

    def loss(network, batch, draws):
        seen.append(batch[2].tolist())
        return squares(network, batch, draws)

    engine = engine_of(loss=loss)
    run(engine, engine.start())
    epochs = [list(itertools.chain(*seen[at : at + 5])) for at in range(0, 15, 5)]
    assert engine.n_steps == len(seen) == 15
    assert all(len(set(rows)) == 20 for rows in epochs)
    assert len(set(map(tuple, epochs))) == 3


def test_records_come_at_parts_of_epochs_and_tell_the_mean_since_the_last():
    losses = []

    def loss(network, batch, draws):
        mean = squares(network, batch, draws)
        losses.append(float(mean.detach()))
        return mean

    engine = engine_of(loss=loss, records=2)
    _, records = run(engine, engine.start())
    assert [record.step for record in records] == [2, 5, 7, 10, 12, 15]
    assert_close(records[1].loss, np.mean(losses[2:5]), atol=1e-6)


@pytest.mark.parametrize("stop", [2, 5, 7])
def test_a_state_gone_on_from_in_the_middle_of_an_epoch_gives_the_same_bits(stop):
    engine = engine_of(records=2)
    whole, _ = run(engine, engine.start())
    for state, record in engine.steps(engine.start()):
        if record.step == stop:
            arrays = engine.state_arrays(state)
            break
    again, _ = run(engine, engine.restore(arrays))
    for name, array in engine.state_arrays(whole).items():
        np.testing.assert_array_equal(array, engine.state_arrays(again)[name], err_msg=name)


def test_arrays_of_a_state_are_left_alone_by_later_steps():
    engine = engine_of()
    steps = engine.steps(engine.start())
    arrays = engine.state_arrays(next(steps)[0])
    before = {name: array.copy() for name, array in arrays.items()}
    next(steps)
    for name, array in before.items():
        np.testing.assert_array_equal(array, arrays[name])


def test_the_average_is_that_of_the_parameters():
    engine, weights = engine_of(records=5), []
    for state, _ in engine.steps(engine.start()):
        weights.append(state.network.weigh.weight.detach().numpy().copy())
    mean = build().weigh.weight.detach().numpy()
    for step, weight in enumerate(weights, start=1):
        decay = min(PLAN.ema_decay, 1 - (1 + step) ** (-2 / 3))
        mean = decay * mean + (1 - decay) * weight
    assert_close(state.average.weigh.weight.detach().numpy(), mean, atol=1e-5)
    np.testing.assert_array_equal(state.average.norm.running_mean, state.network.norm.running_mean)


def test_the_rate_rises_then_falls_to_nothing():
    rates = [PLAN.rate(step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01 / 30)
    assert max(rates) == pytest.approx(0.01, rel=0.01)
    assert np.argmax(rates) in range(28, 31)
    assert rates[-1] < 1e-7


def test_clipping_and_rate_reach_the_optimiser():
    plain, clipped, slow = (
        run(engine, engine.start())[0].network.weigh.weight
        for engine in (engine_of(), engine_of(clip=1e-9), engine_of(learning_rate=1e-5))
    )
    start = build().weigh.weight
    assert (slow - start).abs().max() < 0.1 * (plain - start).abs().max()
    assert not torch.equal(clipped, plain)


def test_precision_is_kept_in_the_state():
    engine = engine_of(precision="auto")
    arrays = engine.state_arrays(engine.start())
    arrays["bf16"] = np.array(True)
    assert engine.restore(arrays).bf16
    assert engine_of(precision="bfloat16").start().bf16
    assert not engine_of().start().bf16


def test_bfloat16_computes_in_bfloat16():
    seen = []

    def loss(network, batch, draws):
        answer = network(batch[0])
        seen.append(answer.dtype)
        return (answer.float() - batch[1]).square().mean()

    for precision in ("float32", "bfloat16"):
        next(engine_of(precision=precision, loss=loss).steps(engine_of(precision=precision).start()))
    assert [seen[0], seen[-1]] == [torch.float32, torch.bfloat16]


def test_held_out_loss_is_that_of_the_average_in_evaluation():
    engine = engine_of(loss=lambda network, batch, draws: (network(batch[0]) - batch[1]).square().mean())
    state, _ = run(engine, engine.start())
    with torch.no_grad():
        wanted = (state.average.eval()(engine.data[0]) - engine.data[1]).square().mean()
    assert_close(engine.held_out_loss(state), float(wanted), atol=1e-6)


def test_arrays_of_another_network_are_refused():
    arrays = train.named(build())
    del arrays["weigh.bias"]
    with pytest.raises(ArtifactError, match="those of this network"):
        train.from_named(build(), arrays)


def test_draws_differ_by_seed_number_and_use():
    keys = [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b")]
    assert len({float(torch.rand((), generator=train.generator(*key))) for key in keys}) == 4
