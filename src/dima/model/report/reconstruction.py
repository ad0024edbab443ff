"""Held-out pictures beside what the model makes of them."""

from typing import Any

from dima import check
from dima.figures.report import Section
from dima.model.evaluate import pca_reconstruction
from dima.model.report.subject import SHOWN, Subject, pictures

__all__ = ["reconstruction"]


def reconstruction(model: Any, subject: Subject) -> Section | None:
    """Pictures encoded and decoded, beside principal components; None where rows are no pictures."""
    if subject.image_shape is None:
        return None
    X = subject.held_out[:SHOWN]
    rows = {"original": X, "dima": model.inverse_transform(model.transform(X))}
    text = "Held-out rows, encoded and decoded"
    train = check.fitted(model).autoencoder.training_rows() if subject.train is None else subject.train
    if train is not None:
        rows["PCA"] = pca_reconstruction(train, X, model.d_)
        text += ", beside principal components at the same dimension"
    return Section("Reconstruction", f"{text}.", (pictures(rows, subject.image_shape),))
