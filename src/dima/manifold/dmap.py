"""`DMAP`: diffusion-map coordinates, of the training rows and by the same row rule of new ones.

    psi_x(a) = 1/lambda_x sum_j P_aj psi_jx,      R_ax = lambda_x^t psi_x(a)

with P the Markov chain of `graph`, its eigenpairs of `spectrum` and the row rule of `nystrom`.
"""

from typing import Annotated, Any, Literal, Self

import numpy as np
from msgspec import Meta
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from dima import check, settings
from dima.errors import DataError, SettingError, sentence, warn_user
from dima.manifold import graph, spectrum
from dima.manifold.neighbors import Neighbors, knn
from dima.manifold.nystrom import RowRule
from dima.manifold.rows import DistinctRows
from dima.typing import ArrayLike, Arrays, Float64

__all__ = ["DMAP"]

_SMALLEST_EIGENVALUE = 1e-8  # below it, lambda is rounding noise and 1/lambda amplifies it
_FEWEST = 16  # neighbours below which a graph of real data tends to fall apart
_MOST = 512  # neighbours beyond which memory grows and the error hardly falls
_FAITHFUL = 0.1  # correlation below which a coordinate of a row tells nothing of its neighbours
_NARROWEST = 1e-250  # bandwidth over sharpness below which exponents overflow


