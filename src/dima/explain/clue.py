"""Counterfactual latents: the smallest change of a latent after which a classifier is sure."""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import torch
from msgspec import Meta
from torch import Tensor

from dima import settings
from dima.errors import DataError, NumericsError, SettingError, ShapeError
from dima.explain.tensors import rows

__all__ = ["PRIORS", "Counterfactuals", "clue"]

_MEMORY, _LONG_MEMORY = 0.9, 0.95  # of the mean and the size of a row's gradient
_LEAST = 1e-12  # size of a gradient that is followed

Function = Callable[[Tensor], Any]


@dataclasses.dataclass(frozen=True)
class Counterfactuals:
    """What `clue` found for b rows from s starts each.

    Attributes:
        z: (b, s, d) latents.
        uncertainty: (b, s) at them.
        uncertainty_before: (b,) at the rows given.
        distance: (b, s) Euclidean, of the latents from the rows given.
    """

    z: Tensor
    uncertainty: Tensor
    uncertainty_before: Tensor
    distance: Tensor


def _no_prior(at: Tensor) -> Tensor:
    return torch.zeros_like(at[:, 0])


def _gaussian(at: Tensor) -> Tensor:
    """Minus the log density of N(0, 1), up to a constant: it grows away from the origin."""
    return 0.5 * at.square().sum(dim=1)


PRIORS: dict[str, Function] = {"none": _no_prior, "gaussian": _gaussian}


def clue(  # noqa: PLR0913 the signature declares the settings
    z: Tensor,
    uncertainty: Function,
    *,
    distance_weight: Annotated[float, Meta(ge=0, description="of the distance, per unit of latent")],
    prior: str | Function = "none",
    prior_weight: Annotated[float, Meta(ge=0, description="of the prior")] = 1.0,
    ball: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="largest distance, or None")
    ] = None,
    starts: Annotated[int, Meta(ge=1, description="searches of a row")] = 1,
    steps: Annotated[int, Meta(ge=1, description="steps of a search")] = 200,
    rate: Annotated[float, Meta(gt=0, description="length of the first steps; it falls to zero")] = 0.05,
    seed: Annotated[int, Meta(ge=0, lt=2**31, description="of the starts")] = 0,
) -> Counterfactuals:
    """Find latents near z of which a classifier is surer.

    For each row and start it minimises uncertainty(z') + distance_weight |z' - z| + prior_weight prior(z'),
    and keeps the lowest point passed. The first search starts at z, the others at offsets from it, the same
    for every row, up to the ball (or 1) away. A row's answer does not depend on the other rows.

    Args:
        z: (b, d) latents.
        uncertainty: differentiable, (m, d) -> (m,), such as `lambda z: layer.entropy(encode(decode(z)))`.
        distance_weight: units of uncertainty that a unit of distance costs.
        prior: "none"; "gaussian" for |z'|^2 / 2; or the clean estimate (m, d) -> (m, d) of a diffusion prior
            at a small noise level, for |z' - prior(z')|^2. It is held constant in the gradient if what it
            returns is no tensor; it is then given latents without gradient, which NumPy can read.
        prior_weight: units of uncertainty that a unit of the prior costs.
        ball: largest distance from z; None for any.
        starts: searches of a row.
        steps: steps of a search.
        rate: length of a step at first; it falls to zero.
        seed: of the starts.

    Raises:
        SettingError: a setting breaks its rule.
        ShapeError: z is not (b, d), or a function does not return what it should.
        DataError: z is not finite, or the uncertainty has no gradient.
        NumericsError: the uncertainty is not finite.

    Source: Antoran, Bhatt, Adel, Weller and Hernandez-Lobato 2021, arXiv 2006.06848 (CLUE); Ley, Bhatt and
    Weller 2022, arXiv 2104.06323 (the ball, several starts).

    Example:
        >>> doubt = lambda z: torch.exp(-z[:, 0] ** 2)  # sure away from the plane z_0 = 0
        >>> found = clue(torch.tensor([[0.1, 1.0]]), doubt, distance_weight=0.1, ball=2.0)
        >>> bool(found.uncertainty < 0.1), bool((found.z[0, 0, 1] - 1.0).abs() < 0.01)
        (True, True)
    """
    given = {"distance_weight": distance_weight, "prior_weight": prior_weight, "ball": ball}
    given |= {"starts": starts, "steps": steps, "rate": rate, "seed": seed}
    settings.check("clue", clue, given)
    if not callable(uncertainty):
        got, fix = type(uncertainty).__name__, "Pass layer.entropy, say."  # type: ignore[unreachable]  # by hints
        raise SettingError(f"clue: uncertainty must be a function of latents; got a {got}. {fix}")
    origin = rows("clue", "z", z).detach()
    penalty = _penalty(prior, origin)
    near = origin.repeat_interleave(starts, dim=0)
    before = _asked(uncertainty, origin).detach()
    offsets = _offsets(starts, origin.shape[1], 1.0 if ball is None else ball, seed).to(origin)

    def objective(at: Tensor) -> Tensor:
        distance = torch.linalg.vector_norm(at - near, dim=1)
        return _asked(uncertainty, at) + distance_weight * distance + prior_weight * penalty(at)

    found = _descended(objective, near, near + offsets.repeat(len(origin), 1), ball, (steps, rate))
    found = found.detach()
    doubt = _asked(uncertainty, found).detach().reshape(-1, starts)
    distance = torch.linalg.vector_norm(found - near, dim=1).reshape(-1, starts)
    return Counterfactuals(found.reshape(len(origin), starts, -1), doubt, before, distance)


