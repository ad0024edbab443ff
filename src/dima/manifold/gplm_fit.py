"""What the kernel decoder learns, how, and how it decodes: one frozen `GPLMFit`."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dima.blocks import row_blocks, rows_within
from dima.errors import SettingError, warn_user
from dima.manifold import inducing, interval, local, press
from dima.manifold.jacobian import derivative, pulled_along
from dima.manifold.kernel import affinity, excited, whitening
from dima.manifold.neighbors import knn
from dima.manifold.normal_equations import NormalEquations
from dima.metrics.distance import distance_matrix
from dima.scaling import Standardizer, drawn_in
from dima.typing import Array, Float64

__all__ = ["GPLMFit", "fit_gplm", "warn_if_far"]

_MOST = 1024  # inducing points taken when m is not given
_SAMPLE = 1000  # training rows whose distances to the inducing points set the scale of the search
_FAR = 30.0  # exponent d2 / bandwidth beyond which no inducing point is near


@dataclasses.dataclass(frozen=True)
class GPLMFit:
    """What `GPLM.fit` learns.

    Attributes:
        scale: what takes latents from the user's units to those of `z_mx`.
        z_mx: (m, d) inducing points, standardised.
        press: bandwidth in the user's units, ridge, and how they were chosen.
        rank: directions of the inducing kernel above rounding noise.
        flat: whether the targets had one axis.
        equations: the sums that the weights follow from; None of a decoder saved before they were kept.
    """

    settings: dict[str, Any]
    scale: Standardizer
    z_mx: Float64
    M_mX: Float64
    mu_X: Float64
    press: press.Choice
    rank: int
    flat: bool
    equations: NormalEquations | None = None

    def decode(self, z_ax: Float64) -> tuple[Float64, int]:
        """Rows (b, D) of standardised latents (b, d), and how many lie far from all inducing points."""
        decoded, n_far = np.empty((len(z_ax), self.M_mX.shape[1])), 0
        bandwidth, k = self.bandwidth, self.settings["pred_k"]
        near_only = k is not None and k < len(self.z_mx)
        size = rows_within(8 * k**2, local.SOLVE_BYTES) if near_only else self.settings["fit_block"]
        for rows in row_blocks(len(z_ax), size):
            if near_only:
                ids = knn(self.z_mx, z_ax[rows], k, self.settings["ann_backend"]).ids
                found = local.interpolate(z_ax[rows], self.z_mx, ids, self._field_mX, bandwidth)
            else:
                found = self._from_all(z_ax[rows])
            decoded[rows], nearest2 = found
            n_far += int((nearest2 > _FAR * bandwidth).sum())
        decoded += self.mu_X
        return decoded, n_far

    def far(self, latents: Array) -> Array:
        """Whether each of the latents (b, d), in the user's units, lies far from all inducing points."""
        z_ax, far = drawn_in(self.scale.apply(latents)), np.empty(len(latents), bool)
        for rows in row_blocks(len(z_ax), self.settings["fit_block"]):
            far[rows] = distance_matrix(z_ax[rows], self.z_mx).min(axis=1) > _FAR * self.bandwidth
        return far

    def slopes(self, latents: Array) -> Float64:
        """Derivatives (b, D, d) of what is decoded by latents (b, d), in the user's units."""
        slopes = derivative(drawn_in(self.scale.apply(latents)), self.z_mx, self.M_mX, self.bandwidth)
        slopes /= self.scale.unit
        return slopes

    def left_out(self, z_ix: Float64, R_iX: Array) -> Float64:
        """Residuals (n, D) of each row when it is left out, in closed form; the rows are those of the fit.

        Features are made twice, so that no (n, m) array is held: for their products, and for the residuals.
        """
        size, ridge = self.settings["fit_block"], self.press.ridge
        W = _whitening(self.z_mx, self.bandwidth, self.settings["jitter"])
        features = _features(self.z_mx, self.bandwidth, W)
        gram, moment = np.zeros(()), np.zeros(())
        for rows in row_blocks(len(z_ix), size):
            Phi = features(z_ix[rows])
            gram = gram + Phi.T @ Phi
            moment = moment + Phi.T @ (R_iX[rows] - self.mu_X)
        g, Q = excited(gram)
        residuals = np.empty((len(z_ix), self.M_mX.shape[1]))
        rotated, moment = _features(self.z_mx, self.bandwidth, W @ Q), Q.T @ moment
        for rows in row_blocks(len(z_ix), size):
            Y = R_iX[rows] - self.mu_X
            residuals[rows] = press.left_out(rotated(z_ix[rows]), Y, moment, g + ridge)
        return residuals

    def half_widths(self, z_ax: Float64, level: float) -> Float64:
        """Half the width (b, D) of intervals around what standardised latents (b, d) decode to."""
        return self.spread(z_ax)[:, None] * interval.half_widths(self._scores, level)

    def spread(self, z_ax: Float64) -> Float64:
        """Standard deviation (b,) of the Gaussian process at standardised latents (b, d)."""
        equations, found = self.known_sums("intervals"), np.empty(len(z_ax))
        for rows in row_blocks(len(z_ax), self.settings["fit_block"]):
            found[rows] = interval.spread(equations, self._affinities(z_ax[rows]), self.press.ridge)
        return found

    def spread_slope(self, z_ax: Float64) -> tuple[Float64, Float64]:
        """`spread` (b,) at standardised latents (b, d), and its derivatives (b, d)."""
        equations, found, slopes = self.known_sums("geodesics"), np.empty(len(z_ax)), np.empty_like(z_ax)
        for rows in row_blocks(len(z_ax), self.settings["fit_block"]):
            C_am = self._affinities(z_ax[rows])
            found[rows], by_affinity = interval.spread_slope(equations, C_am, self.press.ridge)
            slopes[rows] = pulled_along(z_ax[rows], self.z_mx, C_am * by_affinity, self.bandwidth)
        return found, slopes

    def sampled(self) -> tuple[Float64, Float64]:
        """Residuals (s, D) of some training rows, each left out, and the spread (s,) there."""
        equations = self.known_sums("intervals")
        return interval.left_out(equations, self._affinities, self.press.ridge, self.mu_X)

    def with_rows(self, latents: list[Array], targets: Array) -> "GPLMFit":
        """The same learnt from more rows: latents, each (n, d) of the same rows, and targets (n, D) or (n,).

        Bandwidth, ridge, inducing points and the scale of the latents stay.
        """
        Z, R_iX = [self.scale.apply(twin) for twin in latents], targets.reshape(len(targets), -1)
        how = (self.settings["fit_block"], self.settings["seed"])
        equations = self.known_sums("partial_fit").plus(self._affinities, Z, R_iX, *how)
        mu_X = equations.mean_X if self.settings["center_X"] else self.mu_X
        M_mX = equations.B_mr @ equations.weights(self.press.ridge, mu_X)
        return dataclasses.replace(self, M_mX=M_mX, mu_X=mu_X, equations=equations)

    def known_sums(self, wanted: str) -> NormalEquations:
        """The sums over rows; SettingError of a decoder saved before they were kept, which `wanted` needs."""
        if self.equations is None:
            got = "one saved before they were. Fit anew."
            raise SettingError(f"GPLM: sums over rows must be kept for {wanted}; got {got}")
        return self.equations

    def _affinities(self, z_ax: Float64) -> Float64:
        return affinity(distance_matrix(z_ax, self.z_mx), self.bandwidth)

    @functools.cached_property
    def _scores(self) -> Float64:
        """(s, D) sizes of the residuals of left-out rows over the spread there, in order."""
        return interval.scores(*self.sampled())

    @functools.cached_property
    def _field_mX(self) -> Float64:
        """(m, D) decoded values at the inducing points, less the mean."""
        return self._from_all(self.z_mx)[0]

    @property
    def bandwidth(self) -> float:
        """Bandwidth in the units of the standardised latents."""
        return self.press.bandwidth / _unit2(self.settings, self.scale)

    def _from_all(self, z_ax: Float64) -> tuple[Float64, Float64]:
        """Values (b, D) less the mean, and squared distances (b,) to the nearest inducing point."""
        d2 = distance_matrix(z_ax, self.z_mx)
        return affinity(d2, self.bandwidth) @ self.M_mX, d2.min(axis=1)


