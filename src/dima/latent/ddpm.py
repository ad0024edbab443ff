"""`DDPM`: a diffusion model of vectors - fit, sample, refine.

    x_t = alpha_t x_0 + sigma_t noise;   a network learns v = alpha_t noise - sigma_t x_0 on standardised data

Sources: Ho, Jain and Abbeel 2020; v: Salimans and Ho 2022.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import jax
import jax.numpy as jnp
import numpy as np
from msgspec import Meta
from sklearn.base import BaseEstimator

from dima import check, settings
from dima.errors import DataError, SettingError, sentence
from dima.latent import border, denoiser, fitting, likelihood, sample, train
from dima.latent.checkpoint import fingerprint
from dima.noise import grid as grids
from dima.noise import schedule as schedules
from dima.noise import solver as solvers
from dima.typing import Array, ArrayLike, Arrays, Float32, Float64

__all__ = ["DDPM"]

_BLOCKS = 3  # residual blocks
_STEPS = 50  # beyond which a deterministic solver gains little
_ANCESTRAL = ("ddpm", "ddpm_large")  # which need the whole chain
_DENSITY_STEPS = 64
_INT32 = 2**31  # what JAX's counters and keys take
_TOGETHER = 16384  # samples walked at a time


class DDPM(BaseEstimator):  # type: ignore[misc]  # untyped base
    """Denoising diffusion model of points in a few to some dozens of dimensions.

    Attributes:
        losses_: (chunks, 2) training steps done and mean loss over the last of them.
        parameters_: the averaged (EMA) network that samples.
    """

    parameters_: denoiser.Parameters
    losses_: Float64

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        T: Annotated[int, Meta(ge=1, description="noising steps of the chain")] = 200,
        *,
        hidden_dim: Annotated[int, Meta(ge=1, description="width of the network")] = 128,
        t_embed_dim: Annotated[int, Meta(ge=2, description="width of the noise-level embedding")] = 64,
        n_iter: Annotated[int, Meta(ge=0, description="training steps")] = 10_000,
        batch_size: Annotated[int, Meta(ge=1, description="points in a training step")] = 256,
        learning_rate: Annotated[float, Meta(gt=0, description="peak step size of Adam")] = 1e-3,
        ema_decay: Annotated[float, Meta(ge=0, lt=1, description="decay of the parameter average")] = 0.999,
        beta_max: schedules.BetaMax | None = None,
        eps: schedules.Floor | None = None,
        verbose_every: Annotated[
            int, Meta(ge=0, description="log the loss every so many steps; 0 never")
        ] = 0,
        target: Annotated[
            Literal["v", "eps", "x0", "flow", "edm"], Meta(description="what the network predicts")
        ] = "v",
        weight: Annotated[
            Literal["uniform", "min_snr", "soft_min_snr", "elbo"],
            Meta(description="weight of noise levels in the loss"),
        ] = "uniform",
        schedule: Annotated[
            Literal["cosine", "linear", "sigmoid", "sigmoid_geodiff", "offset_cosine", "karras", "flow"],
            Meta(description="how noise grows along the chain"),
        ] = "cosine",
        beta_start: schedules.Start | None = None,
        beta_end: schedules.End | None = None,
        zero_snr: Annotated[bool, Meta(description="rescale the schedule to end in noise alone")] = False,
        patience: Annotated[
            int, Meta(ge=1, description="stop when a held-out tenth has not improved for so many checks")
        ]
        | None = None,
        device: Annotated[
            Literal["auto", "cpu", "gpu"], Meta(description="where it trains; auto is the CPU")
        ] = "auto",
        seed: Annotated[int, Meta(ge=0, lt=2**31, description="seed of parameters, batches and noise")] = 0,
    ) -> None:
        self.T = T
        self.hidden_dim = hidden_dim
        self.t_embed_dim = t_embed_dim
        self.n_iter = n_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.ema_decay = ema_decay
        self.beta_max = beta_max
        self.eps = eps
        self.verbose_every = verbose_every
        self.target = target
        self.weight = weight
        self.beta_start = beta_start
        self.beta_end = beta_end
        self.zero_snr = zero_snr
        self.patience = patience
        self.schedule = schedule
        self.device = device
        self.seed = seed

    def fit(self, Z: ArrayLike, y: None = None, checkpoint: str | Path | None = None) -> Self:
        """Train on points `Z` (n, d); on a terminal a bar shows the loss and the time left.

        Args:
            Z: points.
            y: ignored.
            checkpoint: folder that is kept up to date while training, and gone on from where one is
                found: a run killed and resumed gives the numbers of one that was not.

        Raises:
            SettingError: a setting is out of range.
            DataError: the points cannot be used.
            BackendError: device="gpu" and JAX finds none.
            NumericsError: the loss became infinite.
        """
        settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        Z = check.points(self, Z, reset=True)
        self._mean, spread = Z.mean(axis=0, dtype=np.float64), Z.std(axis=0, dtype=np.float64)
        # An axis that never varies, up to rounding, is left at its mean instead of being blown up.
        self._varies = spread > 1e-7 * np.abs(self._mean)
        self._scale = np.where(self._varies, spread, 1.0)
        with jax.default_device(border.device(self.device)):
            self._train(jnp.asarray(self._standard(Z)), None if checkpoint is None else Path(checkpoint))
        return self

    def sample(
        self,
        n: int,
        solver: str = "ddim",
        steps: int | None = None,
        eta: float | None = None,
        seed: int = 0,
        spacing: str = "trailing",
    ) -> Float32:
        """Draw `n` new points (n, d).

        Args:
            n: number of points.
            solver: a name in `dima.noise.solver.SOLVERS`, such as "ddim", "dpmpp_2m" or "ddpm".
            steps: grid steps, at most T; if None, T for "ddpm" and 50 for others.
            eta: share of fresh noise, 0 to 1; the solver's own if None.
            seed: equal seeds draw equal points, whatever `n`.
            spacing: "trailing", "leading", "linspace" or "karras".

        Raises:
            SettingError: n, steps, eta or solver is out of range.
        """
        check.fitted(self, "parameters_")
        _at_least("n", n, 0)
        _at_least("seed", seed, 0)
        path = self._path()
        most = path.T if solver in _ANCESTRAL else min(_STEPS, path.T)
        steps = most if steps is None else steps
        _at_least("steps", steps, 1)
        table = solvers.build(solver, *grids.levels(path, steps, spacing), eta=eta)
        drawn = [self._walk(table, None, seed, rows) for rows in _parts(n)]
        return np.concatenate(drawn) if drawn else np.empty((0, len(self._mean)), np.float32)

    def refine(
        self,
        Z: ArrayLike,
        t_start: int = 10,
        add_noise: bool = True,
        solver: str = "ddpm",
        seed: int = 0,
    ) -> Float32:
        """Pull points towards the learned distribution by the last `t_start` reverse steps.

        Args:
            Z: points (b, d).
            t_start: level to start from, 0 (leave as they are) to T - 1; higher forgets more of `Z`.
            add_noise: noise the points up to that level first; otherwise they are taken to carry
                that much noise already.
            solver: "ddpm" or "ddim".
            seed: seed of the noise.

        Raises:
            SettingError: t_start is not in 0..T - 1.
        """
        check.fitted(self, "parameters_")
        Z = check.points(self, Z, reset=False)
        _at_least("t_start", t_start, 0)
        _at_least("seed", seed, 0)
        if t_start >= self.T:
            rule, fix = f"below T = {self.T}", "At T nothing of the points is left."
            raise SettingError(sentence("DDPM.refine", "t_start", rule, t_start, fix))
        if t_start == 0:
            return Z.astype(np.float32)
        path = self._path()
        grid = np.arange(t_start, -1, -1)
        table = solvers.build(solver, path.alpha[grid], path.sigma[grid])
        start = self._standard(Z) * np.float32(table.alpha[0])
        noise = float(table.sigma[0]) if add_noise else 0.0
        drawn = [self._walk(table, (start[rows], noise), seed, rows) for rows in _parts(len(Z))]
        return np.concatenate(drawn)

    def score_samples(self, Z: ArrayLike) -> Float64:
        """Log-density (b,) of points `Z` (b, d) in nats, by the probability flow.

        Raises:
            NotFittedError: before `fit`.
            DataError: an axis of the training points did not vary, so that there is no density.
        """
        check.fitted(self, "parameters_")
        Z = check.points(self, Z, reset=False)
        if not self._varies.all():
            got = f"{int((~self._varies).sum())} constant axes"
            raise DataError(sentence("DDPM.score_samples", "the training points", "varying", got))
        levels = self._path().log_snr
        ends = float(levels[1]), float(levels[-1])
        found = [
            likelihood.log_density(self.parameters_, self.target, jnp.asarray(part), ends, _DENSITY_STEPS)
            for part in np.array_split(self._standard(Z), 1 + len(Z) // _TOGETHER)
        ]
        return np.concatenate(found).astype(np.float64) - float(np.log(self._scale).sum())

    def score(self, Z: ArrayLike, y: None = None) -> float:
        """Mean log-density of points `Z` (b, d), in nats."""
        return float(self.score_samples(Z).mean())

    def to_device(self, device: str) -> Self:
        """Move the fitted network to "cpu" or "gpu"; "auto" is the CPU.

        Raises:
            BackendError: there is no such device.
        """
        check.fitted(self, "parameters_")
        self.parameters_ = jax.device_put(self.parameters_, border.device(device))
        self.set_params(device=device)
        return self

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Settings and arrays that `from_arrays` makes an equal model of."""
        check.fitted(self, "parameters_")
        arrays = {f"net/{name}": np.asarray(value) for name, value in self.parameters_.items()}
        arrays |= {
            "mean": self._mean,
            "scale": self._scale,
            "varies": self._varies,
            "losses": self.losses_,
        }
        return {"given": self.get_params(deep=False)}, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The model that `to_arrays` described."""
        given = settings.accept(cls.__name__, cls, saved["given"])
        self = cls(**settings.check(cls.__name__, cls, given))
        net = {name[4:]: jnp.asarray(value) for name, value in arrays.items() if name.startswith("net/")}
        self.parameters_, self.losses_ = net, arrays["losses"]
        self._mean, self._scale, self._varies = arrays["mean"], arrays["scale"], arrays["varies"]
        self.n_features_in_ = len(self._mean)
        return self

    def _train(self, data: jax.Array, checkpoint: Path | None) -> None:
        first, key = jax.random.split(jax.random.key(self.seed))
        batch = min(self.batch_size, len(data))
        plan = train.Plan(self.n_iter, batch, self.learning_rate, self.ema_decay, self.target, self.weight)
        network = denoiser.init(first, data.shape[1], self.hidden_dim, self.t_embed_dim, _BLOCKS)
        levels = jnp.asarray(self._path().log_snr[1:], jnp.float32)
        points = fingerprint(np.asarray(data)) if checkpoint is not None else ""
        belongs = {**self.get_params(deep=False), "points": points}
        run = fitting.Run(plan, self.patience, self.verbose_every, checkpoint, belongs)
        self.parameters_, self.losses_ = fitting.fit(run, network, data, levels, key)

    def _path(self) -> schedules.Path:
        betas = {"beta_start": self.beta_start, "beta_end": self.beta_end, "beta_max": self.beta_max}
        made = schedules.path(self.schedule, self.T, **betas, floor=self.eps)
        return schedules.zero_terminal_snr(made) if self.zero_snr else made

    def _standard(self, Z: Array) -> Float32:
        standard: Float32 = ((Z - self._mean) / self._scale).astype(np.float32)
        return standard

    def _walk(
        self, table: solvers.SolverTable, start: tuple[Array, float] | None, seed: int, part: slice
    ) -> Float32:
        """Samples number part.start .. part.stop: from noise alone, or from given states plus noise."""
        with jax.default_device(border.device(self.device)):
            keys = sample.sample_keys(seed, part.start, part.stop)
            noise = sample.standard_normal(keys, 0, len(self._mean))
            x = noise * table.start_std if start is None else jnp.asarray(start[0]) + start[1] * noise
            solved = sample.solve(self.parameters_, self.target, sample.rows(table), x, keys)
        standard = np.where(self._varies, np.asarray(solved, np.float64), 0.0)
        points: Float32 = (standard * self._scale + self._mean).astype(np.float32)
        return points


def _parts(n: int) -> list[slice]:
    return [slice(start, min(start + _TOGETHER, n)) for start in range(0, n, _TOGETHER)]


def _at_least(name: str, value: int, least: int) -> None:
    if not isinstance(value, int | np.integer) or not least <= value < _INT32:
        raise SettingError(sentence("DDPM", name, f"a whole number, at least {least}", repr(value)))
