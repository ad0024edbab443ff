"""Rows with some of their columns known (experimental).

    p(x_U | x_K) = sum_j w_j(x_K) N(x_U; m_j|K, C_j|K),    w_j(x_K) proportional to w_j N(x_K; m_jK, C_jKK)

Whatever rows are drawn from here is a mixture of Gaussians, and so are its conditionals. There are two:
decoded draws of the prior, each with the covariance of the scatter widened by t^2 times that of the data; and
a mixture fitted to the rows themselves. Rows come from both, in the proportion that makes unknown columns of
held-out training rows most probable, for each set of known columns (stacking: Yao et al. 2018).
"""

import contextlib
import functools
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from dima import check, settings
from dima.errors import DataError, NumericsError, SettingError, kept_messages, warn_user
from dima.manifold.dmap import DMAP
from dima.model import pool
from dima.model.by_class import ByClass, points_of, proportional
from dima.model.known import Known, conditions, filled, numbers_of, split_label, with_known
from dima.model.latent_fit import LatentModelFit
from dima.model.manifold_map import ManifoldMap
from dima.model.mixture_prior import MixtureFit, MixturePrior
from dima.model.refit import neighbours_share, of_fewer
from dima.progress import track
from dima.typing import Array, Float64

__all__ = ["GivenRows", "sample_given"]

_DRAWS, _LEAST = 4000, 200  # of the prior, and of a class
_FEWEST = 20  # training rows
_SHOWN = 5  # values in a message
_MOST = 2000  # training rows that are looked at,
_HELD_OUT = 5  # one in so many held out
_FEW = 20  # effective draws that tell little of a spread
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


