"""One side of `speed_prior.py`: `python rival_prior.py ours|published|eager|compiled` answers lines of JSON.

A line is [task, *arguments]; the answer holds the seconds it took, or why it could not be done. What was
imported, compiled and trained stays, so a first answer is longer by that. The same file runs under our
environment and the peer's (`peers/README.md`). `eager` and `compiled` are PyTorch loops of our own
network and training, with Adam fused and the average over all parameters at once, the fastest it has.
"""

import copy
import functools
import json
import math
import sys
import time

import numpy as np

D, BATCH, WIDTH, T = 16, 256, 128, 200
RATE, DECAY = 1e-3, 0.999
SHARE, RECORD = 4, 500  # points that share a level; steps of a compiled scan at the most
SAMPLES, SAMPLING_STEPS, MODES = 10_000, 25, 8


@functools.cache
def mixture(n, seed=1):
    """Rows (n, D) of eight Gaussians of unlike shapes, of mean 0 and variance 1 along every axis."""
    law, rng = np.random.default_rng(0), np.random.default_rng(seed)
    centers = 2 * law.standard_normal((MODES, D))
    factors = law.standard_normal((MODES, D, D)) / math.sqrt(2 * D)
    unit = np.sqrt(centers.var(axis=0) + np.square(factors).sum(axis=2).mean(axis=0))
    mode, rows = rng.integers(MODES, size=n), rng.standard_normal((n, D))
    for i in range(MODES):
        rows[mode == i] = rows[mode == i] @ factors[i].T + centers[i]
    return ((rows - centers.mean(axis=0)) / unit).astype(np.float32)


def ours(n_iter):
    from dima import DDPM

    settings = {"hidden_dim": WIDTH, "batch_size": BATCH, "learning_rate": RATE, "ema_decay": DECAY}
    return DDPM(T, n_iter=n_iter, record_every=RECORD, **settings)


@functools.cache
def ours_fitted(n, steps):
    return ours(steps).fit(mixture(n))


def train_ours(n, steps):
    model, Z = ours(steps), mixture(n)
    return lambda: model.fit(Z)


def sample_ours(n, steps, path, solver="ddim"):
    model = ours_fitted(n, steps)
    return lambda: np.save(path, model.sample(SAMPLES, solver=solver, steps=SAMPLING_STEPS))


@functools.cache
def published(n, steps):
    import jax.numpy as jnp
    from dima.ddpm import DDPM

    settings = {"hidden_dim": WIDTH, "batch_size": BATCH, "learning_rate": RATE, "ema_decay": DECAY}
    return DDPM(jnp.asarray(mixture(n)), T=T, n_iter=steps, **settings)


@functools.cache
def published_kept(n, steps):
    """With the step of its sampler made once; as published, each call makes and compiles it anew."""
    model = copy.copy(published(n, steps))
    noising = model.alpha_s, model.beta_s, model.alpha_bar_s, model.eps
    step = model._make_sampler_step(model.state.ema_params, model.state.apply_fn, *noising)
    model._make_sampler_step = lambda *_: step
    return model


def train_published(n, steps):
    import jax
    import jax.numpy as jnp

    model, Z = published(n, 0), jnp.asarray(mixture(n))
    return lambda: (model._train(Z, steps), jax.block_until_ready(model.state))


def sample_published(n, steps, path, make=published):
    model = make(n, steps)
    return lambda: np.save(path, np.asarray(model.sample(SAMPLES)))


@functools.cache
def start_torch():
    """Parameters of our network before the first step, as PyTorch tensors by name."""
    import jax
    import torch

    from dima.latent import ddpm_fit, denoiser

    drawn = denoiser.init(jax.random.key(0), D, WIDTH, 64, ddpm_fit._BLOCKS)
    return {name: torch.tensor(np.asarray(value), requires_grad=True) for name, value in drawn.items()}


