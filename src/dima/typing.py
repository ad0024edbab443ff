"""Array aliases shared by every floor; shapes stand in the names (docs/notation.md)."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Array", "ArrayLike", "Arrays", "Float32", "Float64", "Int32"]

Array = NDArray[Any]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]
Arrays = dict[str, Array]
