"""`ManifoldAutoencoder`: the latent model of a diffusion-map encoder and a kernel decoder."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from sklearn.base import clone

from dima import check, settings
from dima.errors import SettingError, kept_messages
from dima.fitted import Fitted
from dima.manifold.dmap import DMAP
from dima.manifold.geodesic import Geodesic
from dima.manifold.gplm import GPLM
from dima.manifold.gplm_fit import warn_if_far
from dima.manifold.jacobian import pulled_back
from dima.model.geodesics import geodesics
from dima.model.latent_fit import LatentModelFit
from dima.model.latent_model import LatentModel, PartSeed
from dima.model.learn_rows import ColumnsTreated, Impute
from dima.model.loadings import Loadings, loadings, slopes
from dima.model.manifold_map import ManifoldMap
from dima.model.parts import make_part
from dima.model.scatter import Match, Residual
from dima.model.tuning import TUNED, Trial
from dima.typing import Array, ArrayLike, Float64

__all__ = ["ManifoldAutoencoder"]

_MOST = 32  # latent dimensions taken when d is not given
_FIXED_BY = {"eps": "eps_mul", "t": "coordinates"}  # what a setting leaves no choice of: a chart has no t


class ManifoldAutoencoder(LatentModel):
    """Encode, decode, generate and refine on the manifold that data lie on.

    Latents `Z` are diffusion coordinates, and principal components of what these leave, with mean 0 and
    standard deviation 1 over the training rows.

    Args:
        d: latent dimension; half the ambient one, at most 32, if not given.
        d_diffusion: diffusion coordinates among the d, the others principal components of what these leave
            (0 is PCA); what is predicted to be best if not given.
        dmap: the encoder: a `DMAP`, or settings for one. Of coordinates, kernel, k and eps_mul, what
            settings leave open is chosen by the predicted error of new rows (see `tuning`); "auto" is open
            too. A `DMAP` is taken as it is.
        gplm: the decoder: a `GPLM`, or settings for one.
        prior, seed, columns, residual, match, impute: as in `LatentModel`.

    Example:
        >>> from dima.data import manifolds
        >>> X = manifolds.swiss_roll(300)[0]
        >>> model = ManifoldAutoencoder(2, prior=None).fit(X)
        >>> Z = model.transform(X[:5])
        >>> Z.shape, model.inverse_transform(Z).shape
        ((5, 2), (5, 3))
    """

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        d: Annotated[int, Meta(ge=1, description="latent dimension; half of D, at most 32, if not given")]
        | None = None,
        dmap: DMAP | Mapping[str, Any] | None = None,
        gplm: GPLM | Mapping[str, Any] | None = None,
        prior: Any = "auto",
        seed: PartSeed = 0,
        *,
        columns: ColumnsTreated = "auto",
        residual: Residual | None = "auto",
        match: Match | None = "auto",
        impute: Impute | None = None,
        d_diffusion: Annotated[
            int, Meta(ge=0, description="diffusion coordinates among d; the rest principal")
        ]
        | None = None,
    ) -> None:
        super().__init__(None, prior, seed, columns=columns, residual=residual, match=match, impute=impute)
        self.d = d
        self.dmap = dmap
        self.gplm = gplm
        self.d_diffusion = d_diffusion

    dmap_ = Fitted[DMAP](lambda fit: fit.autoencoder.dmap, "The fitted encoder.")
    gplm_ = Fitted[GPLM](lambda fit: fit.autoencoder.gplm, "The fitted decoder.")
    trials_ = Fitted[tuple[Trial, ...]](
        lambda fit: fit.autoencoder.trials_,
        "Encoders that were tried, in order, and the errors predicted so; none where all was given.",
    )
    latents_ = Fitted[Float64](
        lambda fit: fit.scale.apply(fit.autoencoder.training_codes(fit.autoencoder.training_rows())[1]),
        "(n, d) latents of the training rows as if each had been new; the prior learned these.",
    )

    loadings_ = Fitted[Loadings](
        loadings,
        """How much each column moves along each latent coordinate, on average over the training rows.

        Worked out anew each time it is read, in seconds where columns are hundreds.
        """,
    )

    def jacobian(self, Z: ArrayLike) -> Float64:
        """Derivatives (b, W, d) of the numbers that latents `Z` (b, d) decode to.

        The numbers are those of `decoded`: the columns themselves if "raw", over their spreads if "standard",
        normal scores if "rank", and one for each word. Warns of latents far from all training ones.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.
        """
        fit: LatentModelFit = check.fitted(self)
        latents = check.array(type(self).__name__, "Z", Z, ("b", self.d_))
        self._warn_if_far("jacobian", latents, "derivatives by diffusion coordinates are zero there")
        return slopes(fit, latents)

    def metric_tensor(self, Z: ArrayLike) -> Float64:
        """The metric J'J (b, d, d) that decoding pulls back to latents `Z` (b, d), J the `jacobian`.

        A step v of latents moves the decoded numbers by sqrt(v' G v). Warns of latents far from all training
        ones.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.
        """
        fit: LatentModelFit = check.fitted(self)
        latents = check.array(type(self).__name__, "Z", Z, ("b", self.d_))
        self._warn_if_far("metric_tensor", latents, "diffusion coordinates have no length there")
        return pulled_back(lambda rows: slopes(fit, rows), latents, len(fit.mean_X))

    def geodesic(
        self,
        start: ArrayLike,
        end: ArrayLike,
        n: Annotated[int, Meta(ge=2, description="latents on each path, the ends among them")] = 32,
    ) -> Geodesic:
        """Shortest paths along the manifold from latents `start` (b, d) to `end` (b, d), and their lengths.

        Lengths are those of `decoded` numbers: in the units of the columns if these are "raw".
        They keep to where training rows are; see `dima.manifold.geodesic`. With principal components alone
        they are straight. Warns of paths that lead where no training row is near, as those from far ends do.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d, or the two are not of one shape.
            SettingError: n is below 2, or the decoder was saved before it could.

        Example:
            >>> from dima.data import manifolds
            >>> X, chart = manifolds.isometric_roll(800)  # a sheet 60 long and 10 wide, rolled up
            >>> model = ManifoldAutoencoder(2, prior=None).fit(X)
            >>> Z = model.transform(X[:2])
            >>> way = model.geodesic(Z[:1], Z[1:])
            >>> way.path.shape, bool(abs(way.length[0] / np.linalg.norm(chart[0] - chart[1]) - 1) < 0.05)
            ((1, 32, 2), True)
        """
        fit: LatentModelFit = check.fitted(self)
        owner = f"{type(self).__name__}.geodesic"
        settings.check(owner, ManifoldAutoencoder.geodesic, {"n": n})
        first = check.array(owner, "start", start, ("b", self.d_))
        last = check.array(owner, "end", end, first.shape)
        with kept_messages():  # of every step that is tried
            found = geodesics(fit, first, last, n)
        far = fit.autoencoder.far(fit.scale.restore(found.path.reshape(-1, self.d_)))
        rest = "their lengths mean little. Pass ends nearer to training latents"
        n_far = far.reshape(-1, n).any(axis=1).sum()
        warn_if_far(owner, n_far, len(first), "paths lead", rest)
        return found

    def interval(
        self,
        Z: ArrayLike,
        level: Annotated[float, Meta(gt=0, lt=1, description="share of new values inside")] = 0.9,
    ) -> tuple[Array, Array]:
        """Bounds (b, D) between which values of new rows that encode to latents `Z` (b, d) lie so often.

        Of each column by itself: what is left of training rows, each left out of encoder and decoder, says
        how wide, wider where training latents are far; infinite with too few rows to say, NaN for words. See
        `dima.manifold.interval`.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.
            SettingError: level is not between 0 and 1, or the decoder was saved before it could.

        Example:
            >>> from dima.data import manifolds
            >>> X = manifolds.s_curve(600)[0]
            >>> model = ManifoldAutoencoder(2, prior=None).fit(X[:500])
            >>> low, high = model.interval(model.transform(X[500:]))
            >>> bool(0.8 < ((low <= X[500:]) & (X[500:] <= high)).mean() < 1)
            True
        """
        fit: LatentModelFit = check.fitted(self)
        owner = f"{type(self).__name__}.interval"
        settings.check(owner, ManifoldAutoencoder.interval, {"level": level})
        decoded = self.decoded(Z)
        half = fit.autoencoder.half_widths(fit.scale.restore(np.asarray(Z, np.float64)), level)
        return fit.rows.bounds(decoded, half)

    def novelty(self, X: ArrayLike) -> Float64:
        """How unlike the training rows `X` (b, D) are: (b,) from 0, known, to 1, far; see `DMAP`.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: another width than in `fit`.
        """
        fit: LatentModelFit = check.fitted(self)
        return fit.autoencoder.dmap.novelty(self.numbers(X))

    def _warn_if_far(self, method: str, latents: Array, result: str) -> None:
        n_far = self.fit_.autoencoder.far(self.fit_.scale.restore(latents)).sum()
        warn_if_far(f"{type(self).__name__}.{method}", n_far, len(latents), "latents lie", result)

    def _fit_autoencoder(self, X: Array) -> ManifoldMap:
        owner = type(self).__name__
        dmap = make_part(owner, "dmap", DMAP, self.dmap, self.seed)
        gplm = make_part(owner, "gplm", GPLM, self.gplm, self.seed)
        if None not in (dmap.d, self.d) and dmap.d != self.d:
            rule = f"the same in dmap as d = {self.d} outside"
            raise SettingError(f"{owner}: d must be {rule}; got {dmap.d}. Give it once.")
        # d goes to the encoder: given here, in `dmap`, or chosen from the data.
        chosen = min(_MOST, max(1, X.shape[1] // 2), len(X) - 1)
        d = self.d or dmap.d or chosen
        if self.d_diffusion is not None and self.d_diffusion > d:
            raise SettingError(
                f"{owner}: d_diffusion must be at most d = {d}; got {self.d_diffusion}. Lower it."
            )
        least = d - X.shape[1]  # there are no more principal components than columns
        if self.d_diffusion is not None and self.d_diffusion < least:
            rule = f"at least {least}, d less the {X.shape[1]} columns"
            raise SettingError(
                f"{owner}: d_diffusion must be {rule}; got {self.d_diffusion}. Raise it or lower d."
            )
        return ManifoldMap(dmap.set_params(d=d), gplm, self.d_diffusion, self._free()).fit(X)

    def _free(self) -> tuple[str, ...]:
        """Settings of the encoder that are chosen: an estimator says all of its own, a mapping some."""
        if isinstance(self.dmap, DMAP):
            return ()
        given = {_FIXED_BY.get(name, name) for name, value in (self.dmap or {}).items() if value != "auto"}
        return tuple(name for name in TUNED if name not in given)

    @classmethod
    def _parts(cls, autoencoder: ManifoldMap) -> dict[str, Any]:
        return {"dmap": clone(autoencoder.dmap), "gplm": clone(autoencoder.gplm)}
