"""`BayesianLastLayer`: how sure a classifier or regression on frozen features is, and why it is not."""

import dataclasses
import math
from collections.abc import Callable
from typing import Annotated, Any, Self

import numpy as np
import torch
from msgspec import Meta
from torch import Tensor

from dima import check, settings
from dima.blocks import row_blocks, rows_within
from dima.errors import SettingError
from dima.explain import last_layer_fit as vi
from dima.explain.design import KERNELS, Design
from dima.explain.tensors import class_labels, rows, to_numpy
from dima.settings import OneOf
from dima.typing import Array

__all__ = ["BayesianLastLayer", "Labels", "LastLayerFit", "Targets"]

_OWNER = "BayesianLastLayer"
_LEAST = 1e-300  # probability below which an entropy is not differentiated
_FEW = 32  # draws of the search, which has many rows to even them out
_PRIOR_VARIANCE = {"linear": 1.0, "gaussian": 100.0}
_BYTES = 32  # a row's working memory for each draw and logit, or output and weight

_Measure = Callable[[Tensor, Tensor], Tensor]  # of the mean and variance (b, k) of the outputs


@dataclasses.dataclass(frozen=True)
class Labels:
    """What outputs say of labels; each function takes their mean and variance (b, k).

    Attributes:
        classes: (c,) the labels, in the order of the columns.
        basis: (c, k), from outputs to logits.
        draws: (s, k) standard normal.
    """

    classes: Array
    basis: Tensor
    draws: Tensor

    def logits(self, mean: Tensor, _: Tensor) -> Tensor:
        """Mean logits, (b, c)."""
        return mean @ self.basis.T

    def probabilities(self, mean: Tensor, variance: Tensor) -> Tensor:
        """Of the classes, (b, c)."""
        return self._drawn(mean, variance).mean(dim=1)

    def entropy(self, mean: Tensor, variance: Tensor) -> Tensor:
        """Of the label, (b,) in nats."""
        return _nats(self.probabilities(mean, variance))

    def information(self, mean: Tensor, variance: Tensor) -> Tensor:
        """Of the label about the outputs, (b,) in nats."""
        p = self._drawn(mean, variance)
        return _nats(p.mean(dim=1)) - _nats(p).mean(dim=1)

    def _drawn(self, mean: Tensor, variance: Tensor) -> Tensor:
        return vi.drawn_logits(mean, variance, self.draws, self.basis).softmax(dim=2)


@dataclasses.dataclass(frozen=True)
class Targets:
    """What outputs say of targets; each function takes their mean and variance (b, k).

    Attributes:
        noise_variance: of the targets.
        width: k.
    """

    noise_variance: float
    width: int

    def logits(self, mean: Tensor, _: Tensor) -> Tensor:
        """Mean targets, (b, k)."""
        return mean

    def probabilities(self, mean: Tensor, variance: Tensor) -> Tensor:
        """Targets have none."""
        rule, fix = "categorical for probabilities", "Call logits for the mean."
        raise SettingError(f"{_OWNER}: likelihood must be {rule}; got gaussian. {fix}")

    def entropy(self, mean: Tensor, variance: Tensor) -> Tensor:
        """Differential entropy of the k targets, (b,) in nats."""
        noise = 0.5 * self.width * math.log(2 * math.pi * math.e * self.noise_variance)
        return noise + self.information(mean, variance)

    def information(self, mean: Tensor, variance: Tensor) -> Tensor:
        """Of the targets about the outputs, (b,) in nats."""
        return 0.5 * (variance / self.noise_variance).log1p().sum(dim=1)


@dataclasses.dataclass(frozen=True)
class LastLayerFit:
    """What `fit` found.

    Attributes:
        design: features to the rows that the weights multiply.
        posterior: of the weights (p, k), the last row being the biases.
        told: what the k outputs of the weights say.
    """

    design: Design
    posterior: vi.Posterior
    told: Labels | Targets


