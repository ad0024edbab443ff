"""`DDPM`: a diffusion model of vectors - fit, sample, refine.

    x_t = alpha_t x_0 + sigma_t noise;   a network learns v = alpha_t noise - sigma_t x_0 on standardised data

Sources: Ho, Jain and Abbeel 2020; v: Salimans and Ho 2022.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Self

import jax
import numpy as np
from msgspec import Meta
from sklearn.base import BaseEstimator

from dima import check, settings
from dima.errors import SettingError
from dima.fitted import Fitted, FittedEstimator
from dima.latent import border, denoiser, objective
from dima.latent.ddpm_fit import DDPMFit, fit_ddpm, path_of
from dima.latent.shrink import shrunk
from dima.noise import sampling
from dima.noise import schedule as schedules
from dima.typing import Array, ArrayLike, Arrays, Float64

__all__ = ["DDPM"]


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
        T: schedules.Length = 200,
        *,
        hidden_dim: denoiser.Width = 128,
        block: denoiser.Block = "single",
        t_embed_dim: denoiser.EmbeddingWidth = 64,
        n_iter: objective.Steps | None = None,
        batch_size: Annotated[int, Meta(ge=1, description="points in a training step")] = 256,
        learning_rate: objective.LearningRate = 1e-3,
        ema_decay: objective.EmaDecay = 0.999,
        eps_root: objective.EpsRoot = objective.Plan.eps_root,
        beta_max: schedules.BetaMax | None = None,
        eps: schedules.Floor | None = None,
        verbose_every: objective.VerboseEvery = 0,
        record_every: objective.RecordEvery | None = None,
        target: objective.Target = "v",
        levels: objective.Levels = "schedule",
        weight: objective.Weight = "uniform",
        condition_dropout: objective.Dropout = 0.1,
        schedule: schedules.Schedule = "cosine",
        beta_start: schedules.Start | None = None,
        beta_end: schedules.End | None = None,
        zero_snr: Annotated[bool, Meta(description="rescale the schedule to end in noise alone")] = False,
        patience: objective.Patience | None = None,
        device: border.Device = "auto",
        seed: Annotated[int, Meta(ge=0, lt=2**31, description="seed of parameters, batches and noise")] = 0,
    ) -> None:
        self._store(locals())

    def fit(
        self,
        Z: ArrayLike,
        y: None = None,
        checkpoint: str | Path | None = None,
        watch: Callable[[Self, int], None] | None = None,
        condition: ArrayLike | None = None,
    ) -> Self:
        """Train on points `Z` (n, d); on a terminal a bar shows the loss and the time left.

        Args:
            Z: points.
            y: ignored.
            checkpoint: run folder that is kept up to date while training, and gone on from where it
                holds a run: one that was killed and is resumed gives the numbers of one that was not.
            watch: is shown the prior so far and the number of the record, at each.
            condition: what is known of each point, to draw by it: labels (n,), or vectors (n, c).

        Raises:
            SettingError: a setting is out of range or none of the schedule, or the folder holds another run.
            DataError: the points cannot be used.
            BackendError: device="gpu" and JAX finds none.
            MemoryBudgetError: the network would not fit into memory.
            NumericsError: the loss became infinite.
        """
        settings_used = settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        path_of(settings_used)  # a setting that the schedule does not have is refused before the points
        Z = check.points(self, Z, reset=True, min_rows=2)

        self.fit_ = fit_ddpm(settings_used, Z, condition, checkpoint, self._shown_to(watch))
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
        condition: ArrayLike | None = None,
        clip: sampling.Clip | None = None,
        repeats: sampling.Repeats | None = None,
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
            guidance: w in D + (w - 1) (D - D_weak), with D_weak the clean estimate without the condition
                (Ho and Salimans 2022, equation 6) or, where there is none, that of the Gaussian that has the
                moments of the data (Karras et al. 2024, equation 3). Above 1 samples keep to the condition,
                or to what the network has learnt beyond the Gaussian, at the price of variety.
            condition: a label or vector (c,) for all points, or one for each, as in `fit`.
            clip: "range" cuts each coordinate of clean estimates to the range of the training points,
                "dynamic" draws a point that leaves it in as a whole; for strong guidance.
            repeats: times "repaint" walks each stretch of its grid; the solver's own if None.

        Raises:
            SettingError: an argument is out of range, or the solver does not have it.
        """
        fit: DDPMFit = check.fitted(self)
        asked = {"solver": solver, "steps": steps, "eta": eta, "spacing": spacing, "churn": churn}
        asked |= {"repeats": repeats, "n": n, "seed": seed, "guidance": guidance, "clip": clip}
        checked = settings.check("DDPM.sample", DDPM.sample, asked)
        n, seed, weight, clip = (checked.pop(name) for name in ("n", "seed", "guidance", "clip"))
        table = sampling.table(path_of(fit.settings), **checked)
        guide = fit.guide("DDPM.sample", n, condition=condition, weight=weight, clip=clip)
        return fit.walk(table, n, seed, guide=guide)

    def inpaint(  # noqa: PLR0913 the signature declares the settings
        self,
        Z: ArrayLike,
        solver: sampling.Solver = "repaint",
        steps: sampling.Steps | None = None,
        repeats: sampling.Repeats | None = None,
        seed: sampling.Seed = 0,
        condition: ArrayLike | None = None,
        clip: sampling.Clip | None = None,
    ) -> Array:
        """Draw the coordinates of points `Z` (b, d) that are NaN; the others keep their values.

        Args:
            Z: points; those of a row in which all is NaN are plain samples.
            solver: "repaint", which goes back up so that free coordinates agree with the known ones, or
                another, which is faster and agrees less.
            steps: grid steps, at most T; if None, at most 50.
            repeats: times "repaint" walks each stretch of its grid; 5 if None.
            seed: equal seeds draw equal points.
            condition: as in `sample`.
            clip: as in `sample`.

        Raises:
            SettingError: an argument is out of range, or the solver does not have it.
            DataError: a coordinate is infinite.

        Source: Lugmayr et al. 2022, section 4, with clean estimates held to the known values.
        """
        fit: DDPMFit = check.fitted(self)
        asked = {"solver": solver, "steps": steps, "repeats": repeats, "seed": seed, "clip": clip}
        checked = settings.check("DDPM.inpaint", DDPM.inpaint, asked)
        seed, clip = checked.pop("seed"), checked.pop("clip")
        known = check.array("DDPM.inpaint", "Z", Z, ("b", len(fit.scale.center)), finite=False)
        check.array("DDPM.inpaint", "Z", np.where(np.isnan(known), 0.0, known))  # infinity is not free
        table = sampling.table(path_of(fit.settings), **checked)
        guide = fit.guide("DDPM.inpaint", len(known), condition=condition, clip=clip, known=known)
        drawn = fit.walk(table, len(known), seed, guide=guide)
        return np.where(np.isnan(known), drawn, known).astype(drawn.dtype)

    def refine(  # noqa: PLR0913 the signature declares the settings
        self,
        Z: ArrayLike,
        t_start: sampling.Start = 10,
        add_noise: sampling.AddNoise = True,
        solver: sampling.Solver = "ddpm",
        seed: sampling.Seed = 0,
        noise: ArrayLike | None = None,
        condition: ArrayLike | None = None,
    ) -> Array:
        """Pull points towards the learned distribution by the last `t_start` reverse steps.

        Args:
            Z: points (b, d).
            t_start: level to start from, 0 (leave as they are) to T - 1; higher forgets more of `Z`. With
                "auto" points become what they most probably were before `noise`, without steps.
            add_noise: noise the points up to that level first; otherwise they are taken to carry
                that much noise already.
            solver: "ddpm", "ddim" or another.
            seed: seed of the noise.
            noise: standard deviation of what is wrong with the points, or one for each axis (d,).
            condition: as in `sample`; not with "auto".

        Raises:
            SettingError: t_start is not in 0..T - 1, or noise is missing or one too many.
        """
        fit: DDPMFit = check.fitted(self)
        asked = {"t_start": t_start, "add_noise": add_noise, "solver": solver, "seed": seed}
        checked = settings.check("DDPM.refine", DDPM.refine, asked)
        Z = check.points(self, Z, reset=False)
        level, seed = checked["t_start"], checked["seed"]
        spread = sampling.noise_of("DDPM.refine", level, noise, Z.shape[1])
        if spread is not None and condition is not None:
            raise SettingError("DDPM.refine: condition must be left out with 'auto'; got one. Name a level.")
        if spread is not None:
            return shrunk(fit, Z, spread, seed)
        return fit.cleaned("DDPM.refine", Z, level, seed, solver, add_noise, condition)

    def denoise(self, Z: ArrayLike, t: sampling.Level = 10, condition: ArrayLike | None = None) -> Array:
        """The clean estimate of points `Z` (b, d) taken to carry the noise of level `t`, by one evaluation.

        Near the learned distribution a point is its own estimate; away from it the difference points back.

        Raises:
            SettingError: t is not in 1..T - 1.
        """
        fit: DDPMFit = check.fitted(self)
        level = settings.check("DDPM.denoise", DDPM.denoise, {"t": t})["t"]
        Z = check.points(self, Z, reset=False)
        return fit.cleaned("DDPM.denoise", Z, level, 0, "ddim", False, condition, steps=1)

    def score_samples(self, Z: ArrayLike, condition: ArrayLike | None = None) -> Float64:
        """Log-density (b,) of points `Z` (b, d) in nats, given their `condition` if there is one.

        By the probability flow, for points with the noise of the chain's cleanest level, which T sets.

        Raises:
            NotFittedError: before `fit`.
            DataError: an axis of the training points did not vary, so that there is no density.
        """
        fit: DDPMFit = check.fitted(self)
        return fit.log_density("DDPM.score_samples", check.points(self, Z, reset=False), condition)

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
        self.fit_ = dataclasses.replace(self.fit_, network=border.opened(self.fit_.network))
        return self

    losses_ = Fitted[Float64](
        lambda fit: fit.losses, "(records, 2) training steps done and mean loss of each."
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
