"""What a latent model is made around: an encoder and a decoder as one part."""

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator

from dima.typing import Array, Arrays, Float64

if TYPE_CHECKING:
    from dima.figures.report import Section

__all__ = ["Autoencoder"]

_FEW = 2000  # rows that tell of the size of a residual


class Autoencoder(BaseEstimator, abc.ABC):  # type: ignore[misc]  # untyped base
    """Base of every autoencoder: five methods make one, the others have defaults.

    Settings are parameters of the constructor, as in scikit-learn. A new kind is a file and a line in
    `dima.model.kinds.AUTOENCODERS`; that makes it fitted, sampled, evaluated, reported, saved and
    served by every verb.
    """

    takes_images: ClassVar[bool] = False  # (n, c, h, w) in `fit`, beside rows

    @abc.abstractmethod
    def fit(self, X: Array) -> Self:
        """Learn from rows `X` (n, D), which are finite float32 or float64."""

    @abc.abstractmethod
    def encode(self, X: Array) -> Array:
        """Codes (b, d) of rows `X` (b, D); any scale, the model standardises them."""

    @abc.abstractmethod
    def decode(self, codes: Array) -> Array:
        """Rows (b, D) of `codes` (b, d)."""

    @abc.abstractmethod
    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """JSON-plain values and arrays that `from_arrays` makes an equal part of."""

    @classmethod
    @abc.abstractmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The part that `to_arrays` described."""

    def encode_images(self, images: Array) -> Array:
        """Codes (b, d) of images (b, c, h, w), whether it takes images or only rows."""
        return self.encode(images if self.takes_images else images.reshape(len(images), -1))

    def is_fitted(self) -> bool:
        """Whether `fit` was called, told as scikit-learn does: by attributes that end in "_"."""
        return any(name.endswith("_") and not name.startswith("_") for name in vars(self))

    def training_codes(self, X: Array) -> tuple[Array, Array]:
        """Codes (n, d) of the training rows `X` as they encode, and as they would had each been new."""
        codes = self.encode(X)
        return codes, codes

    def left_out(self, X: Array) -> Array:
        """Training rows `X` (n, D) less what they would decode to had each been new."""
        return X - self.decode(self.training_codes(X)[1])

    def expected_residual(self, X: Array, left_out: Array | None = None) -> float:
        """Mean square of what decoding will leave of new rows, told from the training rows `X` (n, D)."""
        left = self.left_out(X[:_FEW]) if left_out is None else left_out[:_FEW]
        return float(np.square(left).mean())

    def training_rows(self) -> Float64 | None:
        """The training rows (n, D), where the part keeps them."""
        return None

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted part: names in snake_case, JSON-plain values."""
        return {}

    def sections(self) -> "Sequence[Section]":
        """Its own sections of the report."""
        return ()
