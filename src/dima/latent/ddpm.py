"""`DDPM`: a diffusion model of vectors - fit, sample, refine.

    x_t = alpha_t x_0 + sigma_t noise;   a network learns v = alpha_t noise - sigma_t x_0 on standardised data

Sources: Ho, Jain and Abbeel 2020; v: Salimans and Ho 2022.
"""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from msgspec import Meta
from sklearn.base import BaseEstimator

from dima import check, settings
from dima.blocks import row_blocks
from dima.errors import DataError
from dima.fitted import Fitted, FittedEstimator
from dima.latent import border, denoiser, likelihood, train
from dima.latent.ddpm_fit import DDPMFit, fit_ddpm, path_of
from dima.noise import sampling
from dima.noise import schedule as schedules
from dima.noise.target import TARGETS, WEIGHTS
from dima.settings import OneOf
from dima.typing import Array, ArrayLike, Arrays, Float64

__all__ = ["DDPM"]

_DENSITY_STEPS = 64  # of the Runge-Kutta method
_DENSITY_ROWS = 16384  # points at a time


class DDPM(FittedEstimator, BaseEstimator):  # type: ignore[misc]  # untyped base
    """Denoising diffusion model of points in a few to some dozens of dimensions.

    Example:
        >>> Z = np.random.default_rng(0).standard_normal((100, 2))
        >>> prior = DDPM(n_iter=20, hidden_dim=8).fit(Z)
        >>> prior.sample(3, solver="dpmpp_2m", steps=10).shape
        (3, 2)
    """

    Fit = DDPMFit
    fit_: DDPMFit

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        T: Annotated[int, Meta(ge=1, description="noising steps of the chain")] = 200,
        *,
        hidden_dim: Annotated[int, Meta(ge=1, description="width of the network")] = 128,
        block: Annotated[
            str, OneOf(*denoiser.BLOCKS), Meta(description="residual block: single is faster, double finer")
        ] = "single",
        t_embed_dim: Annotated[int, Meta(ge=2, description="width of the noise-level embedding")] = 64,
        n_iter: Annotated[int, Meta(ge=0, description="training steps")] = 10_000,
        batch_size: Annotated[int, Meta(ge=1, description="points in a training step")] = 256,
        learning_rate: Annotated[float, Meta(gt=0, description="peak step size of Adam")] = 1e-3,
        ema_decay: Annotated[float, Meta(ge=0, lt=1, description="decay of the parameter average")] = 0.999,
        eps_root: Annotated[
            float, Meta(gt=0, description="below Adam's root; at 1e-8 training is smooth in its points")
        ] = train.Plan.eps_root,
        beta_max: schedules.BetaMax | None = None,
        eps: schedules.Floor | None = None,
        verbose_every: Annotated[
            int, Meta(ge=0, description="log the loss about every so many steps; 0 never")
        ] = 0,
        record_every: Annotated[
            int, Meta(ge=1, description="training steps between records of the loss; chosen if not given")
        ]
        | None = None,
        target: Annotated[str, OneOf(*TARGETS), Meta(description="what the network predicts")] = "v",
        levels: Annotated[
            str, OneOf(*train.LEVELS), Meta(description="where training draws its noise levels")
        ] = "schedule",
        weight: Annotated[
            str, OneOf(*WEIGHTS), Meta(description="weight of noise levels in the loss")
        ] = "uniform",
        schedule: Annotated[
            str, OneOf(*schedules.SCHEDULES), Meta(description="how noise grows along the chain")
        ] = "cosine",
        beta_start: schedules.Start | None = None,
        beta_end: schedules.End | None = None,
        zero_snr: Annotated[bool, Meta(description="rescale the schedule to end in noise alone")] = False,
        patience: Annotated[
            int, Meta(ge=1, description="stop when a held-out tenth has not improved for so many checks")
        ]
        | None = None,
        device: Annotated[
            str, OneOf(*border.DEVICES), Meta(description="where it trains; auto is the CPU")
        ] = "auto",
        seed: Annotated[int, Meta(ge=0, lt=2**31, description="seed of parameters, batches and noise")] = 0,
    ) -> None:
        self._store(locals())

    def fit(
        self,
        Z: ArrayLike,
        y: None = None,
        checkpoint: str | Path | None = None,
        watch: Callable[[Self, int], None] | None = None,
    ) -> Self:
        """Train on points `Z` (n, d); on a terminal a bar shows the loss and the time left.

        Args:
            Z: points.
            y: ignored.
            checkpoint: run folder that is kept up to date while training, and gone on from where it
                holds a run: one that was killed and is resumed gives the numbers of one that was not.
            watch: is shown the prior so far and the number of the record, at each.

        Raises:
            SettingError: a setting is out of range, the schedule does not have it, or the folder holds
                a run with other settings or points.
            DataError: the points cannot be used.
            BackendError: device="gpu" and JAX finds none.
            NumericsError: the loss became infinite.
        """
        settings_used = settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        path_of(settings_used)  # a setting that the schedule does not have is refused before the points
        Z = check.points(self, Z, reset=True)

        def show(fit: DDPMFit) -> None:
            if watch is not None:
                shown = copy.copy(self)
                shown.fit_ = fit
                watch(shown, len(fit.losses))

        self.fit_ = fit_ddpm(settings_used, Z, checkpoint, show)
        return self

    def sample(  # noqa: PLR0913 the signature declares the settings
        self,
        n: sampling.Count,
        solver: sampling.Solver = "ddim",
        steps: sampling.Steps | None = None,
        eta: sampling.Eta | None = None,
        seed: sampling.Seed = 0,
        spacing: sampling.Spacing = "trailing",
        churn: sampling.Churn | None = None,
        guidance: sampling.Guidance = 1.0,
    ) -> Array:
        """Draw `n` new points (n, d), float32; float64 where their mean is too far from zero for that.

        Args:
            n: number of points.
            solver: a name in `dima.noise.solver.SOLVERS`, such as "ddim", "dpmpp_2m" or "ddpm".
            steps: grid steps, at most T; if None, T for "ddpm" and at most 50 for others.
            eta: share of fresh noise, 0 to 1, for "ddim" and "ddpm"; the solver's own if None.
            seed: equal seeds draw equal points, whatever `n`.
            spacing: "trailing", "leading", "linspace" or "karras".
            churn: share by which "churned" raises the noise of each step; the solver's own if None.
            guidance: w in D + (w - 1) (D - D_weak), with D_weak the clean estimate of the Gaussian that has
                the moments of the data; above 1 samples keep to what the network has learnt beyond it, at
                the price of variety. Source: Karras et al. 2024, equation 3, here with a closed form.

        Raises:
            SettingError: an argument is out of range, or the solver does not have it.
        """
        fit: DDPMFit = check.fitted(self)
        asked = {"solver": solver, "steps": steps, "eta": eta, "spacing": spacing, "churn": churn}
        asked |= {"n": n, "seed": seed, "guidance": guidance}
        checked = settings.check("DDPM.sample", DDPM.sample, asked)
        n, seed, guidance = (checked.pop(name) for name in ("n", "seed", "guidance"))
        table = sampling.table(path_of(fit.settings), **checked)
        return fit.walk(table, n, seed, guidance=guidance)

    def refine(
        self,
        Z: ArrayLike,
        t_start: sampling.Level = 10,
        add_noise: sampling.AddNoise = True,
        solver: sampling.Solver = "ddpm",
        seed: sampling.Seed = 0,
    ) -> Array:
        """Pull points towards the learned distribution by the last `t_start` reverse steps.

        Args:
            Z: points (b, d).
            t_start: level to start from, 0 (leave as they are) to T - 1; higher forgets more of `Z`.
            add_noise: noise the points up to that level first; otherwise they are taken to carry
                that much noise already.
            solver: "ddpm", "ddim" or another.
            seed: seed of the noise.

        Raises:
            SettingError: t_start is not in 0..T - 1.
        """
        fit: DDPMFit = check.fitted(self)
        asked = {"t_start": t_start, "add_noise": add_noise, "solver": solver, "seed": seed}
        checked = settings.check("DDPM.refine", DDPM.refine, asked)
        Z = check.points(self, Z, reset=False)
        if checked["t_start"] == 0:
            return Z.astype(np.float32)
        table = sampling.refining_table(path_of(fit.settings), checked["t_start"], solver)
        start = fit.scale.apply(Z, np.float32) * np.float32(table.alpha[0])
        noise = float(table.sigma[0]) if add_noise else 0.0
        return fit.walk(table, len(Z), checked["seed"], (start, noise))

    def denoise(self, Z: ArrayLike, t: sampling.Level = 10) -> Array:
        """The clean estimate of points `Z` (b, d) taken to carry the noise of level `t`, by one evaluation.

        Near the learned distribution a point is its own estimate; away from it the difference points back.

        Raises:
            SettingError: t is not in 1..T - 1.
        """
        fit: DDPMFit = check.fitted(self)
        level = settings.check("DDPM.denoise", DDPM.denoise, {"t": t})["t"]
        Z = check.points(self, Z, reset=False)
        table = sampling.refining_table(path_of(fit.settings), level, "ddim", steps=1)
        start = fit.scale.apply(Z, np.float32) * np.float32(table.alpha[0])
        return fit.walk(table, len(Z), 0, (start, 0.0))

    def score_samples(self, Z: ArrayLike) -> Float64:
        """Log-density (b,) of points `Z` (b, d) in nats, by the probability flow.

        It is that of points with the noise of the chain's cleanest level, which T sets.

        Raises:
            NotFittedError: before `fit`.
            DataError: an axis of the training points did not vary, so that there is no density.
        """
        fit: DDPMFit = check.fitted(self)
        Z = check.points(self, Z, reset=False)
        if not fit.scale.varies.all():
            got = f"{int((~fit.scale.varies).sum())} constant axes"
            raise DataError(f"DDPM.score_samples: the training points must be varying; got {got}.")
        levels = path_of(fit.settings).log_snr
        ends, target = (float(levels[1]), float(levels[-1])), fit.settings["target"]
        standard = fit.scale.apply(Z, np.float32)
        with jax.default_device(border.device(fit.settings["device"])):
            found = [
                likelihood.log_density(fit.network, target, jnp.asarray(standard[rows]), ends, _DENSITY_STEPS)
                for rows in row_blocks(len(Z), _DENSITY_ROWS)
            ]
        return np.concatenate(found).astype(np.float64) - float(np.log(fit.scale.unit).sum())

    def score(self, Z: ArrayLike, y: None = None) -> float:
        """Mean log-density of points `Z` (b, d), in nats."""
        return float(self.score_samples(Z).mean())

    def to_device(self, device: str) -> Self:
        """Move the fitted network to "cpu" or "gpu"; "auto" is the CPU.

        Raises:
            BackendError: there is no such device.
        """
        fit: DDPMFit = check.fitted(self)
        network = jax.device_put(fit.network, border.device(device))
        used = fit.settings | {"device": device}
        self.fit_ = dataclasses.replace(fit, network=network, settings=used)
        self.set_params(device=device)
        return self

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The model that `to_arrays` described."""
        self = super().from_arrays(saved, arrays)
        with jax.default_device(border.device("auto")):  # a loaded prior stays on the CPU unless moved
            network = {name: jnp.asarray(value) for name, value in self.fit_.network.items()}
        self.fit_ = dataclasses.replace(self.fit_, network=network)
        return self

    losses_ = Fitted[Float64](
        lambda fit: fit.losses, "(records, 2) training steps done and mean loss since the record before."
    )
    parameters_ = Fitted[denoiser.Parameters](
        lambda fit: fit.network, "The averaged (EMA) network that samples."
    )

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted prior: names in snake_case, JSON-plain values."""
        fit: DDPMFit = check.fitted(self)
        loss = {"prior_loss": float(fit.losses[-1, 1])} if len(fit.losses) else {}
        steps = int(fit.losses[-1, 0]) if len(fit.losses) else 0
        return {"prior": "ddpm", "prior_T": fit.settings["T"], "prior_training_steps": steps} | loss
