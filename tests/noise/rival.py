"""The schedulers of diffusers as the second road of the tables, with their levels in float64."""

import contextlib
import warnings

import numpy as np
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
)

from close import assert_close
from dima.noise.grid import levels
from dima.noise.schedule import Path, path, zero_terminal_snr
from dima.noise.target import clean, predicted
from noise.exact import states

__all__ = ["PATHS", "PREDICTION", "STEPS", "dpm", "heun", "hold", "unipc"]

T = 1000
STEPS = [1, 2, 3, 5, 10, 20, 50]
PREDICTION = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}


def _nearly_zero():
    """They stop short of no signal at all: at 2**-12 of it."""
    made = zero_terminal_snr(path("linear", T, eps=0))
    alpha = np.append(made.alpha[:-1], 2.0**-12)
    return Path(alpha, np.sqrt(1 - alpha**2))


PATHS = {
    "linear": path("linear", T, eps=0),
    "cosine": path("cosine", T, eps=0),
    "zero_snr": _nearly_zero(),
}


def denoised(x, alpha, sigma):
    """A smooth denoiser of no particular data."""
    return np.tanh(alpha * x + 0.3)


@contextlib.contextmanager
def _tolerated():
    """They hand NumPy a tensor in a way that NumPy 2 is about to refuse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _made(kind, of, **settings):
    with _tolerated():
        theirs = kind(T, trained_betas=1 - (of.alpha[1:] / of.alpha[:-1]) ** 2, **settings)
    bars = torch.as_tensor(of.alpha[1:] ** 2)
    theirs.alphas_cumprod, theirs.alpha_t, theirs.sigma_t = bars, bars.sqrt(), (1 - bars).sqrt()
    theirs.lambda_t = theirs.alpha_t.log() - theirs.sigma_t.log()
    theirs.sigmas = ((1 - bars) / bars) ** 0.5
    return theirs


def _spread(theirs, of, steps):
    with _tolerated():
        theirs.set_timesteps(steps)
    at = np.round(np.linspace(T, 0, steps + 1)).astype(int)
    return torch.as_tensor(of.sigma[at] / of.alpha[at])  # they round these to float32


def _settings(target):
    return {"prediction_type": PREDICTION[target], "timestep_spacing": "trailing"}


def _answer(target, x, alpha, sigma):
    D = denoised(x, alpha, sigma)
    return torch.as_tensor(predicted(target, D, (x - alpha * D) / sigma, alpha, sigma))


def _preserving(kind, of, target, steps, x, noise=None, **settings):
    theirs = _made(kind, of, **_settings(target), **settings)
    theirs.sigmas = _spread(theirs, of, steps)
    seen, x = [], torch.as_tensor(x)
    for i, t in enumerate(theirs.timesteps):
        seen.append(x.numpy())
        answer = _answer(target, seen[-1], of.alpha[int(t) + 1], of.sigma[int(t) + 1])
        drawn = {} if noise is None else {"variance_noise": torch.as_tensor(noise[i])}
        x = theirs.step(answer, t, x, **drawn).prev_sample
    return np.stack([*seen, x.numpy()])


def dpm(of, target, steps, x, **settings):
    """States (S + 1, ...) of their DPM-Solver++."""
    return _preserving(DPMSolverMultistepScheduler, of, target, steps, x, **settings)


def unipc(of, target, steps, x, **settings):
    """States (S + 1, ...) of their UniPC."""
    return _preserving(UniPCMultistepScheduler, of, target, steps, x, **settings)


def heun(of, target, steps, x):
    """States (2 S, ...) of their Heun, which lives where alpha is one."""
    theirs = _made(HeunDiscreteScheduler, of, **_settings(target))
    ratio = _spread(theirs, of, steps)
    theirs.sigmas = torch.cat([ratio[:1], ratio[1:-1].repeat_interleave(2), ratio[-1:]])
    at = (theirs.timesteps.numpy() + 1).astype(int)
    seen, grown = [], torch.as_tensor(x / of.alpha[T])
    for t, i in zip(theirs.timesteps, at, strict=True):
        seen.append(grown.numpy() * of.alpha[i])
        grown = theirs.step(_answer(target, seen[-1], of.alpha[i], of.sigma[i]), t, grown).prev_sample
    return np.stack([*seen, grown.numpy()])


def hold(build, theirs, name, target, *, noisy=False, last=True, **settings):
    """Hold every state of our trajectories, the `last` one too, to theirs: 1e-5 after any number of steps."""
    random, of = np.random.default_rng(0), PATHS[name]
    x, draws = random.standard_normal((4, 3)), random.standard_normal((50, 4, 3))
    for steps in STEPS:
        table = build(*levels(of, steps))
        noise = draws[:steps] if noisy else np.zeros((table.steps, 4, 3))
        drawn = {"noise": noise} if noisy else {}
        ours = states(table, lambda x, a, s: _through(target, x, a, s), x, noise)
        kept = slice(None) if last else slice(-1)
        assert_close(ours[kept], theirs(of, target, steps, x, **drawn, **settings)[kept], atol=1e-5)


def _through(target, x, alpha, sigma):
    return clean(target, x, _answer(target, x, alpha, sigma).numpy(), alpha, sigma)