def _descended(
    objective: Function, near: Tensor, start: Tensor, ball: float | None, plan: tuple[int, float]
) -> Tensor:
    """The lowest point each row passes on its way down from its start, within its ball.

    Adam with one size for a whole row, where the original has one for each axis: its steps would not follow
    the gradient, and against the edge of a ball come to rest at the wrong point.
    """
    steps, rate = plan
    at = _drawn_in(start, near, ball).requires_grad_()
    mean, square = torch.zeros_like(at), torch.zeros_like(at[:, :1])
    best, lowest = at.detach(), torch.full_like(at[:, 0], torch.inf).detach()
    for step in range(steps + 1):
        height = objective(at)
        is_lower = height.detach() < lowest
        best = torch.where(is_lower[:, None], at.detach(), best)
        lowest = torch.where(is_lower, height.detach(), lowest)
        if step == steps:
            break
        # The sum, not the mean: each row's gradient is its own, however many rows there are.
        (slope,) = torch.autograd.grad(height.sum(), at)
        mean = torch.lerp(slope, mean, _MEMORY)
        square = torch.lerp(slope.square().sum(dim=1, keepdim=True), square, _LONG_MEMORY)
        size = (square / (1 - _LONG_MEMORY ** (step + 1))).sqrt().clamp_min(_LEAST)
        moved = at.detach() - rate * (1 - step / steps) / (1 - _MEMORY ** (step + 1)) * mean / size
        at = _drawn_in(moved, near, ball).requires_grad_()
    return best


def _drawn_in(at: Tensor, near: Tensor, ball: float | None) -> Tensor:
    """Rows moved along their ray into the ball around where they came from."""
    if ball is None:
        return at.clone()
    offset = at - near
    distance = torch.linalg.vector_norm(offset, dim=1, keepdim=True)
    return near + offset * (ball / distance.clamp_min(ball))


def _offsets(starts: int, d: int, radius: float, seed: int) -> Tensor:
    """No offset, then draws (starts - 1, d) from the ball of that radius."""
    draws = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(starts, d, generator=draws), dim=1)
    share = torch.rand(starts, 1, generator=draws) ** (1 / d)
    offsets = radius * share * direction
    offsets[0] = 0.0
    return offsets


def _penalty(prior: str | Function, z: Tensor) -> Function:
    """What the prior costs at rows (m, d): (m,)."""
    if isinstance(prior, str):
        if prior not in PRIORS:
            known = ", ".join(map(repr, PRIORS))
            raise SettingError(f"clue: prior must be {known} or a function; got {prior!r}.")
        return PRIORS[prior]
    tried = prior(z.clone())
    if tuple(tried.shape) != tuple(z.shape):
        rule, got = f"return shape {tuple(z.shape)} for z", f"shape {tuple(tried.shape)}"
        raise ShapeError(f"clue: prior must {rule}; got {got}. Return a clean estimate of each row.")
    is_tensor = isinstance(tried, Tensor)

    def penalty(at: Tensor) -> Tensor:
        clean = prior(at) if is_tensor else torch.as_tensor(np.array(prior(at.detach().cpu()))).to(at)
        return (at - clean).square().sum(dim=1)

    return penalty


def _asked(uncertainty: Function, at: Tensor) -> Tensor:
    """The uncertainty at rows (m, d), held to its rules."""
    doubt = uncertainty(at)
    if not isinstance(doubt, Tensor) or doubt.shape != at.shape[:1]:
        got = f"shape {tuple(doubt.shape)}" if hasattr(doubt, "shape") else type(doubt).__name__
        raise ShapeError(f"clue: uncertainty must return a tensor of shape ({len(at)},); got {got}.")
    if at.requires_grad and not doubt.requires_grad:
        fix = "Keep it in torch, without no_grad or detach."
        raise DataError(f"clue: uncertainty must be differentiable; got one without gradient. {fix}")
    if not doubt.isfinite().all():
        n_broken = int((~doubt.isfinite()).sum())
        raise NumericsError(
            f"clue: uncertainty must be finite; got NaN or inf for {n_broken} of {len(at)} latents."
        )
    return doubt
