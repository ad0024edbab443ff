"""`GPLM`: kernel ridge regression from latents back to the data, on inducing points.

    R_aX = C_am M_mX + mu_X,    C_am = exp(-|z_a - z_m|^2 / eps)

with M the minimiser of |R - C M - mu|^2 + sigma2 M' K_mm M, solved in whitened features and
streamed over the rows, so that neither an (n, m) nor a (b, k, D) array ever exists.
"""

from typing import Annotated, Any, Literal, Self

import numpy as np
from msgspec import Meta
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin

from dima import check, settings
from dima.blocks import row_blocks, rows_within
from dima.errors import DataError, SettingError, sentence, warn_user
from dima.manifold import inducing, local, press
from dima.manifold.kernel import affinity, excited, whitening
from dima.manifold.neighbors import BACKENDS, knn
from dima.manifold.scale import LatentScale
from dima.metrics.distance import distance_matrix
from dima.typing import Array, ArrayLike, Arrays, Float64

__all__ = ["GPLM"]

_MOST = 1024  # inducing points taken when m is not given
_NARROWEST = 1e-250  # bandwidth below which exponents overflow
_SAME = 1e-13  # squared distance of scaled latents below which two are one, up to rounding
_FAR = 30.0  # exponent d2 / bandwidth beyond which no inducing point is near


