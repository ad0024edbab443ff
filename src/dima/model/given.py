"""Rows with some of their columns known (experimental).

    p(x_U | x_K) = sum_j w_j(x_K) N(x_U; m_j|K, C_j|K),    w_j(x_K) proportional to w_j N(x_K; m_jK, C_jKK)

Whatever rows are drawn from here is a mixture of Gaussians, and so are its conditionals. There are two:
decoded draws of the prior, each with the covariance of the scatter widened by t^2 times that of the data; and
a mixture fitted to the rows themselves. Rows come from both, in the proportion that makes unknown columns of
held-out training rows most probable, for each set of known columns (stacking: Yao et al. 2018).
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp
from sklearn.base import clone

from dima import check, settings
from dima.errors import DataError, SettingError, warn_user
from dima.manifold.neighbors import knn
from dima.model.known import conditions, filled, numbers_of
from dima.model.latent_fit import LatentModelFit
from dima.model.mixture_prior import MixtureFit, MixturePrior
from dima.scaling import Standardizer
from dima.typing import Array, Float64

__all__ = ["GivenRows", "sample_given"]

_DRAWS = 4000  # of the prior
_WIDTHS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6)  # t
_FEWEST = 20  # training rows
_SHOWN = 5  # values in a message
_MOST = 2000  # training rows that are looked at,
_HELD_OUT = 5  # one in so many held out
_FEW = 20  # effective draws that tell little of a spread
_REACH = 1.5  # times the largest distance of a training row from its nearest,
_NEAR = 0.25  # and so many spreads: no farther may a condition be from all of them
_BLUR = 0.1  # spreads by which rows are blurred to be judged
_LEVELS, _BETWEEN = 20, 1 / 3  # values that are few, and the share of the gap between them that tells nothing
_SHARES = np.linspace(0, 1, 5)  # of rows from the fitted mixture


class GivenRows(NamedTuple):
    """Rows drawn for known values.

    Attributes:
        rows: for each of the b conditions, `n` rows in the form that `sample` gives.
        effective: (b,) of how many draws of the model each set is made, at most `n`; few tell little.
    """

    rows: list[Any]
    effective: Float64


class _Pool(NamedTuple):
    """Two mixtures over the numbers of rows, and the share of the second."""

    drawn: MixtureFit
    fitted: MixtureFit
    share: float


def sample_given(model: Any, known: Any, n: int = 200, seed: int = 0) -> GivenRows:
    """Draw `n` rows for each condition in `known`; experimental.

    Args:
        model: a fitted `LatentModel` of rows that keeps its training rows, as `ManifoldAutoencoder` does.
        known: one condition, {name: value}; a frame or `Table` of b, without the unknown columns or with
            missing cells in them; or an array (b, D) with NaN where nothing is known.
        n: rows for each condition.
        seed: equal seeds draw equal rows.

    Raises:
        SettingError: the model keeps no training rows, or has no prior.
        DataError: every column of a condition is known, or its values never occur together or are none that
            their columns hold.
        ShapeError: there is a column that the model has not.

    Example:
        >>> from dima.model.manifold_autoencoder import ManifoldAutoencoder
        >>> x = np.random.default_rng(0).uniform(-2, 2, (200, 1))
        >>> model = ManifoldAutoencoder(1, columns="standard").fit(np.hstack([x, x**2]))
        >>> drawn = sample_given(model, [[1.5, np.nan]], n=50)
        >>> bool(abs(drawn.rows[0][:, 1].mean() - 1.5**2) < 0.5)
        True
    """
    owner = f"{type(model).__name__}.sample_given"
    fit: LatentModelFit = check.fitted(model)
    asked = settings.check(owner, MixturePrior.sample, {"n": n, "seed": seed})
    conditional = _Conditional(owner, fit, asked["seed"])
    values = conditions(owner, fit.rows, known)
    fit.rows.hold_types(owner, values)
    drawn, effective = [], np.empty(len(values))
    given = zip(values, numbers_of(fit.rows.columns, values), strict=True)
    for row, (condition, numbers) in enumerate(given):
        pool = conditional.of(numbers, condition, row)
        unknown, effective[row] = _draw(pool, asked["n"], np.random.default_rng([asked["seed"], row]))
        drawn.append(fit.rows.as_asked(model, filled(fit.rows.columns, unknown, numbers, condition)))
    if (is_few := effective < min(_FEW, n)).any():
        told = f"{int(is_few.sum())} of {len(values)} conditions are met by fewer than {_FEW} draws"
        warn_user(f"{owner}: {told} of the model; what they show of the spread is little.")
    return GivenRows(drawn, effective)


class _Conditional:
    """The conditionals of a fitted model; what is chosen for a set of known columns is kept."""

    def __init__(self, owner: str, fit: LatentModelFit, seed: int) -> None:
        train = fit.autoencoder.training_rows()
        if train is None or fit.prior is None:
            what = "training rows" if train is None else "a prior"
            raise SettingError(f"{owner}: the model must have {what}; got none. Fit a ManifoldAutoencoder.")
        self.owner, self.fit, self.seed = owner, fit, seed
        self.train = np.asarray(train, np.float64)
        if len(train) < _FEWEST:
            fix = "Fit to more."
            raise DataError(f"{owner}: training rows must be at least {_FEWEST}; got {len(train)}. {fix}")
        self._found: dict[bytes, tuple[_Pool, _Known]] = {}

    def of(self, numbers: Float64, condition: Float64, row: int) -> _Pool:
        """The mixtures of the unknown numbers (W,), given those of condition `row` (D,) that are known."""
        axes = np.flatnonzero(~np.isnan(numbers))
        if len(axes) == len(numbers):
            raise DataError(
                f"{self.owner}: a column must be unknown; got all of row {row + 1}. Leave one out."
            )
        if axes.tobytes() not in self._found:
            self._found[axes.tobytes()] = self._pool(axes), _Known.of(self.train[:, axes])
        pool, known = self._found[axes.tobytes()]
        if not known.reaches(numbers[axes]):
            outside, fix = self._outside(condition), "Check names and units."
            rule = "lie in the range of their columns" if outside else "occur together"
            got = f"row {row + 1}, {outside or 'far from all training rows'}"
            raise DataError(f"{self.owner}: known values must {rule}; got {got}. {fix}")
        return _Pool(
            pool.drawn.given(numbers[axes], axes), pool.fitted.given(numbers[axes], axes), pool.share
        )

    def _outside(self, condition: Float64) -> str:
        """Which known values (D,) no training row comes up to; empty where each occurs by itself."""
        columns = self.fit.rows.columns
        rows = columns.restore(self.train)
        ends = zip(columns.shown_names, condition, rows.min(axis=0), rows.max(axis=0), strict=True)
        told = [
            f"{name} = {value:.6g} lies outside {low:.6g}..{high:.6g}"
            for name, value, low, high in ends
            if value < low or value > high
        ]
        return ", ".join(told[:_SHOWN])

    def _pool(self, axes: Array) -> _Pool:
        """What makes unknown columns of held-out training rows most probable, given those of `axes`."""
        held_out, tried, rival, blur = self._rehearsal
        gains = np.stack([_gains(one, held_out, axes, blur) for one in tried])
        fitted = _gains(rival, held_out, axes, blur)
        with np.errstate(divide="ignore"):  # a share of none
            shares = np.log([_SHARES, 1 - _SHARES])[:, :, None, None]
        pooled = np.logaddexp(shares[0] + fitted, shares[1] + gains).mean(axis=2)
        share, width = np.unravel_index(pooled.argmax(), pooled.shape)
        drawn, whole = self._proposals
        return _Pool(drawn[width], whole, float(_SHARES[share]))

    @functools.cached_property
    def _rehearsal(self) -> tuple[Float64, list[MixtureFit], MixtureFit, Float64]:
        """Held-out training rows, blurred, what is tried on them, and the blur.

        Nothing that is tried has seen them: the autoencoder is fitted once more, without them.
        """
        few = np.random.default_rng(self.seed).permutation(len(self.train))[:_MOST]
        held_out, others = (self.train[part] for part in np.split(few, [len(few) // _HELD_OUT]))
        again = clone(self.fit.autoencoder).fit(others)
        prior = MixturePrior(seed=self.seed).fit(again.training_codes(others)[1])
        tried = _widened(again, again.decode(prior.sample(_DRAWS, self.seed)), others)
        blur = np.maximum(self._steps, _BLUR * np.sqrt(self.train.var(axis=0).mean()))
        held_out = held_out + blur * np.random.default_rng(self.seed).standard_normal(held_out.shape)
        return held_out, tried, self._mixture(others), blur

    @functools.cached_property
    def _proposals(self) -> tuple[list[MixtureFit], MixtureFit]:
        """The same of all training rows: decoded draws at every width, and the fitted mixture."""
        class_ix = self.fit.class_ix(self.owner, _DRAWS, None, self.seed)
        decoded = self.fit.decoded_draws(_DRAWS, class_ix, {"seed": self.seed})
        drawn = _widened(self.fit.autoencoder, decoded, self.train)
        return drawn, self._mixture(self.train)

    def _mixture(self, rows: Float64) -> MixtureFit:
        """A mixture fitted to rows (n, W), those of few values blurred.

        A mixture that hits such values has an endless density there and tells nothing else.
        """
        noise = np.random.default_rng(self.seed).standard_normal(rows.shape)
        return MixturePrior(seed=self.seed).fit(rows + self._steps * noise).fit_

    @functools.cached_property
    def _steps(self) -> Float64:
        """(W,) a third of the least gap between values that are few, as of words; 0 where they are many."""
        levels = [np.unique(numbers) for numbers in self.train.T]
        return np.array([_BETWEEN * np.diff(one).min() if 1 < len(one) <= _LEVELS else 0.0 for one in levels])


class _Known(NamedTuple):
    """Known numbers of the training rows in their spreads, and how far from all of them is too far."""

    scale: Standardizer
    rows: Float64
    reach: float

    @classmethod
    def of(cls, train: Float64) -> "_Known":
        """Of the known numbers (n, q): far beyond what training rows are from each other is too far."""
        if not train.shape[1]:
            return cls(Standardizer(*np.empty((3, 0))), train, np.inf)
        scale = Standardizer.of(train)
        rows = scale.apply(train)
        apart = np.sqrt(knn(rows, rows, 2, "brute").d2[:, 1].max())
        return cls(scale, rows, float(_REACH * apart + _NEAR))

    def reaches(self, numbers: Float64) -> bool:
        """Whether numbers (q,) lie near a training row."""
        if not len(numbers):
            return True
        nearest = knn(self.rows, self.scale.apply(numbers[None]), 1, "brute").d2[0, 0]
        return bool(np.sqrt(nearest) <= self.reach)


def _gains(mixture: MixtureFit, rows: Float64, axes: Array, blur: Float64) -> Float64:
    """Log-density (b,) of the other numbers of blurred rows (b, W), given those of `axes`."""
    whole = logsumexp(mixture.log_densities(rows, blur), axis=1)
    if not len(axes):
        return whole
    return whole - logsumexp(mixture.of_axes(axes).log_densities(rows[:, axes], blur[axes]), axis=1)


def _draw(pool: _Pool, n: int, rng: np.random.Generator) -> tuple[Float64, float]:
    """Numbers (n, u) from both mixtures, and of how many draws of the model they are made."""
    n_fitted = rng.binomial(n, pool.share)
    n_drawn = n - n_fitted
    numbers = np.concatenate([pool.drawn.draw(n_drawn, rng), pool.fitted.draw(n_fitted, rng)])
    effective = n_fitted + min(n_drawn, 1 / float((pool.drawn.weights**2).sum()))
    return rng.permutation(numbers), effective


def _widened(autoencoder: Any, decoded: Array, rows: Float64) -> list[MixtureFit]:
    """Decoded draws (m, W) with the scatter of rows around them, at every width."""
    scatter, spread = (
        np.cov(of, rowvar=False).reshape(rows.shape[1], -1) for of in (autoencoder.left_out(rows), rows)
    )
    shares = np.full(len(decoded), 1 / len(decoded))
    return [MixtureFit({}, shares, decoded, (scatter + width**2 * spread)[None]) for width in _WIDTHS]
