"""Toy diffusion: the textbook DDPM in four classes, small enough to read in one sitting.

    x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise,    abar_t = (1 - beta_0) ... (1 - beta_t)

`DiffusionProcess` adds noise, `DiffusionModel` guesses it from (x_t, t), `Trainer` teaches the model with
Adam, `Sampler` walks pure noise back. Steps t are 0..T - 1, as betas are indexed: t = 0 carries the least
noise, and clean points stand before it. The betas are taken as they are given, so that a chain of few
steps needs larger ones to end in noise. A key is a JAX key or a whole number; equal keys give equal
numbers. For work there is `DDPM`. Source: Ho, Jain and Abbeel 2020, algorithms 1 and 2.

Example:
    >>> from dima import toy
    >>> model = toy.DiffusionModel(2, 32, 2, key=0)
    >>> process = toy.DiffusionProcess(T=100, beta_end=0.2)
    >>> points = np.random.default_rng(0).standard_normal((500, 2))
    >>> params = toy.Trainer(model, process, points, key=1).train(2, tell=lambda line: None)
    >>> toy.Sampler(model, process, key=2).sample(params, 10).shape
    (10, 2)
"""

import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from msgspec import Meta

from dima import check, settings
from dima.errors import DataError, NumericsError, SettingError, ShapeError
from dima.latent import toy_checks as checks
from dima.noise.schedule import Length
from dima.progress import StepRecord
from dima.typing import ArrayLike

__all__ = ["DiffusionModel", "DiffusionProcess", "OptState", "Params", "Sampler", "Trainer"]

Params = dict[str, jax.Array]
Key = jax.Array | int

_LAYERS = 3  # hidden layers
_WAVES = 3  # octaves of each coordinate
_TIME_WAVES = 16  # rates at which time is embedded, from 1 to 1e-4 a step

Width = Annotated[int, Meta(ge=1, description="coordinates, or units of a layer")]
BetaStart = Annotated[float, Meta(gt=0, lt=1, description="variance the first step adds")]
BetaEnd = Annotated[float, Meta(gt=0, lt=1, description="variance the last step adds")]
Rate = Annotated[float, Meta(gt=0, description="step size of Adam at the start")]
Batch = Annotated[int, Meta(ge=1, description="points of a training step, all if there are fewer")]
Epochs = Annotated[int, Meta(ge=1, description="passes over the data")]
Count = Annotated[int, Meta(ge=1, description="points to draw")]


class DiffusionModel:
    """A network that guesses the noise in a point: three hidden layers, each told the embedded time.

    Raises:
        SettingError: a width is not positive.
    """

    def __init__(self, input_dim: Width, hidden_dim: Width, output_dim: Width, key: Key) -> None:
        widths = {"input_dim": input_dim, "hidden_dim": hidden_dim, "output_dim": output_dim}
        widths = settings.check("toy.DiffusionModel", DiffusionModel, widths)
        self.input_dim, self.hidden_dim, self.output_dim = widths.values()
        self.key = checks.key_of("toy.DiffusionModel", key)

    def init_params(self) -> Params:
        """Fresh parameters: for layer i weights w, biases b and, if it is hidden, weights u of the time."""
        fan_ins = [self.input_dim * (1 + 2 * _WAVES), *[self.hidden_dim] * _LAYERS]
        fan_outs = [*[self.hidden_dim] * _LAYERS, self.output_dim]
        params: Params = {}
        keys = jax.random.split(self.key, len(fan_ins))
        for i, (key, fan_in, fan_out) in enumerate(zip(keys, fan_ins, fan_outs, strict=True)):
            draw_w, draw_u = jax.random.split(key)
            params[f"w{i}"] = jax.random.normal(draw_w, (fan_in, fan_out)) * fan_in**-0.5
            params[f"b{i}"] = jnp.zeros(fan_out)
            if i < _LAYERS:
                times = (2 * _TIME_WAVES, fan_out)
                params[f"u{i}"] = jax.random.normal(draw_u, times) * times[0] ** -0.5
        return params

    def forward(self, params: Params, x: jax.Array, t: jax.Array) -> jax.Array:
        """The guess (b, output_dim) of the noise in `x` (b, input_dim) at steps `t`, (b,) or one for all."""
        owner = "toy.DiffusionModel.forward"
        checks.check_params(owner, params, (self.input_dim * (1 + 2 * _WAVES), self.hidden_dim))
        x, t = checks.numbers(owner, "x", x), checks.numbers(owner, "t", t)
        checks.check_rows(owner, "x", x, self.input_dim)
        checks.check_steps(owner, t, len(x))
        # Waves of the coordinates sharpen edges more than a wider network does (Tancik et al. 2020).
        waves = [f(2.0**k * x) for k in range(_WAVES) for f in (jnp.sin, jnp.cos)]
        h, embedded = jnp.concatenate([x, *waves], axis=1), _embed(t)
        for i in range(_LAYERS):
            h = jax.nn.silu(h @ params[f"w{i}"] + embedded @ params[f"u{i}"] + params[f"b{i}"])
        return h @ params[f"w{_LAYERS}"] + params[f"b{_LAYERS}"]