class DMAP(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped base
    """Diffusion map with Nystrom extension.

    Attributes:
        eigenvalues_: (d,) eigenvalues lambda of the Markov chain, falling, the constant mode left out.
        embedding_: (n, d) diffusion coordinates of the training rows.
        self_excluded_: (n, d) the same, each row averaged over the others only: what `transform` would
            have said had the row been new. The decoder learns from these.
        eps_: kernel bandwidth used, in squared units of the data.
        k_: neighbours used.
        n_components_: connected components of the neighbour graph.

    Source: Coifman and Lafon 2006, sections 2 and 3; Nystrom extension: Bengio et al. 2004.
    """

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        d: Annotated[int, Meta(ge=1, description="latent dimension")] = 2,
        *,
        k: Annotated[
            int,
            Meta(
                ge=2,
                description="neighbours of a row, itself counted; 2 d log2(n), 16 to 512, if not given",
            ),
        ]
        | None = None,
        beta: Annotated[float, Meta(gt=0, description="kernel sharpness in exp(-beta d2/eps)")] = 1.0,
        eps: Annotated[
            float, Meta(gt=0, description="bandwidth, squared data units; the median if not given")
        ]
        | None = None,
        eps_mul: Annotated[float, Meta(gt=0, description="factor on the median bandwidth")] = 1.0,
        alpha: Annotated[
            float, Meta(ge=0, le=1, description="density normalisation: 0 none, 1 geometry only")
        ] = 1.0,
        t: Annotated[float, Meta(ge=0, description="diffusion time: coordinates are lambda^t psi")] = 1.0,
        drop_trivial: Annotated[bool, Meta(description="leave the constant mode out")] = True,
        sym: Annotated[
            Literal["max", "mean"], Meta(description="how the neighbour graph is made symmetric")
        ] = "max",
        ann_backend: Annotated[
            Literal["auto", "faiss", "pynndescent", "sklearn", "brute"],
            Meta(description="neighbour search; auto goes by size"),
        ] = "auto",
        seed: Annotated[int, Meta(ge=0, lt=2**31, description="seed of the eigensolver's start")] = 0,
    ) -> None:
        self.d = d
        self.k = k
        self.beta = beta
        self.eps = eps
        self.eps_mul = eps_mul
        self.alpha = alpha
        self.t = t
        self.drop_trivial = drop_trivial
        self.sym = sym
        self.ann_backend = ann_backend
        self.seed = seed

    def fit(self, R_iX: ArrayLike, y: None = None) -> Self:
        """Learn the coordinates of the training rows `R_iX` (n, D).

        Warns when the neighbour graph falls into parts.

        Raises:
            SettingError: a setting is out of range, or k is larger than the number of distinct rows.
            DataError: the rows cannot be used, or carry fewer than d coordinates.
        """
        given = settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        checked = check.points(self, R_iX, reset=True, min_rows=2)
        rows = DistinctRows.of(checked, "DMAP")
        k = _neighbours(given, len(rows.R_uX), len(checked))
        near = knn(rows.R_uX, rows.R_uX, k, given["ann_backend"])
        bandwidth = _bandwidth(given, near, rows.scale)
        log_k = graph.log_affinity(near, bandwidth, given["beta"], given["sym"])
        markov = graph.markov(log_k, rows.weight_u, given["alpha"])
        values, modes, self.n_components_ = _modes(given, markov)
        self._given, self._rows, self.k_ = given, rows, k
        self.eps_, self._radius2_u = bandwidth * rows.scale**2, near.d2[:, -1].astype(np.float64)
        self._log_density_u = np.log(markov.density_i)
        self.eigenvalues_, self._psi_ux = values, modes
        self._rule = self._row_rule()
        others = graph.others_only(log_k, rows.weight_u, self._rule.log_weight_u)
        self._self_excluded_ux = self._extended(graph.row_means(others, modes))
        self._warn_if_localised()
        return self

    def _warn_if_localised(self) -> None:
        """Warn when the coordinates of rows, had they been new, have little to do with their own."""
        if self.n_components_ > 1 or not self._given["drop_trivial"] or len(self._psi_ux) < _FEWEST:
            return  # parts are told of already, a constant correlates with nothing, few rows tell nothing
        weight = self._rows.weight_u[:, None] / self._rows.weight_u.sum()
        own, new = (x - (weight * x).sum(axis=0) for x in (self._psi_ux, self._self_excluded_ux))
        covariance = (weight * own * new).sum(axis=0)
        spread = np.sqrt((weight * own**2).sum(axis=0) * (weight * new**2).sum(axis=0))
        lost = int((covariance < _FAITHFUL * spread).sum())
        if lost:
            told = f"DMAP: {lost} of {len(covariance)} coordinates live on single rows"
            warn_user(f"{told}, so that those of new rows mean little. Raise eps or k, or lower d.")

    def fit_transform(self, R_iX: ArrayLike, y: None = None) -> Float64:
        """Fit and return `embedding_` (n, d)."""
        return self.fit(R_iX).embedding_

    def transform(self, R_aX: ArrayLike) -> Float64:
        """Diffusion coordinates (b, d) of rows `R_aX` (b, D); of training rows, exactly `embedding_`.

        Warns when rows lie far from all training rows: their coordinates are those of the nearest.

        Cost: O(b n D) time, O(block) memory.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: another width than in `fit`.
        """
        check.fitted(self, "eigenvalues_")
        checked = check.points(self, R_aX, reset=False)
        standard = self._rows.standard(checked)
        known = self._rows.find(standard)
        coordinates = self._powered(self._psi_ux)[known]
        new = np.flatnonzero(known < 0)
        if len(new):
            means, far = self._rule.means(standard[new], self._psi_ux)
            coordinates[new] = self._extended(means)
            if far:
                told = f"DMAP: {far} of {len(checked)} rows lie far from all training rows"
                warn_user(f"{told}; they take the coordinates of the nearest ones.")
        return coordinates

    @property
    def embedding_(self) -> Float64:
        """(n, d) diffusion coordinates of the training rows."""
        check.fitted(self, "eigenvalues_")
        return self._powered(self._psi_ux)[self._rows.row_i]

    @property
    def self_excluded_(self) -> Float64:
        """(n, d) coordinates of the training rows as if each had been new."""
        check.fitted(self, "eigenvalues_")
        return self._self_excluded_ux[self._rows.row_i]

    @property
    def training_rows_(self) -> Float64:
        """(n, D) the training rows in the data's units, as the map keeps them."""
        check.fitted(self, "eigenvalues_")
        return self._rows.training()

    def kept(self, R_aX: ArrayLike) -> Float64:
        """Rows (b, D) rounded as the map rounds its training rows, to compare the two."""
        check.fitted(self, "eigenvalues_")
        return self._rows.kept(check.points(self, R_aX, reset=False))

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Settings and arrays that `from_arrays` makes an equal map of."""
        check.fitted(self, "eigenvalues_")
        rows = self._rows
        arrays = {
            "mean_X": rows.mean_X,
            "scale": np.float64(rows.scale),
            "R_uX": rows.R_uX,
            "row_i": rows.row_i,
            "weight_u": rows.weight_u,
            "radius2_u": self._radius2_u,
            "log_density_u": self._log_density_u,
            "psi_ux": self._psi_ux,
            "self_excluded_ux": self._self_excluded_ux,
            "eigenvalues": self.eigenvalues_,
        }
        fitted = {"k": self.k_, "eps": self.eps_, "n_components": self.n_components_}
        names = check.feature_names(self)
        return {"given": self._given, "fitted": fitted, "feature_names": names}, {
            name: np.asarray(value) for name, value in arrays.items()
        }

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The map that `to_arrays` described."""
        named = settings.accept(cls.__name__, cls, saved["given"])
        given, fitted = settings.check(cls.__name__, cls, named), saved["fitted"]
        self = cls(**given)
        parts = ("mean_X", "scale", "R_uX", "row_i", "weight_u")
        mean_X, scale, R_uX, row_i, weight_u = (arrays[name] for name in parts)
        self._given = given
        self._rows = DistinctRows(mean_X, float(scale), R_uX, row_i, weight_u)
        self._radius2_u, self._log_density_u = arrays["radius2_u"], arrays["log_density_u"]
        self._psi_ux, self._self_excluded_ux = arrays["psi_ux"], arrays["self_excluded_ux"]
        self.eigenvalues_ = arrays["eigenvalues"]
        self.k_, self.eps_, self.n_components_ = fitted["k"], fitted["eps"], fitted["n_components"]
        self._rule = self._row_rule()
        check.remember(self, R_uX.shape[1], saved.get("feature_names"))
        return self

    @property
    def _n_features_out(self) -> int:
        return int(self._psi_ux.shape[1])

    def _row_rule(self) -> RowRule:
        rows, given = self._rows, self._given
        return RowRule(
            R_uX=rows.R_uX,
            radius2_u=self._radius2_u,
            log_weight_u=np.log(rows.weight_u) - given["alpha"] * self._log_density_u,
            k=self.k_,
            rate=given["beta"] / (self.eps_ / rows.scale**2),
            halved=given["sym"] == "mean",
        )

    def _extended(self, means: Float64) -> Float64:
        """Coordinates of rows that see these averages."""
        return self._powered(means / self.eigenvalues_)

    def _powered(self, psi: Float64) -> Float64:
        coordinates: Float64 = psi * self.eigenvalues_ ** self._given["t"]
        return coordinates


