"""Training a network of pixels: an engine for `dima.training`, whatever the network and its loss are.

The order of the rows is a function of (seed, epoch) and every draw one of (seed, step), so that a run
continued from a state, in the middle of an epoch too, equals one that never stopped.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dima.blocks import row_blocks
from dima.errors import ArtifactError
from dima.fitted import below, under
from dima.image.device import bf16_is_faster
from dima.progress import StepRecord
from dima.typing import Arrays

__all__ = ["PRECISIONS", "Engine", "Loss", "Plan", "State", "from_named", "generator", "named"]

Loss = Callable[[Any, tuple[Tensor, ...], torch.Generator], Tensor]  # of a batch, a mean over its rows

PRECISIONS = ("auto", "float32", "bfloat16")
_WARM_UP = 0.03  # share of the run in which the learning rate rises
_MOST_AT_ONCE = 1024  # rows of a held-out batch
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # what AdamW keeps of a parameter


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is fixed for a training run.

    Attributes:
        epochs: passes over the rows.
        batch_size: rows of a step; those left over at the end of an epoch wait for the next order.
        learning_rate: peak step size of AdamW, after a linear rise, before a cosine to zero.
        ema_decay: decay of the parameter average.
        precision: "float32", "bfloat16", or "auto" for the faster of the two, measured at the start.
        records: records an epoch.
        seed: of order and draws.
        betas: of AdamW.
        clip: largest norm of the gradient; None for any.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    ema_decay: float = 0.999
    precision: str = "float32"
    records: int = 1
    seed: int = 0
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float | None = None

    @classmethod
    def of(cls, settings_used: Mapping[str, Any], n: int, **more: Any) -> "Plan":
        """The plan that an estimator's settings ask for on `n` rows, which a batch does not exceed."""
        names = ("epochs", "learning_rate", "ema_decay", "precision", "seed")
        batch_size = min(settings_used["batch_size"], n)
        return cls(batch_size=batch_size, **{name: settings_used[name] for name in names}, **more)

    def rate(self, step: int, n_steps: int) -> float:
        """Step size of the step."""
        rise = max(1.0, _WARM_UP * n_steps)
        fall = 0.5 * (1 + math.cos(math.pi * step / n_steps))
        return self.learning_rate * min(1.0, (step + 1) / rise) * fall


@dataclasses.dataclass
class State:
    """A network in training. Steps change it in place."""

    step: int
    network: Any
    average: Any
    optimiser: torch.optim.AdamW
    bf16: bool