class BayesianLastLayer:
    """A linear layer on frozen features whose weights are a Gaussian distribution, by variational inference.

    The features are standardised by their training mean and spread; weights and biases on them have the
    prior N(0, prior_variance). With kernel="gaussian" the layer is a Gaussian process instead, by random
    features of its kernel: it bends between classes, and is as unsure far from all training rows as it was
    before it saw them, where a linear one is surest.

    With labels the layer gives the logits of a softmax. No probability sees the shift common to all logits,
    so the weights are those of c - 1 orthonormal contrasts of the classes, with the same prior; the posterior
    is a Gaussian over the weights of each contrast, the contrasts being independent. For two classes that is
    logistic regression. With targets the noise variance is known, and the full posterior is the exact one.

    The predictive of labels averages over Gaussian logits at fixed, seeded draws, the same for every row: a
    row's answer depends on its own features alone and is differentiable in them. Numbers are float64 inside
    and of the type of the features outside.

    Source: Khan et al. 2018, arXiv 1806.04854 (variational online Newton); Kingma, Salimans and Welling
    2015, arXiv 1506.02557, sec. 2.3 (draws of the outputs, not of the weights).

    Args:
        likelihood: "categorical" for labels, "gaussian" for targets with noise.
        covariance: of an output's weights, "full" or "mean-field" (diagonal).
        prior_variance: of each weight and bias; not given, 1 for a linear kernel and 100 for a gaussian one,
            where it is the variance of a logit far from all rows.
        noise_variance: of the targets, in their squared unit; for "gaussian" targets alone.
        draws: of the logits that are predicted.
        seed: of the draws, and of the random features.
        kernel: "linear" in the features, or "gaussian".
        bandwidth: of the latter, in spreads of a feature; not given, the square root of their number.

    Raises:
        SettingError: from `fit`, if a setting breaks its rule.

    Example:
        >>> features, noise = torch.randn(2, 500, 3, generator=torch.Generator().manual_seed(0))
        >>> labels = (features[:, 0] + 0.3 * noise[:, 0] > 0).long()
        >>> layer = BayesianLastLayer().fit(features, labels)
        >>> sure, unsure = layer.entropy(torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
        >>> bool(sure < 0.05), bool(unsure > 0.6)
        (True, True)
    """

    fit_: LastLayerFit

    def __init__(  # noqa: PLR0913 the signature declares the settings
        self,
        likelihood: Annotated[
            str, OneOf("categorical", "gaussian"), Meta(description="labels, or targets with noise")
        ] = "categorical",
        covariance: Annotated[
            str, OneOf(*vi.COVARIANCES), Meta(description="of an output's weights")
        ] = "full",
        prior_variance: Annotated[
            Annotated[float, Meta(gt=0)] | None, Meta(description="of each weight and bias")
        ] = None,
        noise_variance: Annotated[
            Annotated[float, Meta(gt=0)] | None, Meta(description="of the targets of gaussian")
        ] = None,
        draws: Annotated[int, Meta(ge=1, description="of the logits that are predicted")] = 128,
        seed: Annotated[int, Meta(ge=0, lt=2**31, description="of the draws")] = 0,
        kernel: Annotated[
            str, OneOf(*KERNELS), Meta(description="linear in the features, or a Gaussian process")
        ] = "linear",
        bandwidth: Annotated[
            Annotated[float, Meta(gt=0)] | None, Meta(description="of the gaussian kernel, in spreads")
        ] = None,
    ) -> None:
        self.likelihood = likelihood
        self.covariance = covariance
        self.prior_variance = prior_variance
        self.noise_variance = noise_variance
        self.draws = draws
        self.seed = seed
        self.kernel = kernel
        self.bandwidth = bandwidth

    def fit(self, features: Tensor, targets: Any) -> Self:
        """Find the posterior of the weights.

        Args:
            features: (n, d).
            targets: (n,) whole numbers or words, the labels; or for "gaussian" (n,) or (n, k) numbers.

        Raises:
            SettingError: a setting breaks its rule, or `noise_variance` is missing or of no use.
            ShapeError, DataError: as `check.array`; labels that are neither, or of one class only.
            NumericsError: the steps do not come to rest.
        """
        given = {name: getattr(self, name) for name in settings.declared(type(self))}
        chosen = settings.check(_OWNER, type(self), given)
        if (chosen["noise_variance"] is None) == (chosen["likelihood"] == "gaussian"):
            rule, fix = "given for gaussian alone", "Pass both or neither."
            got = f"{chosen['noise_variance']} for {chosen['likelihood']}"
            raise SettingError(f"{_OWNER}: noise_variance must be {rule}; got {got}. {fix}")
        kernel, bandwidth = chosen["kernel"], chosen["bandwidth"]
        if kernel == "linear" and bandwidth is not None:
            rule, fix = "given for the gaussian kernel alone", 'Pass kernel="gaussian" too.'
            raise SettingError(f"{_OWNER}: bandwidth must be {rule}; got {bandwidth}. {fix}")
        known = rows(_OWNER, "features", features).detach()
        design = Design.of(known, kernel, bandwidth, chosen["seed"])
        told, likelihood = _TOLD[chosen["likelihood"]](chosen, targets, len(known))
        variance = chosen["prior_variance"] or _PRIOR_VARIANCE[kernel]
        posterior = vi.fit(design(known), likelihood, chosen["covariance"], variance)
        self.fit_ = LastLayerFit(design, posterior, told)
        return self

    @property
    def classes_(self) -> Array:
        """(c,) the labels in rising order, those of the columns of probabilities; none of targets."""
        told = check.fitted(self).told
        return told.classes if isinstance(told, Labels) else np.empty(0, np.int64)

    def logits(self, features: Tensor) -> Tensor:
        """Posterior mean of the logits (b, c), or of the targets (b, k), at features (b, d).

        The logits of a row sum to zero; column i is the i-th of `classes_`.

        Raises:
            NotFittedError: before `fit`.
            ShapeError, DataError: as `check.array`.
        """
        return self._told(features, lambda told: told.logits)

    def predict_proba(self, features: Tensor) -> Tensor:
        """Probabilities of the classes (b, c) at features (b, d), averaged over the weights.

        Raises:
            SettingError: the layer was fitted to targets.
            NotFittedError, ShapeError, DataError: as `logits`.
        """
        return self._told(features, lambda told: told.probabilities)

    def entropy(self, features: Tensor) -> Tensor:
        """Entropy of what is predicted at features (b, d): (b,) in nats; refuses as `logits` does.

        From 0 (sure) to log c. For targets it is the differential entropy of all k together.
        """
        return self._told(features, lambda told: told.entropy)

    def epistemic(self, features: Tensor) -> Tensor:
        """How much a row's label would tell of the weights: (b,) in nats; refuses as `logits` does.

        The mutual information of the two, which is the entropy of the prediction minus the mean entropy for
        known weights: the part of the doubt that more training rows would take away.
        Source: Houlsby, Huszar, Ghahramani and Lengyel 2011, arXiv 1112.5745, eq. 2.
        """
        return self._told(features, lambda told: told.information)

    def _told(self, features: Tensor, which: Callable[[Labels | Targets], _Measure]) -> Tensor:
        """What is told of each row, in blocks."""
        fit: LastLayerFit = check.fitted(self)
        given, measure = rows(_OWNER, "features", features, len(fit.design.center)), which(fit.told)
        n_logits = len(fit.told.basis) * len(fit.told.draws) if isinstance(fit.told, Labels) else 0
        size = rows_within(_BYTES * max(n_logits, fit.posterior.mean.numel()))
        designs = (fit.design(given[block]) for block in row_blocks(len(given), size))
        return torch.cat([measure(*fit.posterior.outputs(rows)) for rows in designs]).to(given)


