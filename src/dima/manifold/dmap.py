"""`DMAP`: diffusion-map coordinates, of the training rows and by the same row rule of new ones.

    psi_x(a) = 1/lambda_x sum_j P_aj psi_jx,      R_ax = lambda_x^t psi_x(a)

with P the Markov chain of `graph`, its eigenpairs of `spectrum` and the row rule of `nystrom`; which psi
make the coordinates, or what combination of them, is said in `coordinates`.
"""

from typing import Annotated, Any, Literal, Self

import numpy as np
from msgspec import Meta
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from dima import check, settings
from dima.errors import warn_user
from dima.fitted import Fitted, FittedEstimator
from dima.manifold.budget import asked_neighbours, fit_bytes, table_shape
from dima.manifold.coordinates import COORDINATES
from dima.manifold.dmap_fit import DMAPFit, along_axes, fit_dmap
from dima.manifold.neighbors import BACKENDS, given
from dima.manifold.rehearsal import fit_seconds
from dima.manifold.widths import KERNELS
from dima.scaling import drawn_in
from dima.settings import OneOf
from dima.typing import ArrayLike, Float64, Int32

__all__ = ["DMAP"]


class DMAP(FittedEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped base
    """Diffusion map (Coifman and Lafon 2006, sections 2 and 3) with Nystrom extension (Bengio et al. 2004).

    Example:
        >>> from sklearn.datasets import load_digits
        >>> X = load_digits().data
        >>> dmap = DMAP(d=8, k=100).fit(X[:500])
        >>> dmap.transform(X[500:600]).shape
        (100, 8)
    """

    Fit = DMAPFit

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        d: Annotated[
            int, Meta(ge=1, description="latent dimension; as many as there are new directions if not given")
        ]
        | None = None,
        *,
        k: Annotated[
            int, Meta(ge=2, description="neighbours with itself; 2 d log2(n), 16..512, if not given")
        ]
        | None = None,
        beta: Annotated[float, Meta(ge=1e-40, le=1e40, description="sharpness in exp(-beta d2/eps)")] = 1.0,
        eps: Annotated[
            float, Meta(ge=1e-40, le=1e40, description="bandwidth, squared data units; median if not given")
        ]
        | None = None,
        eps_mul: Annotated[float, Meta(ge=1e-40, le=1e40, description="factor on the median eps")] = 1.0,
        alpha: Annotated[float, Meta(ge=0, le=1, description="density normalisation: 0 none, 1 full")] = 1.0,
        t: Annotated[
            float, Meta(ge=0, description="diffusion time: coordinates are lambda^t psi; a chart has none")
        ] = 1.0,
        drop_trivial: Annotated[bool, Meta(description="leave the constant mode out")] = True,
        sym: Annotated[Literal["max", "mean"], Meta(description="how the graph is made symmetric")] = "max",
        ann_backend: Annotated[
            str, OneOf("auto", *BACKENDS), Meta(description="neighbour search; auto goes by size")
        ] = "auto",
        seed: Annotated[
            int,
            Meta(
                ge=0,
                lt=2**31,
                description="seed of the eigensolver's start, and of the rows a choice looks at",
            ),
        ] = 0,
        coordinates: Annotated[
            str,
            OneOf(*COORDINATES),
            Meta(
                description="first modes, independent ones, a chart that keeps lengths; auto: first or chart"
            ),
        ] = "first",
        kernel: Annotated[
            str,
            OneOf(*KERNELS),
            Meta(description="as wide everywhere, or by each row's distance to its k-th neighbour"),
        ] = "fixed",
        encoding: Annotated[
            Literal["auto", "exact", "projected"],
            Meta(description="distances of new rows: exact, or along principal axes; auto goes by size"),
        ] = "auto",
        components: Annotated[
            Literal["separate", "bridge", "error"],
            Meta(description="parts of the graph: told apart by coordinates, joined by an edge, or refused"),
        ] = "separate",
    ) -> None:
        self._store(locals())

    def fit(self, R_iX: ArrayLike, y: None = None, neighbors: Any = None) -> Self:
        """Learn the coordinates of the training rows `R_iX` (n, D).

        `neighbors`, if searched for elsewhere, are their numbers (n, k), each row itself first, and the
        distances (n, k) to them, rising; the rows are then distinct. As many as k are used.

        Warns when the neighbour graph falls into parts, or coordinates live on single rows. Of parts, the
        first coordinates tell one from the others; with components="bridge" each is joined to its nearest.

        Raises:
            SettingError: a setting is out of range, or k is larger than the number of distinct rows, or of
                neighbors given.
            ShapeError: `neighbors` are no pair of two tables (n, k).
            DataError: the rows cannot be used, or carry fewer than d coordinates; with components="error",
                the neighbour graph falls into parts; `neighbors` are not those of the rows, or some of these
                are equal.
        """
        settings_used = settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        rows = check.points(self, R_iX, reset=True, min_rows=2)
        near = None if neighbors is None else given.checked("DMAP.fit", neighbors, len(rows))
        self.fit_ = along_axes(fit_dmap(settings_used, rows, near))
        return self

    def fit_transform(self, R_iX: ArrayLike, y: None = None, neighbors: Any = None) -> Float64:
        """Fit and return `embedding_` (n, d)."""
        return self.fit(R_iX, y, neighbors).embedding_

    def estimate(self, shape: tuple[int, int]) -> int:
        """Bytes that `fit` to distinct rows of this shape (n, D) takes beside them at its peak, about.

        It is a quarter off at the most where measured. A fit that needs more than is free is refused before
        it starts.

        Raises:
            SettingError: a setting is out of range, or k is larger than n.
            ShapeError: no two whole numbers from 1.

        Example:
            >>> f"{DMAP(2).estimate((100_000, 64)) / 1e9:.2f} GB"
            '0.55 GB'
        """
        return fit_bytes(*self._sizes("estimate", shape)[1:])

    def estimate_seconds(self, shape: tuple[int, int]) -> float:
        """Seconds that `fit` to distinct rows of this shape (n, D) takes on this machine, about.

        The parts of a fit are timed on few made-up rows, for some three seconds at the most. It is a quarter
        off where the search tells (10,000 images); the eigensolver of a long sheet may need three times more.

        Raises:
            SettingError, ShapeError: as `estimate`.
        """
        return fit_seconds(*self._sizes("estimate_seconds", shape))

    def _sizes(self, name: str, shape: tuple[int, int]) -> tuple[dict[str, Any], int, int, int]:
        """Checked settings, n, D, and the neighbours a fit to such rows takes."""
        settings_used = settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        n, D = table_shape(f"DMAP.{name}", shape)
        return settings_used, n, D, asked_neighbours(settings_used, n, "the number of rows", n)

    def transform(self, R_aX: ArrayLike) -> Float64:
        """Diffusion coordinates (b, d) of rows `R_aX` (b, D); of training rows, exactly `embedding_`.

        Warns when rows lie far from all training rows: their coordinates are those of the nearest.
        Of many numbers (encoding="auto", 10 million) distances are taken along the principal axes of the
        training rows, which moves coordinates by less than a hundredth of their spread.
        Cost: O(b n D) time, O(block) memory.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: another width than in `fit`.
        """
        fit: DMAPFit = check.fitted(self)
        standard = fit.rows.standard(check.points(self, R_aX, reset=False))
        known = fit.rows.find(standard)
        psi_ax, new = fit.psi_ux[known], np.flatnonzero(known < 0)
        if len(new):
            means, n_far = fit.rule.means(drawn_in(standard[new]), fit.psi_ux)
            psi_ax[new] = means / fit.eigenvalues
            if n_far:
                far = f"{n_far} of {len(standard)} rows lie far from all training rows"
                warn_user(f"DMAP: {far}; they take the coordinates of the nearest ones.")
        return fit.coordinates(psi_ax)

    def support_distance(self, R_aX: ArrayLike) -> Float64:
        """Distances (b,) of rows `R_aX` (b, D) to the nearest training row, in units of the data.

        Raises:
            NotFittedError: before `fit`.
            ShapeError: another width than in `fit`.
        """
        fit: DMAPFit = check.fitted(self)
        return fit.support_distance(drawn_in(fit.rows.standard(check.points(self, R_aX, reset=False))))

    def novelty(self, R_aX: ArrayLike) -> Float64:
        """How unlike the training rows `R_aX` (b, D) are: (b,) from 0, known, to 1, farther than any of them.

        The share of the training rows, of at most 1,000, that lie no farther from the nearest other one: of
        new rows from the same source, a twentieth is at .95 or above.
        Source: Laxhammar and Falkman 2010 (conformal anomaly detection by the nearest neighbour).

        Raises:
            NotFittedError: before `fit`.
            ShapeError: another width than in `fit`.

        Example:
            >>> from dima.data import manifolds
            >>> X = manifolds.swiss_roll(500)[0]
            >>> DMAP(2, k=30).fit(X).novelty([X[0], X.mean(axis=0)])  # a row, and a place between the turns
            array([0., 1.])
        """
        fit: DMAPFit = check.fitted(self)
        distance = self.support_distance(R_aX)
        known = np.searchsorted(fit.spacing, distance, side="right") / len(fit.spacing)
        return np.where(distance > 0, known, 0.0)

    eigenvalues_ = Fitted[Float64](
        lambda fit: fit.eigenvalues,
        "(r,) eigenvalues lambda of the modes used, falling, the constant mode left out; a chart uses r > d.",
    )
    modes_ = Fitted[Int32](
        lambda fit: fit.mode_numbers,
        "(r,) numbers of the modes used, slowest first; 0 is the constant mode.",
    )
    embedding_ = Fitted[Float64](
        lambda fit: fit.coordinates(fit.psi_ux)[fit.rows.row_i],
        "(n, d) diffusion coordinates of the training rows.",
    )
    self_excluded_ = Fitted[Float64](
        lambda fit: fit.coordinates(fit.others_ux)[fit.rows.row_i],
        "(n, d) the same, each row averaged over the others only, as if new to `transform`; for the decoder.",
    )
    training_rows_ = Fitted[Float64](
        lambda fit: fit.rows.training(),
        "(n, D) the training rows in the data's units, as kept.",
    )
    eps_ = Fitted[float](lambda fit: fit.eps, "Kernel bandwidth used, in squared units of the data.")
    k_ = Fitted[int](lambda fit: fit.k, "Neighbours used.")
    recall_ = Fitted[float](
        lambda fit: fit.recall,
        "Share of the nearest neighbours that the search found, of 1,000 rows; 1 where it is exact.",
    )
    n_components_ = Fitted[int](lambda fit: fit.n_components, "Connected components of the neighbour graph.")

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted map: names in snake_case, JSON-plain values."""
        values = self.eigenvalues_
        return {
            "d": self.fit_.settings["d"],
            "neighbours_k": self.k_,
            "neighbours_recall": self.recall_,
            "encoder_bandwidth": self.eps_,
            "first_eigenvalue": float(values[0]),
            "last_eigenvalue": float(values[-1]),
            "components": self.n_components_,
        }

    @property
    def _n_features_out(self) -> int:
        return int(check.fitted(self).settings["d"])
