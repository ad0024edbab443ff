"""Variational inference for the weights above frozen features: natural-gradient steps in float64.

The posterior is Gaussian and factorised over k outputs, each with a mean (p,) and a precision (p, p) of
its weights. A step moves the precisions towards "prior precision + expected curvature of the likelihood" and
the means along "expected slope over precision"; where both stand still the bound on the evidence does. Where
the likelihood is Gaussian the first step arrives.
Source: Khan, Nielsen, Tangkaratt, Lin, Gal and Srivastava 2018, arXiv 1806.04854, eqs. 8 and 9 (variational
online Newton), on all rows at once.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from dima.blocks import row_blocks, rows_within
from dima.errors import NumericsError

__all__ = [
    "COVARIANCES",
    "Categorical",
    "Expected",
    "Gaussian",
    "Likelihood",
    "Posterior",
    "contrasts",
    "drawn_logits",
    "fit",
    "normals",
]

_MOST_STEPS = 300
_RATE = 0.5  # of every step but the first: whole ones can go to and fro
_SLOWING = 20.0  # over the step is the rate later on: a weight few rows speak of would go on to and fro
_MOST_PRODUCTS = 20  # of the joint curvature with a direction, in one step
_EXACT = 1e-4  # squared residual of a step that will do, relative
_STILL = (
    0.02  # of a step that ends the search, on average: means in posterior deviations, precisions relative
)
_CACHE = 16 * 2**20  # bytes of a block: drawn logits are passed over several times


class Expected(NamedTuple):
    """Expectations over the posterior at each row.

    Attributes:
        slope: (n, k), of the log-likelihood by the outputs.
        curvature: (n, k), minus its second derivative by each output.
        joint: (n, c), what `Likelihood.product` needs.
    """

    slope: Tensor
    curvature: Tensor
    joint: Tensor


class Likelihood(Protocol):
    """Rows of targets given k outputs that are Gaussian at each row."""

    @property
    def width(self) -> int:
        """The number k of outputs."""

    @property
    def bytes_per_row(self) -> int:
        """Working memory of `expect`."""

    def expect(self, mean: Tensor, variance: Tensor, rows: slice) -> Expected:
        """Expectations where the outputs of some rows have this mean and variance, (b, k) each."""

    def product(self, joint: Tensor, direction: Tensor) -> Tensor:
        """The joint curvature of each row's outputs, times a direction (n, k)."""


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """Targets (n, k) with noise of known variance."""

    targets: Tensor
    noise_variance: float

    @property
    def width(self) -> int:
        """The number k of outputs."""
        return self.targets.shape[1]

    @property
    def bytes_per_row(self) -> int:
        """Working memory of `expect`."""
        return 32 * self.width

    def expect(self, mean: Tensor, variance: Tensor, rows: slice) -> Expected:
        """In closed form."""
        slope = (self.targets[rows] - mean) / self.noise_variance
        curvature = torch.full_like(mean, 1 / self.noise_variance)
        return Expected(slope, curvature, curvature)

    def product(self, joint: Tensor, direction: Tensor) -> Tensor:
        """The outputs do not interact."""
        return joint * direction


@dataclasses.dataclass(frozen=True)
class Categorical:
    """Labels (n,) with the softmax of `outputs @ basis.T`; expectations by fixed draws (s, k)."""

    labels: Tensor
    basis: Tensor
    draws: Tensor

    @property
    def width(self) -> int:
        """The number k of outputs."""
        return self.basis.shape[1]

    @property
    def bytes_per_row(self) -> int:
        """Working memory of `expect`."""
        return 32 * len(self.draws) * len(self.basis)

    def expect(self, mean: Tensor, variance: Tensor, rows: slice) -> Expected:
        """By the draws, the same at every row."""
        p = drawn_logits(mean, variance, self.draws, self.basis).softmax(dim=2)
        along = p @ self.basis
        joint = p.mean(dim=1)
        curvature = joint @ self.basis**2 - along.square().mean(dim=1)
        return Expected(self.basis[self.labels[rows]] - joint @ self.basis, curvature, joint)

    def product(self, joint: Tensor, direction: Tensor) -> Tensor:
        """At the mean probabilities, whose curvature bounds the mean curvature from above."""
        logits = direction @ self.basis.T
        return (joint * (logits - (joint * logits).sum(dim=1, keepdim=True))) @ self.basis


