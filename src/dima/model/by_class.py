"""A prior for each class of rows, over the latents that all classes share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator

from dima.fitted import below, under
from dima.model import parts, priors
from dima.training.runs import RunFolder
from dima.typing import Array, ArrayLike, Arrays, Float64

__all__ = ["FEWEST", "ByClass", "points_of", "proportional"]

FEWEST = 10  # rows of a class that tell of its spread
_SEEDS = 7919  # apart, so that classes draw different numbers from one seed


class ByClass(BaseEstimator):  # type: ignore[misc]  # untyped base
    """The mixture over classes of a fitted prior each.

    Args:
        of_class: K fitted priors, in the order of the classes.
        shares: (K,) share of each class in the training rows.
        class_ix: index (n,) of the class of each training row; None if saved before it was kept.
    """

    def __init__(self, of_class: Sequence[Any], shares: ArrayLike, class_ix: ArrayLike | None = None) -> None:
        self.of_class = of_class
        self.shares = shares
        self.class_ix = class_ix

    @classmethod
    def fitted(
        cls, make: Callable[[int], Any], Z: Array, class_ix: Array, checkpoint: str | Path | None = None
    ) -> Self:
        """Fit a prior to the latents of each class.

        Args:
            make: a fresh prior for so many rows: of all classes, so that all have one kind.
            Z: latents (n, d).
            class_ix: index of the class of each row (n,), 0 to K - 1; each has a row.
            checkpoint: folder for the run folder of each.

        Raises:
            SettingError: the folder is no path.
        """
        runs = None if checkpoint is None else RunFolder.at(checkpoint, "LatentModel").path
        counts = np.bincount(class_ix)
        fitted = []
        for index in range(len(counts)):
            own = points_of(Z, class_ix, index)
            folder = None if runs is None else runs / f"class-{index}"
            fitted.append(priors.fit_prior(make(len(Z)), own, folder))
        return cls(fitted, counts / counts.sum(), class_ix)

    def sample(self, n: int, seed: int = 0, class_ix: Array | None = None, **sampling: Any) -> Array:
        """Draw `n` latents (n, d): of classes `class_ix` (n,), or of all in proportion, at random."""
        class_ix = proportional(np.asarray(self.shares), n, seed) if class_ix is None else class_ix
        drawn: Array | None = None
        for index, prior in enumerate(self.of_class):
            of_it = class_ix == index
            some = prior.sample(int(of_it.sum()), seed=(seed + _SEEDS * index) % 2**31, **sampling)
            drawn = np.empty((n, some.shape[1])) if drawn is None else drawn
            drawn[of_it] = some
        assert drawn is not None  # there are classes
        return drawn

    def refine(self, Z: ArrayLike, **refining: Any) -> Array:
        """Each latent (b, d) refined by the prior of the class it most probably is of."""
        return self._of_nearest(Z, lambda prior, latents: prior.refine(latents, **refining))

    def _of_nearest(self, Z: ArrayLike, change: Callable[[Any, Array], Array]) -> Array:
        latents = np.asarray(Z)
        nearest, changed = self._log_densities(latents).argmax(axis=1), np.array(latents, np.float64)
        for index, prior in enumerate(self.of_class):
            of_it = nearest == index
            if of_it.any():
                changed[of_it] = change(prior, latents[of_it])
        return changed

    def denoise(self, Z: ArrayLike, t: int = 10) -> Array:
        """The clean estimate of each latent (b, d) by the prior of the class it most probably is of."""
        return self._of_nearest(Z, lambda prior, latents: prior.denoise(latents, t))

    def score_samples(self, Z: ArrayLike) -> Float64:
        """Log-density (b,) of latents (b, d), in nats."""
        return logsumexp(self._log_densities(np.asarray(Z)), axis=1)

    def _log_densities(self, Z: Array) -> Float64:
        """Log of share times density (b, K)."""
        own = [prior.score_samples(Z) for prior in self.of_class]
        return np.column_stack(own) + np.log(np.asarray(self.shares))

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted priors: those of the first, and how many there are."""
        return self.of_class[0].facts() | {"prior_classes": len(self.of_class)}

    def to_arrays(self) -> tuple[dict[str, Any], Arrays]:
        """Every prior under its number."""
        saved: dict[str, Any] = {"priors": []}
        arrays: Arrays = {"shares": np.asarray(self.shares)}
        arrays |= {} if self.class_ix is None else {"class_ix": np.asarray(self.class_ix)}
        for index, prior in enumerate(self.of_class):
            described, own = parts.part_arrays(prior, priors.PRIORS)
            saved["priors"].append(described)
            arrays |= under(str(index), own)
        return saved, arrays

    @classmethod
    def from_arrays(cls, saved: dict[str, Any], arrays: Arrays) -> Self:
        """The priors that `to_arrays` described."""
        opened = [
            parts.open_part({"prior": one}, under("prior", below(arrays, str(index))), "prior", priors.PRIORS)
            for index, one in enumerate(saved["priors"])
        ]
        return cls(opened, arrays["shares"], arrays.get("class_ix"))


def proportional(shares: Array, n: int, seed: int) -> Array:
    """Indices (n,) of classes as often as their shares say, to within one, in random order."""
    counts = np.floor(shares * n).astype(int)
    left = np.argsort(-(shares * n - counts), kind="stable")[: n - counts.sum()]
    counts[left] += 1
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(shares)), counts))


def points_of(Z: Array, class_ix: Array, index: int) -> Array:
    """Points `Z` (n, d) of a class; those of a small one spread about its mean as all do about theirs."""
    own = Z[class_ix == index]
    if len(own) >= FEWEST:
        return own
    means = np.stack([Z[class_ix == other].mean(axis=0) for other in range(class_ix.max() + 1)])
    return means[index] + (Z - means[class_ix])
