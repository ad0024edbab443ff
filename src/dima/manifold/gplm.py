"""`GPLM`: kernel ridge regression from latents back to the data, on inducing points.

    R_aX = C_am M_mX + mu_X,    C_am = exp(-|z_a - z_m|^2 / eps)

with M the minimiser of |R - C M - mu|^2 + sigma2 M' K_mm M, solved in whitened features and
streamed over the rows, so that neither an (n, m) nor a (b, k, D) array ever exists.
"""

from typing import Annotated, Any, Literal, Self

import numpy as np
import scipy.linalg
from msgspec import Meta
from scipy import sparse
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin

from dima import settings
from dima.data import check
from dima.errors import SettingError, ShapeError, sentence
from dima.manifold import press
from dima.manifold.inducing import STRATEGIES
from dima.manifold.kernel import affinity, blocks, squared_distances, whitening
from dima.manifold.neighbors import knn
from dima.typing import Array, ArrayLike, Arrays, Float64

__all__ = ["GPLM"]

_MOST = 1024  # inducing points taken when m is not given
_SOLVE_BYTES = 64 * 2**20
_LOCAL_RIDGE = 1e-9  # of a local system with unit diagonal: enough to be solvable, too little to smooth


class GPLM(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]  # untyped base
    """Gaussian-process latent mapping: the kernel decoder.

    Attributes:
        eps_: kernel bandwidth used, in squared units of the (whitened) latents.
        sigma2_: ridge used.
        m_: inducing points used.
        rank_: directions of the inducing kernel above rounding noise.
        press_: how bandwidth and ridge were chosen, with the predicted held-out error.
        Z_mx_: (m, d) inducing points.
        M_mX_: (m, D) weights.
        mu_X_: (D,) mean of the targets.

    Source: Rasmussen and Williams 2006, section 8.3.1 (subset of regressors).
    """

    def __init__(
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
            float, Meta(gt=0, description="bandwidth, squared latent units; by leave-one-out if not given")
        ]
        | None = None,
        k_eps: Annotated[
            int, Meta(ge=1, description="bandwidth = median d2 to this many neighbours, not leave-one-out")
        ]
        | None = None,
        pred_k: Annotated[
            int, Meta(ge=1, description="decode from this many nearest inducing points; all if not given")
        ]
        | None = None,
        whiten_latent: Annotated[bool, Meta(description="scale each latent axis to unit variance")] = False,
        center_X: Annotated[bool, Meta(description="subtract the mean of the targets")] = True,
        fit_block: Annotated[int, Meta(ge=1, description="training rows held at a time")] = 8192,
        ann_backend: Annotated[
            Literal["auto", "faiss", "pynndescent", "sklearn", "brute"],
            Meta(description="neighbour search for k_eps and pred_k"),
        ] = "auto",
        seed: Annotated[int, Meta(ge=0, description="seed of inducing points and of the search")] = 0,
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

    def fit(self, R_ix: ArrayLike, R_iX: ArrayLike, Z_mx: ArrayLike | None = None) -> Self:
        """Learn the map from latents `R_ix` (n, d) to data `R_iX` (n, D) or (n,).

        Args:
            R_ix: latents; from `DMAP.self_excluded_` for errors that hold for new rows.
            R_iX: data.
            Z_mx: inducing points (m, d) in the units of `R_ix`, with inducing="given" only.

        Raises:
            SettingError: a setting is out of range, or m or pred_k too large.
            ShapeError: rows of latents and data differ in number.
        """
        settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        latents = check.points(self, R_ix, reset=True, min_rows=2)
        targets = check.targets(self, R_iX, len(latents))
        self._flat = targets.ndim == 1
        targets = targets.reshape(len(latents), -1)
        self._learn_scale(latents)
        Z_ix = self._scaled(latents)
        self.mu_X_ = targets.mean(axis=0, dtype=np.float64) * float(self.center_X)
        self._z_mx = self._inducing_points(Z_ix, Z_mx)
        self.m_ = len(self._z_mx)
        self._refuse_pred_k()
        self._choose(Z_ix, targets)
        self._solve(Z_ix, targets)
        return self

    def predict(self, R_ax: ArrayLike) -> Array:
        """Decode latents `R_ax` (b, d) into data (b, D), or (b,) after a fit on (n,) targets.

        Cost: O(b m D) time with all inducing points, O(b k (k^2 + D)) with pred_k = k; O(block) memory.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: the second axis is not d.
        """
        check.fitted(self, "M_mX_")
        z_ax = self._scaled(check.points(self, R_ax, reset=False))
        decoded = np.empty((len(z_ax), self.M_mX_.shape[1]))
        block = self._full_block if self.pred_k is None or self.pred_k >= self.m_ else self._local_block
        size = self.fit_block if block == self._full_block else self._local_rows()
        for rows in blocks(len(z_ax), size):
            decoded[rows] = block(z_ax[rows])
        decoded += self.mu_X_
        return decoded[:, 0] if self._flat else decoded

    @property
    def Z_mx_(self) -> Float64:
        """(m, d) inducing points in the units of the latents given to `fit`."""
        check.fitted(self, "M_mX_")
        inducing: Float64 = self._z_mx * self._scale_x + self._center_x
        return inducing

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Settings and arrays that `from_arrays` makes an equal decoder of."""
        check.fitted(self, "M_mX_")
        arrays = {
            "z_mx": self._z_mx,
            "M_mX": self.M_mX_,
            "mu_X": self.mu_X_,
            "center_x": self._center_x,
            "scale_x": self._scale_x,
            "press_curve": self.press_.curve,
        }
        fitted = {
            "eps": self.eps_,
            "sigma2": self.sigma2_,
            "rank": self.rank_,
            "flat": self._flat,
            "press_error": self.press_.error,
        }
        return {"given": self.get_params(deep=False), "fitted": fitted}, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The decoder that `to_arrays` described."""
        self = cls(**settings.accept(cls.__name__, cls, saved["given"]))
        fitted = saved["fitted"]
        self._z_mx, self.M_mX_, self.mu_X_ = arrays["z_mx"], arrays["M_mX"], arrays["mu_X"]
        self._center_x, self._scale_x = arrays["center_x"], arrays["scale_x"]
        self.eps_, self.sigma2_, self.rank_ = fitted["eps"], fitted["sigma2"], fitted["rank"]
        self.m_, self._flat = len(self._z_mx), fitted["flat"]
        self.press_ = press.Choice(self.eps_, self.sigma2_, fitted["press_error"], arrays["press_curve"])
        self.n_features_in_ = self._z_mx.shape[1]
        return self

    def _learn_scale(self, latents: Array) -> None:
        self._center_x = latents.mean(axis=0, dtype=np.float64)
        spread = latents.std(axis=0, dtype=np.float64)
        # One common unit keeps the kernel in range when axes are not whitened each.
        common = np.full_like(spread, np.sqrt((spread**2).mean()))
        scale = spread if self.whiten_latent else common
        self._scale_x = np.where(scale > 0, scale, 1.0)

    def _scaled(self, latents: Array) -> Float64:
        scaled: Float64 = (latents - self._center_x) / self._scale_x
        return scaled

    def _inducing_points(self, Z_ix: Float64, given: ArrayLike | None) -> Float64:
        if (self.inducing == "given") != (given is not None):
            got = f"inducing={self.inducing!r} and Z_mx {'not ' if given is None else ''}given"
            raise SettingError(sentence("GPLM", "Z_mx", 'handed to fit exactly with inducing="given"', got))
        if given is not None:
            points = np.asarray(given, np.float64)
            if points.ndim != 2 or points.shape[1] != Z_ix.shape[1]:
                rule = f"of shape (m, {Z_ix.shape[1]})"
                raise ShapeError(sentence("GPLM", "Z_mx", rule, f"shape {points.shape}"))
            return self._scaled(points)
        n = len(Z_ix)
        if self.m is not None and self.m > n:
            fix = "Lower m or pass more points."
            raise SettingError(sentence("GPLM", "m", f"at most n = {n}", self.m, fix))
        m = min(n, _MOST) if self.m is None else self.m
        chosen = np.arange(n) if m == n else STRATEGIES[self.inducing](Z_ix, m, self.seed)
        return Z_ix[chosen]

    def _refuse_pred_k(self) -> None:
        if self.pred_k is not None and self.pred_k > self.m_:
            fix = "Lower pred_k or raise m."
            raise SettingError(sentence("GPLM", "pred_k", f"at most m = {self.m_}", self.pred_k, fix))

    def _choose(self, Z_ix: Float64, targets: Array) -> None:
        """Settle bandwidth and ridge, each as given or by leave-one-out error."""
        scale = self._typical_distance(Z_ix)
        given = self.eps if self.k_eps is None else scale
        self.press_ = press.choose(
            Z_ix, targets, self.mu_X_, self._z_mx, press.Search(given, self.sigma2, scale, self.jitter, self.seed)
        )
        self.eps_, self.sigma2_ = self.press_.bandwidth, self.press_.ridge

    def _typical_distance(self, Z_ix: Float64) -> float:
        """Median squared distance, to the `k_eps` nearest inducing points or among all of a sample."""
        rng = np.random.default_rng(self.seed)
        sample = Z_ix[rng.permutation(len(Z_ix))[:1000]]
        if self.k_eps is None:
            d2 = squared_distances(sample, self._z_mx)
        else:
            near = min(self.k_eps, self.m_)
            d2 = knn(self._z_mx, sample, near, self.ann_backend).d2.astype(np.float64)
        positive = d2[d2 > 0]
        return float(np.median(positive)) if len(positive) else 1.0

    def _solve(self, Z_ix: Float64, targets: Array) -> None:
        """Stream the normal equations of the whitened features and solve them."""
        W = whitening(affinity(squared_distances(self._z_mx, self._z_mx), self.eps_), self.jitter)
        self.rank_ = W.shape[1]
        gram = np.zeros((self.rank_, self.rank_))
        moment = np.zeros((self.rank_, targets.shape[1]))
        for rows in blocks(len(Z_ix), self.fit_block):
            Phi = affinity(squared_distances(Z_ix[rows], self._z_mx), self.eps_) @ W
            gram += Phi.T @ Phi
            moment += Phi.T @ (targets[rows] - self.mu_X_)
        g, Q = scipy.linalg.eigh(gram)
        # Without a ridge, directions that the data do not excite stay at zero instead of exploding.
        kept = g > np.finfo(float).eps * len(g) * g[-1]
        shrunk = 1 / (g[kept] + self.sigma2_)
        self.M_mX_ = W @ (Q[:, kept] @ (shrunk[:, None] * (Q[:, kept].T @ moment)))

    def _full_block(self, z_ax: Float64) -> Float64:
        decoded: Float64 = affinity(squared_distances(z_ax, self._z_mx), self.eps_) @ self.M_mX_
        return decoded

    def _local_rows(self) -> int:
        return max(1, _SOLVE_BYTES // (8 * int(self.pred_k or 1) ** 2))

    def _local_block(self, z_ax: Float64) -> Float64:
        """Interpolate the decoder's values at the `pred_k` nearest inducing points (local kriging).

        The field is smooth, so its values nearby determine it; weights of distant inducing points,
        which truncating C M would simply lose, are contained in those values.
        """
        k = int(self.pred_k or 1)
        ids = knn(self._z_mx, z_ax, k, self.ann_backend).ids
        near = self._z_mx[ids]
        centred = near - z_ax[:, None]
        norms = (centred**2).sum(axis=2)
        inner = centred @ centred.transpose(0, 2, 1)
        d2 = np.maximum(norms[:, :, None] + norms[:, None, :] - 2 * inner, 0)
        system = affinity(d2, self.eps_) + _LOCAL_RIDGE * np.eye(k)
        weights = np.linalg.solve(system, affinity(norms, self.eps_)[:, :, None])[:, :, 0]
        indptr = np.arange(0, ids.size + 1, k)
        chosen = sparse.csr_array((weights.ravel(), ids.ravel(), indptr), shape=(len(ids), self.m_))
        decoded: Float64 = chosen @ self._values_mX()
        return decoded

    def _values_mX(self) -> Float64:
        """(m, D) the full decoder at its own inducing points, kept after the first use."""
        if not hasattr(self, "_values"):
            self._values = self._full_block(self._z_mx)
        return self._values