def _embed(t: jax.Array) -> jax.Array:
    """Sines and cosines (b, 2 * 16) of the steps `t`. Source: Vaswani et al. 2017, section 3.5."""
    angles = jnp.reshape(t, (-1, 1)) * jnp.geomspace(1.0, 1e-4, _TIME_WAVES)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)


class DiffusionProcess:
    """The chain that adds noise in T steps, with variances that grow evenly from `beta_start` to `beta_end`.

    Attributes:
        betas: (T,) variance each step adds.
        alphas: (T,) 1 - beta, the share of variance each step keeps.
        alphas_cumprod: (T,) share of the data's variance left after each step.
        signal: (T,) sqrt(alphas_cumprod), the factor of a clean point.
        sigma: (T,) sqrt(1 - alphas_cumprod), the factor of the noise.
        sigma_back: (T,) noise of a step back, 0 at t = 0.

    Raises:
        SettingError: T is not in 1..1,000,000, a beta is outside (0, 1), or they fall.
    """

    def __init__(self, T: Length, beta_start: BetaStart = 1e-4, beta_end: BetaEnd = 0.02) -> None:
        given_settings = {"T": T, "beta_start": beta_start, "beta_end": beta_end}
        checked = settings.check("toy.DiffusionProcess", DiffusionProcess, given_settings)
        self.T, low, high = checked.values()
        if low > high:
            got = f"{low:g} and {high:g}. Exchange them."
            raise SettingError(f"toy.DiffusionProcess: beta_start must be at most beta_end; got {got}")
        # In float64: 1 - alphas_cumprod loses its digits in float32 where there is little noise.
        betas = np.linspace(low, high, self.T)
        left = np.cumprod(1 - betas)
        before = np.append(1.0, left[:-1])
        self.betas, self.alphas, self.alphas_cumprod = map(jnp.float32, (betas, 1 - betas, left))
        self.signal, self.sigma = jnp.float32(np.sqrt(left)), jnp.float32(np.sqrt(1 - left))
        self.sigma_back = jnp.float32(np.sqrt(betas * (1 - before) / (1 - left)))

    def q_sample(self, x0: ArrayLike, t: ArrayLike, noise: ArrayLike) -> jax.Array:
        """Noise clean points `x0` (b, d) to steps `t`, (b,) or one for all, with normal `noise` (b, d).

        Raises:
            ShapeError: x0 and noise differ in shape, or steps are not as many as points.
            SettingError: a step is outside 0..T - 1; inside a compiled function this cannot be seen.
        """
        arrays = {"x0": x0, "t": t, "noise": noise}
        x0, t, noise = (checks.numbers("toy.q_sample", name, values) for name, values in arrays.items())
        if x0.shape != noise.shape:
            got = f"shapes {x0.shape} and {noise.shape}"
            raise ShapeError(f"toy.q_sample: noise must have the shape of x0; got {got}.")
        checks.check_rows("toy.q_sample", "x0", x0)
        checks.check_steps("toy.q_sample", t, len(x0), self.T)
        signal, sigma = (jnp.reshape(level[t], (-1, 1)) for level in (self.signal, self.sigma))
        return signal * x0 + sigma * noise


