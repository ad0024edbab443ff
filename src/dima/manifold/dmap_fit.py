"""What the diffusion map learns from the training rows, and how: one frozen `DMAPFit`."""

import dataclasses
import functools
import logging
from typing import Any

import numpy as np
import scipy.linalg
from scipy import sparse

from dima.errors import DataError, NumericsError, SettingError, warn_user
from dima.manifold import budget, graph, neighbors, parts, spectrum
from dima.manifold.coordinates import COORDINATES, Choice, Modes, dimension, modes_wanted
from dima.manifold.neighbors import Neighbors, given, knn
from dima.manifold.nystrom import RowRule, leading_axes
from dima.manifold.rows import DistinctRows
from dima.manifold.widths import KERNELS, scaled
from dima.typing import Array, Float32, Float64, Int32

__all__ = ["DMAPFit", "along_axes", "fit_dmap"]

_log = logging.getLogger("dima")

_SMALLEST_EIGENVALUE = 1e-8  # below it, lambda is rounding noise and 1/lambda amplifies it
_LARGE = 10_000_000  # numbers of training rows from which new rows are compared along principal axes,
_MOVED = 0.01  # if that moves each coordinate by at most so much of its spread, of so many rows
_CERTIFIED = 256
_SPACED = 1000  # training rows that say how far new ones are from the nearest
_MOST = 32  # coordinates taken when d is not given
_FAITHFUL = 0.1  # correlation below which a coordinate of a row tells nothing of its neighbours


@dataclasses.dataclass(frozen=True)
class DMAPFit:
    """What `DMAP.fit` learns.

    Attributes:
        eps: bandwidth in squared units of the data.
        n_components: connected components of the neighbour graph.
        radius2_u: (u,) squared distance of each distinct row to its k-th nearest.
        log_weight_u: (u,) log of what each distinct row weighs before distance counts.
        psi_ux: (u, r) right eigenvectors, of the falling `eigenvalues` (r,).
        others_ux: (u, r) the same, each row's by the row rule over the others only.
        modes_x: (r,) numbers of these modes, 0 the constant one; the first ones if None.
        mixing_xx: (r, d) what each adds to each coordinate, in units of the data; None where each is one.
        recall: share of the nearest neighbours that the search found.
        axes: (D, q) principal axes along which new rows are compared; all if None.
    """

    settings: dict[str, Any]
    rows: DistinctRows
    k: int
    eps: float
    n_components: int
    radius2_u: Float64
    log_weight_u: Float64
    eigenvalues: Float64
    psi_ux: Float64
    others_ux: Float64
    modes_x: Int32 | None = None
    mixing_xx: Float64 | None = None
    recall: float = 1.0
    axes: Float32 | None = None

    @functools.cached_property
    def rule(self) -> RowRule:
        """What new rows look at."""
        rate, halved = self.settings["beta"] / (self.eps / self.rows.unit2), self.settings["sym"] == "mean"
        width = KERNELS[self.settings.get("kernel", "fixed")]  # older saves do not say
        known = (self.rows.R_uX, self.radius2_u, self.log_weight_u, self.k)
        return RowRule(*known, rate, halved, width, self.axes)

    @property
    def mode_numbers(self) -> Int32:
        """`modes_x`, also of a map saved before there was a choice."""
        if self.modes_x is not None:
            return self.modes_x
        return np.arange(len(self.eigenvalues), dtype=np.int32) + np.int32(self.settings["drop_trivial"])

    def coordinates(self, psi_ax: Float64) -> Float64:
        """Coordinates (b, d) of rows with these values (b, r) of the eigenvectors."""
        if self.mixing_xx is not None:
            return psi_ax @ self.mixing_xx
        return psi_ax * self.eigenvalues ** self.settings["t"]

    def support_distance(self, standard_aX: Float32) -> Float64:
        """Distances (b,) of standardised rows (b, D) to the nearest training row, in units of the data."""
        near = knn(self.rows.R_uX, standard_aX, 1, self.settings["ann_backend"])
        return np.sqrt(near.d2[:, 0].astype(np.float64) * self.rows.unit2)

    @functools.cached_property
    def spacing(self) -> Float64:
        """(s,) distances of some training rows to the nearest other one, rising, in units of the data."""
        u, n = len(self.rows.R_uX), len(self.rows.row_i)
        some = self.rows.row_i[np.random.default_rng(self.settings["seed"]).permutation(n)[:_SPACED]]
        near = knn(self.rows.R_uX, self.rows.R_uX[some], min(2, u), self.settings["ann_backend"])
        alone = self.rows.weight_u[some] == 1  # another row is an equal one
        return np.sort(np.sqrt(np.where(alone, near.d2[:, -1], 0.0) * self.rows.unit2))