def fit_gplm(
    settings_used: dict[str, Any], latents: list[Array], targets: Array, points: Array | None
) -> GPLMFit:
    """Fit the decoder of `targets` (n, D) or (n,) to checked arrays.

    The first of the `latents`, each (n, d) of the same rows, chooses bandwidth and ridge. Inducing `points`
    (m, d) are picked if None.
    """
    scale = Standardizer.of(latents[0], common=not settings_used["whiten_latent"])
    R_iX = targets.reshape(len(targets), -1)
    Z = [scale.apply(twin) for twin in latents]
    mu_X = R_iX.mean(axis=0, dtype=np.float64) * float(settings_used["center_X"])
    z_mx = _inducing_points(settings_used, Z[0], None if points is None else scale.apply(points))
    for name in ("k_eps", "pred_k"):
        _refuse_above(name, settings_used[name], "m", len(z_mx), f"Lower {name} or raise m.")
    unit2 = _unit2(settings_used, scale)
    eps, k_eps, seed = (settings_used[name] for name in ("eps", "k_eps", "seed"))
    typical = _typical_distance(Z[0], z_mx, k_eps, seed)
    fixed = typical if k_eps is not None else None if eps is None else eps / unit2
    search = press.Search(fixed, settings_used["sigma2"], typical, settings_used["jitter"], seed)
    chosen = press.choose(Z[0], R_iX, mu_X, z_mx, search)
    W = _whitening(z_mx, chosen.bandwidth, settings_used["jitter"])
    equations = NormalEquations.empty(W, mu_X, z_mx.shape[1]).plus(
        lambda z_ax: affinity(distance_matrix(z_ax, z_mx), chosen.bandwidth),
        Z,
        R_iX,
        settings_used["fit_block"],
        seed,
    )
    # A bandwidth the user fixed stays so to the bit.
    width = float(eps or chosen.bandwidth * unit2)
    return GPLMFit(
        settings=settings_used,
        scale=scale,
        z_mx=z_mx,
        M_mX=equations.B_mr @ equations.weights(chosen.ridge, mu_X),
        mu_X=mu_X,
        press=press.Choice(width, chosen.ridge, chosen.error, chosen.curve * [unit2, 1.0, 1.0, 1.0]),
        rank=W.shape[1],
        flat=targets.ndim == 1,
        equations=equations,
    )


