"""Latents made comparable: centred, and in units of their spread."""

import dataclasses

import numpy as np

from dima.errors import DataError, sentence
from dima.typing import Array, Float64

__all__ = ["LatentScale"]

_SPREADS = (1e-140, 1e140)  # of an axis; beyond these, squares leave the range of float64
_STILL = 1e-12  # share of its mean within which an axis varies by rounding alone
_FARTHEST = 1e15  # a coordinate in units of the spread; squares stay inside the range of float32


@dataclasses.dataclass(frozen=True)
class LatentScale:
    """An affine map to latents of order one.

    Attributes:
        center_x: (d,) mean of each axis.
        scale_x: (d,) unit of each axis: its own spread when whitened, else one common to all.
        unit2: a squared distance of one after the map, in squared units before it; 1 when whitened.
    """

    center_x: Float64
    scale_x: Float64
    unit2: float

    @classmethod
    def of(cls, latents: Array, *, whiten: bool, owner: str) -> "LatentScale":
        """Learn centre and units from `latents` (n, d); an axis that never varies takes the common unit.

        Raises:
            DataError: an axis is spread so far or so little that squares over- or underflow.
        """
        with np.errstate(over="ignore"):  # an overflow ends as a spread out of range
            center = latents.mean(axis=0, dtype=np.float64)
        spread = _spread(latents, center, owner)
        common = float(np.sqrt((spread**2).mean())) or 1.0
        own = spread if whiten else np.full_like(spread, common)
        return cls(center, np.where(own > 0, own, common), 1.0 if whiten else common**2)

    def scaled(self, latents: Array) -> Float64:
        """`latents` (b, d) after the map; absurdly far ones are brought into range."""
        with np.errstate(over="ignore"):  # what overflows is brought back by the clip
            scaled = (latents - self.center_x) / self.scale_x
        return np.clip(scaled, -_FARTHEST, _FARTHEST)

    def restored(self, scaled: Float64) -> Float64:
        """The latents (b, d) whose image under the map is `scaled`."""
        return scaled * self.scale_x + self.center_x


def _spread(latents: Array, center: Float64, owner: str) -> Float64:
    """Standard deviation (d,) of each axis, exactly zero where only rounding varies."""
    with np.errstate(over="ignore", invalid="ignore"):
        spread = latents.std(axis=0, dtype=np.float64)
        moves = np.ptp(latents, axis=0) > _STILL * np.abs(center)
    least, most = _SPREADS
    broken = moves & ~((spread > least) & (spread < most))
    if broken.any():
        rule, got = f"spread out by {least:g} to {most:g}", f"{spread[broken][0]:.3g}"
        raise DataError(sentence(owner, "latents", rule, got, "Rescale the latents."))
    return np.where(moves, spread, 0.0)
