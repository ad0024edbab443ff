"""Diffusion map and kernel decoder as one autoencoder, the part `ManifoldAutoencoder` is made around.

    z = [z1, z2],   z1 the first d1 diffusion coordinates,   z2 = P (x - decode(z1) - c)
    x ~ decode(z1) + c + P' z2

Where data are no smooth sheet of d dimensions, the last of the d coordinates are better spent on principal
components `P` (around `c`) of what the first d1 leave: with d1 = 0 it is PCA, with d1 = d a diffusion map.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dima.fitted import below, from_arrays, to_arrays, under
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.autoencoder import Autoencoder
from dima.model.stages import measured
from dima.typing import Array, Arrays, Float64

if TYPE_CHECKING:
    from dima.figures.report import Section

__all__ = ["ManifoldMap", "Principal", "best_split"]

_ROWS = 2500  # training rows the search for d1 looks at
_CENTRES = 512  # inducing points of each decoder that is tried
_PARTS = 4  # of d that are tried
_FOLDS = 5
_WORTH = 0.99  # of the error, below which fewer diffusion coordinates are taken


@dataclasses.dataclass(frozen=True)
class Principal:
    """Principal components of what decoding leaves of the training rows, each left out.

    Attributes:
        center: (D,) mean of what is left.
        axes: (d2, D) orthonormal.
        error: squared error of the whole over the variance, as predicted for new rows.
    """

    center: Float64
    axes: Float64
    error: float


class ManifoldMap(Autoencoder):
    """A `DMAP` that encodes, a `GPLM` that decodes, and principal components of the rest.

    Args:
        dmap: the encoder, unfitted.
        gplm: the decoder, unfitted.
        d_diffusion: diffusion coordinates d1 among the d; the split predicted to be best if None.
    """

    def __init__(self, dmap: DMAP, gplm: GPLM, d_diffusion: int | None = None) -> None:
        self.dmap = dmap
        self.gplm = gplm
        self.d_diffusion = d_diffusion

    def fit(self, X: Array) -> Self:
        """Fit the encoder, and the decoder to what rows encode to as known and as new ones."""
        with measured("encoder"):
            self.dmap.fit(X)
        with measured("decoder"):
            known, near = self.dmap.embedding_, self.dmap.self_excluded_
            d = known.shape[1]
            split, error = best_split(self.gplm, near, X, self.d_diffusion)
            self.d_diffusion_, used = split, split or d
            self.gplm.fit(near[:, :used], X, in_sample_ix=known[:, :used])
            self.principal_ = None if split == d else _principal(self._left(X), d - split, error)
        return self

    def encode(self, X: Array) -> Float64:
        """Coordinates (b, d): diffusion coordinates, then principal ones of the rest."""
        return self._with_rest(self.dmap.transform(X), X)

    def decode(self, codes: Array) -> Float64:
        """Rows (b, D) of coordinates (b, d)."""
        decoded = self._decoded(codes)
        if self.principal_ is None:
            return decoded
        return decoded + self.principal_.center + codes[:, self.d_diffusion_ :] @ self.principal_.axes

    def jacobian(self, codes: Array) -> Float64:
        """Derivatives (b, D, d) of `decode` at coordinates (b, d); those of principal ones are their axes."""
        parts: list[Float64] = []
        if self.d_diffusion_:
            parts.append(self.gplm.jacobian(codes[:, : self.d_diffusion_]))
        if self.principal_ is not None:
            axes = self.principal_.axes.T
            parts.append(np.broadcast_to(axes, (len(codes), *axes.shape)))
        return np.concatenate(parts, axis=2)

    def _decoded(self, codes: Array) -> Float64:
        """What diffusion coordinates alone decode to."""
        if not self.d_diffusion_:
            return np.zeros((len(codes), len(self.gplm.mu_X_)))
        return self.gplm.predict(codes[:, : self.d_diffusion_])

    def _with_rest(self, codes: Array, X: Array, left: Array | None = None) -> Float64:
        """Diffusion coordinates (b, d) with principal ones of the rest in the places of the last."""
        if self.principal_ is None:
            return codes
        left = X - self._decoded(codes) if left is None else left
        rest = (left - self.principal_.center) @ self.principal_.axes.T
        return np.hstack([codes[:, : self.d_diffusion_], rest])

    def _left(self, X: Array) -> Float64:
        """What diffusion coordinates leave of the training rows, each left out of encoder and decoder."""
        if not self.d_diffusion_:
            return np.asarray(X, np.float64)
        return self.gplm.left_out(self.dmap.self_excluded_[:, : self.d_diffusion_], X)

    def is_fitted(self) -> bool:
        """Whether encoder and decoder are fitted."""
        return hasattr(self.dmap, "fit_") and hasattr(self.gplm, "fit_")

    def training_codes(self, X: Array) -> tuple[Float64, Float64]:
        """Coordinates (n, d) of the training rows, and those of each as if it had been new."""
        if self.principal_ is None:
            return self.dmap.embedding_, self.dmap.self_excluded_
        known = self._with_rest(self.dmap.embedding_, X)
        return known, self._with_rest(self.dmap.self_excluded_, X, self._left(X))

    def left_out(self, X: Array) -> Float64:
        """Residuals (n, D) of the training rows, each left out of encoder and decoder."""
        left = self._left(X)
        return left if self.principal_ is None else _rest(left, self.principal_)

    def expected_residual(self, X: Array, left_out: Array | None = None) -> float:
        """Mean square of the residuals of the training rows `X` (n, D), each left out."""
        return float(
            np.square(self.left_out(X) if left_out is None else left_out).mean()
        )  # of all rows: what is left out is known for all alone

    def training_rows(self) -> Float64:
        """The training rows (n, D), which the encoder compares new ones with."""
        return self.dmap.training_rows_

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Both parts, each under its name, and the principal components."""
        dmap, dmap_arrays = self.dmap.to_arrays()
        gplm, gplm_arrays = self.gplm.to_arrays()
        saved = {"dmap": dmap, "gplm": gplm, "d_diffusion": self.d_diffusion_, "principal": None}
        arrays = under("dmap", dmap_arrays) | under("gplm", gplm_arrays)
        if self.principal_ is not None:
            saved["principal"], own = to_arrays(self.principal_)
            arrays |= under("principal", own)
        return saved, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The autoencoder that `to_arrays` described."""
        dmap = DMAP.from_arrays(saved["dmap"], below(arrays, "dmap"))
        gplm = GPLM.from_arrays(saved["gplm"], below(arrays, "gplm"))
        # Saved before there were principal ones: all coordinates are of the diffusion map.
        split: Any = saved.get("d_diffusion", dmap.embedding_.shape[1])
        self, plain = cls(dmap, gplm, split), saved.get("principal")
        self.d_diffusion_ = split
        self.principal_ = plain and from_arrays(Principal, plain, below(arrays, "principal"))
        return self

    def facts(self) -> dict[str, Any]:
        """What encoder and decoder chose for themselves."""
        found = self.dmap.facts() | self.gplm.facts() | {"diffusion_coordinates": self.d_diffusion_}
        if not self.d_diffusion_:  # nothing is made of the map's coordinates
            found = {name: value for name, value in found.items() if not name.endswith("_eigenvalue")}
        return found if self.principal_ is None else found | {"predicted_error": self.principal_.error}

    def sections(self) -> "Sequence[Section]":
        """The spectrum of the diffusion map, where its coordinates are among the latents."""
        if not self.d_diffusion_:
            return []
        # Pictures bring matplotlib; only a report draws.
        from dima.figures import curve, png
        from dima.figures.report import Section

        text = "Eigenvalues of the diffusion map: how slowly each coordinate varies along the data."
        return [Section("Spectrum", text, (png(curve.spectrum(self.dmap.eigenvalues_)),))]


def best_split(gplm: GPLM, self_excluded: Float64, X: Array, given: int | None = None) -> tuple[int, float]:
    """How many of the d coordinates should be diffusion coordinates, and the error predicted for new rows.

    Quarters of d are tried, then an eighth more and less, on at most 2,500 rows: a decoder of the first
    coordinates, its leave-one-out residuals, and principal components of four fifths of these judged by the
    last. More diffusion coordinates must be better by a hundredth: what is linear needs no map.

    Args:
        gplm: a decoder with the settings that will be used.
        self_excluded: (n, d) diffusion coordinates of each row as if it had been new.
        X: rows (n, D).
        given: the number to judge, where it is not to be chosen.
    """
    rows = np.sort(np.random.default_rng(gplm.seed).permutation(len(X))[:_ROWS])
    codes, targets, d = self_excluded[rows], np.asarray(X[rows], np.float64), self_excluded.shape[1]
    total = float(((targets - targets.mean(axis=0)) ** 2).sum()) or 1.0
    errors: dict[int, float] = {}

    def tried(splits: Sequence[int]) -> int:
        for split in sorted(set(splits) - errors.keys()):
            left = _left_of(gplm, codes[:, :split], targets) if split else targets
            errors[split] = _judged(left, d - split) / total
        # From none upwards, so that one more must earn its place.
        best = min(errors)
        for split in sorted(errors):
            best = split if errors[split] < _WORTH * errors[best] else best
        return best

    if given is not None:
        return given, errors[tried([given])]
    best = tried([round(d * part / _PARTS) for part in range(_PARTS + 1)])
    step = max(1, round(d / (2 * _PARTS)))
    best = tried([max(best - step, 0), min(best + step, d)])
    return best, errors[best]


def _left_of(gplm: GPLM, codes: Float64, targets: Float64) -> Float64:
    """Leave-one-out residuals of a small decoder."""
    small = {"m": min(len(codes), gplm.m or _CENTRES, _CENTRES), "k_eps": None, "pred_k": None}
    return GPLM(**gplm.get_params() | small).fit(codes, targets).left_out(codes, targets)


def _judged(left: Float64, d: int) -> float:
    """Squared error of what `d` principal components of other rows leave of each row."""
    if d == 0:
        return float((left**2).sum())
    fold, error = np.arange(len(left)) % _FOLDS, 0.0
    for part in range(_FOLDS):
        found = _principal(left[fold != part], d)
        error += float((_rest(left[fold == part], found) ** 2).sum())
    return error


def _principal(left: Float64, d: int, error: float = 0.0) -> Principal:
    """The `d` leading principal components of residuals (n, D)."""
    # scikit-learn's, which chooses a solver by size.
    from sklearn.decomposition import PCA

    axes = PCA(min(d, *left.shape), random_state=0).fit(left).components_
    return Principal(left.mean(axis=0), axes.astype(np.float64), error)


def _rest(left: Float64, principal: Principal) -> Float64:
    """Residuals (n, D) less their principal part."""
    centred = left - principal.center
    return centred - (centred @ principal.axes.T) @ principal.axes