def apply_torch(parameters, x, log_snr):
    """`dima.latent.denoiser.apply` for single blocks."""
    import torch
    from torch.nn.functional import silu

    def linear(name, x):
        return torch.addmm(parameters[f"{name}/b"], x, parameters[f"{name}/w"])

    half = parameters["level1/w"].shape[0] // 2
    rates = 0.25 * 64.0 ** (torch.arange(half) / (half - 1))
    waves = log_snr[:, None] / 4 * rates
    level = silu(linear("level1", torch.cat([waves.sin(), waves.cos()], dim=-1)))
    films = linear("film", silu(linear("level2", level)))
    h = linear("in", x)
    films = films.reshape(len(log_snr), 1, -1, 2, h.shape[-1])
    for i in range(films.shape[2]):
        gamma, beta = films[:, :, i, 0], films[:, :, i, 1]
        inner = (1 + gamma) * h.reshape(len(log_snr), -1, h.shape[-1]) + beta
        h = h + linear(f"block{i}", silu(inner).reshape(h.shape))
    return linear("out", h)


def loss_torch(parameters, x0, noise, log_snr):
    from dima.noise.schedule import signal_and_noise
    from dima.noise.target import predicted

    alpha, sigma = signal_and_noise(log_snr.repeat_interleave(SHARE)[:, None])
    answer = apply_torch(parameters, alpha * x0 + sigma * noise, log_snr)
    return (answer - predicted("v", x0, noise, alpha, sigma)).square().mean()


@functools.cache
def compiled(function):
    import torch

    return torch.compile(function)


def train_torch(n, steps, make=lambda function: function):
    import torch

    from dima.noise.schedule import cosine

    data, parameters = torch.tensor(mixture(n)), start_torch()
    levels, loss_of = torch.tensor(cosine(T).log_snr[1:], dtype=torch.float32), make(loss_torch)
    weights, count = list(parameters.values()), BATCH // SHARE
    average = [weight.detach().clone() for weight in weights]
    adam = torch.optim.Adam(weights, RATE, fused=True)

    def rate(step):
        return min(step / 100, 0.5 + 0.5 * math.cos(math.pi * step / steps))

    def work():
        for step in range(steps):
            at = (torch.arange(count) + torch.rand(())) * ((T - 1) / count)
            low = at.long()
            log_snr = torch.lerp(levels[low], levels[low + 1], at - low)
            x0, noise = data[torch.randint(n, (BATCH,))], torch.randn(BATCH, D)
            loss_of(parameters, x0, noise, log_snr).backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            adam.param_groups[0]["lr"] = RATE * rate(step)
            adam.step()
            adam.zero_grad()
            decay = min(DECAY, 1 - (2 + step) ** (-2 / 3))
            torch._foreach_lerp_(average, [weight.detach() for weight in weights], 1 - decay)

    return work


def difference():
    """The largest difference between our network and its PyTorch form, at drawn weights and states."""
    import jax.numpy as jnp
    import torch

    from dima.latent.denoiser import apply

    rng = np.random.default_rng(0)
    drawn = {name: rng.normal(0, 0.1, weight.shape).astype("f") for name, weight in start_torch().items()}
    x, log_snr = rng.standard_normal((BATCH, D)).astype("f"), np.linspace(-4, 4, BATCH // SHARE).astype("f")
    torch_drawn = {name: torch.tensor(value) for name, value in drawn.items()}
    theirs = apply_torch(torch_drawn, torch.tensor(x), torch.tensor(log_snr)).numpy()
    own = apply({name: jnp.asarray(value) for name, value in drawn.items()}, x, jnp.asarray(log_snr))
    return float(np.abs(np.asarray(own) - theirs).max() / np.abs(theirs).max())


TASKS = {
    "ours": {
        "train": train_ours,
        "sample": sample_ours,
        "sample by 2M": functools.partial(sample_ours, solver="dpmpp_2m"),
    },
    "published": {
        "train": train_published,
        "sample": sample_published,
        "sample kept": functools.partial(sample_published, make=published_kept),
    },
    "eager": {"train": train_torch},
    "compiled": {"train": functools.partial(train_torch, make=compiled)},
}


def timed(side, task, *arguments):
    """Seconds of the work, made ready before; a failure is an answer too, as it belongs into the table."""
    try:
        work = TASKS[side][task](*arguments)
        began = time.perf_counter()
        work()
        return {"seconds": time.perf_counter() - began}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:70]}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(timed(sys.argv[1], *json.loads(line))), flush=True)