@dataclasses.dataclass(frozen=True)
class Engine:
    """The training of a network on one set of rows, as `dima.training` drives it.

    Attributes:
        plan: what is fixed.
        build: makes the network as it is before the first step, on its device.
        loss: (network, rows of a batch, generator) -> mean loss.
        data: tensors with one leading axis over the rows, on the device.
        held_out: the same, for early stopping.
    """

    plan: Plan
    build: Callable[[], nn.Module]
    loss: Loss
    data: tuple[Tensor, ...]
    held_out: tuple[Tensor, ...] = ()

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch."""
        return max(1, len(self.data[0]) // self.plan.batch_size)

    @property
    def n_steps(self) -> int:
        """Steps of the whole run."""
        return self.plan.epochs * self.epoch_steps

    def start(self) -> State:
        """The state before the first step, with its precision chosen."""
        return self._state(self._is_bf16())

    def steps(self, state: State) -> Iterator[tuple[State, StepRecord]]:
        """Train on from a state, yielding some times an epoch and at its end."""
        began, total, since = time.perf_counter(), torch.zeros((), device=self._device), 0
        parts = {self.epoch_steps * part // self.plan.records for part in range(1, self.plan.records + 1)}
        while state.step < self.n_steps:
            epoch, within = divmod(state.step, self.epoch_steps)
            order = torch.randperm(len(self.data[0]), generator=generator(self.plan.seed, epoch, "order"))
            for at in range(within, self.epoch_steps):
                batch = order[at * self.plan.batch_size : (at + 1) * self.plan.batch_size]
                total, since = total + self._step(state, batch.to(self._device)), since + 1
                if at + 1 in parts:
                    record = StepRecord(state.step, float(total) / since, time.perf_counter() - began)
                    total, since = torch.zeros_like(total), 0
                    yield state, record

    def state_arrays(self, state: State) -> Arrays:
        """Step, precision, parameters, average and optimiser, by name."""
        moments = {
            f"{name}/{moment}": state.optimiser.state[parameter][moment].cpu().numpy().copy()
            for name, parameter in state.network.named_parameters()
            for moment in _MOMENTS
            if state.optimiser.state[parameter]
        }
        alone = {"step": np.array(state.step), "bf16": np.array(state.bf16)}
        parts = {"network": named(state.network), "average": named(state.average), "optimiser": moments}
        return alone | {key: a for part, own in parts.items() for key, a in under(part, own).items()}

    def restore(self, arrays: Arrays) -> State:
        """The state that `state_arrays` described."""
        state = self._state(bool(arrays["bf16"]))
        state.step = int(arrays["step"])
        from_named(state.network, below(arrays, "network"))
        from_named(state.average, below(arrays, "average"))
        moments = below(arrays, "optimiser")
        for name, parameter in state.network.named_parameters():
            for key, array in below(moments, name).items():
                # Laid out in memory as the parameter is: the fused optimiser walks both as they lie.
                place = torch.zeros(()) if key == "step" else torch.zeros_like(parameter)
                state.optimiser.state[parameter][key] = place.copy_(torch.from_numpy(array.copy()))
        return state

    @torch.no_grad()
    def held_out_loss(self, state: State) -> float:
        """Loss of the average on the held-out rows; equal draws at every check."""
        state.average.eval()
        n, losses = len(self.held_out[0]), []
        for at, rows in enumerate(row_blocks(n, _MOST_AT_ONCE)):
            batch = tuple(tensor[rows] for tensor in self.held_out)
            draws = generator(self.plan.seed, at, "held out")
            losses.append(float(self.loss(state.average, batch, draws)) * len(batch[0]))
        return sum(losses) / n

    @property
    def _device(self) -> torch.device:
        return self.data[0].device

    def _state(self, bf16: bool) -> State:
        # With channels last a convolution reads a pixel's channels side by side.
        network, average = (self.build().to(memory_format=torch.channels_last) for _ in range(2))  # type: ignore[call-overload]  # torch says nothing
        rate = self.plan.learning_rate
        optimiser = torch.optim.AdamW(
            network.parameters(), rate, self.plan.betas, weight_decay=0.0, fused=True
        )
        return State(0, network, average, optimiser, bf16)

    def _is_bf16(self) -> bool:
        if self.plan.precision != "auto":
            return self.plan.precision == "bfloat16"
        trial = self._state(False)
        rows = torch.arange(min(self.plan.batch_size, len(self.data[0])), device=self._device)
        return bf16_is_faster(lambda: self._backward(trial, rows), self._device)

    def _backward(self, state: State, rows: Tensor) -> Tensor:
        batch = tuple(tensor[rows] for tensor in self.data)
        state.network.train()
        half = torch.autocast(self._device.type, torch.bfloat16) if state.bf16 else contextlib.nullcontext()
        with half:
            loss = self.loss(state.network, batch, generator(self.plan.seed, state.step, "draws"))
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch says nothing
        return loss.detach()

    def _step(self, state: State, rows: Tensor) -> Tensor:
        loss = self._backward(state, rows)
        if self.plan.clip is not None:
            nn.utils.clip_grad_norm_(state.network.parameters(), self.plan.clip)
        for group in state.optimiser.param_groups:
            group["lr"] = self.plan.rate(state.step, self.n_steps)
        state.optimiser.step()
        state.step += 1
        # The average forgets the start as fast as it can afford.
        decay = min(self.plan.ema_decay, 1 - (1 + state.step) ** (-2 / 3))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(state.average.parameters()), list(state.network.parameters()), 1 - decay
            )
            for mean, own in zip(state.average.buffers(), state.network.buffers(), strict=True):
                mean.copy_(own)  # running statistics are averages already
        return loss


def generator(seed: int, number: int, use: str) -> torch.Generator:
    """Draws that belong to (seed, number), others for every use."""
    entropy = np.random.SeedSequence([seed, number, *use.encode()]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(entropy[0]) >> 1)


def named(network: nn.Module) -> Arrays:
    """Parameters and buffers of a network by name, as arrays that later steps leave alone."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}


def from_named(network: nn.Module, arrays: Arrays, *, assign: bool = False) -> nn.Module:
    """The network with the arrays of `named` in it, in the place of its own tensors if they are assigned.

    Raises:
        ArtifactError: an array is missing, one too many, or of another shape.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    if {name: array.shape for name, array in arrays.items()} != shapes:
        fix = "Start anew, or save the model again."
        raise ArtifactError(f"network: the arrays must be those of this network; got others. {fix}")
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    network.load_state_dict(tensors, assign=assign)
    return network
