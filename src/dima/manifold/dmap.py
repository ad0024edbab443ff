"""`DMAP`: diffusion-map coordinates, and the same row rule for points that were not in the training set.

    psi_x(a) = 1/lambda_x sum_j P_aj psi_jx,      R_ax = lambda_x^t psi_x(a)

A row a is linked to every training row j with d_aj <= max(r_a, r_j), where r is the distance to the
k-th nearest training row. In sample this is the graph made symmetric by "max", so a query that
approaches a training row approaches its coordinates.
"""

import warnings
from typing import Annotated, Any, Literal, Self

import numpy as np
from msgspec import Meta
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from dima import settings
from dima.data import check
from dima.errors import DataError, SettingError, sentence
from dima.manifold import graph, spectrum
from dima.manifold.neighbors import Neighbors, brute, knn
from dima.manifold.rows import DistinctRows
from dima.typing import Array, ArrayLike, Arrays, Float64

__all__ = ["DMAP"]

_SMALLEST_EIGENVALUE = 1e-8  # below it, lambda is rounding noise and 1/lambda amplifies it
_FEWEST = 16  # neighbours below which a graph of real data tends to fall apart
_MOST = 512  # neighbours beyond which memory grows and the error hardly falls
_FAR = 30.0  # exponent sharpness * d2 / bandwidth beyond which no training row is near
_TIES = 1 + 1e-5  # float32 rows carry no finer distances; ties of gridded data must not break by rounding


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

    def __init__(
        self,
        d: Annotated[int, Meta(ge=1, description="latent dimension")] = 2,
        *,
        k: Annotated[
            int, Meta(ge=2, description="neighbours of a row, itself counted; 2 d log2(n), 16 to 512, if not given")
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
        seed: Annotated[int, Meta(ge=0, description="seed of the eigensolver's start")] = 0,
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

        Raises:
            SettingError: a setting is out of range, or k is larger than the number of distinct rows.
            DataError: the rows cannot be used, or carry fewer than d coordinates.
        """
        settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        checked = check.points(self, R_iX, reset=True, min_rows=2)
        rows = DistinctRows.of(checked, "DMAP")
        self.k_ = self._neighbours(len(rows.R_uX), len(checked))
        near = knn(rows.R_uX, rows.R_uX, self.k_, self.ann_backend)
        self._rows, self._radius2_u = rows, near.d2[:, -1].astype(np.float64)
        self.eps_ = self._bandwidth(near) * rows.scale**2
        log_k = graph.log_affinity(near, self.eps_ / rows.scale**2, self.beta, self.sym)
        markov = graph.markov(log_k, rows.weight_u, self.alpha)
        self._log_density_u = np.log(markov.density_i)
        self._solve(markov)
        self._self_excluded_u = self._powered(self._extend(markov.without_self(self._psi_ux)))
        return self

    def fit_transform(self, R_iX: ArrayLike, y: None = None) -> Float64:
        """Fit and return `embedding_` (n, d)."""
        return self.fit(R_iX).embedding_

    def transform(self, R_aX: ArrayLike) -> Float64:
        """Diffusion coordinates (b, d) of rows `R_aX` (b, D); of training rows, exactly `embedding_`.

        Warns when rows lie far from all training rows: their coordinates are then those of the nearest.

        Cost: O(b n D) time, O(block) memory.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: another width than in `fit`.
        """
        check.fitted(self, "eigenvalues_")
        checked = check.points(self, R_aX, reset=False)
        standard = self._rows.standard(checked)
        known = self._rows.find(standard)
        psi = self._psi_ux[known]
        new = np.flatnonzero(known < 0)
        if len(new):
            psi[new] = self._extend(self._averages(standard[new]))
        return self._powered(psi)

    @property
    def embedding_(self) -> Float64:
        """(n, d) diffusion coordinates of the training rows."""
        check.fitted(self, "eigenvalues_")
        return self._powered(self._psi_ux)[self._rows.row_i]

    @property
    def self_excluded_(self) -> Float64:
        """(n, d) coordinates of the training rows as if each had been new."""
        check.fitted(self, "eigenvalues_")
        return self._self_excluded_u[self._rows.row_i]

    @property
    def training_rows_(self) -> Float64:
        """(n, D) the training rows in the data's units, as the map keeps them: to float32."""
        check.fitted(self, "eigenvalues_")
        rows = self._rows
        return rows.R_uX[rows.row_i] * rows.scale + rows.mean_X

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
            "self_excluded_ux": self._self_excluded_u,
            "eigenvalues": self.eigenvalues_,
        }
        fitted = {"k": self.k_, "eps": self.eps_, "n_components": self.n_components_}
        return {"given": self.get_params(deep=False), "fitted": fitted}, {
            name: np.asarray(value) for name, value in arrays.items()
        }

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The map that `to_arrays` described."""
        self = cls(**settings.accept(cls.__name__, cls, saved["given"]))
        self._rows = DistinctRows(
            arrays["mean_X"], float(arrays["scale"]), arrays["R_uX"], arrays["row_i"], arrays["weight_u"]
        )
        self._radius2_u, self._log_density_u = arrays["radius2_u"], arrays["log_density_u"]
        self._psi_ux, self._self_excluded_u = arrays["psi_ux"], arrays["self_excluded_ux"]
        self.eigenvalues_ = arrays["eigenvalues"]
        self.k_, self.eps_ = saved["fitted"]["k"], saved["fitted"]["eps"]
        self.n_components_ = saved["fitted"]["n_components"]
        self.n_features_in_ = self._rows.R_uX.shape[1]
        return self

    @property
    def _n_features_out(self) -> int:
        return int(self._psi_ux.shape[1])

    def _neighbours(self, n_distinct: int, n: int) -> int:
        if self.k is None:
            wanted = int(np.ceil(2 * self.d * np.log2(n)))
            return min(n_distinct, max(_FEWEST, min(_MOST, wanted)))
        if self.k > n_distinct:
            rule = f"at most the number of distinct rows = {n_distinct}"
            raise SettingError(sentence("DMAP", "k", rule, self.k, "Lower k or pass more rows."))
        return self.k

    def _bandwidth(self, near: Neighbors) -> float:
        """Bandwidth in the units of the standardised rows."""
        if self.eps is not None:
            return self.eps / self._rows.scale**2
        return self.eps_mul * float(np.median(near.d2[:, 1:]))

    def _solve(self, markov: graph.MarkovGraph) -> None:
        n_modes = self.d if self.drop_trivial else self.d - 1
        values, modes, self.n_components_ = spectrum.diffusion_modes(markov, n_modes, self.seed)
        self._refuse_rank(values, n_modes)
        if self.n_components_ > 1:
            told = f"DMAP: the neighbour graph falls into {self.n_components_} parts"
            rest = f"the first {self.n_components_ - 1} coordinates tell them apart. Raise k to join them."
            warnings.warn(f"{told}; {rest}", stacklevel=3)
        if not self.drop_trivial:
            values, modes = np.append(1.0, values), np.hstack([np.ones((len(modes), 1)), modes])
        self.eigenvalues_, self._psi_ux = values, modes

    def _refuse_rank(self, values: Float64, n_modes: int) -> None:
        rank = int((values > _SMALLEST_EIGENVALUE).sum())
        if rank >= n_modes:
            return
        most = rank if self.drop_trivial else rank + 1
        rule = f"at most the number of positive eigenvalues = {most}"
        raise DataError(sentence("DMAP", "d", rule, self.d, "Lower d, lower eps or pass more rows."))

    def _averages(self, standard_aX: Array) -> Float64:
        """Row averages P psi (b, d) over the training rows each query is linked to."""
        rows = self._rows
        means = np.empty((len(standard_aX), self._psi_ux.shape[1]))
        far = 0
        for block, d2 in brute.distances(rows.R_uX, standard_aX):
            linked = self._links(d2)
            nearest = np.minimum.reduceat(linked.data, linked.indptr[:-1])
            rate = self.beta * rows.scale**2 / self.eps_
            far += int((rate * nearest > _FAR).sum())
            weights = self._weights(linked, rate)
            means[block] = weights @ self._psi_ux / weights.sum(axis=1)[:, None]
        if far:
            told = f"DMAP: {far} of {len(standard_aX)} rows lie far from all training rows"
            warnings.warn(f"{told}; they take the coordinates of the nearest ones.", stacklevel=4)
        return means

    def _links(self, d2: Float64) -> sparse.csr_array:
        """Squared distances (b, u) kept where the row rule links query and training row."""
        own = np.partition(d2, self.k_ - 1, axis=1)[:, self.k_ - 1 : self.k_]
        linked = d2 <= np.maximum(own, self._radius2_u) * _TIES
        counts = linked.sum(axis=1)
        indptr = np.concatenate([[0], np.cumsum(counts)])
        columns = np.nonzero(linked)[1].astype(np.int32)
        return sparse.csr_array((d2[linked], columns, indptr), shape=d2.shape)

    def _weights(self, linked: sparse.csr_array, rate: float) -> sparse.csr_array:
        """Unnormalised transition weights; the largest of a row is one, so that nothing underflows."""
        rows = self._rows
        log_w = -rate * linked.data
        log_w += (np.log(rows.weight_u) - self.alpha * self._log_density_u)[linked.indices]
        if self.sym == "mean":
            log_w += self._one_sided(linked)
        counts = np.diff(linked.indptr)
        log_w -= np.repeat(np.maximum.reduceat(log_w, linked.indptr[:-1]), counts)
        return sparse.csr_array((np.exp(log_w), linked.indices, linked.indptr), shape=linked.shape)

    def _one_sided(self, linked: sparse.csr_array) -> Float64:
        """log 1/2 for links that only one of the two ends would make."""
        counts = np.diff(linked.indptr)
        order = np.lexsort((linked.data, np.repeat(np.arange(len(counts)), counts)))
        kth = linked.data[order][linked.indptr[:-1] + self.k_ - 1]
        by_query = linked.data <= np.repeat(kth, counts) * _TIES
        by_row = linked.data <= self._radius2_u[linked.indices] * _TIES
        return np.where(by_query & by_row, 0.0, -np.log(2.0))

    def _extend(self, means: Float64) -> Float64:
        return means / self.eigenvalues_

    def _powered(self, psi: Float64) -> Float64:
        return psi * self.eigenvalues_**self.t


