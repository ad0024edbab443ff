"""Diffusion map and kernel decoder as one autoencoder, the part `ManifoldAutoencoder` is made around.

    z = [z1, z2],   z1 the first d1 diffusion coordinates,   z2 = P (x - decode(z1) - c)
    x ~ decode(z1) + c + P' z2

Where data are no smooth sheet of d dimensions, the last of the d coordinates are better spent on principal
components `P` (around `c`) of what the first d1 leave: with d1 = 0 it is PCA, with d1 = d a diffusion map.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import clone

from dima.errors import DataError, NumericsError
from dima.fitted import below, from_arrays, to_arrays, under
from dima.manifold import interval
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.autoencoder import Autoencoder
from dima.model.principal import Principal, predicted_alone, predicted_error, principal, rests, varying
from dima.model.stages import measured
from dima.model.tuning import Trial, Tuned, fit_quietly, sample, table_of, tune
from dima.model.unseen import does_better
from dima.typing import Array, Arrays, Float64

if TYPE_CHECKING:
    from dima.figures.report import Section

__all__ = ["ManifoldMap"]

_DOUBTFUL = 0.6  # of the error of principal components, above which a predicted gain is looked into


class ManifoldMap(Autoencoder):
    """A `DMAP` that encodes, a `GPLM` that decodes, and principal components of the rest.

    Args:
        dmap: the encoder, unfitted.
        gplm: the decoder, unfitted.
        d_diffusion: diffusion coordinates d1 among the d; the number predicted to be best if None.
        free: settings of the encoder, of `tuning.TUNED`, that are chosen by predicted error.
    """

    def __init__(
        self, dmap: DMAP, gplm: GPLM, d_diffusion: int | None = None, free: Sequence[str] = ()
    ) -> None:
        self.dmap = dmap
        self.gplm = gplm
        self.d_diffusion = d_diffusion
        self.free = free

    def fit(self, X: Array) -> Self:
        """Fit the encoder, and the decoder to what rows encode to as known and as new ones."""
        with measured("tuning"):
            asked, tuned = clone(self.dmap), self._tuned(X)
            self.dmap, self.d_diffusion_, self.trials_ = tuned.dmap, tuned.d_diffusion, tuned.trials
        with measured("encoder"):
            if not hasattr(self.dmap, "fit_"):
                self._fit_encoder(X, asked)
        with measured("decoder"):
            self._fit_decoder(X)
            is_chosen = self._is_chosen(self.d_diffusion_, X)
            if is_chosen and self.predicted_error_ > predicted_alone(X, self.dmap.d):
                self.d_diffusion_ = 0  # what a sample promised, all rows do not keep: a few far ones do that
                self._fit_decoder(X)
        return self

    def _fit_encoder(self, X: Array, asked: DMAP) -> None:
        """Fit the map to all rows; the one as asked where that fails, or no coordinate of it is used."""
        if self.d_diffusion_:
            try:
                self.dmap.fit(X)
                return
            except (DataError, NumericsError):
                if not self._is_chosen(self.d_diffusion_, X):
                    raise
                self.d_diffusion_ = 0
        self.dmap = asked
        fit_quietly(self.dmap, X)  # nothing is said of coordinates that are not used

    def _fit_decoder(self, X: Array) -> None:
        """Fit the decoder of the diffusion coordinates used, and principal components of the rest."""
        known, near = self.dmap.embedding_, self.dmap.self_excluded_
        d, split = known.shape[1], self.d_diffusion_
        used = slice(split or d)
        self.gplm.fit(near[:, used], X, in_sample_ix=known[:, used])
        self.principal_, self.predicted_error_ = None, self.gplm.press_.error
        self.new_codes_: Float64 | None = near
        if split < d:
            left = self._left(X)
            self.principal_ = varying(principal(left, d - split), left, X, d)
            self.predicted_error_ = predicted_error(left, X, d - split)
            self.new_codes_ = self._with_rest(near, X, left)

    def _is_chosen(self, split: int, X: Array) -> bool:
        """Whether so many diffusion coordinates are taken, and fewer could be."""
        return self.d_diffusion is None and split > max(0, self.dmap.d - X.shape[1])

    def _tuned(self, X: Array) -> Tuned:
        """The encoder, and how many of its coordinates are used."""
        if self.d_diffusion == 0 or (self.d_diffusion is not None and not self.free):
            return Tuned(clone(self.dmap), self.d_diffusion, ())
        tuned = tune(self.dmap, self.free, X, self.d_diffusion)
        if not self._is_chosen(tuned.d_diffusion, X) or tuned.ratio <= _DOUBTFUL:
            return tuned
        few = sample(X, self.dmap.seed)
        n_tried = len(few) if self.free else len(X)
        holds = does_better(ManifoldMap, tuned, self.gplm, few, n_tried)
        return tuned if holds else Tuned(clone(self.dmap), 0, tuned.trials)

    def encode(self, X: Array) -> Float64:
        """Coordinates (b, d): diffusion coordinates, then principal ones of the rest."""
        used = self.dmap.transform(X) if self.d_diffusion_ else np.empty((len(X), 0))
        return self._with_rest(used, X)

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
            parts.append(self.gplm.fit_.slopes(codes[:, : self.d_diffusion_]))
        if self.principal_ is not None:
            axes = self.principal_.axes.T
            parts.append(np.broadcast_to(axes, (len(codes), *axes.shape)))
        return np.concatenate(parts, axis=2)

    def far(self, codes: Array) -> Array:
        """Whether each of the coordinates (b, d) lies where diffusion coordinates decode to nothing."""
        if not self.d_diffusion_:
            return np.zeros(len(codes), bool)
        return self.gplm.fit_.far(codes[:, : self.d_diffusion_])

    def half_widths(self, codes: Array, level: float) -> Float64:
        """Half the width (b, D) of intervals around what coordinates (b, d) decode to; see `interval`.

        Their scores are of residuals less their principal part, by components of other rows.
        """
        quantiles = interval.half_widths(self._scores, level)
        if not self.d_diffusion_:  # principal components are as wide everywhere
            return np.broadcast_to(quantiles, (len(codes), len(quantiles)))
        fit = self.gplm.fit_
        return fit.spread(fit.scale.apply(codes[:, : self.d_diffusion_]))[:, None] * quantiles

    @functools.cached_property
    def _scores(self) -> Float64:
        if self.d_diffusion_:
            residuals, spread = self.gplm.fit_.sampled()
        else:
            residuals = self.gplm.fit_.known_sums("intervals").sample_sX
            spread = np.ones(len(residuals))
        d = 0 if self.principal_ is None else len(self.principal_.axes)
        return interval.scores(rests(residuals, d), spread)

    def _decoded(self, codes: Array) -> Float64:
        """What diffusion coordinates alone decode to."""
        if not self.d_diffusion_:
            return np.zeros((len(codes), len(self.gplm.mu_X_)))
        return self.gplm.predict(codes[:, : self.d_diffusion_])

    def _with_rest(self, codes: Array, X: Array, left: Array | None = None) -> Float64:
        """Diffusion coordinates (b, d) with principal ones of the rest in the places of the last."""
        if self.principal_ is None:
            return codes
        if left is None:
            left = self._decoded(codes)
            np.subtract(X, left, out=left)
        rest = left @ self.principal_.axes.T - self.principal_.axes @ self.principal_.center
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
        known = self._with_rest(self.dmap.embedding_, X)
        if self.new_codes_ is not None:
            return known, self.new_codes_
        # Saved before they were kept.
        return known, self._with_rest(self.dmap.self_excluded_, X, self._left(X))

    def left_out(self, X: Array) -> Float64:
        """Residuals (n, D) of the training rows, each left out of encoder and decoder."""
        left = self._left(X)
        return left if self.principal_ is None else self.principal_.rest(left)

    def expected_residual(self, X: Array, left_out: Array | None = None) -> float:
        """Mean square of the residuals of the training rows `X` (n, D), each left out."""
        # Of all rows: what is left out is known for all alone.
        return float(np.square(self.left_out(X) if left_out is None else left_out).mean())

    def training_rows(self) -> Float64:
        """The training rows (n, D), which the encoder compares new ones with."""
        return self.dmap.training_rows_

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Both parts, each under its name, and the principal components."""
        dmap, dmap_arrays = self.dmap.to_arrays()
        gplm, gplm_arrays = self.gplm.to_arrays()
        saved = {"dmap": dmap, "gplm": gplm, "d_diffusion": self.d_diffusion_, "principal": None}
        saved["predicted_error"] = self.predicted_error_
        saved["trials"] = [dataclasses.asdict(trial) for trial in self.trials_]
        arrays = under("dmap", dmap_arrays) | under("gplm", gplm_arrays)
        if self.principal_ is not None:
            saved["principal"], own = to_arrays(self.principal_)
            arrays |= under("principal", own)
        if self.principal_ is not None and self.new_codes_ is not None:
            arrays["new_codes"] = self.new_codes_
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
        own = below(arrays, "principal")
        self.principal_ = None if plain is None else from_arrays(Principal, plain, own)
        # Once kept beside the principal components.
        self.predicted_error_ = saved.get("predicted_error", (plain or {}).get("error", gplm.press_.error))
        self.trials_ = tuple(Trial(**each) for each in saved.get("trials", ()))
        self.new_codes_ = dmap.self_excluded_ if plain is None else arrays.get("new_codes")
        return self

    def facts(self) -> dict[str, Any]:
        """What encoder and decoder chose for themselves."""
        own = {"diffusion_coordinates": self.d_diffusion_, "predicted_error": self.predicted_error_}
        found = self.dmap.facts() | self.gplm.facts() | own
        if not self.d_diffusion_:  # nothing is made of the map's coordinates
            found = {name: value for name, value in found.items() if not name.endswith("_eigenvalue")}
        return found

    def sections(self) -> "Sequence[Section]":
        """The maps that were tried, and the spectrum of the one whose coordinates are among the latents."""
        # Pictures bring matplotlib; only a report draws.
        from dima.figures import curve, png
        from dima.figures.report import Section

        found = []
        if self.d_diffusion_:
            text = "Eigenvalues of the diffusion map: how slowly each coordinate varies along the data."
            found.append(Section("Spectrum", text, (png(curve.spectrum(self.dmap.eigenvalues_)),)))
        if self.trials_:
            text = (
                "Each map that was tried, and how many of its coordinates are best used; the other latents "
                "are principal components."
            )
            found.append(Section("Choice of the diffusion map", text, (), (table_of(self.trials_),)))
        return found
