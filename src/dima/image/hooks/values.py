"""What ready hooks are made of: checked settings and tensors, and how those fit to features."""

import abc
import dataclasses
from typing import Any

import torch
from torch import Tensor

from dima import settings
from dima.errors import SettingError, ShapeError
from dima.image.hooks.tape import Context

__all__ = ["ReadyHook", "by_channel", "misfit", "named", "narrow", "of_samples", "rows", "wide"]


@dataclasses.dataclass(frozen=True, eq=False)  # tensors have no single truth value to compare by
class ReadyHook(abc.ABC):
    """Base of the hooks that are data: declared fields are plain settings, all others are tensors."""

    def __post_init__(self) -> None:
        owner, given = type(self).__name__, vars(self)
        declared = settings.declared(type(self)).keys()
        plain = {name: _listed(value) for name, value in given.items() if name in declared}
        tensors = {name: _tensor(owner, name, given[name]) for name in given if name not in declared}
        for name, value in (settings.check(owner, type(self), plain) | tensors).items():
            object.__setattr__(self, name, value)

    def __call__(self, features: Tensor, context: Context | None = None) -> Tensor:
        """Features (b, c, ...) of the same shape, dtype and device; without a context they are all samples.

        Raises:
            ShapeError: a tensor of the hook does not fit the features.
        """
        return self._changed(features, context)

    @abc.abstractmethod
    def _changed(self, features: Tensor, context: Context | None) -> Tensor:
        """Features as the hook changes them."""


def of_samples(owner: str, name: str, values: Tensor, features: Tensor, context: Context | None) -> Tensor:
    """Values of one sample (c, ...) or of the whole call (n, c, ...) as those of these features (b, c, ...).

    Raises:
        ShapeError: they are of another shape, or not one for each of the samples.
    """
    sample = tuple(features.shape[1:])
    is_one = values.ndim < features.ndim or len(values) == 1
    picked = values if is_one or context is None else values[context.rows]
    if tuple(picked.shape) not in ((sample, (1, *sample)) if is_one else (tuple(features.shape),)):
        raise misfit(owner, name, f"{sample}, or one for each sample of the call", values, context)
    return picked.to(features).expand_as(features)


def rows(owner: str, name: str, values: Tensor, features: Tensor, context: Context | None) -> Tensor:
    """Values (c, ...) or (k, c, ...) as rows (k, D), D numbers in a sample of the features, on their device.

    Raises:
        ShapeError: they are of another shape.
    """
    sample = features.shape[1:]
    if values.shape[-len(sample) :] != sample or values.ndim > features.ndim:
        raise misfit(owner, name, f"{tuple(sample)}, or several of them", values, context)
    return values.to(features.device).reshape(-1, sample.numel())


def wide(features: Tensor) -> Tensor:
    """Features as rows (b, D) of at least float32, for sums."""
    return features.flatten(1).to(torch.promote_types(features.dtype, torch.float32))


def narrow(flat: Tensor, features: Tensor) -> Tensor:
    """Rows (b, D) in the shape and dtype of the features."""
    return flat.reshape(features.shape).to(features.dtype)


def by_channel(values: Tensor, features: Tensor) -> Tensor:
    """Values () or (c,) such that they line up with the channels of the features."""
    return values.reshape(-1, *[1] * (features.ndim - 2))


def named(owner: str, context: Context | None) -> str:
    """The hook, and the site it stands at if that is known: how a message opens."""
    return f"{owner} at {context.site!r}" if context and context.site else owner


def misfit(owner: str, name: str, rule: str, values: Tensor, context: Context | None) -> ShapeError:
    """The error for a tensor that does not fit the features of a site."""
    got = tuple(values.shape)
    at = f" for rows {context.rows.start} to {context.rows.stop}" if context and context.rows.stop else ""
    return ShapeError(f"{named(owner, context)}: {name} must be of shape {rule}; got {got}{at}.")


def _tensor(owner: str, name: str, values: Any) -> Tensor:
    """A copy of values, finite float32 or float64, without gradients; lists of tensors are stacked."""
    try:
        is_list = isinstance(values, list | tuple)
        given = torch.stack([*map(torch.as_tensor, values)]) if is_list else torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError):
        rule, got = "a tensor, or a list of tensors of one shape", type(values).__name__
        raise SettingError(f"{owner}: {name} must be {rule}; got {got}.") from None
    if given.is_complex() or not given.numel() or not given.isfinite().all():
        fault = "complex ones" if given.is_complex() else "NaN or inf" if given.numel() else "none"
        raise SettingError(f"{owner}: {name} must hold finite real numbers; got {fault}.")
    dtype = given.dtype if given.dtype == torch.float64 else torch.float32
    return given.detach().to(dtype, copy=True)


def _listed(value: Any) -> Any:
    """A tensor or array as the number or list it stands for; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value