class OptState(NamedTuple):
    """What a training step changes: parameters, Adam's moments, steps done of those planned."""

    params: Params
    moments: Any
    step: jax.Array
    num_steps: jax.Array


class Trainer:
    """Teaches a model the noise in `data` (n, d), best of mean zero and spread one.

    Raises:
        SettingError: a setting is out of range, or the model does not answer as many coordinates as it takes.
        ShapeError: `data` are not as wide as the model's input.
        DataError: `data` are not finite, or a single row.
    """

    def __init__(
        self,
        model: DiffusionModel,
        process: DiffusionProcess,
        data: ArrayLike,
        key: Key,
        learning_rate: Rate = 1e-3,
        batch_size: Batch = 128,
    ) -> None:
        checked = {"learning_rate": learning_rate, "batch_size": batch_size}
        checked = settings.check("toy.Trainer", Trainer, checked)
        checks.check_widths("toy.Trainer", model)
        checks.check_part("toy.Trainer", "process", process, "q_sample")
        points = check.array("toy.Trainer", "data", data, ("n", model.input_dim))
        if len(points) < 2:
            raise DataError("toy.Trainer: data must have at least 2 rows; got 1. Pass more points.")
        self.model, self.process, self.data = model, process, jnp.asarray(points, jnp.float32)
        self.learning_rate = checked["learning_rate"]
        self.batch_size = min(checked["batch_size"], len(points))
        self._key_order, self._key_noise = jax.random.split(checks.key_of("toy.Trainer", key))
        self._adam = optax.scale_by_adam()

    def init_optimizer(self, num_steps: float = np.inf) -> OptState:
        """Fresh parameters and moments; the step size falls to 0 over `num_steps`, or stays if not given."""
        params = self.model.init_params()
        return OptState(params, self._adam.init(params), jnp.zeros((), jnp.int32), jnp.float32(num_steps))

    def update_optimizer(self, opt_state: OptState, gradient: Params) -> OptState:
        """The state after a step of Adam along a gradient."""
        params, moments, step, num_steps = opt_state
        directions, moments = self._adam.update(gradient, moments)
        rate = self.learning_rate * (1 + jnp.cos(jnp.pi * jnp.minimum(step / num_steps, 1.0))) / 2
        updates = jax.tree.map(lambda direction: -rate * direction, directions)
        return OptState(optax.apply_updates(params, updates), moments, step + 1, num_steps)

    def loss_fn(self, params: Params, x0: jax.Array, t: jax.Array, noise: jax.Array) -> jax.Array:
        """Mean squared error of the guessed `noise` (b, d) in points `x0` (b, d) noised to steps `t` (b,)."""
        guess = self.model.forward(params, self.process.q_sample(x0, t, noise), t)
        return jnp.square(guess - noise).mean()

    def train_step(self, opt_state: OptState, x0_batch: jax.Array) -> tuple[OptState, jax.Array]:
        """The state a step on from a batch (b, d), and its loss; draws are a function of (key, step)."""
        checks.check_part("toy.Trainer.train_step", "opt_state", opt_state, "params")
        b, T = len(x0_batch), self.process.T
        draw_t, draw_noise = jax.random.split(jax.random.fold_in(self._key_noise, opt_state.step))
        # One share in each of b equal strata: the law of uniform draws, with less scatter of the loss.
        share = (jnp.arange(b) + jax.random.uniform(draw_t, dtype=jnp.float32)) / b
        # Squared, it falls on steps of little noise more often: there a network learns edges.
        t = jnp.minimum((T * share**2).astype(jnp.int32), T - 1)  # the last may round up
        noise = jax.random.normal(draw_noise, x0_batch.shape, jnp.float32)
        loss, gradient = jax.value_and_grad(self.loss_fn)(opt_state.params, x0_batch, t, noise)
        return self.update_optimizer(opt_state, gradient), loss

    def epochs(self, num_epochs: Epochs) -> Iterator[tuple[OptState, StepRecord]]:
        """Train from the start, a shuffled pass over the data at a time, yielding after each.

        The record holds the epoch's number, its mean loss and the seconds since the start. Points beyond
        whole batches sit out the epoch.

        Raises:
            SettingError: num_epochs is not positive.
            NumericsError: the training diverged.
        """
        checked = settings.check("toy.Trainer.train", Trainer.epochs, {"num_epochs": num_epochs})
        num_epochs, began = checked["num_epochs"], time.perf_counter()
        batches = len(self.data) // self.batch_size
        opt_state = self.init_optimizer(num_epochs * batches)

        @jax.jit
        def one_epoch(opt_state: OptState, data: jax.Array, key: jax.Array) -> tuple[OptState, jax.Array]:
            order = jax.random.permutation(key, len(data))[: batches * self.batch_size]
            shuffled = data[order].reshape(batches, self.batch_size, -1)
            opt_state, losses = jax.lax.scan(self.train_step, opt_state, shuffled)
            return opt_state, losses.mean()

        for epoch in range(num_epochs):
            opt_state, loss = one_epoch(opt_state, self.data, jax.random.fold_in(self._key_order, epoch))
            if not np.isfinite(float(loss)):
                rule = f"the loss must be finite; got {float(loss)} in epoch {epoch + 1}"
                raise NumericsError(f"toy.Trainer: {rule}. Lower learning_rate, or standardise the data.")
            yield opt_state, StepRecord(epoch + 1, float(loss), time.perf_counter() - began)

    def train(self, num_epochs: Epochs, *, tell: Callable[[str], object] = print) -> Params:
        """The parameters after `num_epochs` of `epochs`; `tell` gets a line with the mean loss of each."""
        for opt_state, record in self.epochs(num_epochs):
            tell(f"epoch {record.step:5d}   mean loss {record.loss:.4f}")
            params = opt_state.params
        return params


