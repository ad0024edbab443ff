"""Priors in closed form, for tables too small to train on: a Gaussian mixture, a smoothed bootstrap.

p(z) = sum_j w_j N(z; m_j, C_j)        E[z | z + s e = y] = sum_j r_j(y) (m_j + C_j (C_j + s^2)^-1 (y - m_j))
"""

import dataclasses
import functools
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from msgspec import Meta
from scipy.linalg import cho_solve, solve_triangular
from scipy.special import logsumexp
from sklearn.base import BaseEstimator

from dima import check, settings
from dima.errors import SettingError
from dima.fitted import Fitted, FittedEstimator
from dima.metrics.distance import distance_matrix
from dima.metrics.mixture import fit_mixture
from dima.noise import sampling
from dima.noise import schedule as schedules
from dima.typing import Array, ArrayLike, Float64

__all__ = ["BootstrapPrior", "MixtureFit", "MixturePrior"]

_T = 1000  # levels of the path that t_start counts on, as in `DDPM`
_RIDGE = 1e-9  # of the mean variance, so that a constant axis has a covariance
_AGAIN = 100  # times that what lies outside the box is drawn again
_BESIDE = 1e-3  # of the mean range, by which the box is wider than the points


@dataclasses.dataclass(frozen=True)
class MixtureFit:
    """A mixture of k Gaussians.

    Attributes:
        weights: (k,) shares.
        means: (k, d).
        covariances: (k, d, d), or (1, d, d) where all components share one.
        box: (2, d) least and largest coordinates that are drawn; all there are if None.
    """

    settings: dict[str, Any]
    weights: Float64
    means: Float64
    covariances: Float64
    box: Float64 | None = None

    @functools.cached_property
    def roots(self) -> Float64:
        """Lower triangular roots of the covariances."""
        return self.roots_at(0.0)

    def roots_at(self, noise: float | Float64) -> Float64:
        """Lower triangular roots of the covariances after noise of this standard deviation, one or (d,)."""
        unit = np.eye(self.means.shape[1])
        floor = _RIDGE * max(float(np.trace(self.covariances.mean(axis=0))) / len(unit), 1e-12)
        return np.linalg.cholesky(self.covariances + (noise**2 + floor) * unit).astype(np.float64)

    def log_densities(self, Z: Float64, noise: float | Float64 = 0.0) -> Float64:
        """Log of share times density (b, k) of each component at points (b, d) after noise."""
        logs = np.empty((len(Z), len(self.weights)))
        centre = self.means.mean(axis=0)
        for place, root in enumerate(self.roots_at(noise)):
            of_it = self._with_root(place)
            ours, theirs = (_whitened(root, rows - centre) for rows in (Z, self.means[of_it]))
            logs[:, of_it] = -0.5 * distance_matrix(ours, theirs) - np.log(np.diag(root)).sum()
        with np.errstate(divide="ignore"):  # a component of no weight
            return logs + np.log(self.weights) - 0.5 * Z.shape[1] * np.log(2 * np.pi)

    def before_noise(self, Z: Float64, noise: float | Float64) -> Float64:
        """Mean (b, d) of what points (b, d) were before noise of this standard deviation, one or (d,)."""
        logs = self.log_densities(Z, noise)
        shares = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        mean = np.zeros_like(Z)
        for place, root in enumerate(self.roots_at(noise)):
            of_it = self._with_root(place)
            kept = cho_solve((root, True), self.covariances[place])  # (C + s^2)^-1 C
            middles, total = shares[:, of_it] @ self.means[of_it], shares[:, of_it].sum(axis=1)
            mean += middles + (Z * total[:, None] - middles) @ kept
        return mean

    def of_axes(self, axes: Array) -> "MixtureFit":
        """The mixture of some axes alone."""
        return MixtureFit(
            self.settings, self.weights, self.means[:, axes], self.covariances[:, axes][:, :, axes]
        )

    def given(self, known: Float64, known_axes: Array) -> "MixtureFit":
        """The mixture of the other axes where those `known_axes` (q,) have the values `known` (q,)."""
        if not len(known_axes):
            return self
        others = np.setdiff1d(np.arange(self.means.shape[1]), known_axes)
        C = self.covariances
        marginal = self.of_axes(known_axes)
        logs = marginal.log_densities(known[None])[0]
        roots = marginal.roots
        means, covariances = self.means[:, others].copy(), C[:, others][:, :, others].copy()
        for place, root in enumerate(roots):
            of_it = self._with_root(place)
            slopes = cho_solve((root, True), C[place][np.ix_(known_axes, others)])
            means[of_it] += (known - self.means[of_it][:, known_axes]) @ slopes
            covariances[place] -= C[place][np.ix_(others, known_axes)] @ slopes
        return MixtureFit(self.settings, np.exp(logs - logsumexp(logs)), means, covariances)

    def draw(self, n: int, rng: np.random.Generator) -> Float64:
        """Draw points (n, d) inside the box."""
        drawn = self._drawn(n, rng)
        if self.box is None:
            return drawn
        low, high = self.box
        for _ in range(_AGAIN):
            outside = np.flatnonzero(((drawn < low) | (drawn > high)).any(axis=1))
            if not len(outside):
                break
            drawn[outside] = self._drawn(len(outside), rng)
        return drawn.clip(low, high)

    def _drawn(self, n: int, rng: np.random.Generator) -> Float64:
        chosen = rng.choice(len(self.weights), n, p=self.weights / self.weights.sum())
        noise = rng.standard_normal((n, self.means.shape[1]))
        for place, root in enumerate(self.roots):
            of_it = chosen == place if len(self.roots) > 1 else slice(None)
            noise[of_it] = noise[of_it] @ root.T
        return self.means[chosen] + noise

    def _with_root(self, place: int) -> slice:
        """The components that have a covariance."""
        return slice(None) if len(self.covariances) == 1 else slice(place, place + 1)


