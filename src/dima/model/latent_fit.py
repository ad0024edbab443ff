"""What a fitted latent model is, and how it is saved."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from dima import check, fitted, settings
from dima.data.columns import Columns
from dima.errors import warn_user
from dima.model import kinds, parts, priors
from dima.model.by_class import FEWEST, ByClass, proportional
from dima.model.learn_rows import Learnt
from dima.model.mixture_prior import MixturePrior
from dima.model.rows import Rows
from dima.model.scatter import MATCHES, RESIDUALS, Kinds, ScatterByClass
from dima.model.stages import Stage, measured
from dima.scaling import Standardizer
from dima.typing import Array, Arrays, Float64

__all__ = ["LatentModelFit", "checked_codes", "with_prior"]


@dataclasses.dataclass(frozen=True)
class LatentModelFit:
    """What a fitted latent model is.

    Attributes:
        autoencoder: the fitted autoencoder, of numbers (n, W).
        prior: the fitted prior, or None.
        settings: those it was fitted with, less its parts.
        scale: standardises codes; learnt from what training rows encode to. A coordinate that lives on
            a few outlying rows is next to nothing in what new rows encode to, and dividing by that
            would blow the rows up.
        mean_X: (W,) mean of the numbers of the training rows.
        n_rows: training rows.
        rows: how rows (n, D) become numbers (n, W), and back.
        scatter: the scatter of rows around what is decoded, and what rows of a class share; None for rows
            on the sheet itself.
        latent_error: (d,) root mean square error of the latents of new rows, as predicted; None of a model
            saved before it was told.
        residual: mean square of what decoding leaves of the numbers of new rows, as predicted.
        stages: seconds and peak memory of the stages of the fit; none after loading.
    """

    autoencoder: Any
    prior: Any
    settings: dict[str, Any]
    scale: Standardizer
    mean_X: Float64
    n_rows: int
    rows: Rows
    scatter: ScatterByClass | None = None
    latent_error: Float64 | None = None
    residual: float | None = None
    stages: tuple[Stage, ...] = ()

    def encode(self, owner: str, numbers: Array) -> Float64:
        """Standardised latents (b, d) of numbers (b, W)."""
        return self.scale.apply(checked_codes(owner, self.autoencoder.encode(numbers), len(numbers)))

    def decode(self, Z: Array) -> Array:
        """The numbers (b, W) of standardised latents (b, d)."""
        return self.autoencoder.decode(self.scale.restore(Z))

    def class_ix(self, owner: str, n: int, y: Any, seed: int) -> Array | None:
        """Index (n,) of the classes to draw from: those asked for, or all in proportion; None without."""
        checked = settings.check(owner, MixturePrior.sample, {"n": n, "seed": seed})
        n, seed = checked["n"], checked["seed"]
        if y is not None:
            return self.rows.class_ix(owner, y, n)
        return (
            proportional(np.asarray(self.prior.shares), n, seed) if isinstance(self.prior, ByClass) else None
        )

    def latents(self, n: int, class_ix: Array | None, sampling: Mapping[str, Any]) -> Array:
        """Draw latents (n, d), of classes where there are such."""
        of_class = {} if class_ix is None else {"class_ix": class_ix}
        return self.prior.sample(n, **sampling, **of_class)

    def decoded_draws(self, n: int, class_ix: Array | None, sampling: Mapping[str, Any]) -> Array:
        """Draw latents and decode them: numbers (n, W) on the sheet."""
        Z = self.latents(n, class_ix, sampling)
        return self.decode(Z) if n else np.empty((0, len(self.mean_X)))

    def draw(
        self, n: int, class_ix: Array | None, sampling: Mapping[str, Any], *, residual: bool = True
    ) -> Array:
        """Draw rows (n, D), words by their indices."""
        columns, decoded = self.rows.columns, self.decoded_draws(n, class_ix, sampling)
        if self.scatter is None:
            return columns.restore(decoded)
        row_class_ix = np.zeros(n, int) if class_ix is None else class_ix
        if not residual or not self.scatter.of_class:
            return columns.restore(self.scatter.held(decoded, row_class_ix))
        return columns.within(
            columns.restore(self.scatter.apply(decoded, row_class_ix, sampling.get("seed", 0)))
        )

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Plain values and arrays that `from_arrays` makes an equal one of."""
        saved: dict[str, Any] = {"settings": self.settings, "n_rows": self.n_rows}
        saved |= {"prior": None, "scatter": None, "residual": self.residual}
        error = {} if self.latent_error is None else {"latent_error": self.latent_error}
        arrays = {"mean_X": self.mean_X} | error | fitted.under("scale", fitted.to_arrays(self.scale)[1])
        for name, role in {"autoencoder": kinds.AUTOENCODERS, "prior": kinds.PRIORS}.items():
            if (part := getattr(self, name)) is not None:
                saved[name], own = parts.part_arrays(part, role)
                arrays |= fitted.under(name, own)
        for name in ("rows", "scatter"):
            if (held := getattr(self, name)) is not None:
                saved[name], own = held.to_arrays()
                arrays |= fitted.under(name, own)
        return saved, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """What `to_arrays` described."""
        scatter = saved.get("scatter")
        return cls(
            parts.open_part(saved, arrays, "autoencoder", kinds.AUTOENCODERS),
            parts.open_part(saved, arrays, "prior", kinds.PRIORS),
            saved["settings"],
            fitted.from_arrays(Standardizer, {}, fitted.below(arrays, "scale")),
            arrays["mean_X"],
            saved["n_rows"],
            _rows(saved, arrays),
            scatter and ScatterByClass.from_arrays(scatter, fitted.below(arrays, "scatter")),
            arrays.get("latent_error"),
            saved.get("residual"),
        )