def sample_given(model: Any, known: Any, n: int = 200, seed: int = 0, y: Any = None) -> GivenRows:
    """Draw `n` rows for each condition in `known`; experimental.

    Args:
        model: a fitted `LatentModel` of rows that keeps its training rows, as `ManifoldAutoencoder` does.
        known: one condition, {name: value}; a frame or `Table` of b, without the unknown columns or with
            missing cells in them; or an array (b, D) with NaN where nothing is known. The column of labels
            may be among the known.
        n: rows for each condition.
        seed: equal seeds draw equal rows.
        y: the class to draw from: one label, or one for each condition (b,). If not given, classes come as
            often as the known values and their shares say.

    Raises:
        SettingError: the model keeps no training rows, has no prior, or does not know their classes.
        DataError: there is no such class, every column of a condition is known, or its values never occur
            together or are none that their columns hold.
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
    known, y = split_label(owner, fit.rows, known, y)
    values = conditions(owner, fit.rows, known)
    fit.rows.hold_types(owner, values)
    asked_ix = [None] * len(values) if y is None else fit.rows.class_ix(owner, y, len(values)).tolist()
    conditional = _Conditional(owner, fit, asked["seed"], by_class=y is not None)
    drawn, effective = [], np.empty(len(values))
    given = zip(values, numbers_of(fit.rows.columns, values), asked_ix, strict=True)
    for row, (condition, numbers, index) in enumerate(track(given, len(values), "drawing rows given")):
        shares, pools = conditional.of(numbers, condition, row, index)
        class_ix = proportional(shares, asked["n"], asked["seed"])
        rng = np.random.default_rng([asked["seed"], row])
        unknown, effective[row] = pool.draw(shares, pools, class_ix, rng)
        rows = filled(fit.rows.columns, conditional.held(with_known(unknown, numbers), class_ix), condition)
        drawn.append(fit.rows.as_asked(model, rows, class_ix if conditional.has_classes else None))
    if (is_few := effective < min(_FEW, n)).any():
        got = f"{int(is_few.sum())} of {len(values)} conditions are met by fewer than {_FEW} draws"
        warn_user(f"{owner}: {got} of the model; what they show of the spread is little.")
    return GivenRows(drawn, effective)


class _Conditional:
    """The conditionals of a fitted model, by class; what is chosen for a set of known columns is kept."""

    def __init__(self, owner: str, fit: LatentModelFit, seed: int, *, by_class: bool) -> None:
        train = fit.autoencoder.training_rows()
        if train is None or fit.prior is None:
            what = "training rows" if train is None else "a prior"
            raise SettingError(f"{owner}: the model must have {what}; got none. Fit a ManifoldAutoencoder.")
        self.owner, self.fit, self.seed = owner, fit, seed
        self.train = np.asarray(train, np.float64)
        if len(train) < _FEWEST:
            fix = "Fit to more."
            raise DataError(f"{owner}: training rows must be at least {_FEWEST}; got {len(train)}. {fix}")
        class_ix = fit.prior.class_ix if isinstance(fit.prior, ByClass) else None
        if by_class and class_ix is None:
            got, fix = "one saved before it was kept", "Fit it again."
            raise SettingError(
                f"{owner}: the model must know the class of each of its rows; got {got}. {fix}"
            )
        self.has_classes = class_ix is not None
        self.class_ix = np.zeros(len(train), int) if class_ix is None else np.asarray(class_ix)
        self.shares = np.bincount(self.class_ix) / len(train)
        self._pools: dict[bytes, list[pool.Pool]] = {}
        self._known: dict[tuple[bytes, int | None], Known] = {}

    def of(
        self, numbers: Float64, condition: Float64, row: int, class_asked: int | None
    ) -> tuple[Float64, list[pool.Pool]]:
        """Shares (K,) of classes and the mixtures of the unknown numbers of each, given those known.

        Args:
            numbers: (W,), NaN where unknown.
            condition: (D,) that they stand for.
            row: number of the condition.
            class_asked: index of the class that is asked for, or None.
        """
        axes = np.flatnonzero(~np.isnan(numbers))
        if len(axes) == len(numbers):
            raise DataError(
                f"{self.owner}: a column must be unknown; got all of row {row + 1}. Leave one out."
            )
        key, known = axes.tobytes(), numbers[axes]
        if (key, class_asked) not in self._known:
            self._known[key, class_asked] = Known.of(self.train[:, axes], self._rows_of(class_asked)[:, axes])
        if not self._known[key, class_asked].reaches(known):
            raise DataError(
                f"{self.owner}: {self._unmet(condition, row, class_asked)}. Check names and units."
            )
        if key not in self._pools:
            self._pools[key] = self._pools_of(axes)
        pools = self._pools[key]
        if class_asked is None:
            blur = self._rehearsal[1]
            logs = np.log(self.shares) + [one.log_density(known, axes, blur) for one in pools]
            shares = np.exp(logs - logsumexp(logs))
        else:
            shares = np.eye(len(pools))[class_asked]
        return shares, [
            one.given(known, axes) if share else one for share, one in zip(shares, pools, strict=True)
        ]

    def held(self, numbers: Float64, class_ix: Array) -> Float64:
        """Numbers (n, W) of classes (n,) with what all rows of their class share."""
        scatter = self.fit.scatter
        return scatter.held(numbers, class_ix) if self.has_classes and scatter is not None else numbers

    def _rows_of(self, class_asked: int | None) -> Float64:
        return self.train if class_asked is None else points_of(self.train, self.class_ix, class_asked)

    def _unmet(self, condition: Float64, row: int, class_asked: int | None) -> str:
        """What known values (D,) must do and do not."""
        columns, train = self.fit.rows.columns, self.train
        rows = columns.restore(train)
        ends = zip(columns.shown_names, condition, rows.min(axis=0), rows.max(axis=0), strict=True)
        outside = [
            f"{name} = {value:.6g} lies outside {low:.6g}..{high:.6g}"
            for name, value, low, high in ends
            if value < low or value > high
        ]
        rule = "lie in the range of their columns" if outside else "occur together"
        of_class = "" if class_asked is None else f" of class {(self.fit.rows.classes or [])[class_asked]!r}"
        got = ", ".join(outside[:_SHOWN]) or f"far from all training rows{of_class}"
        return f"known values must {rule}; got row {row + 1}, {got}"

    def _pools_of(self, axes: Array) -> list[pool.Pool]:
        """What makes unknown columns of held-out training rows most probable, given those of `axes`."""
        rehearsed, blur = self._rehearsal
        gains = np.concatenate(
            [[pool.gains(one, rows, axes, blur) for one in tried] for rows, tried, _ in rehearsed], axis=1
        )
        fitted = np.concatenate([pool.gains(rival, rows, axes, blur) for rows, _, rival in rehearsed])
        with np.errstate(divide="ignore"):  # a share of none
            shares = np.log([_SHARES, 1 - _SHARES])[:, :, None, None]
        pooled = np.logaddexp(shares[0] + fitted, shares[1] + gains).mean(axis=2)
        share, width = np.unravel_index(pooled.argmax(), pooled.shape)
        return [pool.Pool(drawn[width], whole, float(_SHARES[share])) for drawn, whole in self._proposals]

    @functools.cached_property
    def _rehearsal(self) -> tuple[list[tuple[Float64, list[MixtureFit], MixtureFit]], Float64]:
        """Held-out training rows of each class, blurred, with what is tried on them, and the blur.

        Nothing that is tried has seen them: the autoencoder is fitted once more, without them, with the
        settings it has chosen.
        """
        few = np.random.default_rng(self.seed).permutation(len(self.train))[:_MOST]
        held_ix = few[_spare(self.class_ix[few])][: len(few) // _HELD_OUT]
        held_out, others = self.train[held_ix], _differing(self.train, np.setdiff1d(few, held_ix))
        # Of a rare class there may be none among so many.
        classes, class_ix = np.unique(self.class_ix[others], return_inverse=True)
        rows = self.train[others]
        again = _again(self.fit.autoencoder, rows, len(rows) / len(self.train))
        prior = ByClass.fitted(
            lambda _: MixturePrior(seed=self.seed), again.training_codes(rows)[1], class_ix
        )
        drawn_ix = _evenly(len(classes))
        decoded = again.decode(prior.sample(len(drawn_ix), self.seed, drawn_ix))
        tried = pool.widened(again, rows, class_ix, decoded, drawn_ix)
        blur = np.maximum(self._steps, _BLUR * np.sqrt(self.train.var(axis=0).mean()))
        held_out = held_out + blur * np.random.default_rng(self.seed).standard_normal(held_out.shape)
        held_class_ix = np.searchsorted(classes, self.class_ix[held_ix])
        return [
            (held_out[held_class_ix == index], tried[index], self._mixture(rows, class_ix, index))
            for index in np.unique(held_class_ix).tolist()
        ], blur

    @functools.cached_property
    def _proposals(self) -> list[tuple[list[MixtureFit], MixtureFit]]:
        """The same of all training rows: decoded draws at every width and the fitted mixture."""
        drawn_ix = _evenly(len(self.shares))
        class_ix = drawn_ix if self.has_classes else self.fit.class_ix(self.owner, _DRAWS, None, self.seed)
        decoded = self.fit.decoded_draws(len(drawn_ix), class_ix, {"seed": self.seed})
        drawn = pool.widened(self.fit.autoencoder, self.train, self.class_ix, decoded, drawn_ix)
        return [(one, self._mixture(self.train, self.class_ix, index)) for index, one in enumerate(drawn)]

    def _mixture(self, rows: Float64, class_ix: Array, index: int) -> MixtureFit:
        """A mixture fitted to the rows (n, W) of a class, those of few values blurred.

        A mixture that hits such values has an endless density there and tells nothing else.
        """
        own = points_of(rows, class_ix, index)
        noise = np.random.default_rng(self.seed).standard_normal(own.shape)
        return MixturePrior(seed=self.seed).fit(own + self._steps * noise).fit_

    @functools.cached_property
    def _steps(self) -> Float64:
        """(W,) a third of the least gap between values that are few, as of words; 0 where they are many."""
        levels = [np.unique(numbers) for numbers in self.train.T]
        return np.array([_BETWEEN * np.diff(one).min() if 1 < len(one) <= _LEVELS else 0.0 for one in levels])


def _again(autoencoder: ManifoldMap, rows: Float64, share: float) -> ManifoldMap:
    """The autoencoder fitted to a share of its rows, (n, W), with the settings it has chosen.

    Principal components alone where it has no other coordinates, or so few rows give none.
    """
    split = autoencoder.d_diffusion_
    dmap, gplm = of_fewer(autoencoder.dmap, autoencoder.gplm, rows, neighbours_share(share, split))
    with kept_messages():  # they were said of all rows
        if split:
            with contextlib.suppress(DataError, NumericsError):
                return ManifoldMap(dmap, gplm, min(split, dmap.d)).fit(rows)
        return ManifoldMap(DMAP(min(dmap.d, rows.shape[1])), gplm, 0).fit(rows)


def _differing(rows: Float64, row_ix: Array) -> Array:
    """The same of all rows (n, W), and one that differs from them where they are all equal."""
    if np.ptp(rows[row_ix], axis=0).any():
        return row_ix
    return np.append(row_ix, (rows != rows[row_ix[0]]).any(axis=1).argmax())


def _evenly(n_classes: int) -> Array:
    """Classes of draws of the prior: as many of each."""
    return np.repeat(np.arange(n_classes), max(_DRAWS // n_classes, _LEAST))


def _spare(class_ix: Array) -> Array:
    """Which rows of classes (n,) may be held out: the first half of each class."""
    is_spare = np.zeros(len(class_ix), bool)
    for index in np.unique(class_ix):
        places = np.flatnonzero(class_ix == index)
        is_spare[places[: len(places) // 2]] = True
    return is_spare
