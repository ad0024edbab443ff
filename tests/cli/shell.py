"""What the tests of the command line share: a call with its answer, and what a refusal looks like."""

import json
from typing import NamedTuple

import numpy as np

from dima.cli import run

__all__ = ["FAST", "Ran", "Shell", "circle"]

# Small enough for a test: the smallest prior there is, on a handful of steps.
FAST = ["--ddpm.n-iter", "20", "--ddpm.hidden-dim", "8", "--ddpm.t-embed-dim", "4", "--ddpm.T", "60"]


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Shell:
    """Runs a command line in this process."""

    def __init__(self, capsys):
        self._capsys = capsys

    def __call__(self, *tokens):
        self._capsys.readouterr()
        code = run([str(token) for token in tokens])
        return Ran(code, *self._capsys.readouterr())

    def refused(self, *tokens):
        """Run, expect one refusal with nothing on standard output, and return its sentence."""
        ran = self(*tokens)
        assert ran.code == 2, ran
        assert ran.out == ""
        assert "Traceback" not in ran.err
        assert ran.err.count("\n") == 1, ran.err
        assert ran.err.rstrip()[-1] in '.)"?', ran.err
        return ran.err


def circle(n, seed=0):
    """(n, 6) rows near a circle."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    plane = np.column_stack([np.cos(angle), np.sin(angle)])
    rotation, _ = np.linalg.qr(np.random.default_rng(7).normal(size=(6, 6)))
    return plane @ rotation[:2] + 0.02 * rng.normal(size=(n, 6))