class Sampler:
    """Draws points by walking pure noise back through the chain."""

    def __init__(self, model: DiffusionModel, process: DiffusionProcess, key: Key) -> None:
        checks.check_widths("toy.Sampler", model)
        checks.check_part("toy.Sampler", "process", process, "q_sample")
        self.model, self.process, self.key = model, process, checks.key_of("toy.Sampler", key)
        self._walk = jax.jit(self._walked, static_argnums=(1, 2))

    def sample(self, params: Params, num_samples: Count, *, keep: bool = False) -> jax.Array:
        """Samples (num_samples, d), the same at every call.

        With `keep` all states on the way, (T + 1, num_samples, d): pure noise first, the samples last.

        Raises:
            SettingError: num_samples is not positive.
        """
        checked = settings.check("toy.Sampler", Sampler.sample, {"num_samples": num_samples})
        return self._walk(params, checked["num_samples"], keep)

    def _walked(self, params: Params, n: int, keep: bool) -> jax.Array:
        """Algorithm 2, with the noise that is right where data are a point: it blurs edges least."""
        process, shape = self.process, (n, self.model.input_dim)
        key_start, key_steps = jax.random.split(self.key)

        def step(x: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array | None]:
            guess = self.model.forward(params, x, t)
            mean = (x - process.betas[t] / process.sigma[t] * guess) / jnp.sqrt(process.alphas[t])
            noise = jax.random.normal(jax.random.fold_in(key_steps, t), shape, jnp.float32)
            x = mean + process.sigma_back[t] * noise
            return x, x if keep else None

        start = jax.random.normal(key_start, shape, jnp.float32)
        samples, states = jax.lax.scan(step, start, jnp.arange(process.T)[::-1])
        return samples if states is None else jnp.concatenate([start[None], states])