class GPLM(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]  # untyped base
    """Gaussian-process latent mapping: the kernel decoder.

    Attributes:
        eps_: kernel bandwidth used, in squared units of the latents (of the whitened ones with
            `whiten_latent`).
        sigma2_: ridge used.
        m_: inducing points used.
        rank_: directions of the inducing kernel above rounding noise.
        press_: how bandwidth and ridge were chosen, with the predicted held-out error.
        Z_mx_: (m, d) inducing points.
        M_mX_: (m, D) weights.
        mu_X_: (D,) mean of the targets.

    Source: Rasmussen and Williams 2006, section 8.3.1 (subset of regressors).
    """

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        m: Annotated[int, Meta(ge=1, description="inducing points; min(n, 1024) if not given")] | None = None,
        *,
        inducing: Annotated[
            Literal["kmeans_medoids", "fps", "random_subset", "given"],
            Meta(description="how inducing points are picked; given: handed to fit as Z_mx"),
        ] = "kmeans_medoids",
        sigma2: Annotated[float, Meta(ge=0, description="ridge; chosen by leave-one-out if not given")]
        | None = None,
        jitter: Annotated[
            float, Meta(ge=0, lt=1, description="inducing directions below this share are dropped")
        ] = 1e-11,
        eps: Annotated[
            float,
            Meta(gt=0, description="bandwidth, squared latent units; by leave-one-out if not given"),
        ]
        | None = None,
        k_eps: Annotated[
            int,
            Meta(ge=1, description="bandwidth = median d2 to this many neighbours, not leave-one-out"),
        ]
        | None = None,
        pred_k: Annotated[
            int,
            Meta(ge=1, description="decode from this many nearest inducing points; all if not given"),
        ]
        | None = None,
        whiten_latent: Annotated[bool, Meta(description="scale each latent axis to unit variance")] = False,
        center_X: Annotated[bool, Meta(description="subtract the mean of the targets")] = True,
        fit_block: Annotated[int, Meta(ge=1, description="training rows held at a time")] = 8192,
        ann_backend: Annotated[
            str, settings.OneOf("auto", *BACKENDS), Meta(description="neighbour search for pred_k")
        ] = "auto",
        seed: Annotated[
            int, Meta(ge=0, lt=2**31, description="seed of inducing points and of the search")
        ] = 0,
    ) -> None:
        self.m = m
        self.inducing = inducing
        self.sigma2 = sigma2
        self.jitter = jitter
        self.eps = eps
        self.k_eps = k_eps
        self.pred_k = pred_k
        self.whiten_latent = whiten_latent
        self.center_X = center_X
        self.fit_block = fit_block
        self.ann_backend = ann_backend
        self.seed = seed

    def fit(
        self,
        R_ix: ArrayLike,
        y: ArrayLike,
        Z_mx: ArrayLike | None = None,
        also_ix: ArrayLike | None = None,
    ) -> Self:
        """Learn the map from latents `R_ix` (n, d) to data `y` (n, D) or (n,).

        Args:
            R_ix: latents; from `DMAP.self_excluded_` for errors that hold for new rows.
            y: data, R_iX elsewhere; the name is the one scikit-learn asks for.
            Z_mx: inducing points (m, d) in the units of `R_ix`, with inducing="given" only.
            also_ix: second latents (n, d) of the same rows, learned from with equal weight but not used
                to choose bandwidth and ridge: `DMAP.embedding_`, so that training rows, which encode
                to those, decode as well as new ones.

        Raises:
            SettingError: a setting is out of range, contradicts another, or m, k_eps or pred_k is
                too large.
            ShapeError: rows of latents and data differ in number, or Z_mx is not d wide.
            DataError: latents, data or inducing points cannot be used.
        """
        settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        _refuse_contradiction(self.inducing, Z_mx, self.eps, self.k_eps)
        latents = check.points(self, R_ix, reset=True, min_rows=2)
        targets = _targets(y, len(latents))
        self._flat = targets.ndim == 1
        self._values_mX: Float64 | None = None
        targets = targets.reshape(len(latents), -1)
        self._scale = LatentScale.of(latents, whiten=self.whiten_latent, owner="GPLM")
        Z_ix = self._scale.scaled(latents)
        self.mu_X_ = targets.mean(axis=0, dtype=np.float64) * float(self.center_X)
        self._z_mx = self._inducing_points(Z_ix, Z_mx)
        self.m_ = len(self._z_mx)
        for name in ("k_eps", "pred_k"):
            _refuse_above(name, getattr(self, name), "m", self.m_, f"Lower {name} or raise m.")
        self._choose(Z_ix, targets)
        also = [] if also_ix is None else [check.array("GPLM", "also_ix", also_ix, latents.shape)]
        self._solve([Z_ix, *map(self._scale.scaled, also)], targets)
        return self

    def predict(self, R_ax: ArrayLike) -> Array:
        """Decode latents `R_ax` (b, d) into data (b, D), or (b,) after a fit on (n,) targets.

        Warns when rows lie far from all inducing points: they decode to the mean of the data.

        Cost: O(b m D) time with all inducing points, O(b k (k^2 + D)) with pred_k = k; O(block) memory.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.
        """
        check.fitted(self, "M_mX_")
        z_ax = self._scale.scaled(check.points(self, R_ax, reset=False))
        decoded, far = np.empty((len(z_ax), self.M_mX_.shape[1])), 0
        k = self.pred_k if self.pred_k is not None and self.pred_k < self.m_ else None
        size = self.fit_block if k is None else rows_within(8 * k**2, local.SOLVE_BYTES)
        for rows in row_blocks(len(z_ax), size):
            decoded[rows], nearest2 = self._block(z_ax[rows], k)
            far += int((nearest2 > _FAR * self._bandwidth).sum())
        if far:
            told = f"GPLM: {far} of {len(z_ax)} rows lie far from all inducing points"
            warn_user(f"{told}; they decode to mu_X_, the mean of the data.")
        decoded += self.mu_X_
        return decoded[:, 0] if self._flat else decoded

    @property
    def Z_mx_(self) -> Float64:
        """(m, d) inducing points in the units of the latents given to `fit`."""
        check.fitted(self, "M_mX_")
        return self._scale.restored(self._z_mx)

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Settings and arrays that `from_arrays` makes an equal decoder of."""
        check.fitted(self, "M_mX_")
        arrays = {
            "z_mx": self._z_mx,
            "M_mX": self.M_mX_,
            "mu_X": self.mu_X_,
            "center_x": self._scale.center_x,
            "scale_x": self._scale.scale_x,
            "press_curve": self.press_.curve,
        }
        fitted = {
            "eps": self.eps_,
            "unit2": self._scale.unit2,
            "sigma2": self.sigma2_,
            "rank": self.rank_,
            "flat": self._flat,
            "press_error": self.press_.error,
        }
        given = settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        names = check.feature_names(self)
        return {"given": given, "fitted": fitted, "feature_names": names}, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The decoder that `to_arrays` described."""
        named = settings.accept(cls.__name__, cls, saved["given"])
        self, fitted = cls(**settings.check(cls.__name__, cls, named)), saved["fitted"]
        self._z_mx, self.M_mX_, self.mu_X_ = arrays["z_mx"], arrays["M_mX"], arrays["mu_X"]
        self._scale = LatentScale(arrays["center_x"], arrays["scale_x"], fitted["unit2"])
        self.eps_, self.sigma2_, self.rank_ = fitted["eps"], fitted["sigma2"], fitted["rank"]
        self.m_, self._flat, self._values_mX = len(self._z_mx), fitted["flat"], None
        chosen = (self.eps_, self.sigma2_, fitted["press_error"], arrays["press_curve"])
        self.press_ = press.Choice(*chosen)
        check.remember(self, self._z_mx.shape[1], saved.get("feature_names"))
        return self

    def _inducing_points(self, Z_ix: Float64, given: ArrayLike | None) -> Float64:
        n, d = Z_ix.shape
        if given is None:
            _refuse_above("m", self.m, "n", n, "Lower m or pass more points.")
            m = min(n, _MOST) if self.m is None else self.m
            return Z_ix[inducing.pick(self.inducing, Z_ix, m, self.seed)]
        points = check.array("GPLM", "Z_mx", given, ("m", d))
        if self.m not in (None, len(points)):
            rule = f"None or the rows of Z_mx = {len(points)}"
            raise SettingError(sentence("GPLM", "m", rule, self.m, "Leave m out."))
        return self._scale.scaled(points)

    def _choose(self, Z_ix: Float64, targets: Array) -> None:
        """Settle bandwidth and ridge, each as given or by leave-one-out error."""
        unit2, scale = self._scale.unit2, self._typical_distance(Z_ix)
        width = None if self.eps is None else float(self.eps) / unit2
        if width is not None and width < _NARROWEST:
            rule = "large enough for exp(-d2/eps) to be seen"
            raise SettingError(sentence("GPLM", "eps", rule, f"{self.eps:.3g}", "Raise eps."))
        ridge = None if self.sigma2 is None else float(self.sigma2)
        fixed = width if self.k_eps is None else scale
        search = press.Search(fixed, ridge, scale, self.jitter, self.seed)
        chosen = press.choose(Z_ix, targets, self.mu_X_, self._z_mx, search)
        self.eps_ = chosen.bandwidth * unit2 if self.eps is None else float(self.eps)
        self.sigma2_ = chosen.ridge
        curve = chosen.curve * [unit2, 1.0, 1.0]
        self.press_ = press.Choice(self.eps_, self.sigma2_, chosen.error, curve)

    @property
    def _bandwidth(self) -> float:
        """Kernel bandwidth in the units of the scaled latents."""
        return self.eps_ / self._scale.unit2

    def _typical_distance(self, Z_ix: Float64) -> float:
        """Median squared distance, to the `k_eps` nearest inducing points or among all of a sample."""
        rng = np.random.default_rng(self.seed)
        sample = Z_ix[rng.permutation(len(Z_ix))[:1000]]
        d2 = distance_matrix(sample, self._z_mx)
        if self.k_eps is not None:
            d2 = np.partition(d2, self.k_eps - 1, axis=1)[:, : self.k_eps]
        apart = d2[d2 > _SAME]
        return float(np.median(apart)) if len(apart) else 1.0

    def _solve(self, twins: list[Float64], targets: Array) -> None:
        """Stream the normal equations of the whitened features, each twin with its share, and solve them."""
        K_mm = affinity(distance_matrix(self._z_mx, self._z_mx), self._bandwidth)
        W = whitening(K_mm, self.jitter)
        self.rank_ = W.shape[1]
        gram = np.zeros((self.rank_, self.rank_))
        moment = np.zeros((self.rank_, targets.shape[1]))
        for rows in row_blocks(len(targets), self.fit_block):
            centred = (targets[rows] - self.mu_X_) / len(twins)
            for Z_ix in twins:
                Phi = affinity(distance_matrix(Z_ix[rows], self._z_mx), self._bandwidth) @ W
                gram += Phi.T @ Phi / len(twins)
                moment += Phi.T @ centred
        g, Q = excited(gram)
        self.M_mX_ = W @ (Q @ ((Q.T @ moment) / (g + self.sigma2_)[:, None]))

    def _block(self, z_ax: Float64, k: int | None) -> tuple[Float64, Float64]:
        """Decoded rows (b, D) less the mean, and squared distances (b,) to the nearest inducing point."""
        if k is None:
            d2 = distance_matrix(z_ax, self._z_mx)
            return affinity(d2, self._bandwidth) @ self.M_mX_, d2.min(axis=1)
        if self._values_mX is None:  # the field at the inducing points, kept after the first use
            self._values_mX = self._block(self._z_mx, None)[0]
        ids = knn(self._z_mx, z_ax, k, self.ann_backend).ids
        return local.interpolate(z_ax, self._z_mx, ids, self._values_mX, self._bandwidth)


def _targets(y: ArrayLike, n: int) -> Array:
    if y is None:
        raise DataError("GPLM: requires y to be passed, but the target y is None.")
    return check.array("GPLM", "y", y, (n,) if np.ndim(y) == 1 else (n, "D"))


def _refuse_contradiction(
    strategy: str, Z_mx: ArrayLike | None, eps: float | None, k_eps: int | None
) -> None:
    if (strategy == "given") != (Z_mx is not None):
        rule = 'handed to fit exactly with inducing="given"'
        got = f"inducing={strategy!r} and Z_mx {'not ' if Z_mx is None else ''}given"
        raise SettingError(sentence("GPLM", "Z_mx", rule, got))
    if eps is not None and k_eps is not None:
        got = f"eps={eps} and k_eps={k_eps}"
        raise SettingError(sentence("GPLM", "bandwidth", "given once", got, "Leave one out."))


def _refuse_above(name: str, value: int | None, size: str, most: int, fix: str) -> None:
    if value is not None and value > most:
        raise SettingError(sentence("GPLM", name, f"at most {size} = {most}", value, fix))
