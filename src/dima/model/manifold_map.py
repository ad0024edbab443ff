"""Diffusion map and kernel decoder as one autoencoder, the part `ManifoldAutoencoder` is made around."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from dima.fitted import below, under
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.autoencoder import Autoencoder
from dima.model.stages import measured
from dima.typing import Array, Arrays, Float64

if TYPE_CHECKING:
    from dima.figures.report import Section

__all__ = ["ManifoldMap"]


class ManifoldMap(Autoencoder):
    """A `DMAP` that encodes and a `GPLM` that decodes; unfitted ones are handed in.

    Args:
        dmap: the encoder.
        gplm: the decoder.
    """

    def __init__(self, dmap: DMAP, gplm: GPLM) -> None:
        self.dmap = dmap
        self.gplm = gplm

    def fit(self, X: Array) -> Self:
        """Fit the encoder, and the decoder to what rows encode to as known and as new ones."""
        with measured("encoder"):
            self.dmap.fit(X)
        with measured("decoder"):
            self.gplm.fit(self.dmap.self_excluded_, X, in_sample_ix=self.dmap.embedding_)
        return self

    def encode(self, X: Array) -> Float64:
        """Diffusion coordinates (b, d)."""
        return self.dmap.transform(X)

    def decode(self, codes: Array) -> Float64:
        """Rows (b, D) of diffusion coordinates (b, d)."""
        return self.gplm.predict(codes)

    def is_fitted(self) -> bool:
        """Whether encoder and decoder are fitted."""
        return hasattr(self.dmap, "fit_") and hasattr(self.gplm, "fit_")

    def training_codes(self, X: Array) -> tuple[Float64, Float64]:
        """Coordinates (n, d) of the training rows, and those of each as if it had been new."""
        return self.dmap.embedding_, self.dmap.self_excluded_

    def left_out(self, X: Array) -> Float64:
        """Residuals (n, D) of the training rows, each left out of encoder and decoder."""
        return self.gplm.left_out(self.dmap.self_excluded_, X)

    def training_rows(self) -> Float64:
        """The training rows (n, D), which the encoder compares new ones with."""
        return self.dmap.training_rows_

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Both parts, each under its name."""
        dmap, dmap_arrays = self.dmap.to_arrays()
        gplm, gplm_arrays = self.gplm.to_arrays()
        return {"dmap": dmap, "gplm": gplm}, under("dmap", dmap_arrays) | under("gplm", gplm_arrays)

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The autoencoder that `to_arrays` described."""
        dmap = DMAP.from_arrays(saved["dmap"], below(arrays, "dmap"))
        return cls(dmap, GPLM.from_arrays(saved["gplm"], below(arrays, "gplm")))

    def facts(self) -> dict[str, Any]:
        """What encoder and decoder chose for themselves."""
        return self.dmap.facts() | self.gplm.facts()

    def sections(self) -> "Sequence[Section]":
        """The spectrum of the diffusion map."""
        # Pictures bring matplotlib; only a report draws.
        from dima.figures import curve, png
        from dima.figures.report import Section

        text = "Eigenvalues of the diffusion map: how slowly each coordinate varies along the data."
        return [Section("Spectrum", text, (png(curve.spectrum(self.dmap.eigenvalues_)),))]
