"""A torch regression as an engine: all that a trained network owes the harness."""

import dataclasses

import torch

from dima.progress import StepRecord

__all__ = ["Regression", "problem"]


@dataclasses.dataclass
class Regression:
    """Least squares by momentum, two numbers a step; the batch is a function of the step."""

    X: torch.Tensor
    y: torch.Tensor
    n_steps: int = 40

    def start(self):
        width = self.X.shape[1]
        return {
            "step": torch.zeros(()),
            "w": torch.zeros(width),
            "speed": torch.zeros(width),
        }

    def steps(self, state):
        for step in range(int(state["step"]), self.n_steps):
            rows = torch.randint(len(self.X), (8,), generator=torch.Generator().manual_seed(step))
            miss = self.X[rows] @ state["w"] - self.y[rows]
            speed = 0.9 * state["speed"] - 0.02 * self.X[rows].T @ miss
            state = {"step": torch.tensor(step + 1.0), "w": state["w"] + speed, "speed": speed}
            if (step + 1) % 5 == 0:
                yield state, StepRecord(step + 1, float((miss**2).mean()), 0.1 * step)

    def state_arrays(self, state):
        return {name: tensor.numpy().copy() for name, tensor in state.items()}

    def restore(self, arrays):
        return {name: torch.as_tensor(array.copy()) for name, array in arrays.items()}

    def held_out_loss(self, state):
        return float(((self.X @ state["w"] - self.y) ** 2).mean())


def problem(**changes):
    drawn = torch.Generator().manual_seed(0)
    X = torch.randn(64, 3, generator=drawn)
    y = X @ torch.tensor([1.0, -2.0, 0.5]) + 0.1 * torch.randn(64, generator=drawn)
    return Regression(X, y, **changes)