@dataclasses.dataclass(frozen=True)
class Posterior:
    """A Gaussian over weights, factorised over k outputs.

    Attributes:
        mean: (p, k).
        covariance: (k, p, p).
    """

    mean: Tensor
    covariance: Tensor

    def outputs(self, design: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (b, k) of the outputs at rows (b, p)."""
        spreads = [((design @ one) * design).sum(dim=1) for one in self.covariance]
        return design @ self.mean, torch.stack(spreads, dim=1).clamp_min(0.0)


def contrasts(n_classes: int) -> Tensor:
    """Orthonormal columns (c, c - 1) that sum to zero: what a softmax sees of c logits.

    Column j sets class j + 1 against the mean of those before it (Helmert). Without them the shift common
    to all logits, which nothing in the data decides, would widen every class's posterior.
    """
    j = torch.arange(1, n_classes, dtype=torch.float64)
    before = torch.where(torch.arange(n_classes)[:, None] < j, -1.0, 0.0)
    own = torch.diag(torch.arange(n_classes, dtype=torch.float64))[:, 1:]
    return (before + own) / (j * (j + 1)).sqrt()


def drawn_logits(mean: Tensor, variance: Tensor, draws: Tensor, basis: Tensor) -> Tensor:
    """Logits (b, s, c) at draws (s, k) of outputs that have this mean and variance (b, k)."""
    outputs = mean[:, None] + variance.sqrt()[:, None] * draws
    return outputs @ basis.T


def normals(draws: int, width: int, seed: int) -> Tensor:
    """Standard normal draws (draws, width) of a scrambled Sobol sequence, a function of the seed."""
    # torch does not say what it takes
    engine = torch.quasirandom.SobolEngine(width, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    uniform = engine.draw(draws, dtype=torch.float64)
    return torch.special.ndtri(uniform.clamp(1e-9, 1 - 1e-9))


def fit(design: Tensor, likelihood: Likelihood, covariance: str, prior_variance: float) -> Posterior:
    """The posterior of the weights of k outputs over rows (n, p), float64.

    Args:
        design: rows.
        likelihood: of their targets.
        covariance: a name in `COVARIANCES`.
        prior_variance: of a weight.

    Raises:
        NumericsError: the steps do not come to rest.
    """
    mean = design.new_zeros((design.shape[1], likelihood.width))
    known = torch.zeros_like(design[:, :1] * mean[:1])
    # The first precisions are taken at weights that are known to be zero, not at the prior's spread.
    precision, size = _precision(design, _expected(likelihood, known, known), prior_variance), math.inf
    for at in range(_MOST_STEPS):
        rate = min(_RATE, _SLOWING / at) if at else 1.0
        posterior = Posterior(mean, COVARIANCES[covariance](precision))
        now = _expected(likelihood, *posterior.outputs(design))
        goal = _precision(design, now, prior_variance)
        change = _change(precision, goal)
        precision = torch.lerp(precision, goal, rate)
        slope = design.T @ now.slope - mean / prior_variance

        def curved(direction: Tensor, now: Expected = now) -> Tensor:
            product = likelihood.product(now.joint, design @ direction)
            return design.T @ product + direction / prior_variance

        step = _newton_step(slope, precision, curved)
        size = float(((step * slope).sum() / step.numel()).sqrt())
        if size < _STILL and change < _STILL:
            return posterior
        mean = mean + rate * step
    rule, got = f"come to rest in {_MOST_STEPS} steps", f"one of {size:.3g} standard deviations"
    raise NumericsError(f"BayesianLastLayer: the search must {rule}; got {got}. Lower prior_variance.")


def _expected(likelihood: Likelihood, mean: Tensor, variance: Tensor) -> Expected:
    """Expectations at every row, in blocks."""
    blocks = row_blocks(len(mean), rows_within(likelihood.bytes_per_row, _CACHE))
    parts = [likelihood.expect(mean[rows], variance[rows], rows) for rows in blocks]
    return Expected(*(torch.cat(one) for one in zip(*parts, strict=True)))


def _precision(design: Tensor, expected: Expected, prior_variance: float) -> Tensor:
    """Prior precision and expected curvature of each output's weights, (k, p, p)."""
    prior = torch.eye(design.shape[1], dtype=design.dtype) / prior_variance
    return torch.stack([prior + design.T @ (design * one[:, None]) for one in expected.curvature.T])


def _newton_step(slope: Tensor, precision: Tensor, curved: Callable[[Tensor], Tensor]) -> Tensor:
    """The step (p, k) whose image under the joint curvature is nearly the slope, by conjugate gradients.

    The outputs' own precisions are the preconditioner: exact where the outputs do not interact.
    """
    factor = torch.linalg.cholesky(precision)

    def eased(residual: Tensor) -> Tensor:
        return torch.cholesky_solve(residual.T[:, :, None], factor)[:, :, 0].T

    step, residual, direction = torch.zeros_like(slope), slope, eased(slope)
    weight = first = (residual * direction).sum()
    for _ in range(_MOST_PRODUCTS):
        if weight <= _EXACT * first:
            break
        image = curved(direction)
        share = weight / (direction * image).sum()
        step, residual = step + share * direction, residual - share * image
        fresh = eased(residual)
        weight, before = (residual * fresh).sum(), weight
        direction = fresh + weight / before * direction
    return step


def _change(precision: Tensor, goal: Tensor) -> float:
    """The mean relative change of a weight's precision."""
    old, new = (one.diagonal(dim1=1, dim2=2) for one in (precision, goal))
    return float((old / new).log().abs().mean())


def _mean_field(precision: Tensor) -> Tensor:
    return torch.diag_embed(1 / precision.diagonal(dim1=1, dim2=2))


def _full(precision: Tensor) -> Tensor:
    return torch.cholesky_inverse(torch.linalg.cholesky(precision))


COVARIANCES: dict[str, Callable[[Tensor], Tensor]] = {"full": _full, "mean-field": _mean_field}
