"""What the prior generates."""

from typing import Any

import numpy as np

from dima.figures import grid, png, scatter
from dima.figures.report import Section
from dima.model.report.subject import AXES, SHOWN, Subject, plane

__all__ = ["samples"]

_PICTURES = 60
_POINTS = 2000


def samples(model: Any, subject: Subject) -> Section | None:
    """Samples as pictures, or their latents over those of held-out rows; None without a prior."""
    if model.prior_ is None:
        return None
    if subject.image_shape is not None:
        drawn, real = model.sample(_PICTURES, seed=subject.seed), subject.held_out
        # Shown in the range of the data, so that paper stays white.
        shown = np.clip(drawn, real.min(), real.max()).reshape(-1, *subject.image_shape)
        return Section("Generated", "Drawn by the latent prior.", (png(grid.images(shown, SHOWN)),))
    Z = model.transform(subject.held_out)
    drawn = model.sample(min(_POINTS, len(Z)), decode=False, seed=subject.seed)
    text = "Latents of held-out rows and of the prior."
    return Section("Generated", text, (png(scatter.overlay(plane(Z), plane(drawn), axes=AXES)),))
