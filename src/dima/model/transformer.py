"""Any scikit-learn transformer that can be inverted, as an autoencoder: `LatentModel(PCA(16))`."""

from typing import Any, Self

import numpy as np
from sklearn import decomposition, preprocessing
from sklearn.base import clone

from dima.errors import ArtifactError, DataError, NumericsError
from dima.model.autoencoder import Autoencoder
from dima.model.stages import measured
from dima.typing import Array, Arrays, Float64

__all__ = ["TransformerAutoencoder"]

# Those that are rebuilt from their fitted numbers alone. A file may name no other.
_SAVED = {
    kind.__name__: kind
    for kind in (
        decomposition.PCA,
        decomposition.FastICA,
        decomposition.IncrementalPCA,
        decomposition.NMF,
        decomposition.TruncatedSVD,
        preprocessing.MinMaxScaler,
        preprocessing.RobustScaler,
        preprocessing.StandardScaler,
    )
}
_PLAIN = bool | int | float | str | None | np.generic


class TransformerAutoencoder(Autoencoder):
    """A transformer with `inverse_transform` as encoder and decoder.

    Args:
        transformer: any scikit-learn transformer of rows.
    """

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer

    def fit(self, X: Array) -> Self:
        """Fit a clone of the transformer to rows `X` (n, D).

        Raises:
            DataError: the transformer cannot be fitted to them, or inverts nothing.
        """
        name = type(self.transformer).__name__
        try:
            with measured("autoencoder"):
                self.transformer_ = clone(self.transformer).fit(X)
            self.decode(self.encode(X[:1]))
        except (ValueError, TypeError, IndexError, AttributeError) as fault:
            reason = str(fault).partition("\n")[0].rstrip(".:")
            fix = "Choose another transformer, or other settings of it."
            raise DataError(
                f"LatentModel: {name} must encode and decode these rows; got: {reason}. {fix}"
            ) from None
        return self

    def encode(self, X: Array) -> Float64:
        """What the transformer makes of rows `X` (b, D)."""
        # Some make a vector of a single row.
        return np.asarray(self.transformer_.transform(X), np.float64).reshape(len(X), -1)

    def decode(self, codes: Array) -> Float64:
        """What the transformer makes of `codes` (b, d) backwards.

        Raises:
            NumericsError: the transformer makes no finite numbers of them.
        """
        X = np.asarray(self.transformer_.inverse_transform(codes), np.float64)
        n_lost = np.count_nonzero(~np.isfinite(X).all(axis=1))
        if n_lost:
            name, got = type(self.transformer_).__name__, f"{n_lost} of {len(X)} that are not"
            fix = "Train the prior longer, or take a transformer that inverts every latent."
            raise NumericsError(f"LatentModel: {name} must decode latents to finite rows; got {got}. {fix}")
        return X

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """The settings and fitted numbers of the transformer.

        Raises:
            ArtifactError: the transformer is not one that fitted numbers alone describe.
        """
        name, fitted = type(self.transformer_).__name__, vars(self.transformer_)
        arrays = {key: value for key, value in fitted.items() if isinstance(value, np.ndarray)}
        plain = {key: value for key, value in fitted.items() if key not in arrays}
        if _SAVED.get(name) is not type(self.transformer_) or not _are_plain(plain):
            fix = f"These can: {', '.join(_SAVED)}, with plain settings."
            raise ArtifactError(f"save: the transformer must be one that can be saved; got {name}. {fix}")
        return {"transformer": name, "fitted": plain}, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The autoencoder that `to_arrays` described.

        Raises:
            ArtifactError: the transformer is none of those that can be saved.
        """
        if saved["transformer"] not in _SAVED:
            got = repr(saved["transformer"])
            raise ArtifactError(f"load: the transformer must be one of {sorted(_SAVED)}; got {got}.")
        kind = _SAVED[saved["transformer"]]
        # JSON knows no tuples, and no setting of these is a list.
        plain = {name: tuple(v) if isinstance(v, list) else v for name, v in saved["fitted"].items()}
        values = plain | arrays
        names = kind().get_params(deep=False)
        transformer = kind(**{name: values[name] for name in names})
        for name in values.keys() - names.keys():
            # Fitted numbers end in "_" or start with it; a file must not replace a method.
            if hasattr(kind, name) or not (name.endswith("_") or name.startswith("_")):
                raise ArtifactError(f"load: a fitted number of {kind.__name__} must be one; got {name!r}.")
            setattr(transformer, name, values[name])
        self = cls(clone(transformer))
        self.transformer_ = transformer
        return self

    def facts(self) -> dict[str, Any]:
        """The name of the transformer."""
        return {"transformer": type(self.transformer_).__name__}


def _are_plain(values: dict[str, Any]) -> bool:
    flat = [item for value in values.values() for item in (value if isinstance(value, tuple) else (value,))]
    return all(isinstance(item, _PLAIN) for item in flat)
