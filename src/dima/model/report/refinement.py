"""What refinement by the prior does to noisy pictures."""

from typing import Any

import numpy as np

from dima import check
from dima.figures.report import Section, Table
from dima.metrics.reconstruction import error_over_variance
from dima.model.latent_noise import latent_noise
from dima.model.report.subject import SHOWN, Subject, pictures

__all__ = ["refinement"]

_ROWS = 200  # rows the errors are taken over
_NOISE = 0.5  # of the standard deviation of the data
_HELPS = "Here that brings the decoded rows nearer to the clean ones."
_DOES_NOT = (
    "Here it does not help: encoding and decoding have removed most of the noise by themselves, and the "
    "prior has not learnt the latents finely enough to tell of the rest."
)


def refinement(model: Any, subject: Subject) -> Section | None:
    """Noisy rows decoded as they are and refined; None without a prior, or where rows are no pictures."""
    if check.fitted(model).residual is None or subject.image_shape is None:
        return None
    X, rng = subject.held_out[:_ROWS], np.random.default_rng(subject.seed)
    noisy = X + _NOISE * X.std() * rng.standard_normal(X.shape)
    Z = model.transform(noisy)
    noise = latent_noise(model, noisy, subject.seed)
    refined = model.refine(Z, "auto", noise=noise, seed=subject.seed)
    rows = {
        "noisy": noisy,
        "decoded": model.inverse_transform(Z),
        "refined": model.inverse_transform(refined),
    }
    mean_X = check.fitted(model).mean_X
    errors = {name: error_over_variance(X, row, mean_X) for name, row in rows.items()}
    shown = {name: row[:SHOWN] for name, row in {"original": X, **rows}.items()}
    helps = errors["refined"] < errors["decoded"]
    text = (
        "Noisy rows, decoded as they are and after the prior has drawn their latents to what they most "
        f"probably were: noise moves them by {np.sqrt(np.square(noise).mean()):.2f} standard deviations, as "
        "rows this far from the manifold tell. "
    ) + (_HELPS if helps else _DOES_NOT)
    table = Table(
        ["rows", "error / variance"],
        [[name, f"{error:.4f}"] for name, error in errors.items()],
        f"{len(X)} held-out rows, against the clean ones.",
    )
    return Section("Refinement", text, (pictures(shown, subject.image_shape),), (table,))
