"""Ready hooks: what is most often done to features, each a name with its settings and tensors.

Features are (b, c, ...), one sample a row: (b, c, h, w) in a network of images. Tensors may be given as
anything `torch.as_tensor` reads, or as a list of such; they are copied, and follow the features to their
device and dtype.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Annotated, Any

import torch
import torch.nn.functional as F  # noqa: N812 the name everybody knows
from msgspec import Meta
from torch import Tensor

from dima.errors import SettingError, ShapeError
from dima.image.hooks.tape import Context, Hook, hold_arguments
from dima.image.hooks.values import ReadyHook, by_channel, misfit, named, narrow, of_samples, rows, wide

__all__ = ["READY", "Amplify", "Away", "Bias", "Compose", "Dampen", "ProjectOut", "Select", "Swap", "Toward"]

Values = Any  # a number, a tensor, an array, or a list of tensors; kept as a tensor
Strength = Annotated[float, Meta(ge=0, le=1, description="share of the way that is gone")]

_ALONG = 1e-5  # sine below which rounding decides on which side of a direction a vector lies


@dataclasses.dataclass(frozen=True, eq=False)
class Amplify(ReadyHook):
    """Features times a factor of one or more.

    Raises:
        SettingError: the factor is below one, or not finite.

    Example:
        >>> Amplify(1.5)(torch.ones(1, 2)).tolist()
        [[1.5, 1.5]]
    """

    factor: Annotated[float, Meta(ge=1, description="what features are multiplied by")]

    def _changed(self, features: Tensor, context: Context | None) -> Tensor:
        return features * self.factor


@dataclasses.dataclass(frozen=True, eq=False)
class Dampen(ReadyHook):
    """Features times a factor between zero, which silences them, and one.

    Raises:
        SettingError: the factor is outside [0, 1].

    Example:
        >>> Dampen(0.5)(torch.ones(1, 2)).tolist()
        [[0.5, 0.5]]
    """

    factor: Annotated[float, Meta(ge=0, le=1, description="what features are multiplied by")]

    def _changed(self, features: Tensor, context: Context | None) -> Tensor:
        return features * self.factor


@dataclasses.dataclass(frozen=True, eq=False)
class Bias(ReadyHook):
    """Features plus an amount.

    Args:
        amount: a number, or (c,), one a channel.

    Raises:
        SettingError: the amount is of another form, or not finite.
        ShapeError: when called, on another number of channels.

    Example:
        >>> Bias([1.0, -1.0])(torch.zeros(1, 2)).tolist()
        [[1.0, -1.0]]
    """

    amount: Values

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.amount.ndim > 1:
            got = tuple(self.amount.shape)
            raise SettingError(f"Bias: amount must be a number or one a channel; got shape {got}.")

    def _changed(self, features: Tensor, context: Context | None) -> Tensor:
        if self.amount.ndim and len(self.amount) != features.shape[1]:
            raise misfit("Bias", "amount", f"({features.shape[1]},)", self.amount, context)
        return features + by_channel(self.amount.to(features), features)


@dataclasses.dataclass(frozen=True, eq=False)
class Select(ReadyHook):
    """Features in some channels; zero in all others.

    Raises:
        SettingError: the channels are no whole numbers from zero on, or none.
        ShapeError: when called, on fewer channels.

    Example:
        >>> Select([1])(torch.ones(1, 3)).tolist()
        [[0.0, 1.0, 0.0]]
    """

    channels: Annotated[
        tuple[Annotated[int, Meta(ge=0)], ...],
        Meta(min_length=1, description="numbers of the channels that stay, from 0"),
    ]

    def _changed(self, features: Tensor, context: Context | None) -> Tensor:
        if max(self.channels) >= features.shape[1]:
            got, owner = max(self.channels), named("Select", context)
            raise ShapeError(f"{owner}: channels must be below {features.shape[1]}; got {got}.")
        chosen = torch.zeros(features.shape[1], dtype=torch.bool)
        chosen[list(self.channels)] = True
        return torch.where(by_channel(chosen.to(features.device), features), features, 0.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Toward(ReadyHook):
    """Features on the straight way to a target: f + strength (target - f).

    Args:
        target: (c, ...) for every sample, or (n, c, ...), one for each sample of the whole call.
        strength: share of the way, 0 (features) .. 1 (target).

    Raises:
        SettingError: the strength is outside [0, 1], or the target not finite.
        ShapeError: when called, on features of another shape or of more samples.

    Example:
        >>> Toward(torch.tensor([4.0, 0.0]), 0.25)(torch.zeros(1, 2)).tolist()
        [[1.0, 0.0]]
    """

    target: Values = dataclasses.field(repr=False)
    strength: Strength

    def _changed(self, features: Tensor, context: Context | None) -> Tensor:
        target = of_samples("Toward", "target", self.target, features, context)
        return torch.lerp(features, target, self.strength)


@dataclasses.dataclass(frozen=True, eq=False)
class Swap(ReadyHook):
    """The features of a donor instead.

    Args:
        donor: (c, ...) for every sample, or (n, c, ...), one for each sample of the whole call.

    Raises:
        SettingError: the donor is not finite.
        ShapeError: when called, on features of another shape or of more samples.

    Example:
        >>> Swap(torch.tensor([4.0, 0.0]))(torch.ones(2, 2)).tolist()
        [[4.0, 0.0], [4.0, 0.0]]
    """

    donor: Values = dataclasses.field(repr=False)

    def _changed(self, features: Tensor, context: Context | None) -> Tensor:
        # Laid out as the features are: layers behind round by it, and a donor that was saved lies otherwise.
        return torch.empty_like(features).copy_(of_samples("Swap", "donor", self.donor, features, context))


@dataclasses.dataclass(frozen=True, eq=False)
class Away(ReadyHook):
    """Features turned away from the mean direction of targets, each sample at its own length.

    A sample at an angle a from the direction comes to a + strength (pi - a) in the plane of the two: at
    strength 1 to the opposite of the direction, never further, and never longer. A sample that lies along
    the direction has no side to turn to, and stays. Source of the arc: Shoemake 1985.

    Args:
        targets: (c, ...) or (k, c, ...); the direction is the mean of the targets at length one.
        strength: share of the way to the opposite of the direction, 0 .. 1.

    Raises:
        SettingError: the strength is outside [0, 1], targets are not finite, or cancel out.
        ShapeError: when called, on features of another shape.

    Example:
        >>> turned = Away([torch.tensor([1.0, 0.0])], 0.5)(torch.tensor([[0.0, 2.0]]))
        >>> [round(one, 4) for one in turned[0].tolist()]  # from 90 to 135 degrees
        [-1.4142, 1.4142]
    """

    targets: Values = dataclasses.field(repr=False)
    strength: Strength

    def _changed(self, features: Tensor, context: Context | None) -> Tensor:
        flat = wide(features)
        mean = F.normalize(rows("Away", "targets", self.targets, features, context)).mean(0)
        if mean.norm() < _ALONG:
            rule = "have a mean direction"
            raise SettingError(f"{named('Away', context)}: targets must {rule}; got some that cancel out.")
        direction = F.normalize(mean, dim=0).to(flat)
        lengths = flat.norm(dim=1, keepdim=True)
        unit = flat / lengths.clamp(min=torch.finfo(flat.dtype).tiny)
        cosine = (unit * direction).sum(1, keepdim=True)
        across = unit - cosine * direction
        sine = across.norm(dim=1, keepdim=True)
        angle = torch.atan2(sine, cosine)
        turned = angle + self.strength * (math.pi - angle)
        # As a step from the features, so that strength 0 leaves every bit.
        step = (turned.cos() - angle.cos()) * direction + (turned.sin() - angle.sin()) * F.normalize(across)
        return narrow(flat + torch.where(sine < _ALONG, 0.0, lengths * step), features)


@dataclasses.dataclass(frozen=True, eq=False)
class ProjectOut(ReadyHook):
    """Features without their component along one direction or several.

    Directions need neither be of length one nor orthogonal: what is removed is all that they span.

    Args:
        directions: (c, ...) or (k, c, ...).

    Raises:
        SettingError: directions are not finite, or all zero.
        ShapeError: when called, on features of another shape.

    Example:
        >>> ProjectOut(torch.tensor([2.0, 0.0]))(torch.tensor([[3.0, 5.0]])).tolist()
        [[0.0, 5.0]]
    """

    directions: Values = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.directions.any():
            raise SettingError("ProjectOut: directions must point somewhere; got zeros only.")

    def _changed(self, features: Tensor, context: Context | None) -> Tensor:
        flat = wide(features)
        for axis in _axes(rows("ProjectOut", "directions", self.directions, features, context)).to(flat):
            # One at a time: a product of matrices would be rounded to bfloat16 under autocast.
            flat = flat - (flat * axis).sum(1, keepdim=True) * axis
        return narrow(flat, features)


@dataclasses.dataclass(frozen=True, eq=False)
class Compose:
    """Several hooks as one, the first of them first; functions of one's own may be among them.

    Raises:
        SettingError: one of them cannot be called with features and context.

    Example:
        >>> Compose([Amplify(2.0), Bias(1.0)])(torch.ones(1, 2)).tolist()
        [[3.0, 3.0]]
    """

    hooks: Sequence[Hook]

    def __post_init__(self) -> None:
        given: Any = self.hooks
        odd = [hook for hook in given if not callable(hook)] if isinstance(given, Sequence) else [given]
        if odd:
            rule, got = "a list of functions (features, context) -> features", type(odd[0]).__name__
            raise SettingError(f"Compose: hooks must be {rule}; got {got}.")
        for number, hook in enumerate(given, 1):
            hold_arguments(f"Compose: hook {number}", hook)
        object.__setattr__(self, "hooks", tuple(given))

    def __call__(self, features: Tensor, context: Context | None = None) -> Tensor:
        """What the last of the hooks makes of features (b, c, ...)."""
        where = Context("") if context is None else context
        return functools.reduce(lambda changed, hook: hook(changed, where), self.hooks, features)


# What a recipe may name, and nothing else; `Compose` holds others of them.
READY: dict[str, type[ReadyHook]] = {
    "amplify": Amplify,
    "away": Away,
    "bias": Bias,
    "dampen": Dampen,
    "project-out": ProjectOut,
    "select": Select,
    "swap": Swap,
    "toward": Toward,
}


def _axes(directions: Tensor) -> Tensor:
    """Orthonormal rows, float64 on the CPU, that span what rows (k, D) span: as many as are independent."""
    unit = F.normalize(directions.cpu().double())
    _, sizes, axes = torch.linalg.svd(unit, full_matrices=False)
    return axes[sizes > _ALONG]
