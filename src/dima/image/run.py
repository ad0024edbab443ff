"""What trainings of pixels share around an engine: rows held out, the run's identity, epochs watched."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from dima import training
from dima.image.train import Engine, State, generator
from dima.training.checkpoint import fingerprint
from dima.typing import Array, Float64

__all__ = ["by_epoch", "holding_out", "run_of"]

_HELD_OUT = 20  # one row in so many is kept from training for early stopping
_NOT_OF_THE_RUN = {"device"}


def holding_out(engine: Engine, patience: int | None) -> Engine:
    """The engine with a twentieth of its rows apart, if there is patience; of two, one serves as both."""
    if patience is None:
        return engine
    n = len(engine.data[0])
    order = torch.randperm(n, generator=generator(engine.plan.seed, 0, "held out"))
    apart = order[: max(1, n // _HELD_OUT)]
    kept = order[len(apart) :] if n > 2 else order
    data, held_out = (tuple(tensor[rows] for tensor in engine.data) for rows in (kept, apart))
    return dataclasses.replace(engine, data=data, held_out=held_out)


def run_of(
    label: str, settings_used: Mapping[str, Any], data: Mapping[str, Array], folder: str | Path | None
) -> training.Run:
    """The run of these settings on these arrays; where it runs makes it no other."""
    identity = {name: value for name, value in settings_used.items() if name not in _NOT_OF_THE_RUN}
    patience = settings_used["patience"]
    if folder is None:
        return training.Run(label, patience=patience, identity=identity)
    identity |= {name: fingerprint(array) for name, array in data.items()}
    return training.Run(label, patience=patience, folder=folder, identity=identity, data=tuple(data))


def by_epoch(
    engine: Engine, show: Callable[[State, Float64, int], None]
) -> Callable[[training.TrainingState[State]], None]:
    """A watch that shows state, history and number of every epoch that ends."""

    def after_record(now: training.TrainingState[State]) -> None:
        epoch, within = divmod(now.step, engine.epoch_steps)
        if within == 0:
            show(now.state, now.table, epoch)

    return after_record
