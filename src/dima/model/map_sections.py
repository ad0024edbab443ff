"""What a report shows of a diffusion map that a model chose."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dima.model.tuning import Trial, table_of
from dima.typing import Array

if TYPE_CHECKING:
    from dima.figures.report import Section

__all__ = ["sections_of"]


def sections_of(eigenvalues: Array | None, trials: Sequence[Trial]) -> "list[Section]":
    """The maps that were tried, and the spectrum of the one whose coordinates are latents, if any are."""
    # Pictures bring matplotlib; only a report draws.
    from dima.figures import curve, png
    from dima.figures.report import Section

    found = []
    if eigenvalues is not None:
        text = "Eigenvalues of the diffusion map: how slowly each coordinate varies along the data."
        found.append(Section("Spectrum", text, (png(curve.spectrum(eigenvalues)),)))
    if trials:
        text = (
            "Each map that was tried, and how many of its coordinates are best used; the other latents "
            "are principal components."
        )
        found.append(Section("Choice of the diffusion map", text, (), (table_of(trials),)))
    return found