def warn_if_far(owner: str, n_far: int, n: int, what: str, result: str) -> None:
    """Warn once, in the name of what was called, if any of the `n` that were passed lie far."""
    if n_far:
        warn_user(f"{owner}: {n_far} of {n} {what} far from all inducing points; {result}.")


def _whitening(z_mx: Float64, bandwidth: float, jitter: float) -> Float64:
    return whitening(affinity(distance_matrix(z_mx, z_mx), bandwidth), jitter)


def _features(z_mx: Float64, bandwidth: float, W: Float64) -> Callable[[Float64], Float64]:
    """Whitened features (b, r) of standardised latents (b, d)."""
    return lambda z_ax: affinity(distance_matrix(z_ax, z_mx), bandwidth) @ W


def _unit2(settings_used: dict[str, Any], scale: Standardizer) -> float:
    """A squared distance of one between standardised latents, in the units of `eps`."""
    return 1.0 if settings_used["whiten_latent"] else float(scale.unit[0]) ** 2


def _inducing_points(settings_used: dict[str, Any], Z_ix: Float64, points: Float64 | None) -> Float64:
    m: int | None = settings_used["m"]
    if points is None:
        _refuse_above("m", m, "n", len(Z_ix), "Lower m or pass more points.")
        wanted = min(len(Z_ix), _MOST) if m is None else m
        return Z_ix[inducing.pick(settings_used["inducing"], Z_ix, wanted, settings_used["seed"])]
    if m not in (None, len(points)):
        raise SettingError(f"GPLM: m must be None or the rows of Z_mx = {len(points)}; got {m}. Leave m out.")
    return points


def _typical_distance(Z_ix: Float64, z_mx: Float64, k_eps: int | None, seed: int) -> float:
    """Median squared distance, to the `k_eps` nearest inducing points or among all of a sample."""
    sample = Z_ix[np.random.default_rng(seed).permutation(len(Z_ix))[:_SAMPLE]]
    d2 = distance_matrix(sample, z_mx)
    if k_eps is not None:
        d2 = np.partition(d2, k_eps - 1, axis=1)[:, :k_eps]
    return press.typical_distance(d2)


def _refuse_above(name: str, value: int | None, size: str, most: int, fix: str) -> None:
    if value is not None and value > most:
        raise SettingError(f"GPLM: {name} must be at most {size} = {most}; got {value}. {fix}")
