"""What refinement by the prior does to noisy pictures."""

from typing import Any

import numpy as np

from dima import check
from dima.figures.report import Section, Table
from dima.metrics.reconstruction import error_over_variance
from dima.model.report.subject import SHOWN, Subject, pictures

__all__ = ["refinement"]

_ROWS = 200  # rows the errors are taken over
_NOISE = 0.5  # of the standard deviation of the data


def refinement(model: Any, subject: Subject) -> Section | None:
    """Noisy rows decoded as they are and refined; None without a prior, or where rows are no pictures."""
    # A fortieth of the chain: what little noise the latents of noisy rows carry.
    T = model.facts().get("prior_T", 0)
    t_start = min(max(1, T // 40), T - 1)
    if t_start < 1 or subject.image_shape is None:
        return None
    X, rng = subject.held_out[:_ROWS], np.random.default_rng(subject.seed)
    noisy = X + _NOISE * X.std() * rng.standard_normal(X.shape)
    Z = model.transform(noisy)
    refined = model.refine(Z, t_start=t_start, seed=subject.seed)
    rows = {
        "noisy": noisy,
        "decoded": model.inverse_transform(Z),
        "refined": model.inverse_transform(refined),
    }
    mean_X = check.fitted(model).mean_X
    errors = [[name, f"{error_over_variance(X, row, mean_X):.4f}"] for name, row in rows.items()]
    shown = {name: row[:SHOWN] for name, row in {"original": X, **rows}.items()}
    text = (
        "Noisy rows, decoded as they are and after the prior has pulled their latents a little towards "
        "the learned ones. Encoding and decoding remove most of the noise by themselves."
    )
    table = Table(["rows", "error / variance"], errors, f"{len(X)} held-out rows, against the clean ones.")
    return Section("Refinement", text, (pictures(shown, subject.image_shape),), (table,))
