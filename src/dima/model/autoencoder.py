"""`ManifoldAutoencoder`: diffusion-map encoder, kernel decoder and diffusion prior as one estimator."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

import numpy as np
from msgspec import Meta
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone

from dima import check, settings
from dima.errors import SettingError, sentence
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.metrics.reconstruction import error_over_variance
from dima.model.stages import Stages
from dima.typing import Array, ArrayLike, Arrays, Float32, Float64

__all__ = ["ManifoldAutoencoder"]

_MOST = 32  # latent dimensions taken when d is not given


class ManifoldAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped base
    """Encode, decode, generate and refine on the manifold that data lie on.

    Latents `Z` are diffusion coordinates with mean 0 and standard deviation 1 over the training rows.

    Args:
        d: latent dimension; half the ambient one, at most 32, if not given.
        dmap: the encoder: a `DMAP`, or settings for one.
        gplm: the decoder: a `GPLM`, or settings for one.
        prior: "ddpm", a `DDPM`, or settings for one; None fits no prior.
        seed: seed of every part that is not given one of its own.

    Attributes:
        dmap_: fitted encoder.
        gplm_: fitted decoder.
        prior_: fitted prior, or None.
        latents_: (n, d) latents of the training rows as if each had been new; the prior learned these.
        stages_: seconds and peak memory of each stage of `fit`.
    """

    def __init__(
        self,
        d: Annotated[int, Meta(ge=1, description="latent dimension; half of D, at most 32, if not given")]
        | None = None,
        dmap: DMAP | Mapping[str, Any] | None = None,
        gplm: GPLM | Mapping[str, Any] | None = None,
        prior: Any = "ddpm",
        seed: Annotated[
            int, Meta(ge=0, lt=2**31, description="seed of every part not given one of its own")
        ] = 0,
    ) -> None:
        self.d = d
        self.dmap = dmap
        self.gplm = gplm
        self.prior = prior
        self.seed = seed

    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Fit encoder, decoder and prior on rows `X` (n, D).

        Raises:
            SettingError: a setting is unknown, out of range or contradicts another.
            DataError: the rows cannot be used.
        """
        settings.check(type(self).__name__, type(self), {"d": self.d, "seed": self.seed})
        decoder, prior = self._part("gplm", GPLM, self.gplm), self._unfitted_prior()
        X = check.points(self, X, reset=True, min_rows=2)
        encoder = self._encoder(X)
        self.stages_ = Stages()
        with self.stages_.measured("encoder"):
            self.dmap_ = encoder.fit(X)
        R_ix = self.dmap_.self_excluded_
        with self.stages_.measured("decoder"):
            self.gplm_ = decoder.fit(R_ix, X, in_sample_ix=self.dmap_.embedding_)
        # The spread of what training rows encode to: a coordinate that lives on a few outlying rows is
        # next to nothing in the self-excluded latents, and dividing by that would blow the rows up.
        R_ix = self.dmap_.embedding_
        self._mean_x, self._scale_x = R_ix.mean(axis=0), _positive(R_ix.std(axis=0))
        self.prior_ = prior
        if prior is not None:
            with self.stages_.measured("prior"):
                prior.fit(self.latents_)
        return self

    def fit_transform(self, X: ArrayLike, y: None = None) -> Float64:
        """Fit and return the latents (n, d) of the training rows, as `transform` would."""
        return self._normalised(self.fit(X).dmap_.embedding_)

    def transform(self, X: ArrayLike) -> Float64:
        """Latents (b, d) of rows `X` (b, D).

        Raises:
            NotFittedError: before `fit`.
            ShapeError: another width than in `fit`.
        """
        check.fitted(self, "gplm_")
        return self._normalised(self.dmap_.transform(check.points(self, X, reset=False)))

    def inverse_transform(self, Z: ArrayLike) -> Float64:
        """Rows (b, D) of latents `Z` (b, d).

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.
        """
        check.fitted(self, "gplm_")
        R_ax = check.points(self._latent_door, Z, reset=False) * self._scale_x + self._mean_x
        decoded: Float64 = self.gplm_.predict(R_ax)
        return decoded

    def refine(self, Z: ArrayLike, t_start: int = 10, add_noise: bool = True, seed: int = 0) -> Float32:
        """Pull latents `Z` (b, d) towards the learned ones by the prior's last `t_start` reverse steps.

        Raises:
            SettingError: there is no prior, or t_start is not in 0..T - 1.
        """
        prior = self._prior("refine")
        refined: Float32 = prior.refine(Z, t_start=t_start, add_noise=add_noise, seed=seed)
        return refined

    def sample(
        self,
        n: int,
        *,
        decode: bool = True,
        solver: str = "ddim",
        steps: int | None = None,
        eta: float | None = None,
        seed: int = 0,
    ) -> Array:
        """Draw `n` new rows (n, D), or their latents (n, d) with `decode=False`.

        Raises:
            SettingError: there is no prior, or a sampling setting is out of range.
        """
        Z: Array = self._prior("sample").sample(n, solver=solver, steps=steps, eta=eta, seed=seed)
        if not decode:
            return Z
        return self.inverse_transform(Z) if n else np.empty((0, self.n_features_in_))

    def score(self, X: ArrayLike, y: None = None) -> float:
        """Share of the variance of `X` (b, D) that survives encoding and decoding; 1 is perfect."""
        X = check.points(self, X, reset=False)
        return 1.0 - error_over_variance(X, self.inverse_transform(self.transform(X)), self.gplm_.mu_X_)

    @property
    def latents_(self) -> Float64:
        """(n, d) latents of the training rows as if each had been new."""
        check.fitted(self, "gplm_")
        return self._normalised(self.dmap_.self_excluded_)

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Settings and arrays that `from_arrays` makes an equal model of."""
        check.fitted(self, "gplm_")
        parts = {"dmap": self.dmap_, "gplm": self.gplm_} | ({"prior": self.prior_} if self.prior_ else {})
        saved: dict[str, Any] = {
            "given": {"d": self.d, "seed": self.seed},
            "n_features": self.n_features_in_,
            "feature_names": check.feature_names(self),
        }
        arrays: Arrays = {"mean_x": self._mean_x, "scale_x": self._scale_x}
        for name, part in parts.items():
            saved[name], own = part.to_arrays()
            arrays |= {f"{name}/{key}": value for key, value in own.items()}
        return saved, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The model that `to_arrays` described."""

        def part(name: str) -> Arrays:
            return {
                key.removeprefix(f"{name}/"): a for key, a in arrays.items() if key.startswith(f"{name}/")
            }

        self = cls(**settings.accept(cls.__name__, cls, saved["given"]))
        self.dmap_ = DMAP.from_arrays(saved["dmap"], part("dmap"))
        self.gplm_ = GPLM.from_arrays(saved["gplm"], part("gplm"))
        self.prior_ = _ddpm().from_arrays(saved["prior"], part("prior")) if "prior" in saved else None
        # The parts as they were given are the parts as they were fitted: a refit repeats the first.
        self.dmap, self.gplm, self.prior = clone(self.dmap_), clone(self.gplm_), None
        if self.prior_ is not None:
            self.prior = clone(self.prior_)
        self._mean_x, self._scale_x = arrays["mean_x"], arrays["scale_x"]
        check.remember(self, saved["n_features"], saved["feature_names"])
        self.stages_ = Stages()
        return self

    @property
    def _n_features_out(self) -> int:
        return len(self._mean_x)

    @property
    def _latent_door(self) -> BaseEstimator:
        """What checks latents: named like this class, as wide as the latent space."""
        door = type(type(self).__name__, (BaseEstimator,), {})()
        door.n_features_in_ = len(self._mean_x)
        return door

    def _encoder(self, X: Array) -> DMAP:
        """The encoder to fit; its d is given here, or in `dmap`, or chosen from the data."""
        encoder: DMAP = self._part("dmap", DMAP, self.dmap)
        is_default = isinstance(self.dmap, DMAP) and encoder.d == DMAP().d
        own = encoder.d if isinstance(self.dmap, DMAP) or "d" in (self.dmap or {}) else None
        if None not in (own, self.d) and own != self.d and not is_default:
            rule = f"the same in dmap as d = {self.d} outside"
            raise SettingError(sentence(type(self).__name__, "d", rule, own, "Give it once."))
        chosen = min(_MOST, max(1, X.shape[1] // 2), len(X) - 1)
        encoder.d = self.d or own or chosen
        return encoder

    def _unfitted_prior(self) -> Any:
        if self.prior is None:
            return None
        if isinstance(self.prior, str) and self.prior != "ddpm":
            got = repr(self.prior)
            raise SettingError(sentence(type(self).__name__, "prior", '"ddpm" or None', got))
        return self._part("prior", _ddpm(), None if self.prior == "ddpm" else self.prior)

    def _part(self, name: str, kind: type, given: Any) -> Any:
        """A fresh sub-estimator from what was handed in: an estimator, settings, or nothing."""
        if isinstance(given, kind):
            return clone(given)
        if given is not None and not isinstance(given, Mapping):
            rule = f"a {kind.__name__}, its settings or None"
            raise SettingError(sentence(type(self).__name__, name, rule, type(given).__name__))
        owner = f"{type(self).__name__}.{name}"
        own = {"seed": self.seed} | settings.accept(owner, kind, given or {})
        settings.check(owner, kind, own)
        return kind(**own)

    def _prior(self, wanted: str) -> Any:
        check.fitted(self, "gplm_")
        if self.prior_ is None:
            fix = 'Fit with prior="ddpm".'
            owner = f"{type(self).__name__}.{wanted}"
            raise SettingError(sentence(owner, "the model", "fitted with a prior", "none", fix))
        return self.prior_

    def _normalised(self, R_ax: Float64) -> Float64:
        normalised: Float64 = (R_ax - self._mean_x) / self._scale_x
        return normalised


def _positive(spread: Float64) -> Float64:
    return np.where(spread > 0, spread, 1.0)


def _ddpm() -> Any:
    """The prior's class. It brings JAX, which a model without a prior does not need."""
    from dima.latent.ddpm import DDPM

    return DDPM