def _whitened(root: Float64, rows: Float64) -> Float64:
    return solve_triangular(root, rows.T, lower=True).T


class MixturePrior(FittedEstimator, BaseEstimator):  # type: ignore[misc]  # untyped base
    """A Gaussian mixture over latents, with as many components as BIC asks for.

    Density and denoising are exact, and fitting takes a second where a network takes many: below about a
    thousand rows nothing that is trained does better. Points beyond the range of those learnt from are drawn
    again: the tails there are the Gaussians', not the data's, and no decoder knows them. The density is that
    of the whole mixture.

    Example:
        >>> Z = np.random.default_rng(0).standard_normal((200, 2))
        >>> prior = MixturePrior().fit(Z)
        >>> prior.sample(4).shape, prior.components_
        ((4, 2), 1)
    """

    Fit = MixtureFit
    name: ClassVar[str] = "gmm"

    def __init__(
        self,
        most: Annotated[int, Meta(ge=1, description="components tried at the most")] = 10,
        seed: Annotated[int, Meta(ge=0, lt=2**31, description="seed of the first guesses")] = 0,
    ) -> None:
        self._store(locals())

    def fit(self, Z: ArrayLike, y: None = None) -> Self:
        """Learn from points `Z` (n, d).

        Raises:
            DataError: fewer than two points.
        """
        used = settings.check(type(self).__name__, type(self), self.get_params(deep=False))
        points = check.points(self, Z, reset=True, min_rows=2).astype(np.float64)
        self.fit_ = MixtureFit(used, *self._components(points, used), self._box(points))
        return self

    def _components(self, Z: Float64, used: dict[str, Any]) -> tuple[Float64, Float64, Float64]:
        """Weights, means and covariances learnt from points (n, d)."""
        found = fit_mixture(Z, used["seed"], used["most"])
        covariances = found.covariances_
        if found.covariance_type == "diag":
            covariances = covariances[:, :, None] * np.eye(Z.shape[1])
        return found.weights_, found.means_, covariances.reshape(-1, Z.shape[1], Z.shape[1])

    def _box(self, Z: Float64) -> Float64 | None:
        # An axis may be constant up to the floor of a covariance.
        beside = _BESIDE * float(np.ptp(Z, axis=0).mean())
        return np.stack([Z.min(axis=0) - beside, Z.max(axis=0) + beside])

    def sample(self, n: sampling.Count, seed: sampling.Seed = 0, **unknown: Any) -> Float64:
        """Draw `n` new points (n, d); equal seeds draw equal points.

        Raises:
            SettingError: a setting of samplers that take steps is given.
        """
        owner, fit = f"{type(self).__name__}.sample", check.fitted(self)
        self._refuse(owner, unknown)
        asked = settings.check(owner, MixturePrior.sample, {"n": n, "seed": seed})
        return fit.draw(asked["n"], np.random.default_rng(asked["seed"]))

    def refine(
        self,
        Z: ArrayLike,
        t_start: sampling.Start = 10,
        add_noise: sampling.AddNoise = True,
        seed: sampling.Seed = 0,
        noise: ArrayLike | None = None,
        **unknown: Any,
    ) -> Float64:
        """Pull points `Z` (b, d) to the mean of what they may have been before noise of level `t_start`.

        The level is that of the cosine path of 1,000 steps; 0 leaves points as they are. With `add_noise`
        they are noised first, otherwise they are taken to carry that much noise already. With "auto" they
        are taken to carry `noise`, a standard deviation or one for each axis (d,).

        Raises:
            SettingError: t_start is not in 0..999, noise is missing or one too many, or a setting of
                samplers that take steps is given.
        """
        owner = f"{type(self).__name__}.refine"
        self._refuse(owner, unknown)
        asked = settings.check(
            owner, MixturePrior.refine, {"t_start": t_start, "add_noise": add_noise, "seed": seed}
        )
        points = check.points(self, Z, reset=False).astype(np.float64)
        spread = sampling.noise_of(owner, asked["t_start"], noise, points.shape[1])
        if spread is not None:
            return points if not spread.any() else check.fitted(self).before_noise(points, spread)
        level = self._noise(owner, asked["t_start"])
        if asked["add_noise"]:
            points = points + level * np.random.default_rng(asked["seed"]).standard_normal(points.shape)
        return points if level == 0 else check.fitted(self).before_noise(points, level)

    def denoise(self, Z: ArrayLike, t: sampling.Level = 10) -> Float64:
        """The clean estimate of points `Z` (b, d) taken to carry the noise of level `t`."""
        return self.refine(Z, t, add_noise=False)

    def score_samples(self, Z: ArrayLike) -> Float64:
        """Log-density (b,) of points `Z` (b, d), in nats."""
        fit: MixtureFit = check.fitted(self)
        points = check.points(self, Z, reset=False).astype(np.float64)
        return logsumexp(fit.log_densities(points), axis=1)

    def score(self, Z: ArrayLike, y: None = None) -> float:
        """Mean log-density of points `Z` (b, d), in nats."""
        return float(self.score_samples(Z).mean())

    components_ = Fitted[int](lambda fit: len(fit.weights), "Gaussians in the mixture.")

    def facts(self) -> dict[str, Any]:
        """What there is to know of the fitted prior: names in snake_case, JSON-plain values."""
        return {"prior": self.name, "prior_components": self.components_, "prior_T": _T}

    def _noise(self, owner: str, level: int) -> float:
        """Standard deviation of the noise of a level, where the signal has unit size."""
        if level >= _T:
            raise SettingError(f"{owner}: t_start must be below T = {_T}; got {level}. Lower it.")
        path = schedules.path("cosine", _T)
        return float(path.sigma[level] / path.alpha[level]) if level else 0.0

    def _refuse(self, owner: str, unknown: dict[str, Any]) -> None:
        given = [name for name, value in unknown.items() if value is not None]
        if given:
            fix = 'Nothing is stepped through: leave it out, or fit with prior="ddpm".'
            raise SettingError(f"{owner}: settings must be those of a mixture; got {', '.join(given)}. {fix}")