def fit_dmap(
    settings_used: dict[str, Any], R_iX: Array, given_near: tuple[Array, Float64] | None = None
) -> DMAPFit:
    """Fit the map to checked rows `R_iX` (n, D), with their neighbours if given; warns as `DMAP.fit` says."""
    rows = DistinctRows.of(R_iX, "DMAP")
    near, recall = _near(settings_used, rows, given_near)
    radius2_u = near.d2[:, -1].astype(np.float64)
    inner = scaled(near, KERNELS[settings_used["kernel"]], radius2_u)
    bandwidth = _bandwidth(settings_used, inner, rows.unit2)
    log_k = graph.log_affinity(inner, bandwidth, settings_used["beta"], settings_used["sym"])
    log_k = _in_one(settings_used, log_k, rows)
    values, modes, n_components, log_density_u = _modes(settings_used, log_k, rows.weight_u)
    log_weight_u = np.log(rows.weight_u) - settings_used["alpha"] * log_density_u
    rate = settings_used["beta"] / bandwidth
    found = Modes(modes, values, near, log_weight_u, rate, settings_used["seed"], inner.d2)
    n_known = n_components - settings_used["drop_trivial"]
    settings_used = settings_used | {"d": settings_used["d"] or _dimension(found, n_known, R_iX.shape[1])}
    choice = _chosen(settings_used, found, n_known, rows.unit2)
    values, modes = values[choice.modes_x], modes[:, choice.modes_x]
    others = graph.others_only(log_k, rows.weight_u, log_weight_u)
    fit = DMAPFit(
        settings=settings_used,
        rows=rows,
        k=near.ids.shape[1],
        eps=bandwidth * rows.unit2,
        n_components=n_components,
        radius2_u=radius2_u,
        log_weight_u=log_weight_u,
        eigenvalues=values,
        psi_ux=modes,
        others_ux=graph.row_means(others, modes) / values,
        modes_x=choice.modes_x + np.int32(settings_used["drop_trivial"]),
        mixing_xx=choice.mixing_xx,
        recall=recall,
    )
    _warn_if_localised(fit)
    return fit


def along_axes(fit: DMAPFit) -> DMAPFit:
    """The fit with axes for new rows: by name, or of many numbers if these move coordinates little.

    It takes two copies of the rows for a while, so it is done where the graph is no longer held.
    """
    encoding = fit.settings["encoding"]
    if encoding == "exact" or (encoding == "auto" and fit.rows.R_uX.size < _LARGE):
        return fit
    axes = leading_axes(fit.rows.R_uX)
    is_taken = axes is not None and (encoding == "projected" or _moved(fit, axes) <= _MOVED)
    return dataclasses.replace(fit, axes=axes) if is_taken else fit


