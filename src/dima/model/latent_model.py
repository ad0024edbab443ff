"""`LatentModel`: any autoencoder and a diffusion prior over its standardised latents.

encode: x -> z = (code(x) - mean) / spread        decode: z -> x        prior: z ~ p(z)
"""

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from msgspec import Meta
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone

from dima import check, fitted, settings
from dima.errors import SettingError
from dima.fitted import Fitted
from dima.metrics.reconstruction import error_over_variance
from dima.model import kinds, parts
from dima.model.stages import Stage, collected, measured
from dima.scaling import Standardizer
from dima.typing import Array, ArrayLike, Arrays, Float64

__all__ = ["LatentModel", "LatentModelFit", "PartSeed"]


@dataclasses.dataclass(frozen=True)
class LatentModelFit:
    """What a fitted latent model is.

    Attributes:
        autoencoder: the fitted autoencoder.
        prior: the fitted prior, or None.
        settings: those it was fitted with, less its parts.
        scale: standardises codes; learnt from what training rows encode to. A coordinate that lives on
            a few outlying rows is next to nothing in what new rows encode to, and dividing by that
            would blow the rows up.
        mean_X: (D,) mean of the training rows.
        n_rows: training rows.
        columns: names of the D columns, or None.
        stages: seconds and peak memory of the stages of the fit; none after loading.
    """

    autoencoder: Any
    prior: Any
    settings: dict[str, Any]
    scale: Standardizer
    mean_X: Float64
    n_rows: int
    columns: list[str] | None
    stages: tuple[Stage, ...] = ()


PartSeed = Annotated[int, Meta(ge=0, lt=2**31, description="seed of every part not given one of its own")]


class LatentModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped base
    """Encode, decode, generate and refine in the latent space of an autoencoder.

    Latents `Z` are the autoencoder's codes with mean 0 and standard deviation 1 over the training rows.

    Args:
        autoencoder: an `Autoencoder`, or any scikit-learn transformer with `inverse_transform`.
        prior: "ddpm", a `DDPM`, or settings for one; None fits no prior.
        seed: seed of every part that is not given one of its own.

    Example:
        >>> from sklearn.decomposition import PCA
        >>> X = np.random.default_rng(0).standard_normal((200, 5)) @ np.diag([3.0, 2.0, 1.0, 0.1, 0.1])
        >>> model = LatentModel(PCA(3), prior={"n_iter": 20, "hidden_dim": 8}).fit(X)
        >>> model.transform(X[:2]).shape, model.sample(4).shape
        ((2, 3), (4, 5))
        >>> model.score(X) > 0.99
        True
    """

    fit_: LatentModelFit
    prior_settings: ClassVar[Mapping[str, Any]] = MappingProxyType({})  # of a prior, unless given

    def __init__(
        self,
        autoencoder: Any,
        prior: Any = "ddpm",
        seed: PartSeed = 0,
    ) -> None:
        self.autoencoder = autoencoder
        self.prior = prior
        self.seed = seed

    def fit(
        self,
        X: ArrayLike,
        y: None = None,
        columns: Sequence[str] | None = None,
        checkpoint: str | Path | None = None,
        watch: Callable[[Self, int], None] | None = None,
    ) -> Self:
        """Fit autoencoder and prior on rows `X` (n, D).

        Args:
            X: rows.
            y: ignored.
            columns: names of the columns, where `X` has none of its own.
            checkpoint: run folder of the prior's training, as in `DDPM.fit`.
            watch: is shown the model so far and the number of the record, at each of the prior's.

        Raises:
            SettingError: a setting is unknown, out of range or contradicts another.
            DataError: the rows cannot be used.
        """
        owner = type(self).__name__
        declared = settings.declared(type(self))
        settings_used = settings.check(owner, type(self), {name: getattr(self, name) for name in declared})
        prior = kinds.make_prior(owner, self.prior, self.seed, self.prior_settings)
        X = check.points(self, self.rows(X), reset=True, min_rows=2)
        with collected() as stages:
            autoencoder = self._fit_autoencoder(X)
            known, as_new = (_codes(owner, codes, len(X)) for codes in autoencoder.training_codes(X))
            scale = Standardizer.of(known)
            mean_X, names = X.mean(axis=0, dtype=np.float64), check.feature_names(self, columns)
            fit = LatentModelFit(autoencoder, None, settings_used, scale, mean_X, len(X), names)
            if prior is not None:
                with measured("prior"):
                    show = None if watch is None else lambda prior, at: watch(self._so_far(fit, prior), at)
                    prior.fit(scale.apply(as_new), checkpoint=checkpoint, watch=show)
        self.fit_ = dataclasses.replace(fit, prior=prior, stages=tuple(stages))
        return self

    def rows(self, X: ArrayLike) -> ArrayLike:
        """What a user passes, as rows; some kinds of model take more than rows."""
        return X

    def _fit_autoencoder(self, X: Array) -> Any:
        """The autoencoder of the model, fitted to rows `X`."""
        return parts.make_autoencoder(type(self).__name__, self.autoencoder).fit(X)

    def _so_far(self, fit: LatentModelFit, prior: Any) -> Self:
        """A fitted model around a prior that is still in training."""
        shown = copy.copy(self)
        shown.fit_ = dataclasses.replace(fit, prior=prior)
        return shown

    def fit_transform(self, X: ArrayLike, y: None = None) -> Float64:
        """Fit and return the latents (n, d) of the training rows, as `transform` would."""
        return self.fit(X).transform(X)

    def transform(self, X: ArrayLike) -> Float64:
        """Latents (b, d) of rows `X` (b, D).

        Raises:
            NotFittedError: before `fit`.
            ShapeError: another width than in `fit`.
        """
        fit: LatentModelFit = check.fitted(self)
        X = check.points(self, self.rows(X), reset=False)
        return fit.scale.apply(_codes(type(self).__name__, fit.autoencoder.encode(X), len(X)))

    def inverse_transform(self, Z: ArrayLike) -> Float64:
        """Rows (b, D) of latents `Z` (b, d).

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.
        """
        fit: LatentModelFit = check.fitted(self)
        Z = check.array(type(self).__name__, "Z", Z, ("b", self.d_))
        return fit.autoencoder.decode(fit.scale.restore(Z))

    def refine(self, Z: ArrayLike, t_start: int = 10, add_noise: bool = True, seed: int = 0) -> Array:
        """Pull latents `Z` (b, d) towards the learned ones by the prior's last `t_start` reverse steps.

        Raises:
            SettingError: there is no prior, or t_start is not in 0..T - 1.
        """
        prior = self._prior("refine")
        return prior.refine(Z, t_start=t_start, add_noise=add_noise, seed=seed)

    def sample(self, n: int, *, decode: bool = True, **sampling: Any) -> Array:
        """Draw `n` new rows (n, D), or their latents (n, d) with `decode=False`.

        Args:
            n: number of rows.
            decode: whether to decode.
            **sampling: solver, steps, eta, churn, spacing, guidance and seed of `DDPM.sample`.

        Raises:
            SettingError: there is no prior, or a sampling setting is out of range.
        """
        Z: Array = self._prior("sample").sample(n, **sampling)
        if not decode:
            return Z
        return self.inverse_transform(Z) if n else np.empty((0, self.n_features_in_))

    def interpolate(self, start: ArrayLike, end: ArrayLike, steps: int = 10) -> Array:
        """Rows (b, steps, D) on straight lines in latent space from rows `start` (b, D) to rows `end` (b, D).

        The ends are the reconstructions of the rows given.

        Raises:
            SettingError: steps is below 2.
            ShapeError: the two are not of one shape, or not as wide as in `fit`.
        """
        owner = type(self).__name__
        if steps < 2:
            raise SettingError(f"{owner}.interpolate: steps must be at least 2; got {steps}.")
        a, b = self.transform(start), self.transform(end)
        check.array(f"{owner}.interpolate", "end", b, a.shape)
        share = np.linspace(0.0, 1.0, steps)[:, None]
        path = a[:, None] * (1 - share) + b[:, None] * share
        return self.inverse_transform(path.reshape(-1, self.d_)).reshape(len(a), steps, -1)

    def log_density(self, X: ArrayLike) -> Float64:
        """Log-density (b,) of the latents of rows `X` (b, D) under the prior, in nats.

        Raises:
            SettingError: there is no prior.
        """
        return self._prior("log_density").score_samples(self.transform(X))

    def score(self, X: ArrayLike, y: None = None) -> float:
        """Share of the variance of `X` (b, D) that survives encoding and decoding; 1 is perfect."""
        X = check.points(self, self.rows(X), reset=False)
        rebuilt = self.inverse_transform(self.transform(X))
        return 1.0 - error_over_variance(X, rebuilt, check.fitted(self).mean_X)

    d_ = Fitted(lambda fit: len(fit.scale.center), "Latent dimension.")
    prior_ = Fitted[Any](lambda fit: fit.prior, "The fitted prior, or None.")
    columns_ = Fitted[list[str] | None](lambda fit: fit.columns, "Names of the columns, or None.")
    stages_ = Fitted[tuple[Stage, ...]](
        lambda fit: fit.stages, "Seconds and peak memory of each stage of `fit`; none after loading."
    )

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted model: names in snake_case, JSON-plain values."""
        fit: LatentModelFit = check.fitted(self)
        sizes = {"training_rows": fit.n_rows, "columns": self.n_features_in_, "d": self.d_}
        prior = {"prior": None} if fit.prior is None else fit.prior.facts()
        return sizes | fit.autoencoder.facts() | prior

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fit_")

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Plain values and arrays that `from_arrays` makes an equal model of."""
        fit: LatentModelFit = check.fitted(self)
        saved: dict[str, Any] = {
            "settings": fit.settings,
            "n_features": self.n_features_in_,
            "feature_names": check.feature_names(self),
            "n_rows": fit.n_rows,
            "columns": fit.columns,
            "prior": None,
        }
        arrays = fitted.under("scale", fitted.to_arrays(fit.scale)[1])
        roles = {"autoencoder": kinds.AUTOENCODERS, "prior": kinds.PRIORS}
        for name, role in roles.items():
            if (part := getattr(fit, name)) is not None:
                saved[name], own = parts.part_arrays(part, role)
                arrays |= fitted.under(name, own)
        return saved, arrays | {"mean_X": fit.mean_X}

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The model that `to_arrays` described."""
        autoencoder = parts.open_part(saved, arrays, "autoencoder", kinds.AUTOENCODERS)
        prior = parts.open_part(saved, arrays, "prior", kinds.PRIORS)
        scale = fitted.from_arrays(Standardizer, {}, fitted.below(arrays, "scale"))
        own = settings.check(cls.__name__, cls, settings.accept(cls.__name__, cls, saved["settings"]))
        # The parts as they were given are the parts as they were fitted: a refit repeats the first.
        self = cls(**own, **cls._parts(autoencoder), prior=None if prior is None else clone(prior))
        self.fit_ = LatentModelFit(
            autoencoder, prior, own, scale, arrays["mean_X"], saved["n_rows"], saved["columns"]
        )
        check.remember(self, saved["n_features"], saved["feature_names"])
        return self

    @classmethod
    def _parts(cls, autoencoder: Any) -> dict[str, Any]:
        """What the constructor takes to make such an autoencoder anew."""
        return {"autoencoder": clone(autoencoder)}

    @property
    def _n_features_out(self) -> int:
        return self.d_

    def _prior(self, wanted: str) -> Any:
        fit: LatentModelFit = check.fitted(self)
        if fit.prior is None:
            owner = f"{type(self).__name__}.{wanted}"
            fix = 'Fit with prior="ddpm" (dima fit without --no-prior).'
            raise SettingError(f"{owner}: the model must be fitted with a prior; got none. {fix}")
        return fit.prior


def _codes(owner: str, codes: Any, n: int) -> Array:
    """What an autoencoder encodes to, held to the rules of arrays: it may be anybody's."""
    return check.array(owner, "codes of the autoencoder", codes, (n, "d"))