class BootstrapPrior(MixturePrior):
    """Points drawn again with noise, of the same mean and covariance: a smoothed bootstrap.

    Every point is the middle of a Gaussian whose covariance is that of all points times h^2, with h by
    Silverman's rule; middles move inwards by 1 / sqrt(1 + h^2). No point is ever drawn as it stands.
    Source: Silverman 1986, "Density estimation", sec. 4.3.2 and 6.4.2.

    Example:
        >>> Z = np.random.default_rng(0).standard_normal((50, 2))
        >>> BootstrapPrior().fit(Z).sample(3).shape
        (3, 2)
    """

    name: ClassVar[str] = "bootstrap"

    def __init__(
        self, seed: Annotated[int, Meta(ge=0, lt=2**31, description="draws nothing in `fit`")] = 0
    ) -> None:
        self._store(locals())

    def _components(self, Z: Float64, used: dict[str, Any]) -> tuple[Float64, Float64, Float64]:
        n, d = Z.shape
        h = (4 / ((d + 2) * n)) ** (1 / (d + 4))
        mean, covariance = Z.mean(axis=0), np.cov(Z, rowvar=False, bias=True).reshape(1, d, d)
        inwards = 1 / np.sqrt(1 + h**2)
        return np.full(n, 1 / n), mean + (Z - mean) * inwards, covariance * (h * inwards) ** 2

    def _box(self, Z: Float64) -> None:
        """None: mean and covariance are those of the points only without one."""
