"""`LatentModel`: any autoencoder and a diffusion prior over its standardised latents.

encode: x -> z = (code(x) - mean) / spread        decode: z -> x        prior: z ~ p(z)
"""

import copy
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from msgspec import Meta
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone

from dima import check, settings
from dima.errors import SettingError
from dima.fitted import Fitted
from dima.manifold.geodesic import straight
from dima.metrics.reconstruction import error_over_variance
from dima.model import given, parts, priors
from dima.model.by_class import ByClass
from dima.model.latent_fit import LatentModelFit, checked_codes, with_prior
from dima.model.latent_noise import refined
from dima.model.learn_rows import ColumnsTreated, Impute, Treatment, learn
from dima.model.scatter import Match, Residual
from dima.model.stages import Stage, collected
from dima.scaling import Standardizer
from dima.typing import Array, ArrayLike, Arrays, Float64

__all__ = ["LatentModel", "LatentModelFit", "PartSeed"]

PartSeed = Annotated[int, Meta(ge=0, lt=2**31, description="seed of every part not given one of its own")]


class LatentModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped base
    """Encode, decode, generate and refine in the latent space of an autoencoder.

    Latents `Z` are the autoencoder's codes with mean 0 and standard deviation 1 over the training rows.

    Args:
        autoencoder: an `Autoencoder`, or any scikit-learn transformer with `inverse_transform`.
        prior: "auto", "ddpm", "gmm", "bootstrap", an estimator of these, or settings for a `DDPM`; None
            fits no prior. "auto" is a Gaussian mixture below 1,000 rows (50,000 unless raw), else a `DDPM`.
        seed: seed of every part that is not given one of its own.
        columns: "raw", "standard" (each over its spread), "rank" (normal scores of ranks) or "auto": arrays
            are raw, frames and tables by rank where spreads differ by more than tenfold, else standard.
        residual: "gaussian" scatters drawn rows around the sheet as left-out rows lie around it.
        match: "moments" gives draws mean and covariance of the data, "marginals" then each column's own.
        impute: "median" fills missing cells, those of words by the most frequent; None refuses them.

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

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        autoencoder: Any,
        prior: Any = "auto",
        seed: PartSeed = 0,
        *,
        columns: ColumnsTreated = "auto",
        residual: Residual | None = "auto",
        match: Match | None = "auto",
        impute: Impute | None = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.prior = prior
        self.seed = seed
        self.columns = columns
        self.residual = residual
        self.match = match
        self.impute = impute

    def fit(
        self,
        X: Any,
        y: ArrayLike | str | None = None,
        names: Sequence[str] | None = None,
        checkpoint: str | Path | None = None,
        watch: Callable[[Self, int], None] | None = None,
    ) -> Self:
        """Fit autoencoder and prior on rows.

        Args:
            X: rows (n, D): an array, a pandas or polars frame, or a `Table`.
            y: labels (n,), or the name of a column of `X` that holds them: each class then has a prior and
                a scatter of its own. A target of regression is ignored.
            names: of the columns, where `X` has none of its own.
            checkpoint: run folder of the prior's training, as in `DDPM.fit`; a mixture has none.
            watch: is shown the model so far and the number of each record of the prior; not with classes.

        Raises:
            SettingError: a setting is unknown, out of range or contradicts another.
            DataError: the rows cannot be used.
        """
        owner = type(self).__name__
        own = {name: getattr(self, name) for name in settings.declared(type(self))}
        used = settings.check(owner, type(self), own)
        self._make_prior(0)  # a wrong setting is told before the long work
        learnt = learn(self, X, y, names, Treatment.of(used))
        X, mean_X = learnt.treated, learnt.treated.mean(axis=0, dtype=np.float64)
        with collected() as stages:
            autoencoder = self._fit_autoencoder(X)
            known, as_new = (checked_codes(owner, codes, len(X)) for codes in autoencoder.training_codes(X))
            scale = Standardizer.of(known)
            fit = LatentModelFit(autoencoder, None, used, scale, mean_X, len(X), learnt.rows)
            show = None if watch is None else lambda prior, at: watch(self._so_far(fit, prior), at)
            training = {"checkpoint": checkpoint, "watch": show}
            is_treated = learnt.rows.columns.treatment != "raw"
            make = None if self.prior is None else functools.partial(self._make_prior, is_treated=is_treated)
            fitted = with_prior(fit, make, (scale.apply(known), scale.apply(as_new)), learnt, training)
        self.fit_ = dataclasses.replace(fitted, stages=tuple(stages))
        return self

    def as_rows(self, X: Any) -> ArrayLike:
        """What a user passes, as rows; some kinds of model take more than rows."""
        return X

    def _fit_autoencoder(self, X: Array) -> Any:
        """The autoencoder of the model, fitted to rows `X`."""
        return parts.make_autoencoder(type(self).__name__, self.autoencoder).fit(X)

    def _make_prior(self, n: int, *, is_treated: bool = False) -> Any:
        """A fresh prior for `n` rows, whose columns may be treated."""
        owner, defaults = type(self).__name__, self.prior_settings
        return priors.make_prior(owner, self.prior, self.seed, defaults, n, is_treated=is_treated)

    def _so_far(self, fit: LatentModelFit, prior: Any) -> Self:
        """A fitted model around a prior that is still in training."""
        shown = copy.copy(self)
        shown.fit_ = dataclasses.replace(fit, prior=prior)
        return shown

    def transform(self, X: Any) -> Float64:
        """Latents (b, d) of rows `X` (b, D).

        Raises:
            NotFittedError: before `fit`.
            ShapeError: another width than in `fit`.
        """
        return self._encoded(X)

    def numbers(self, X: Any) -> Array:
        """Rows `X` (b, D) as the numbers (b, W) that the autoencoder takes; the rows themselves if "raw"."""
        return check.fitted(self).rows.read(self, self.as_rows(X))

    def decoded(self, Z: ArrayLike) -> Array:
        """The numbers (b, W) that latents `Z` (b, d) decode to, which `inverse_transform` makes rows of."""
        fit: LatentModelFit = check.fitted(self)
        return fit.decode(check.array(type(self).__name__, "Z", Z, ("b", self.d_)))

    def inverse_transform(self, Z: ArrayLike) -> Any:
        """Rows (b, D) of latents `Z` (b, d): an array, or where a frame of words was fitted, such a frame.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.
        """
        return check.fitted(self).rows.written(self, self.decoded(Z))

    def refine(self, Z: ArrayLike, t_start: int | str = 10, **refining: Any) -> Array:
        """Pull latents `Z` (b, d) to the learned ones, by add_noise, seed and noise of `DDPM.refine`.

        With t_start="auto" and no noise, that is the error of latents of new rows, as predicted at the fit;
        `dima.model.latent_noise` tells that of noisy ones. SettingError without a prior, or as there.
        """
        return refined(self._fit_with_prior("refine"), Z, t_start, refining)

    def sample(
        self, n: int, y: Any = None, *, decode: bool = True, residual: bool = True, **sampling: Any
    ) -> Any:
        """Draw `n` new rows (n, D), or their latents (n, d) with `decode=False`.

        Args:
            n: number of rows.
            y: classes to draw from: one label, labels (n,) or {label: rows}; in proportion if not given.
            decode: whether to decode.
            residual: whether to scatter and match; otherwise rows lie on the decoded sheet.
            **sampling: seed, and solver, steps, eta, churn, spacing and guidance of `DDPM.sample`.

        Returns:
            An array, or a frame or `Table` where such was fitted that holds words or labels.

        Raises:
            SettingError: there is no prior, or a sampling setting is out of range.
            DataError: there is no such class.
        """
        fit = self._fit_with_prior("sample")
        class_ix = fit.class_ix(f"{type(self).__name__}.sample", n, y, sampling.get("seed", 0))
        if not decode:
            return fit.latents(n, class_ix, sampling)
        return fit.rows.as_asked(self, fit.draw(n, class_ix, sampling, residual=residual), class_ix)

    def sample_given(self, known: Any, n: int = 200, seed: int = 0, y: Any = None) -> given.GivenRows:
        """Draw `n` rows for each condition in `known` (experimental); see `dima.model.given.sample_given`."""
        return given.sample_given(self, known, n, seed, y)

    def interpolate(self, start: ArrayLike, end: ArrayLike, steps: int = 10) -> Array:
        """Rows (b, steps, D) on straight lines in latent space from rows `start` (b, D) to rows `end` (b, D).

        The ends are the reconstructions of the rows given.

        Raises:
            SettingError: steps is below 2.
            ShapeError: the two are not of one shape, or of another width.
        """
        path = self._path(start, end, steps)
        flat = self.decoded(path.reshape(-1, self.d_))
        return check.fitted(self).rows.columns.restore(flat).reshape(len(path), steps, -1)

    def _path(self, start: ArrayLike, end: ArrayLike, steps: int) -> Float64:
        """Latents (b, steps, d) on straight lines between those of rows."""
        owner = f"{type(self).__name__}.interpolate"
        if steps < 2:
            raise SettingError(f"{owner}: steps must be at least 2; got {steps}.")
        a, b = self._encoded(start), self._encoded(end)
        check.array(owner, "end", b, a.shape)
        return straight(a, b, steps)

    def log_density(self, X: Any) -> Float64:
        """Log-density (b,) of the latents of rows `X` (b, D) under the prior, in nats.

        Raises:
            SettingError: there is no prior.
        """
        return self._prior("log_density").score_samples(self._encoded(X))

    def score(self, X: Any, y: None = None) -> float:
        """Share of the variance of rows `X` (b, D), as numbers, that is kept; 1 is perfect."""
        rebuilt = self.decoded(self._encoded(X))
        return 1.0 - error_over_variance(self.numbers(X), rebuilt, check.fitted(self).mean_X)

    d_ = Fitted(lambda fit: len(fit.scale.center), "Latent dimension.")
    prior_ = Fitted[Any](lambda fit: fit.prior, "The fitted prior, or None.")
    columns_ = Fitted[list[str] | None](lambda fit: fit.rows.columns.names, "Names of the columns, or None.")
    classes_ = Fitted[list[Any] | None](lambda fit: fit.rows.classes, "Classes of rows in order, or None.")
    _n_features_out = d_  # names latents in scikit-learn
    stages_ = Fitted[tuple[Stage, ...]](
        lambda fit: fit.stages, "Seconds and peak memory of each stage of `fit`; none after loading."
    )

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted model: names in snake_case, JSON-plain values."""
        fit: LatentModelFit = check.fitted(self)
        sizes = {"training_rows": fit.n_rows, "columns": self.n_features_in_, "d": self.d_}
        prior = {"prior": None} if fit.prior is None else fit.prior.facts()
        return sizes | fit.rows.facts() | fit.autoencoder.facts() | prior

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fit_")

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Plain values and arrays that `from_arrays` makes an equal model of."""
        saved, arrays = check.fitted(self).to_arrays()
        return saved | {"n_features": self.n_features_in_, "feature_names": check.feature_names(self)}, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The model that `to_arrays` described."""
        own = settings.check(cls.__name__, cls, settings.accept(cls.__name__, cls, saved["settings"]))
        fit = LatentModelFit.from_arrays(saved | {"settings": own}, arrays)
        # The parts as they were given are the parts as they were fitted: a refit repeats the first.
        prior = fit.prior.of_class[0] if isinstance(fit.prior, ByClass) else fit.prior
        self = cls(**own, **cls._parts(fit.autoencoder), prior=None if prior is None else clone(prior))
        self.fit_ = fit
        check.remember(self, saved["n_features"], saved["feature_names"])
        return self

    @classmethod
    def _parts(cls, autoencoder: Any) -> dict[str, Any]:
        """What the constructor takes to make such an autoencoder anew."""
        return {"autoencoder": clone(autoencoder)}

    def _encoded(self, X: Any) -> Float64:
        # `transform` gives frames where `set_output` asks for them.
        return check.fitted(self).encode(type(self).__name__, self.numbers(X))

    def _prior(self, wanted: str) -> Any:
        return self._fit_with_prior(wanted).prior

    def _fit_with_prior(self, wanted: str) -> LatentModelFit:
        fit: LatentModelFit = check.fitted(self)
        if fit.prior is None:
            owner = f"{type(self).__name__}.{wanted}"
            fix = 'Fit with prior="auto" (dima fit without --no-prior).'
            raise SettingError(f"{owner}: the model must be fitted with a prior; got none. {fix}")
        return fit
