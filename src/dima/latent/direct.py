"""`DirectPrior`: a diffusion model of vectors distilled to one evaluation of a network."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from msgspec import Meta
from sklearn.base import BaseEstimator

from dima import check, settings
from dima.errors import SettingError
from dima.fitted import Fitted, FittedEstimator
from dima.latent import border, denoiser, objective
from dima.latent.ddpm import DDPM
from dima.latent.direct_fit import DirectFit, fit_direct, steps_of, table_of
from dima.noise import sampling
from dima.typing import Array, ArrayLike, Arrays, Float64

__all__ = ["DirectPrior"]

_TwoAtMost = Annotated[
    int, Meta(ge=1, le=2, description="evaluations of a network: 1, or 2 for finer points")
]


class DirectPrior(FittedEstimator, BaseEstimator):  # type: ignore[misc]  # untyped base
    """What a solver makes of noise in many steps, in one: learnt from pairs that a fitted `DDPM` makes.

    Equal seeds give the points that the teacher's solver gives for the same noise, as nearly as `r2_` says.

    Example:
        >>> Z = np.random.default_rng(0).standard_normal((100, 2))
        >>> teacher = DDPM(T=20, n_iter=20, hidden_dim=8).fit(Z)
        >>> direct = DirectPrior(n_pairs=100, n_iter=20).fit(teacher)
        >>> direct.sample(3).shape, direct.sample(3, steps=2).shape
        ((3, 2), (3, 2))
    """

    Fit = DirectFit
    fit_: DirectFit

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        solver: sampling.Solver = "dpmpp_2m",
        steps: Annotated[int, Meta(ge=1, description="steps of the teacher's solver; 20, or its T, if None")]
        | None = None,
        *,
        eta: sampling.Eta | None = None,
        force: Annotated[bool, Meta(description="learn even from a solver that draws fresh noise")] = False,
        n_pairs: Annotated[int, Meta(ge=1, lt=2**30, description="pairs that are learnt from")] = 200_000,
        n_iter: Annotated[int, Meta(ge=0, description="training steps")] = 5000,
        batch_size: Annotated[int, Meta(ge=1, description="pairs in a training step")] = 512,
        learning_rate: objective.LearningRate = 2e-3,
        ema_decay: objective.EmaDecay = 0.999,
        middle: Annotated[
            int,
            Meta(ge=1, description="level of the teacher from which a second step starts; chosen if None"),
        ]
        | None = None,
        verbose_every: objective.VerboseEvery = 0,
        patience: Annotated[
            int, Meta(ge=1, description="stop when held-out pairs have not improved for so many checks")
        ]
        | None = None,
        seed: Annotated[int, Meta(ge=0, lt=2**31, description="seed of pairs and batches")] = 0,
    ) -> None:
        self._store(locals())

    def fit(
        self,
        teacher: DDPM,
        y: None = None,
        checkpoint: str | Path | None = None,
        watch: Callable[[Self, int], None] | None = None,
    ) -> Self:
        """Distil a fitted teacher; on a terminal a bar shows the loss and the time left.

        Args:
            teacher: the fitted model; it is kept, as the second step is its own.
            y: ignored.
            checkpoint: run folder that is kept up to date while training, and gone on from where it
                holds a run: one that was killed and is resumed gives the numbers of one that was not.
            watch: is shown the prior so far and the number of the record, at each.

        Raises:
            SettingError: a setting is out of range, the solver draws fresh noise, the teacher is none
                that can be distilled, or the folder holds a run with other settings or teacher.
            NotFittedError: the teacher is not fitted.
            NumericsError: the loss became infinite.
        """
        settings_used = settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        _refuse_teacher(teacher)
        _refuse_settings(settings_used, teacher)

        check.remember(self, teacher.n_features_in_, check.feature_names(teacher))
        self.fit_ = fit_direct(settings_used, teacher.fit_, checkpoint, self._shown_to(watch))
        return self

    def sample(
        self,
        n: sampling.Count,
        steps: _TwoAtMost = 1,
        seed: sampling.Seed = 0,
        guidance: sampling.Guidance = 1.0,
        **unknown: Any,
    ) -> Array:
        """Draw `n` new points (n, d), from the noise that `DDPM.sample` starts with at the same seed.

        Args:
            n: number of points.
            steps: 1, or 2: then the teacher's clean estimate after a part of the same noise is put back.
            seed: equal seeds draw equal points, whatever `n`.
            guidance: 1, as what was distilled had none.
            **unknown: refused; solver and grid are those that were distilled.

        Raises:
            SettingError: an argument is unknown or out of range.
        """
        fit: DirectFit = check.fitted(self)
        settings.accept("DirectPrior.sample", DirectPrior.sample, unknown)
        asked = {"n": n, "steps": steps, "seed": seed, "guidance": guidance}
        checked = settings.check("DirectPrior.sample", DirectPrior.sample, asked)
        if checked["guidance"] != 1.0:
            fix = "Sample from the model it was distilled from."
            raise SettingError(f"DirectPrior.sample: guidance must be 1; got {checked['guidance']:g}. {fix}")
        drawn = fit.first(checked["n"], checked["seed"])
        return fit.second(drawn, checked["seed"]) if checked["steps"] == 2 else drawn

    def map(self, noise: ArrayLike) -> Array:
        """The points (b, d) of standard normal `noise` (b, d), by one evaluation.

        Raises:
            ShapeError: the noise is not as wide as the points.
        """
        fit: DirectFit = check.fitted(self)
        noise = check.array("DirectPrior.map", "noise", noise, ("b", len(fit.teacher.scale.center)))
        return fit.first(len(noise), 0, noise.astype(np.float32))

    def refine(self, Z: ArrayLike, *args: Any, **keywords: Any) -> Array:
        """Points (b, d) refined by the teacher, as `DDPM.refine` does."""
        return self.teacher_.refine(Z, *args, **keywords)

    def denoise(self, Z: ArrayLike, t: sampling.Level = 10) -> Array:
        """The teacher's clean estimate (b, d) of points, as `DDPM.denoise` gives it."""
        return self.teacher_.denoise(Z, t)

    def score_samples(self, Z: ArrayLike) -> Float64:
        """Log-density (b,) of points `Z` (b, d) under the teacher, in nats."""
        return self.teacher_.score_samples(Z)

    def score(self, Z: ArrayLike, y: None = None) -> float:
        """Mean log-density of points `Z` (b, d) under the teacher, in nats."""
        return self.teacher_.score(Z)

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The prior that `to_arrays` described."""
        self = super().from_arrays(saved, arrays)
        fit = self.fit_
        teacher = dataclasses.replace(fit.teacher, network=border.opened(fit.teacher.network))
        self.fit_ = dataclasses.replace(fit, network=border.opened(fit.network), teacher=teacher)
        return self

    @property
    def teacher_(self) -> DDPM:
        """The model it was distilled from."""
        fit: DirectFit = check.fitted(self)
        teacher = DDPM(**fit.teacher.settings)
        teacher.fit_ = fit.teacher
        check.remember(teacher, self.n_features_in_, check.feature_names(self))
        return teacher

    r2_ = Fitted[float](
        lambda fit: fit.r2, "Share of the variance of the solver's ends explained on held-out pairs."
    )
    middle_ = Fitted[int](lambda fit: fit.middle, "Level of the teacher from which a second step starts.")
    losses_ = Fitted[Float64](
        lambda fit: fit.losses, "(records, 2) training steps done and mean loss since the record before."
    )
    parameters_ = Fitted[denoiser.Parameters](lambda fit: fit.network, "The averaged (EMA) network.")

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted prior: names in snake_case, JSON-plain values."""
        fit: DirectFit = check.fitted(self)
        T = fit.teacher.settings["T"]
        return {
            "prior": "direct",
            "prior_distilled_from": f"{fit.settings['solver']}, {steps_of(fit.settings, T)} steps",
            "prior_T": T,
            "prior_training_pairs": fit.settings["n_pairs"],
            "map_r2": fit.r2,
            "level_of_second_step": fit.middle,
        }