def _moved(fit: DMAPFit, axes: Float32) -> float:
    """Root mean square by which the coordinate of rows left out that moves most does, over its spread."""
    u = len(fit.rows.R_uX)
    some = np.arange(0, u, max(10, -(-u // _CERTIFIED)))
    if fit.k > u - len(some):
        return np.inf
    others, psi_jx = fit.rule.without(some), np.delete(fit.psi_ux, some, axis=0)
    exact, quick = (
        fit.coordinates(rule.means(fit.rows.R_uX[some], psi_jx)[0] / fit.eigenvalues)
        for rule in (others, dataclasses.replace(others, axes=axes))
    )
    spread2 = np.maximum(exact.var(axis=0), np.finfo(float).tiny)
    return float(np.sqrt((((quick - exact) ** 2).mean(axis=0) / spread2).max()))


def _warn_if_localised(fit: DMAPFit) -> None:
    """Warn when the coordinates of rows, had they been new, have little to do with their own."""
    if fit.n_components > 1 or not fit.settings["drop_trivial"] or len(fit.psi_ux) < budget.FEWEST:
        return  # parts were warned of already, a constant correlates with nothing, few rows tell nothing
    weight = fit.rows.weight_u[:, None] / fit.rows.weight_u.sum()
    mixed = (x if fit.mixing_xx is None else x @ fit.mixing_xx for x in (fit.psi_ux, fit.others_ux))
    own, new = (x - (weight * x).sum(axis=0) for x in mixed)
    covariance = (weight * own * new).sum(axis=0)
    spread = np.sqrt((weight * own**2).sum(axis=0) * (weight * new**2).sum(axis=0))
    n_lost = int((covariance < _FAITHFUL * spread).sum())
    if n_lost:
        lost = f"{n_lost} of {len(covariance)} coordinates live on single rows"
        warn_user(f"DMAP: {lost}, so that those of new rows mean little. Raise eps or k, or lower d.")


def _near(
    settings_used: dict[str, Any], rows: DistinctRows, given_near: tuple[Array, Float64] | None
) -> tuple[Neighbors, float]:
    """The k nearest of the distinct rows, searched or given, and the recall of the search."""
    if given_near is None:
        u, D = rows.R_uX.shape
        k = budget.asked_neighbours(settings_used, u, "the number of distinct rows", len(rows.row_i))
        budget.refuse_too_large(u, D, k)
        return neighbors.certified(rows.R_uX, k, settings_used["ann_backend"], settings_used["seed"])
    ids, d2 = given.of_distinct("DMAP.fit", rows, given_near)
    k = budget.asked_neighbours(settings_used, ids.shape[1], "the number of neighbors given", len(rows.row_i))
    return Neighbors(ids[:, :k], d2[:, :k]), 1.0


def _bandwidth(settings_used: dict[str, Any], near: Neighbors, unit2: float) -> float:
    """Bandwidth in the units of the standardised rows."""
    eps, eps_mul = settings_used["eps"], settings_used["eps_mul"]
    if eps is not None:
        if eps_mul != 1.0:
            got = f"{eps_mul:g}. It is a factor on the median."
            raise SettingError(f"DMAP: eps_mul must be left out when eps is given; got {got}")
        return float(eps / unit2)
    median = float(np.median(near.d2[:, 1:]))
    if median == 0:
        fix = "Drop rows that lie far from all others, or give eps."
        raise DataError(f"DMAP: the median neighbour distance must be above zero; got 0. {fix}")
    return float(eps_mul * median)


def _in_one(settings_used: dict[str, Any], log_k: sparse.csr_array, rows: DistinctRows) -> sparse.csr_array:
    """The graph, refused or bridged where it falls into parts and they are not to be told apart."""
    how, n_before = settings_used["components"], len(rows.R_uX) + 1
    while how != "separate":
        chain, _ = graph.markov(log_k, rows.weight_u, settings_used["alpha"]).conjugate()
        n_parts, labels = parts.connected(chain)
        if n_parts == 1:
            break
        if how == "error":
            fix = 'Raise k or eps, or pass components="bridge".'
            raise DataError(f"DMAP: the neighbour graph must be in one part; got {n_parts} parts. {fix}")
        if n_parts == n_before:
            got = f"{n_parts} parts still. Raise k or eps."
            raise NumericsError(f"DMAP: bridges must join the parts of the neighbour graph; got {got}")
        log_k, n_before = parts.bridged(log_k, rows.R_uX, labels), n_parts
    return log_k


def _modes(
    settings_used: dict[str, Any], log_k: sparse.csr_array, weight_u: Float64
) -> tuple[Float64, Float64, int, Float64]:
    """Eigenvalues, right eigenvectors, components of the chain, and the log-density (u,) of its rows.

    There are as many modes as choices look at, at least d, the constant one counted.
    """
    # The chain is as large as the graph: it lives no longer than this function.
    markov = graph.markov(log_k, weight_u, settings_used["alpha"])
    d, constant = settings_used["d"], not settings_used["drop_trivial"]
    n_modes = 1 if d is None else d - constant
    wanted = modes_wanted("auto" if d is None else settings_used["coordinates"], n_modes)
    values, modes, n_components = spectrum.diffusion_modes(markov, wanted, settings_used["seed"])
    rank = int((values > _SMALLEST_EIGENVALUE).sum())
    if rank < n_modes:
        rule = f"at most the number of positive eigenvalues = {rank + constant}"
        got = f"{n_modes + constant}. Lower d, lower eps or pass more rows."
        raise DataError(f"DMAP: d must be {rule}; got {got}")
    if n_components > 1:
        apart = f"{min(n_components - 1, n_modes if d else _MOST)} of the coordinates tell them apart"
        told = f"{n_components} parts; {apart}"
        warn_user(
            f'DMAP: the neighbour graph falls into {told}. Raise k or eps, or pass components="bridge".'
        )
    values, modes = values[:rank], modes[:, :rank]
    if constant:
        values, modes = np.append(1.0, values), np.hstack([np.ones((len(modes), 1)), modes])
    return values, modes, n_components, np.log(markov.density_i)


def _dimension(modes: Modes, n_known: int, D: int) -> int:
    """How many coordinates are taken if not given: those known, and new directions, at most one a column."""
    n_new = dimension(_rest(modes, n_known), D)
    d = min(_MOST, modes.psi_ux.shape[1], n_known + n_new)
    looked = modes.psi_ux.shape[1]
    _log.info(
        "DMAP: d = %d is taken: %d of the %d slowest modes are new directions.", d, n_new, looked - n_known
    )
    return d


def _chosen(settings_used: dict[str, Any], modes: Modes, n_known: int, unit2: float) -> Choice:
    """The d coordinates: the constant and what tells parts apart stay as they are, the rest is chosen."""
    d = settings_used["d"]
    known = min(d, n_known)
    choice = COORDINATES[settings_used["coordinates"]](_rest(modes, known), d - known)
    numbers = np.concatenate([np.arange(known, dtype=np.int32), np.int32(known) + choice.modes_x])
    if choice.mixing_xx is None:
        return Choice(numbers)
    mixing = np.sqrt(unit2) * choice.mixing_xx
    return Choice(numbers, scipy.linalg.block_diag(np.eye(known), mixing) if known else mixing)


def _rest(modes: Modes, known: int) -> Modes:
    """All but the first `known` modes."""
    psi, values = modes.psi_ux[:, known:], modes.eigenvalues[known:]
    return dataclasses.replace(modes, psi_ux=psi, eigenvalues=values)