def _labels(chosen: dict[str, Any], targets: Any, n: int) -> tuple[Labels, vi.Likelihood]:
    classes, places = class_labels(_OWNER, targets, n, "targets")
    basis = vi.contrasts(len(classes))
    draws = vi.normals(chosen["draws"], basis.shape[1], chosen["seed"])
    few = vi.normals(_FEW, basis.shape[1], chosen["seed"])
    likelihood = vi.Categorical(torch.from_numpy(places), basis, few)
    return Labels(classes, basis, draws), likelihood


def _targets(chosen: dict[str, Any], targets: Any, n: int) -> tuple[Targets, vi.Likelihood]:
    read, noise = to_numpy(targets), chosen["noise_variance"]
    columns = read[:, None] if read.ndim == 1 else read
    checked = torch.from_numpy(check.array(_OWNER, "targets", columns, (n, "k"))).double()
    return Targets(noise, checked.shape[1]), vi.Gaussian(checked, noise)


_TOLD: dict[str, Callable[[dict[str, Any], Any, int], tuple[Labels | Targets, vi.Likelihood]]] = {
    "categorical": _labels,
    "gaussian": _targets,
}


def _nats(p: Tensor) -> Tensor:
    """Entropy of probabilities along the last axis."""
    return torch.special.entr(p.clamp_min(_LEAST)).sum(dim=-1)
