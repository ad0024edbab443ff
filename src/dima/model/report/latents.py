"""The latent space of held-out rows."""

from typing import Any

from dima.figures import png, scatter
from dima.figures.report import Section
from dima.model.report.subject import AXES, Subject, plane

__all__ = ["latents"]


def latents(model: Any, subject: Subject) -> Section:
    """The first two latents, coloured by label."""
    points = plane(model.transform(subject.held_out))
    picture = scatter.scatter(points, subject.labels, "", AXES)
    return Section("Latent space", "The first two latents of held-out rows.", (png(picture),))
