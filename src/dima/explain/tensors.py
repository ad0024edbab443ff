"""Tensors at a public entry of this floor: held to the rules of `dima.check`, their gradients kept."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dima import check
from dima.errors import DataError, ShapeError
from dima.typing import Array

__all__ = ["class_labels", "label_values", "like", "rows", "to_numpy"]


def rows(owner: str, name: str, values: Any, width: int | str = "d") -> Tensor:
    """Rows (n, width) as a float32 or float64 tensor, the caller's own and differentiable where it is one.

    Raises:
        ShapeError, DataError: as `check.array`.
    """
    checked = check.array(owner, name, to_numpy(values), ("n", width))
    if isinstance(values, Tensor) and values.dtype in (torch.float32, torch.float64):
        return values
    # torch warns of memory it may not write to; it only reads.
    return torch.from_numpy(np.require(checked, requirements=["C", "W"]))


def class_labels(owner: str, labels: Any, n: int, name: str = "labels") -> tuple[Array, Array]:
    """The classes (c,) in rising order, and the place among them of each of n labels, (n,) int64.

    Raises:
        ShapeError, DataError: as `label_values`; one class only.
    """
    classes, places = np.unique(label_values(owner, name, labels, n), return_inverse=True)
    if len(classes) < 2:
        got = f"the class {classes[0]} alone"
        raise DataError(f"{owner}: {name} must hold two classes or more; got {got}. Pass rows of others.")
    return classes, places


def label_values(owner: str, name: str, labels: Any, n: int) -> Array:
    """Labels (n,), whole numbers as int64 or words.

    Raises:
        ShapeError: not one label for each row.
        DataError: neither words nor whole numbers.
    """
    given = to_numpy(labels)
    if given.shape != (n,):
        rule = f"one label for each of {n} rows"
        raise ShapeError(f"{owner}: {name} must be {rule}; got shape {given.shape}. Pass their labels.")
    if given.dtype.kind == "U" or (given.dtype == object and all(isinstance(one, str) for one in given)):
        return given.astype(str)
    checked = check.array(owner, name, given, (n,))
    if (checked != np.round(checked)).any():
        rule, got = "whole numbers or words", "fractions"
        raise DataError(f"{owner}: {name} must be {rule}; got {got}. Number the classes from 0.")
    return checked.astype(np.int64)


def to_numpy(values: Any) -> Array:
    """Anything NumPy reads as an array, or a tensor anywhere, as an array without gradient."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def like(values: Any, array: Array) -> Any:
    """The array as what `values` are: a tensor of their type and place, or an array of their type."""
    if isinstance(values, Tensor):
        return torch.from_numpy(array).to(values)
    dtype = getattr(values, "dtype", None)
    return array.astype(dtype) if dtype in (np.float32, np.float64) else array