def checked_codes(owner: str, codes: Any, n: int) -> Array:
    """What an autoencoder encodes to, held to the rules of arrays: it may be anybody's."""
    return check.array(owner, "codes of the autoencoder", codes, (n, "d"))


def with_prior(
    fit: LatentModelFit,
    make: Callable[[int], Any] | None,
    latents: tuple[Array, Array],
    learnt: Learnt,
    training: Mapping[str, Any],
) -> LatentModelFit:
    """The same with a prior, and the scatter of rows around what it draws.

    Args:
        fit: without them.
        make: a fresh prior for so many rows; None for a model without.
        latents: (n, d) of the training rows, and of each as if it had been new.
        learnt: their numbers, and the indices of their classes: each class has a prior of its own.
        training: checkpoint and watch of `DDPM.fit`.
    """
    if make is None:
        _warn_of_unused(None, training)
        return fit
    known, Z = latents
    with measured("prior"):
        _warn_of_unused(make(len(Z)), training)
        if learnt.class_ix is None:
            prior = priors.fit_prior(make(len(Z)), Z, **training)
        else:
            _warn_of_small(fit.rows.classes or [], learnt.class_ix)
            prior = ByClass.fitted(make, Z, learnt.class_ix, training["checkpoint"])
    residual, match = (_unless_raw(fit, name) for name in ("residual", "match"))
    left_out = None if residual is None else fit.autoencoder.left_out(learnt.treated)
    fit = dataclasses.replace(
        fit,
        prior=prior,
        latent_error=np.sqrt(np.square(Z - known).mean(axis=0)),
        residual=fit.autoencoder.expected_residual(learnt.treated, left_out),
    )
    if residual is None and match is None and learnt.class_ix is None:
        return fit

    def pilot(n: int, seed: int, index: int | None) -> Array:
        return fit.decoded_draws(n, None if index is None else np.full(n, index), {"seed": seed})

    with measured("scatter"):
        kinds_of = Kinds.of(fit.rows.columns)
        scatter = ScatterByClass.fitted(pilot, learnt.treated, left_out, learnt.class_ix, match, kinds_of)
    return dataclasses.replace(fit, scatter=scatter)


def _warn_of_unused(prior: Any, training: Mapping[str, Any]) -> None:
    unused = [name for name, value in training.items() if value is not None]
    if unused and (prior is None or not priors.is_trained(prior)):
        what = f"{' and '.join(unused)} must be left out with a prior that is not trained"
        got = "none" if prior is None else repr(prior.name)
        warn_user(f"LatentModel: {what}; got {got}, and nothing is kept or shown.")


def _warn_of_small(classes: list[Any], class_ix: Array) -> None:
    small = [str(classes[index]) for index in np.flatnonzero(np.bincount(class_ix) < FEWEST)]
    if small:
        shown = ", ".join(small[:5]) + ", ..." * (len(small) > 5)
        warn_user(f"LatentModel: classes with fewer than {FEWEST} rows take the spread of all: {shown}.")


def _unless_raw(fit: LatentModelFit, name: str) -> str | None:
    """What `residual` or `match` asks for, with "auto" decided; None for nothing."""
    asked = fit.settings.get(name)
    if asked == "auto" and fit.rows.columns.treatment != "raw":
        return {"residual": RESIDUALS[-1], "match": MATCHES[-1]}[name]
    return None if asked == "auto" else asked


def _rows(saved: dict[str, Any], arrays: Arrays) -> Rows:
    if "rows" in saved:
        return Rows.from_arrays(saved["rows"], fitted.below(arrays, "rows"))
    # Saved before columns were treated: what they were then.
    return Rows(Columns.of(arrays["mean_X"][None], "raw", names=saved["columns"]))