def _refuse_teacher(teacher: Any) -> None:
    if not isinstance(teacher, DDPM):
        got, fix = type(teacher).__name__, "Fit one to the points first."
        raise SettingError(f"DirectPrior: teacher must be a fitted DDPM; got {got}. {fix}")
    fit = check.fitted(teacher)
    if fit.conditions is not None:
        rule, fix = "one without condition", "Fit one without."
        raise SettingError(f"DirectPrior: the teacher must be {rule}; got one with a condition. {fix}")
    used = fit.settings
    if used["target"] == "eps":
        rule = "another than eps, whose clean estimate divides by next to nothing at the highest level"
        raise SettingError(
            f"DirectPrior: the teacher's target must be {rule}; got eps. Fit it with target v."
        )
    if used["T"] < 2:
        fix = "It takes one step already."
        raise SettingError(f"DirectPrior: the teacher's T must be at least 2; got {used['T']}. {fix}")


def _refuse_settings(settings_used: dict[str, Any], teacher: DDPM) -> None:
    T, table = teacher.fit_.settings["T"], table_of(settings_used, teacher.fit_)
    if table.C.any() and not settings_used["force"]:
        rule = "one without fresh noise, as with it the best answer to a start is about the mean of the data"
        fix = "Nothing can be learnt so: choose dpmpp_2m or ddim, or pass force=True."
        raise SettingError(f"DirectPrior: solver must be {rule}; got {table.name}. {fix}")
    if (middle := settings_used["middle"]) is not None and middle >= T:
        raise SettingError(f"DirectPrior: middle must be below T = {T}; got {middle}. Lower it.")
