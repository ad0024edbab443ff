"""What a last layer's weights multiply: standardised features, or random features of a Gaussian kernel.

A layer that is linear in the features is surest far away, where no training row is. Over the features of a
kernel the weights are a Gaussian process: as far away from all rows as it was before it saw any, and bent
where the classes are.
"""

import dataclasses
import math

import torch
from torch import Tensor

from dima.explain.tensors import to_numpy
from dima.scaling import Standardizer

__all__ = ["KERNELS", "Design"]

KERNELS = ("linear", "gaussian")
_WAVES = 256  # random features of the Gaussian kernel


@dataclasses.dataclass(frozen=True)
class Design:
    """Features (b, d) to rows (b, p) of float64, the last column a one for the bias.

    Attributes:
        center: (d,) of the training features.
        unit: (d,) their spread.
        waves: (d, m) of the random features, in units of 1 / spread; None for the linear kernel.
        phases: (m,) of the random features.
    """

    center: Tensor
    unit: Tensor
    waves: Tensor | None = None
    phases: Tensor | None = None

    @classmethod
    def of(cls, features: Tensor, kernel: str, bandwidth: float | None, seed: int) -> "Design":
        """The design for training features (n, d).

        Args:
            features: training rows.
            kernel: "linear", or "gaussian" for exp(-|x - x'|^2 / (2 bandwidth^2)) of standardised features.
            bandwidth: of the latter, in spreads of a feature; not given, the square root of d, half the
                mean squared distance of two rows being d.
            seed: of the random features.

        Source: Rahimi and Recht 2007 (random features, equation 2); Liu et al. 2020, arXiv 2006.10108,
        section 3.1 (a last layer that is a Gaussian process, so that it notices distance).
        """
        scale = Standardizer.of(to_numpy(features))
        center, unit = torch.from_numpy(scale.center), torch.from_numpy(scale.unit)
        if kernel == "linear":
            return cls(center, unit)
        d, draws = len(center), torch.Generator().manual_seed(seed)
        waves = torch.randn(d, _WAVES, generator=draws, dtype=torch.float64) / (bandwidth or math.sqrt(d))
        return cls(center, unit, waves, math.tau * torch.rand(_WAVES, generator=draws, dtype=torch.float64))

    def __call__(self, features: Tensor) -> Tensor:
        """Rows (b, p) of features (b, d); a row depends on its own features alone."""
        rows = (features.cpu().double() - self.center) / self.unit  # there are devices without float64
        if self.waves is not None and self.phases is not None:
            rows = math.sqrt(2 / self.waves.shape[1]) * (rows @ self.waves + self.phases).cos()
        return torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
