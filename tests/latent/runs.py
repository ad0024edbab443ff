"""Small training runs that checkpoints and fitting are tried on; one compilation serves all."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from close import assert_close
from dima.latent import denoiser, fitting, train
from dima.noise.schedule import path

__all__ = ["LEVELS", "PLAN", "assert_equal", "begin", "fit", "interrupted", "points", "run"]

PLAN = train.Plan(n_iter=60, batch_size=16, learning_rate=3e-3, ema_decay=0.9, target="v")
LEVELS = jnp.asarray(path("cosine", 50).log_snr[1:], jnp.float32)


def points(n=100, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal((n, 2)), jnp.float32)


def begin():
    return denoiser.init(jax.random.key(0), 2, 8, 4, 2)


def run(checkpoint=None, *, patience=None, every=10, **belongs):
    return fitting.Run(PLAN, patience, every, checkpoint, {"n_iter": 60, "points": "a", **belongs})


def fit(made, data=None):
    return fitting.fit(made, begin(), points() if data is None else data, LEVELS, jax.random.key(1))


def interrupted(monkeypatch, made, after=1):
    """Fit, but fail as soon as the checkpoint has been written `after` times."""
    write, calls = fitting.checkpoint.write, []

    @functools.wraps(write)
    def failing(*arguments):
        write(*arguments)
        calls.append(1)
        if len(calls) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting.checkpoint, "write", failing)
        try:
            fit(made)
        except KeyboardInterrupt:
            return
    raise AssertionError("the run was not interrupted")


def assert_equal(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert_close(a, b)