def _neighbours(given: dict[str, Any], n_distinct: int, n: int) -> int:
    k: int | None = given["k"]
    if k is None:
        wanted = int(np.ceil(2 * given["d"] * np.log2(n)))
        return min(n_distinct, max(_FEWEST, min(_MOST, wanted)))
    if k > n_distinct:
        rule = f"at most the number of distinct rows = {n_distinct}"
        raise SettingError(sentence("DMAP", "k", rule, k, "Lower k or pass more rows."))
    return k


def _bandwidth(given: dict[str, Any], near: Neighbors, scale: float) -> float:
    """Bandwidth in the units of the standardised rows."""
    if given["eps"] is not None and given["eps_mul"] != 1.0:
        got, fix = f"eps_mul = {given['eps_mul']:g} beside eps", "It is a factor on the median."
        raise SettingError(sentence("DMAP", "eps_mul", "left out when eps is given", got, fix))
    median = given["eps_mul"] * float(np.median(near.d2[:, 1:]))
    bandwidth: float = median if given["eps"] is None else given["eps"] / scale**2
    if bandwidth > _NARROWEST * given["beta"]:
        return bandwidth
    if given["eps"] is None:
        fix = "Drop rows that lie far from all others, or give eps."
        got = f"{median:.3g} spreads"
        raise DataError(sentence("DMAP", "median neighbour distance", "above zero", got, fix))
    rule, got = "large enough for exp(-beta d2/eps) to be seen", f"{given['eps']:.3g}"
    raise SettingError(sentence("DMAP", "eps", rule, got, "Raise eps or lower beta."))


def _modes(given: dict[str, Any], markov: graph.MarkovGraph) -> tuple[Float64, Float64, int]:
    """Eigenvalues, right eigenvectors and the number of components of the graph."""
    n_modes = given["d"] - (not given["drop_trivial"])
    values, modes, n_components = spectrum.diffusion_modes(markov, n_modes, given["seed"])
    _refuse_rank(given, values, n_modes)
    if n_components > 1:
        told = f"DMAP: the neighbour graph falls into {n_components} parts"
        apart = min(n_components - 1, n_modes)
        warn_user(f"{told}; {apart} of the coordinates tell them apart. Raise k or eps to join them.")
    if given["drop_trivial"]:
        return values, modes, n_components
    return np.append(1.0, values), np.hstack([np.ones((len(modes), 1)), modes]), n_components


def _refuse_rank(given: dict[str, Any], values: Float64, n_modes: int) -> None:
    rank = int((values > _SMALLEST_EIGENVALUE).sum())
    if rank >= n_modes:
        return
    most = rank + (not given["drop_trivial"])
    rule = f"at most the number of positive eigenvalues = {most}"
    fix = "Lower d, lower eps or pass more rows."
    raise DataError(sentence("DMAP", "d", rule, given["d"], fix))
